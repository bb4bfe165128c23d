//! The work queue: keys that want a look, each at most once, none twice at a time, in lanes, by an injected clock.
//!
//! In the way of kube-runtime's scheduler: adding a key that waits keeps the earliest time; a key that runs and is added
//! again runs once more after. What it lacks there and has here: a gate that holds a key back (an own status write must
//! not defeat a back-off), lanes, a fixed order, and virtual time. A key of the lane [`Lane::Settled`] waits until no key of
//! [`Lane::Objects`] is due or runs, as what it decides by changes until then; but not for ever, in a town that is never
//! still.
//!
//! Pure: no clock, no task. The engine and the simulation drive this very queue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gastown_controllers::key::{Key, Lane};
use jiff::Timestamp;

/// How long a key may be due and wait for others to have nothing more to say. Some thousand beads that are made at once take
/// as long.
const SETTLE_MAX: Duration = Duration::from_secs(1);

/// Keys that wait or run. Its size is bounded by the number of objects: a key is in it once.
#[derive(Debug, Default)]
pub struct Queue {
    /// When each waiting key is due; `ready` and `later` are the same keys by order of service.
    due: BTreeMap<Key, Timestamp>,
    later: BTreeSet<(Timestamp, Key)>,
    ready: BTreeMap<Lane, BTreeSet<(u64, Key)>>,
    position: BTreeMap<Key, u64>,
    running: BTreeSet<Key>,
    /// How many of them are of [`Lane::Objects`].
    running_objects: usize,
    /// Keys that were added while they ran, and when they want to run again.
    again: BTreeMap<Key, Timestamp>,
    next: u64,
}

