//! Patrols: what no event told is found anyway, ever more rarely where nothing is.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_controllers::key::Key;
use jiff::Timestamp;

use super::PATROL_MIN;

/// The longest time between two looks at a key that finds nothing to do.
const PATROL_MAX: Duration = Duration::from_hours(1);

/// When each quiet key is looked at again.
#[derive(Debug, Default)]
pub struct Patrols {
    quiet: BTreeMap<Key, Patrol>,
}

#[derive(Debug, Clone, Copy)]
struct Patrol {
    /// When; none: it is under way.
    at: Option<Timestamp>,
    interval: Duration,
}

impl Patrols {
    /// A key found nothing to do: its next patrol comes, and later than the one before.
    pub fn quiet(&mut self, key: &Key, now: Timestamp) {
        let interval = match self.quiet.get(key) {
            None => PATROL_MIN,
            // Woken by something else: the patrol comes when it was to come, however noisy it is here.
            Some(Patrol { at: Some(_), .. }) => return,
            Some(Patrol { interval, .. }) => (*interval * 2).min(PATROL_MAX),
        };
        self.quiet.insert(key.clone(), Patrol { at: Some(now + interval), interval });
    }

    /// A key has something to do, or is gone.
    pub fn forget(&mut self, key: &Key) {
        self.quiet.remove(key);
    }

    /// When the next patrol comes.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.quiet.values().filter_map(|patrol| patrol.at).min()
    }

    /// The keys to look at now.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Key> {
        let due = self.quiet.iter_mut().filter(|(_, patrol)| patrol.at.is_some_and(|at| at <= now));
        due.map(|(key, patrol)| {
            patrol.at = None;
            key.clone()
        })
        .collect()
    }

    /// The clock went back by so much.
    pub fn clock_went_back(&mut self, by: Duration) {
        for patrol in self.quiet.values_mut() {
            patrol.at = patrol.at.map(|at| super::earlier(at, by));
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
        let mut patrols = Patrols::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut waits = Vec::new();
        for _ in 0..8 {
            patrols.quiet(&town(), now);
            let due = patrols.next_due().unwrap();
            waits.push(due.duration_since(now).as_mins());
            assert_eq!(patrols.take_due(due), [town()]);
            now = due;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn other_wakes_do_not_put_a_patrol_off() {
        let mut patrols = Patrols::default();
        let start = Timestamp::UNIX_EPOCH;
        patrols.quiet(&town(), start);
        patrols.quiet(&town(), start + PATROL_MIN / 2);
        assert_eq!(patrols.next_due(), Some(start + PATROL_MIN));
        patrols.forget(&town());
        assert_eq!(patrols.next_due(), None);
    }
}
