//! Interest: which keys want to know when something in the world begins or ends.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::key::Key;
use gastown_controllers::world::{Ask, WorldEvent};

/// The keys that asked about what may run.
#[derive(Debug, Default)]
pub struct Interest {
    keys: BTreeMap<WorldEvent, BTreeSet<Key>>,
    /// The same by the key.
    events: BTreeMap<Key, BTreeSet<WorldEvent>>,
}

impl Interest {
    /// Notes who asks, before it is looked at: an end that comes meanwhile finds them.
    pub fn note(&mut self, key: &Key, asks: &BTreeSet<Ask>) {
        for event in asks.iter().filter_map(Ask::changed_by) {
            self.events.entry(key.clone()).or_default().insert(event.clone());
            self.keys.entry(event).or_default().insert(key.clone());
        }
    }

    /// A turn of a key has asked all that it needs: what an earlier one asked concerns it no more.
    pub fn keep<'a>(&mut self, key: &Key, asked: impl Iterator<Item = &'a Ask>) {
        let Some(before) = self.events.get(key) else { return };
        let asked: BTreeSet<WorldEvent> = asked.filter_map(Ask::changed_by).collect();
        let over: Vec<WorldEvent> = before.difference(&asked).cloned().collect();
        for event in &over {
            self.lose(key, event);
        }
    }

    /// The keys that asked about this.
    pub fn of(&self, event: &WorldEvent) -> BTreeSet<Key> {
        self.keys.get(event).cloned().unwrap_or_default()
    }

    /// The keys that asked about any event that is filed.
    pub fn of_what_happened(&self) -> BTreeSet<Key> {
        self.what_happened().flatten().cloned().collect()
    }

    /// Whether any key did.
    pub fn is_in_what_happened(&self) -> bool {
        self.what_happened().next().is_some()
    }

    /// `WorldEvent::Happened` is the last in their order.
    fn what_happened(&self) -> impl Iterator<Item = &BTreeSet<Key>> {
        self.keys.range(WorldEvent::Happened(String::new())..).map(|(_, keys)| keys)
    }

    /// A key has seen the end of this, and does not ask again.
    pub fn lose(&mut self, key: &Key, event: &WorldEvent) {
        remove(&mut self.keys, event, key);
        remove(&mut self.events, key, event);
    }

    /// A key's object is gone.
    pub fn forget(&mut self, key: &Key) {
        for event in self.events.remove(key).unwrap_or_default() {
            remove(&mut self.keys, &event, key);
        }
    }
}

fn remove<A: Ord, B: Ord>(map: &mut BTreeMap<A, BTreeSet<B>>, from: &A, what: &B) {
    if let Some(set) = map.get_mut(from) {
        set.remove(what);
        if set.is_empty() {
            map.remove(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::kinds::{merge_request, rig};
    use gastown_controllers::world::JobKey;

    #[test]
    fn what_a_turn_no_longer_asks_is_forgotten() {
        let mut interest = Interest::default();
        let (key, other) = (merge_request::QUEUE.key("shop"), rig::CONTROLLER.key("shop"));
        let ask = |name: &str| Ask::Job(JobKey(name.into()));
        let event = |name: &str| WorldEvent::Job(JobKey(name.into()));
        interest.note(&key, &BTreeSet::from([ask("a"), ask("b")]));
        interest.note(&other, &BTreeSet::from([ask("a")]));
        interest.keep(&key, [ask("b"), Ask::Machine].iter());
        assert_eq!(interest.of(&event("a")), BTreeSet::from([other.clone()]));
        assert_eq!(interest.of(&event("b")), BTreeSet::from([key.clone()]));
        interest.forget(&key);
        interest.lose(&other, &event("a"));
        assert!(interest.keys.is_empty() && interest.events.is_empty(), "{interest:?}");
    }
}
