//! The failure of a job of git: the exit code of its process, and the message in its log.

use std::io::Write;

use gastown_controllers::world::exit;

use super::GitError;

/// A failed job: its exit code, and the message in its log.
pub(super) struct Failure {
    pub code: i32,
    pub message: String,
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let code = match error {
            GitError::Refused { .. } => exit::FAILED,
            _ => exit::ERROR,
        };
        Self { code, message: error.message() }
    }
}

/// The failure of a call; one that took too long gets the hint.
pub(super) fn late(error: GitError, hint: &str) -> Failure {
    let is_late = error.is_late();
    let Failure { code, message } = error.into();
    Failure { code, message: if is_late { format!("{message}\n{hint}") } else { message } }
}

/// A line for people in a job's log.
pub(super) fn say(log: &mut dyn Write, line: &str) {
    // A log that cannot be written must not decide what becomes of the work.
    drop(writeln!(log, "gt: {line}"));
}
