//! Slots: how many jobs run at once, who waits for one, and which jobs hold one.
//!
//! Each pool has slots of its own: what waits for other machines keeps this one from nothing. One server gets half of them at
//! most: that it does not answer keeps nobody from the others. Within a pool the owner with the fewest jobs goes first, and
//! of one owner's, or of owners with as many, who has waited longest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gastown_controllers::key::Key;
use gastown_controllers::world::{Job, JobKey, Pool, server_of};
use jiff::Timestamp;

use super::RESYNC_MIN;

/// Jobs that hold a slot, and keys that wait for one. A slot is given before the job is started, and given back when it
/// was seen to be over.
#[derive(Debug, Default)]
pub struct Slots {
    jobs: BTreeMap<JobKey, Claim>,
    waiting: BTreeMap<Key, (u64, Claim)>,
    next_ticket: u64,
    /// When the jobs are looked at themselves: the news of an end may be lost, and nobody may ask about a job any more.
    due: Timestamp,
}

/// The pool that a slot is of, the uid of the object whose job has it, and the server that the job asks, if it does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    pool: Pool,
    owner: String,
    server: Option<String>,
}

impl Claim {
    fn of(job: &Job) -> Self {
        Self { pool: job.pool(), owner: job.owner().uid.clone(), server: job.url().and_then(server_of) }
    }
}

impl Slots {
    /// A job has the slot that it was given or was found in.
    pub fn hold(&mut self, job: &Job, now: Timestamp) {
        if self.jobs.is_empty() {
            self.due = now + RESYNC_MIN;
        }
        self.jobs.insert(job.key(), Claim::of(job));
    }

    /// A job gives back its slot. Answers who has waited for one, to try again.
    pub fn free(&mut self, job: &JobKey) -> BTreeSet<Key> {
        self.jobs.remove(job).map(|claim| self.waiting_for(claim.pool)).unwrap_or_default()
    }

    /// Whether a key may have a slot for a job now: one is free, and not for somebody who goes first.
    pub fn may_have(&self, key: &Key, job: &Job, max: usize) -> bool {
        let claim = Claim::of(job);
        if self.has_its_share(&claim, max) {
            return false;
        }
        let free = max.saturating_sub(self.taken_of(claim.pool));
        let ticket = self.waiting.get(key).map_or(self.next_ticket, |(ticket, _)| *ticket);
        let order = |ticket: u64, claim: &Claim| (self.held_by(claim), ticket);
        let own = order(ticket, &claim);
        let others = self.waiting.iter().filter(|(other, (_, theirs))| {
            *other != key && theirs.pool == claim.pool && !self.has_its_share(theirs, max)
        });
        free > others.filter(|(_, (ticket, theirs))| order(*ticket, theirs) < own).count()
    }

    /// A key waits until a slot is given back. One that waits already keeps its turn.
    pub fn park(&mut self, key: Key, job: &Job) {
        let claim = Claim::of(job);
        if let Some((_, waits)) = self.waiting.get_mut(&key)
            && waits.pool == claim.pool
        {
            *waits = claim;
            return;
        }
        self.waiting.insert(key, (self.next_ticket, claim));
        self.next_ticket += 1;
    }

    /// A key does not wait any more. Answers whose turn may have come by that, to try again.
    pub fn leave(&mut self, key: &Key) -> BTreeSet<Key> {
        self.waiting.remove(key).map(|(_, claim)| self.waiting_for(claim.pool)).unwrap_or_default()
    }

    /// Whether a job holds one.
    pub fn holds(&self, job: &JobKey) -> bool {
        self.jobs.contains_key(job)
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
        Some(self.jobs.keys().cloned().collect())
    }

    /// The clock went back by so much.
    pub fn clock_went_back(&mut self, by: Duration) {
        self.due = super::earlier(self.due, by);
    }

    fn taken_of(&self, pool: Pool) -> usize {
        self.jobs.values().filter(|claim| claim.pool == pool).count()
    }

    /// How many of the slots of a pool an owner has.
    fn held_by(&self, claim: &Claim) -> usize {
        self.jobs.values().filter(|held| (held.pool, &held.owner) == (claim.pool, &claim.owner)).count()
    }

    /// Whether the server of a claim has as many slots as one may have.
    fn has_its_share(&self, claim: &Claim, max: usize) -> bool {
        let held = || self.jobs.values().filter(|held| held.pool == claim.pool && held.server == claim.server).count();
        claim.server.is_some() && held() >= max.div_ceil(2)
    }