impl Queue {
    /// Wants a look at a key no later than `at`.
    pub fn add(&mut self, key: Key, at: Timestamp) {
        if self.running.contains(&key) {
            let earliest = self.again.get(&key).map_or(at, |before| at.min(*before));
            self.again.insert(key, earliest);
            return;
        }
        match self.due.get(&key) {
            Some(before) if *before <= at => return,
            Some(before) => {
                self.later.remove(&(*before, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        if !self.position.contains_key(&key) {
            self.later.insert((at, key));
        }
    }

    /// Takes the next key that is due. It runs until [`Queue::done`].
    pub fn take(&mut self, now: Timestamp) -> Option<Key> {
        while let Some((at, key)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.remove(&(at, key.clone()));
            let position = self.next;
            self.next += 1;
            self.position.insert(key.clone(), position);
            self.ready.entry(key.lane()).or_default().insert((position, key));
        }
        let settled = self.settles(now);
        let mut lanes = self.ready.iter_mut().filter(|(lane, _)| settled || **lane != Lane::Settled);
        let (_, key) = lanes.find_map(|(_, keys)| keys.pop_first())?;
        self.position.remove(&key);
        self.due.remove(&key);
        self.running.insert(key.clone());
        self.running_objects += usize::from(key.lane() == Lane::Objects);
        Some(key)
    }

    /// A key no longer runs.
    pub fn done(&mut self, key: &Key) {
        if self.running.remove(key) {
            self.running_objects -= usize::from(key.lane() == Lane::Objects);
        }
        if let Some(at) = self.again.remove(key) {
            self.add(key.clone(), at);
        }
    }

    /// The clock went back by so much: what was due a while after the old present is due as long after the new one.
    pub fn clock_went_back(&mut self, by: Duration) {
        for at in self.due.values_mut().chain(self.again.values_mut()) {
            *at = super::earlier(*at, by);
        }
        let waits = |(_, key): (Timestamp, Key)| self.due.get(&key).map(|at| (*at, key));
        self.later = std::mem::take(&mut self.later).into_iter().filter_map(waits).collect();
    }

    /// When the next key is due; none if nothing waits.
    pub fn next_due(&self) -> Option<Timestamp> {
        let ready = |lane: &Lane| self.ready.get(lane).is_some_and(|keys| !keys.is_empty());
        if ready(&Lane::Objects) || ready(&Lane::World) {
            return Some(Timestamp::MIN);
        }
        let settled = self.first_settled().map(|at| if self.is_still() { Timestamp::MIN } else { at + SETTLE_MAX });
        settled.into_iter().chain(self.later.first().map(|(at, _)| *at)).min()
    }

    /// Whether a key that waits for others to have nothing more to say may run.
    fn settles(&self, now: Timestamp) -> bool {
        self.is_still() || self.first_settled().is_some_and(|at| at + SETTLE_MAX <= now)
    }

    /// Whether no key is due or runs that others wait for.
    fn is_still(&self) -> bool {
        self.running_objects == 0 && self.ready.get(&Lane::Objects).is_none_or(BTreeSet::is_empty)
    }

    /// Since when the first of the keys that wait for others to have nothing more to say is due.
    fn first_settled(&self) -> Option<Timestamp> {
        let (_, key) = self.ready.get(&Lane::Settled)?.first()?;
        self.due.get(key).copied()
    }

    /// How many keys run.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// How many keys wait.
    pub fn waiting(&self) -> usize {
        self.due.len() + self.again.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::kinds::{bead, polecat};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn bead(name: &str) -> Key {
        bead::CONTROLLER.key(name)
    }

    #[test]
    fn a_key_is_taken_once_and_the_earliest_time_wins() {
        let mut queue = Queue::default();
        queue.add(bead("a"), at(10));
        queue.add(bead("a"), at(5));
        queue.add(bead("a"), at(7));
        assert_eq!((queue.take(at(4)), queue.next_due()), (None, Some(at(5))));
        assert_eq!(queue.take(at(5)), Some(bead("a")));
        assert_eq!((queue.take(at(99)), queue.waiting()), (None, 0));
    }

    #[test]
    fn a_key_that_runs_runs_again_after_and_never_beside_itself() {
        let mut queue = Queue::default();
        queue.add(bead("a"), at(0));
        let key = queue.take(at(0)).unwrap();
        queue.add(bead("a"), at(0));
        assert_eq!(queue.take(at(0)), None);
        queue.done(&key);
        assert_eq!(queue.take(at(0)), Some(key));
    }

    #[test]
    fn objects_go_before_the_world_and_first_come_goes_first() {
        let mut queue = Queue::default();
        for key in [polecat::CONTROLLER.key("p"), bead("b"), bead("a")] {
            queue.add(key, at(0));
            // Each is due at once, in the order of its arrival.
            let _ = queue.next_due();
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.take(at(0))).map(|k| k.to_string()).collect();
        assert_eq!(order, ["bead/a", "bead/b", "polecat/p"]);
    }

    #[test]
    fn dispatch_waits_until_no_object_has_anything_more_to_say_but_not_for_ever() {
        let mut queue = Queue::default();
        let dispatch = || polecat::DISPATCH.single_key().unwrap();
        for key in [dispatch(), bead("a"), polecat::CONTROLLER.key("p")] {
            queue.add(key, at(0));
        }
        assert_eq!(queue.take(at(0)), Some(bead("a")));
        assert_eq!(queue.take(at(0)), Some(polecat::CONTROLLER.key("p")), "the world does not wait for it");
        assert_eq!((queue.take(at(0)), queue.next_due()), (None, Some(at(1))));
        queue.add(bead("b"), at(0));
        queue.done(&bead("a"));
        assert_eq!(queue.take(at(0)), Some(bead("b")));
        queue.done(&bead("b"));
        assert_eq!((queue.next_due(), queue.take(at(0))), (Some(Timestamp::MIN), Some(dispatch())));
        queue.done(&dispatch());
        queue.add(dispatch(), at(5));
        queue.add(bead("a"), at(5));
        assert_eq!(queue.take(at(5)), Some(bead("a")));
        assert_eq!((queue.take(at(5)), queue.take(at(6))), (None, Some(dispatch())), "it has waited long enough");
    }

    #[test]
    fn a_clock_that_goes_back_makes_nobody_wait_longer() {
        let mut queue = Queue::default();
        queue.add(bead("a"), at(1010));
        queue.add(bead("b"), at(1000));
        assert_eq!(queue.take(at(1000)), Some(bead("b")));
        queue.add(bead("b"), at(1005));
        queue.clock_went_back(Duration::from_mins(15));
        queue.done(&bead("b"));
        assert_eq!((queue.take(at(104)), queue.next_due()), (None, Some(at(105))));
        assert_eq!((queue.take(at(105)), queue.take(at(110))), (Some(bead("b")), Some(bead("a"))));
    }

    #[test]
    fn a_ready_key_that_is_added_again_keeps_its_place() {
        let mut queue = Queue::default();
        queue.add(bead("b"), at(0));
        queue.add(bead("a"), at(1));
        assert_eq!(queue.take(at(1)), Some(bead("b")));
        queue.add(bead("a"), at(0));
        assert_eq!(queue.take(at(1)), Some(bead("a")));
        assert_eq!(queue.take(at(1)), None);
    }
}
