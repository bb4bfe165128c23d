//! Interest: which keys want to know when something in the world begins or ends.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::wakes::Key;
use gastown_controllers::world::Ask;

use super::Woke;

/// Who asked about what may run.
#[derive(Debug, Default)]
pub struct Interest {
    keys: BTreeMap<Woke, BTreeSet<Key>>,
}

impl Interest {
    /// Notes who asks, before it is looked at: an end that comes meanwhile finds them.
    pub fn note(&mut self, key: &Key, asks: &BTreeSet<Ask>) {
        for ask in asks {
            let woke = match ask {
                Ask::Sandbox(sandbox) => Woke::Sandbox(sandbox.uid.clone()),
                Ask::Job(job) => Woke::Job(job.clone()),
                _ => continue,
            };
            self.keys.entry(woke).or_default().insert(key.clone());
        }
    }

    /// Who wants to know of this.
    pub fn of(&self, woke: &Woke) -> BTreeSet<Key> {
        self.keys.get(woke).cloned().unwrap_or_default()
    }

    /// A key has seen the end of this, and does not ask again.
    pub fn lose(&mut self, key: &Key, woke: &Woke) {
        if let Some(keys) = self.keys.get_mut(woke) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys.remove(woke);
            }
        }
    }

    /// A key's object is gone.
    pub fn forget(&mut self, key: &Key) {
        self.keys.retain(|_, keys| {
            keys.remove(key);
            !keys.is_empty()
        });
    }
}