    fn waiting_for(&self, pool: Pool) -> BTreeSet<Key> {
        self.waiting.iter().filter(|(_, (_, claim))| claim.pool == pool).map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::kinds::{merge_request, polecat};
    use gastown_controllers::world::Owner;

    fn fetch(rig: &str, url: &str, round: u32) -> Job {
        Job::Fetch {
            owner: Owner::rig(rig, rig),
            url: url.into(),
            secret: None,
            lease: None,
            cause: "test".into(),
            round,
        }
    }

    fn local(rig: &str, round: u32) -> Job {
        fetch(rig, "/srv/it", round)
    }

    fn key(name: &str) -> Key {
        merge_request::QUEUE.key(name)
    }

    #[test]
    fn who_waits_is_told_when_a_slot_is_given_back_and_only_then() {
        let mut slots = Slots::default();
        slots.hold(&local("a", 1), Timestamp::UNIX_EPOCH);
        slots.park(key("b"), &local("b", 1));
        assert_eq!(slots.free(&local("b", 1).key()), BTreeSet::new());
        assert_eq!(slots.free(&local("a", 1).key()), BTreeSet::from([key("b")]));
        assert_eq!((slots.taken(), slots.next_due()), (0, None));
    }

    #[test]
    fn what_waits_for_other_machines_takes_no_slot_of_this_one() {
        let mut slots = Slots::default();
        let far = |rig: &str| fetch(rig, &format!("git@{rig}.example.org:it"), 1);
        for rig in ["a", "b"] {
            assert!(slots.may_have(&key(rig), &far(rig), 2));
            slots.hold(&far(rig), Timestamp::UNIX_EPOCH);
        }
        assert!(!slots.may_have(&key("c"), &far("c"), 2));
        slots.park(key("c"), &far("c"));
        assert!(slots.may_have(&key("d"), &local("d", 1), 1));
        slots.hold(&local("d", 1), Timestamp::UNIX_EPOCH);
        assert_eq!(slots.free(&local("d", 1).key()), BTreeSet::new(), "nobody waits for that");
    }

    #[test]
    fn a_server_that_does_not_answer_keeps_nobody_from_the_others() {
        let mut slots = Slots::default();
        let at = |server: &str, rig: &str| fetch(rig, &format!("git://{server}/{rig}.git"), 1);
        for rig in ["a", "b"] {
            assert!(slots.may_have(&key(rig), &at("hangs", rig), 4));
            slots.hold(&at("hangs", rig), Timestamp::UNIX_EPOCH);
        }
        assert!(!slots.may_have(&key("c"), &at("hangs", "c"), 4));
        slots.park(key("c"), &at("hangs", "c"));
        for rig in ["d", "e"] {
            assert!(slots.may_have(&key(rig), &at("well", rig), 4), "nor does who waits for it");
            slots.hold(&at("well", rig), Timestamp::UNIX_EPOCH);
        }
        assert!(!slots.may_have(&key("f"), &at("other", "f"), 4));
        assert_eq!(slots.free(&at("hangs", "a").key()), BTreeSet::from([key("c")]));
        assert!(slots.may_have(&key("c"), &at("hangs", "c"), 4));
    }

    #[test]
    fn the_owner_with_the_fewest_goes_first_and_of_one_owner_who_came_first() {
        let mut slots = Slots::default();
        let worker = |name: &str| polecat::CONTROLLER.key(name);
        slots.hold(&local("a", 1), Timestamp::UNIX_EPOCH);
        slots.hold(&local("a", 2), Timestamp::UNIX_EPOCH);
        // In the order in which they came; the names say nothing.
        for (name, rig, round) in [("z", "a", 3), ("y", "a", 4), ("x", "b", 1)] {
            assert!(!slots.may_have(&worker(name), &local(rig, round), 2));
            slots.park(worker(name), &local(rig, round));
        }
        let may = |slots: &Slots| {
            let all = [("x", "b", 1), ("y", "a", 4), ("z", "a", 3), ("w", "a", 5)];
            all.into_iter()
                .filter(|(name, rig, n)| slots.may_have(&worker(name), &local(rig, *n), 2))
                .map(|it| it.0)
                .collect::<Vec<_>>()
        };
        slots.free(&local("a", 1).key());
        assert_eq!(may(&slots), ["x"]);
        slots.hold(&local("b", 1), Timestamp::UNIX_EPOCH);
        assert_eq!(slots.leave(&worker("x")), BTreeSet::from([worker("y"), worker("z")]));
        slots.free(&local("a", 2).key());
        assert_eq!(may(&slots), ["z"], "whoever comes now comes last");
        // What is wanted has moved meanwhile; the turn is kept.
        slots.park(worker("z"), &local("a", 9));
        assert!(slots.may_have(&worker("z"), &local("a", 9), 2));
        // One that wants none any more keeps nobody waiting.
        assert_eq!(slots.leave(&worker("z")), BTreeSet::from([worker("y")]));
        assert_eq!(may(&slots), ["y"]);
    }

    #[test]
    fn jobs_are_looked_at_once_a_patrol() {
        let mut slots = Slots::default();
        let now = Timestamp::UNIX_EPOCH;
        slots.hold(&local("a", 1), now);
        assert_eq!(slots.take_due(now), None);
        assert!(slots.take_due(now + RESYNC_MIN).is_some());
        assert_eq!(slots.take_due(now + RESYNC_MIN), None);
    }
}
