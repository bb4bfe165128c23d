//! Interest: which keys want to know when something in the world begins or ends.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::key::Key;
use gastown_controllers::world::{Ask, WorldEvent};

/// Who asked about what may run.
#[derive(Debug, Default)]
pub struct Interest {
    keys: BTreeMap<WorldEvent, BTreeSet<Key>>,
    /// The same by the key.
    wokes: BTreeMap<Key, BTreeSet<WorldEvent>>,
}

impl Interest {
    /// Notes who asks, before it is looked at: an end that comes meanwhile finds them.
    pub fn note(&mut self, key: &Key, asks: &BTreeSet<Ask>) {
        for woke in asks.iter().filter_map(Ask::changed_by) {
            self.wokes.entry(key.clone()).or_default().insert(woke.clone());
            self.keys.entry(woke).or_default().insert(key.clone());
        }
    }

    /// A turn of a key has asked all that it needs: what an earlier one asked concerns it no more.
    pub fn keep<'a>(&mut self, key: &Key, asked: impl Iterator<Item = &'a Ask>) {
        let Some(before) = self.wokes.get(key) else { return };
        let asked: BTreeSet<WorldEvent> = asked.filter_map(Ask::changed_by).collect();
        let over: Vec<WorldEvent> = before.difference(&asked).cloned().collect();
        for woke in &over {
            self.lose(key, woke);
        }
    }

    /// Who wants to know of this.
    pub fn of(&self, woke: &WorldEvent) -> BTreeSet<Key> {
        self.keys.get(woke).cloned().unwrap_or_default()
    }

    /// A key has seen the end of this, and does not ask again.
    pub fn lose(&mut self, key: &Key, woke: &WorldEvent) {
        remove(&mut self.keys, woke, key);
        remove(&mut self.wokes, key, woke);
    }

    /// A key's object is gone.
    pub fn forget(&mut self, key: &Key) {
        for woke in self.wokes.remove(key).unwrap_or_default() {
            remove(&mut self.keys, &woke, key);
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
        let woke = |name: &str| WorldEvent::Job(JobKey(name.into()));
        interest.note(&key, &BTreeSet::from([ask("a"), ask("b")]));
        interest.note(&other, &BTreeSet::from([ask("a")]));
        interest.keep(&key, [ask("b"), Ask::Machine].iter());
        assert_eq!(interest.of(&woke("a")), BTreeSet::from([other.clone()]));
        assert_eq!(interest.of(&woke("b")), BTreeSet::from([key.clone()]));
        interest.forget(&key);
        interest.lose(&other, &woke("a"));
        assert!(interest.keys.is_empty() && interest.wokes.is_empty(), "{interest:?}");
    }
}
