//! Retries after conflicts, ever more rarely.
//!
//! They are not the gate's: a conflict says that the object has changed, so the next plan is another one. Yet a watch that
//! does not show the change, or somebody who writes all the time, must not make a key go round and round.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_controllers::key::Key;
use jiff::Timestamp;

/// Keys whose writes did not go through, how often in a row, and when they may write again.
#[derive(Debug, Default)]
pub struct Retries {
    keys: BTreeMap<Key, (u32, Timestamp)>,
}

impl Retries {
    /// Until when a key has to wait; none: it may write.
    pub fn holds(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        self.keys.get(key).map(|(_, until)| *until).filter(|until| *until > now)
    }

    /// Notes a write that did not go through; `delay` gives the wait after so many in a row. Answers when to try again.
    pub fn failed(&mut self, key: &Key, now: Timestamp, delay: impl Fn(u32) -> Duration) -> Timestamp {
        let count = self.keys.get(key).map_or(0, |(count, _)| *count).saturating_add(1);
        let until = now + delay(count);
        self.keys.insert(key.clone(), (count, until));
        until
    }

    /// A key's writes went through, or it has none.
    pub fn worked(&mut self, key: &Key) {
        self.keys.remove(key);
    }

    /// The clock went back by so much: nobody waits longer for it.
    pub fn clock_went_back(&mut self, by: Duration) {
        for (_, until) in self.keys.values_mut() {
            *until = super::earlier(*until, by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_longer_each_time_until_it_worked() {
        let key = gastown_controllers::town::CONTROLLER.key("town");
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut retries = Retries::default();
        let fail =
            |retries: &mut Retries, now| retries.failed(&key, at(now), |n| Duration::from_secs(u64::from(n) * 10));
        assert_eq!(fail(&mut retries, 1000), at(1010));
        assert_eq!((retries.holds(&key, at(1009)), retries.holds(&key, at(1010))), (Some(at(1010)), None));
        assert_eq!(fail(&mut retries, 1010), at(1030));
        retries.clock_went_back(Duration::from_mins(15));
        assert_eq!(retries.holds(&key, at(120)), Some(at(130)));
        retries.worked(&key);
        assert_eq!(retries.holds(&key, at(120)), None);
        assert_eq!(fail(&mut retries, 120), at(130));
    }
}
