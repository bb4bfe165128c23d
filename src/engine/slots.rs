//! Slots: how many jobs run at once, who waits for one, and which jobs hold one.

use std::collections::BTreeSet;
use std::time::Duration;

use gastown_controllers::key::Key;
use gastown_controllers::world::JobKey;
use jiff::Timestamp;

use super::RESYNC_MIN;

/// Jobs that hold a slot, and keys that wait for one. A slot is given before the job is started, and given back when it
/// was seen to be over.
#[derive(Debug, Default)]
pub struct Slots {
    jobs: BTreeSet<JobKey>,
    parked: BTreeSet<Key>,
    /// When the jobs are looked at themselves: the news of an end may be lost, and nobody may ask about a job any more.
    due: Timestamp,
}

impl Slots {
    /// A job has the slot that it was given or was found in.
    pub fn hold(&mut self, job: JobKey, now: Timestamp) {
        if self.jobs.is_empty() {
            self.due = now + RESYNC_MIN;
        }
        self.jobs.insert(job);
    }

    /// A job gives back its slot. Answers who has waited for one, to try again.
    pub fn free(&mut self, job: &JobKey) -> BTreeSet<Key> {
        if self.jobs.remove(job) { std::mem::take(&mut self.parked) } else { BTreeSet::new() }
    }

    /// A key waits until a slot is given back.
    pub fn park(&mut self, key: Key) {
        self.parked.insert(key);
    }

    /// Whether a job holds one.
    pub fn holds(&self, job: &JobKey) -> bool {
        self.jobs.contains(job)
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.jobs.len()
    }

    /// When the jobs are to be looked at; none if there is none.
    pub fn next_due(&self) -> Option<Timestamp> {
        (!self.jobs.is_empty()).then_some(self.due)
    }

    /// The jobs to look at now, if it is time.
    pub fn take_due(&mut self, now: Timestamp) -> Option<BTreeSet<JobKey>> {
        if self.next_due()? > now {
            return None;
        }
        self.due = now + RESYNC_MIN;
        Some(self.jobs.clone())
    }

    /// The clock went back by so much.
    pub fn clock_went_back(&mut self, by: Duration) {
        self.due = super::earlier(self.due, by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dispatch() -> Key {
        gastown_controllers::polecat::DISPATCH.single_key().unwrap()
    }

    #[test]
    fn who_waits_is_told_when_a_slot_is_given_back_and_only_then() {
        let mut slots = Slots::default();
        let job = |name: &str| JobKey(name.into());
        slots.hold(job("a"), Timestamp::UNIX_EPOCH);
        slots.park(dispatch());
        assert_eq!(slots.free(&job("b")), BTreeSet::new());
        assert_eq!(slots.free(&job("a")), BTreeSet::from([dispatch()]));
        assert_eq!((slots.taken(), slots.next_due()), (0, None));
    }

    #[test]
    fn jobs_are_looked_at_once_a_patrol() {
        let mut slots = Slots::default();
        let now = Timestamp::UNIX_EPOCH;
        slots.hold(JobKey("a".into()), now);
        assert_eq!(slots.take_due(now), None);
        assert!(slots.take_due(now + RESYNC_MIN).is_some());
        assert_eq!(slots.take_due(now + RESYNC_MIN), None);
    }
}
