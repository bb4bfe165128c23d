//! Resync: what no event reported is found anyway, ever more rarely where nothing is.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_controllers::key::Key;
use jiff::Timestamp;

use super::RESYNC_MIN;

/// The longest time between two looks at a key that finds nothing to do.
const RESYNC_MAX: Duration = Duration::from_hours(1);

/// When each quiet key is looked at again.
#[derive(Debug, Default)]
pub struct Resync {
    quiet: BTreeMap<Key, Next>,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    /// When; none: it is under way.
    at: Option<Timestamp>,
    interval: Duration,
}

impl Resync {
    /// A key found nothing to do: its next look comes, and later than the one before.
    pub fn quiet(&mut self, key: &Key, now: Timestamp) {
        let interval = match self.quiet.get(key) {
            None => RESYNC_MIN,
            // Woken by something else: the look comes when it was to come, however noisy it is here.
            Some(Next { at: Some(_), .. }) => return,
            Some(Next { interval, .. }) => (*interval * 2).min(RESYNC_MAX),
        };
        self.quiet.insert(key.clone(), Next { at: Some(now + interval), interval });
    }

    /// A key has something to do, or is gone.
    pub fn forget(&mut self, key: &Key) {
        self.quiet.remove(key);
    }

    /// When the next look comes.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.quiet.values().filter_map(|next| next.at).min()
    }

    /// The keys to look at now.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        let due = self.quiet.iter_mut().filter(|(_, next)| next.at.is_some_and(|at| at <= now));
        due.map(|(key, next)| {
            next.at = None;
            key.clone()
        })
        .collect()
    }

    /// The clock went back by so much.
    pub fn clock_went_back(&mut self, by: Duration) {
        for next in self.quiet.values_mut() {
            next.at = next.at.map(|at| super::earlier(at, by));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town() -> Key {
        gastown_controllers::town::CONTROLLER.key("town")
    }

    #[test]
    fn a_key_that_finds_nothing_is_looked_at_ever_more_rarely() {
        let mut resync = Resync::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut waits = Vec::new();
        for _ in 0..8 {
            resync.quiet(&town(), now);
            let due = resync.next_due().unwrap();
            waits.push(due.duration_since(now).as_mins());
            assert_eq!(resync.take_due(due), [town()]);
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn other_wakes_do_not_put_a_patrol_off() {
        let mut resync = Resync::default();
        let start = Timestamp::UNIX_EPOCH;
        resync.quiet(&town(), start);
        resync.quiet(&town(), start + RESYNC_MIN / 2);
        assert_eq!(resync.next_due(), Some(start + RESYNC_MIN));
        resync.forget(&town());
        assert_eq!(resync.next_due(), None);
    }
}
