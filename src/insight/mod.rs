//! Insight: what blocks work, what needs a person, what is next for an object, how far a convoy is, and what is related.
//!
//! Commands load a [`Snapshot`] of the town and show what is said here; so can anything else that people look at.
//!
//! Invariant: nothing here does I/O, reads a clock, or knows a terminal. What differs from kind to kind is in that kind's
//! file below [`kinds`]; a kind that is not there gets the answers that fit any kind.

pub mod snapshot;

pub mod kinds;

pub mod overview;

pub mod blockers;

pub mod attention;

pub mod conditions;

pub mod text;

#[cfg(test)]
mod testing;

use std::collections::BTreeSet;

use kube::api::{DynamicObject, ObjectMeta};

pub use attention::Need;
pub use blockers::{Blocked, Blocker};
pub use kinds::KindInsight;
pub use overview::Overview;
pub use snapshot::{Snapshot, Source, Stored};

/// One object that something is to be said of. The defaults are the answers for a kind of which nothing more is known.
pub trait Subject {
    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;

    /// What blocks it.
    fn blockers(&self, _snapshot: &Snapshot) -> BTreeSet<Blocker> {
        BTreeSet::new()
    }
}

/// What is known of a kind, such as `Convoy`.
pub fn kind(name: &str) -> &'static KindInsight {
    kinds::KINDS.iter().copied().find(|kind| kind.name == name).unwrap_or(&kinds::ANY)
}

/// An object of a kind, to be spoken of.
pub fn subject(kind_name: &str, object: &DynamicObject) -> Box<dyn Subject> {
    (kind(kind_name).read)(object).unwrap_or_else(|| kinds::any(object))
}
