//! The store: objects as JSON rows in one SQLite file, changed by a synchronous state machine.
//!
//! `Store::apply` takes a batch of operations and runs it as one transaction: durable before anything is answered, judged
//! against the transaction's own state, published in resourceVersion order after the commit. A failed commit answers the
//! whole batch with the failure and publishes nothing.
//!
//! Invariants: one resourceVersion sequence for all kinds, which never runs backwards; a write that changes nothing is no
//! write; a row whose checksum does not fit is never served: it is written anew from the ledger where there is one, and reported
//! where there is none.

mod apply;
mod db;
mod facts;
mod garbage;
mod index_entries;
mod owners;
mod read;
mod restore;
mod retention;
mod ring;
mod running;
mod standing;
mod told;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

pub use apply::Store;
pub use db::OpenError;
pub use facts::{Fact, fact_line, last_facts, read_facts};
pub use index_entries::{IndexEntries, KindIndex, Requirement, Retention, Selector, field, label, row_field};
pub(crate) use owners::owners_first;
pub use read::{Page, PageRequest, Row};
pub use restore::{Loss, Restored};
pub use ring::{Next, Subscription};
pub use told::take_restored;
pub(super) use writer::Handle;
pub use writer::Writer;

/// The place of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A SQLite file, made when absent. Its directory must exist; its lock is the caller's.
    File(PathBuf),
    /// Memory alone.
    Memory,
}

/// The name of an object: the kind's `plural.group`, the namespace, the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// `plural.group`, such as `beads.gastown.io`.
    pub kind: Arc<str>,
    /// The namespace.
    pub ns: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, ns, name } = self;
        write!(f, "{kind}/{ns}/{name}")
    }
}

/// The state of an object that a write is conditional on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// There is no such object.
    Absent,
    /// There is no such object, and the new one is a copy from another store: it keeps its uid and its time.
    AbsentCopy,
    /// The object is at this resourceVersion.
    Revision(i64),
}

/// One change to make. Everything else about the object was decided before; the store judges only what can race.
#[derive(Debug, Clone)]
pub enum Op {
    /// Writes the whole object. `uid`, `creationTimestamp` and `resourceVersion` are the store's to set.
    Put {
        /// The object.
        key: Key,
        /// The condition of the write.
        expect: Expect,
        /// The whole object.
        object: Value,
    },
    /// Removes an object, or, while it has finalizers, marks it as being deleted.
    Delete {
        /// The object.
        key: Key,
        /// Only the object with this uid.
        uid: Option<String>,
        /// Only at this resourceVersion.
        revision: Option<i64>,
        /// The fate of its dependents.
        propagation: Propagation,
    },
}

/// What becomes of the dependents of an object that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Propagation {
    /// As its finalizers say already; without one of them, as `Background`.
    #[default]
    Default,
    /// They go after it.
    Background,
    /// They go before it: it waits for those with `blockOwnerDeletion`.
    Foreground,
    /// They stay, without the reference to it.
    Orphan,
}

impl Propagation {
    /// The finalizer that stands for it while dependents are handled.
    fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Default | Self::Background => None,
            Self::Foreground => Some("foregroundDeletion"),
            Self::Orphan => Some("orphan"),
        }
    }
}

/// The result of one operation.
pub type Reply = Result<Outcome, Refusal>;

/// A change that was made, or was already so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The effect of the operation.
    pub change: Change,
    /// The object as it is now; when removed, as it was last.
    pub object: Arc<str>,
}

/// The effect of an operation on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The object is new.
    Created,
    /// The object has changed.
    Updated,
    /// Already so; nothing was written.
    Unchanged,
    /// The object is gone.
    Removed,
}

/// An operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name is taken.
    #[error("it exists already")]
    AlreadyExists,
    /// There is no such object.
    #[error("there is none")]
    NotFound,
    /// The object has moved on since it was read.
    #[error("the object has been modified; please apply your changes to the latest version and try again")]
    Conflict,
    /// The object is another one than the caller meant.
    #[error("Precondition failed: {0}")]
    Precondition(String),
    /// The row is damaged.
    #[error(
        "the stored row of {0} is damaged: its checksum does not fit; restore the store from a backup, or remove it and apply the town again"
    )]
    Corrupt(Key),
    /// No space is left for the store.
    #[error("no space is left for the store; free some and try again")]
    Full,
    /// The file is not as SQLite wrote it; nothing of the batch was done.
    #[error("the store's file was damaged ({0}); try again")]
    Damaged(String),
    /// SQLite failed; nothing of the batch was done.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The kind of a published change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A new object.
    Added,
    /// A changed object.
    Modified,
    /// A removed object.
    Deleted,
}

/// One change, as watches see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The resourceVersion that the change made.
    pub revision: i64,
    /// The kind of change.
    pub verb: Verb,
    /// The object's name.
    pub key: Key,
    /// The object after the change; when deleted, its last state at the deletion's resourceVersion.
    pub object: Arc<str>,
    /// The index entries that selectors compare.
    pub marks: Arc<IndexEntries>,
    /// The object before, for watches that it leaves.
    pub old: Option<(Arc<str>, Arc<IndexEntries>)>,
}

/// The work that the store has done since it was opened; tests have budgets in these units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// SQL statements run, without transaction control.
    pub statements: u64,
    /// Transactions committed, each one sync of the disk.
    pub commits: u64,
    /// Steps of SQLite's machine for lists: what it looked at, beside what it answered.
    pub steps: u64,
}

impl Refusal {
    /// The row of an object is damaged.
    pub(super) fn corrupt(key: &Key) -> Self {
        Self::Corrupt(key.clone())
    }

    /// A failure of SQLite.
    fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ if standing::is_damage(error) => Self::Damaged(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    statements: AtomicU64,
    commits: AtomicU64,
    steps: AtomicU64,
}

impl Counts {
    fn statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    fn commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    fn steps(&self, steps: u64) {
        self.steps.fetch_add(steps, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counters {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counters { statements: now(&self.statements), commits: now(&self.commits), steps: now(&self.steps) }
    }
}
