//! The gate: what failed is not tried again before its time, whatever wakes its key meanwhile.
//!
//! Back-off is not a requeue: a queue in which the earliest time wins would let a controller's own status write defeat
//! it. A key holds the effects that failed and when they may be tried again. A wake whose plan wants the same effects is
//! put back; a plan that wants other effects, or success, opens the gate. Only tries whose delay has elapsed count.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_controllers::key::Key;
use gastown_controllers::plan::Effect;
use gastown_controllers::view::Failure;
use gastown_crds::reason::Reason;
use jiff::Timestamp;

/// Keys whose effects failed.
#[derive(Debug, Default)]
pub struct Gate {
    held: BTreeMap<Key, Held>,
}

#[derive(Debug)]
struct Held {
    effects: Vec<Effect>,
    failure: Failure,
}

impl Gate {
    /// The failure of a key, for its controller to report.
    pub fn failure(&self, key: &Key) -> Option<&Failure> {
        self.held.get(key).map(|held| &held.failure)
    }

    /// Until when these effects are held back; none: they may be tried.
    pub fn holds(&self, key: &Key, effects: &[Effect], now: Timestamp) -> Option<Timestamp> {
        let held = self.held.get(key)?;
        (held.failure.until > now && same(&held.effects, effects)).then_some(held.failure.until)
    }

    /// Notes a failure; `delay` gives the wait for so many failures in a row. Answers when to try again.
    pub fn failed(
        &mut self,
        key: &Key,
        effects: Vec<Effect>,
        (reason, message): (Reason, String),
        now: Timestamp,
        delay: impl Fn(u32) -> Duration,
    ) -> Timestamp {
        let before =
            self.held.get(key).filter(|held| same(&held.effects, &effects)).map_or(0, |held| held.failure.count);
        let count = before.saturating_add(1);
        let until = now + delay(count);
        self.held.insert(key.clone(), Held { effects, failure: Failure { reason, message, count, until } });
        until
    }

    /// Whether these are the effects that failed.
    pub fn is_about(&self, key: &Key, effects: &[Effect]) -> bool {
        self.held.get(key).is_some_and(|held| same(&held.effects, effects))
    }

    /// Effects that were done since are held back as well, until the same time.
    pub fn also(&mut self, key: &Key, effects: Vec<Effect>) {
        if let Some(held) = self.held.get_mut(key) {
            held.effects = effects;
        }
    }

    /// The clock went back by so much: nobody is held back longer for it.
    pub fn clock_went_back(&mut self, by: Duration) {
        for held in self.held.values_mut() {
            held.failure.until = super::earlier(held.failure.until, by);
        }
    }

    /// Notes a success: the gate is open. Answers whether it was closed: the status has to say so.
    pub fn worked(&mut self, key: &Key) -> bool {
        self.held.remove(key).is_some()
    }
}

/// Whether two plans want the same.
fn same(a: &[Effect], b: &[Effect]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.wants_the_same(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::world::{Act, SandboxId};

    fn town() -> Key {
        gastown_controllers::town::CONTROLLER.key("town")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn end(name: &str) -> Vec<Effect> {
        vec![Effect::Act(Act::EndSession { sandbox: SandboxId { name: name.into(), uid: name.into() } })]
    }

    fn fail(gate: &mut Gate, effects: Vec<Effect>, now: i64) -> Timestamp {
        let delay = |n: u32| Duration::from_secs(u64::from(n) * 10);
        gate.failed(&town(), effects, (Reason::BackOff, "no".into()), at(now), delay)
    }

    #[test]
    fn a_wake_with_the_same_plan_is_put_back_and_does_not_count() {
        let mut gate = Gate::default();
        assert_eq!(fail(&mut gate, end("a"), 0), at(10));
        assert_eq!(gate.holds(&town(), &end("a"), at(9)), Some(at(10)));
        assert_eq!(gate.holds(&town(), &end("a"), at(10)), None);
        assert_eq!(fail(&mut gate, end("a"), 10), at(30));
        assert_eq!(gate.failure(&town()).unwrap().count, 2);
    }

    #[test]
    fn a_clock_that_goes_back_holds_nobody_longer() {
        let mut gate = Gate::default();
        fail(&mut gate, end("a"), 1000);
        gate.clock_went_back(Duration::from_mins(15));
        assert_eq!(gate.holds(&town(), &end("a"), at(109)), Some(at(110)));
        assert_eq!(gate.holds(&town(), &end("a"), at(110)), None);
    }

    #[test]
    fn what_was_done_since_is_held_back_until_the_same_time() {
        let mut gate = Gate::default();
        fail(&mut gate, Vec::new(), 0);
        gate.also(&town(), end("a"));
        assert_eq!(gate.holds(&town(), &end("a"), at(9)), Some(at(10)));
        assert_eq!(gate.failure(&town()).unwrap().count, 1);
        gate.worked(&town());
        gate.also(&town(), end("a"));
        assert_eq!(gate.holds(&town(), &end("a"), at(9)), None);
    }

    #[test]
    fn another_plan_or_a_success_opens_it() {
        let mut gate = Gate::default();
        fail(&mut gate, end("a"), 0);
        assert_eq!(gate.holds(&town(), &end("b"), at(1)), None);
        assert!(gate.worked(&town()));
        assert_eq!(gate.holds(&town(), &end("a"), at(1)), None);
        assert!(!gate.worked(&town()));
    }
}
