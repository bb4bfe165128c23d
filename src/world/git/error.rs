//! `GitError`: what was tried, on what, and why it did not work.

use gastown_crds::reason::Reason;
use std::io;
use std::time::Duration;

use gastown_controllers::world::ActError;

use crate::exec::ExecError;
use gastown_base::causes::in_a_line;

/// An operation on a repository failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The git program could not be run to its end.
    #[error("could not {doing}")]
    Exec {
        /// The operation, to complete "could not …".
        doing: String,
        /// The cause.
        #[source]
        source: ExecError,
    },
    /// The git program refused.
    #[error("could not {doing}: {complaint}")]
    Refused {
        /// The operation, to complete "could not …".
        doing: String,
        /// The exit code of git.
        code: i32,
        /// The complaint of git.
        complaint: String,
    },
    /// A repository could not be read.
    #[error("could not {doing}")]
    Read {
        /// The operation, to complete "could not …".
        doing: String,
        /// The cause.
        #[source]
        source: git2::Error,
    },
    /// A file could not be read or written.
    #[error("could not {doing}")]
    Io {
        /// The operation, to complete "could not …".
        doing: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process held the lock for too long.
    #[error("{what} is busy: waited {limit:?} for `{lock}`")]
    Busy {
        /// The thing that is locked.
        what: String,
        /// The lock's file.
        lock: String,
        /// The time that the lock was waited for.
        limit: Duration,
    },
    /// The rig has no clone yet.
    #[error("rig `{rig}` has not been cloned yet")]
    NotCloned {
        /// The rig's name.
        rig: String,
    },
    /// What is there belongs to something else, so it is left alone.
    #[error("{what} belongs to {owner}, not to {asked}: left alone")]
    Foreign {
        /// The thing that is there.
        what: String,
        /// The owner of it.
        owner: String,
        /// The owner that was expected.
        asked: String,
    },
    /// A session runs in the worktree, so it is left alone.
    #[error("a session still runs in the worktree of `{sandbox}`: end it first")]
    InUse {
        /// The polecat's name.
        sandbox: String,
    },
}

impl GitError {
    /// The reason for a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Exec { .. } | Self::Refused { .. } => Reason::GitFailed,
            Self::Read { .. } | Self::Io { .. } => Reason::GitUnreadable,
            Self::Busy { .. } => Reason::RepoBusy,
            Self::NotCloned { .. } => Reason::NotCloned,
            Self::Foreign { .. } => Reason::ForeignSandbox,
            Self::InUse { .. } => Reason::SandboxInUse,
        }
    }

    /// Whether git did not end within its limit.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Exec { source: ExecError::TimedOut { .. }, .. })
    }

    /// The error and its causes in one line.
    pub fn message(&self) -> String {
        in_a_line(self)
    }
}

impl From<GitError> for ActError {
    fn from(error: GitError) -> Self {
        Self { message: error.message(), reason: error.reason() }
    }
}
