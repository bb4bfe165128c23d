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

pub mod next;

pub mod related;

pub mod progress;

pub mod record;

pub mod last_words;

pub mod logs;

pub mod open_work;

pub mod overrides;

pub mod conditions;

pub mod waves;

pub mod text;

#[cfg(test)]
mod testing;

use std::collections::BTreeSet;

use gastown_crds::Kind;
use gastown_crds::common::Condition;
use gastown_crds::reason::Reason;
use kube::api::{DynamicObject, ObjectMeta};

pub use attention::Need;
pub use blockers::{Blocked, Blocker};
pub use kinds::KindInsight;
pub use logs::LogOf;
pub use overview::Overview;
pub use progress::{OpenBead, Progress};
pub use related::Section;
pub use snapshot::{Reader, Snapshot, Stored};

/// One object that questions are asked about. The defaults are the answers for any kind.
pub trait Subject {
    /// Its kind.
    fn kind(&self) -> &str;

    /// Its metadata.
    fn meta(&self) -> &ObjectMeta;

    /// The conditions of its status.
    fn conditions(&self) -> &[Condition];

    /// KIND/NAME, as blockers name it.
    fn reference(&self) -> String {
        let name = self.meta().name.as_deref().unwrap_or_default();
        Kind::named(self.kind()).map_or_else(|| format!("{}/{name}", self.kind()), |kind| kind.named_object(name))
    }

    /// Its blockers.
    fn blockers(&self, _snapshot: &Snapshot) -> BTreeSet<Blocker> {
        BTreeSet::new()
    }

    /// Whether something that it consists of is at work, or goes on by itself: then nobody has to act yet.
    fn moves(&self, _snapshot: &Snapshot) -> bool {
        false
    }

    /// The beads of it that are open; none for what does not consist of beads.
    fn open_beads(&self, _snapshot: &Snapshot) -> Vec<OpenBead> {
        Vec::new()
    }

    /// The reason why a condition of this type will never come true; none if it may.
    fn never(&self, _type: &str) -> Option<String> {
        None
    }

    /// The objects and attempts that are related to it.
    fn related(&self, _snapshot: &Snapshot) -> Vec<Section> {
        Vec::new()
    }

    /// The fields of its spec that are shown among what is related to it.
    fn related_fields(&self) -> &'static [&'static str] {
        &[]
    }

    /// The fields of its status that are shown among what is related to it.
    fn related_status(&self) -> &'static [&'static str] {
        &[]
    }

    /// The next step that a condition's reason asks for, where this kind has an answer of its own.
    fn next_for(&self, _reason: Reason, _snapshot: &Snapshot) -> Option<String> {
        None
    }

    /// The next step where nothing is asked of anybody.
    fn next_when_well(&self) -> String {
        "nothing: it goes on by itself".to_owned()
    }

    /// Its log; none if its kind has no logs.
    fn log(&self, _snapshot: &Snapshot) -> Option<LogOf> {
        None
    }

    /// A warning about work that is still open, for somebody who is about to delete the object; none if nothing is open.
    fn open_work(&self, _snapshot: &Snapshot) -> Option<String> {
        None
    }

    /// A note on when a deleted object of the kind goes.
    fn deletion(&self) -> &'static str {
        "it goes once its work is rescued and cleaned up"
    }
}

/// The row of a kind, such as `Convoy`.
pub fn kind(name: &str) -> &'static KindInsight {
    kinds::KINDS.iter().copied().find(|kind| kind.name == name).unwrap_or(&kinds::ANY)
}

/// An object of a kind, as a subject: typed if its kind has a file here.
pub fn subject(kind_name: &str, object: &DynamicObject) -> Box<dyn Subject> {
    (kind(kind_name).read)(object).unwrap_or_else(|| kinds::any(kind_name, object))
}
