//! `Seen`: a fact about the world, or the honest "we don't know" that stops every destructive act.

use std::fmt;

use jiff::Timestamp;

/// The answer of an adapter that was asked to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It was seen.
    Known(T),
    /// It could not be seen. Invariant: nothing is killed, deleted, restarted or dispatched on this.
    Unknown {
        /// The error, for people.
        why: String,
        /// Since when nothing was seen.
        since: Timestamp,
    },
}

impl<T> Seen<T> {
    /// The fact, if it was seen.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Unknown { .. } => None,
        }
    }

    /// The same for another fact.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Known(fact) => Seen::Known(f(fact)),
            Self::Unknown { why, since } => Seen::Unknown { why, since },
        }
    }
}

/// A git object id, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Oid(pub String);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Oid {
    /// As people read it: the first ten characters.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}
