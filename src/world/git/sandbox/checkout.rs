//! A worktree's files are brought to a commit: all of them in a new one, those that differ in one that is used again.

use std::path::Path;

use gastown_controllers::seen::Oid;

use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

/// What git says of a file that it cannot replace: of another user, or made unchangeable.
const STUCK_SIGNS: [&str; 3] = ["unable to unlink", "unable to create file", "cannot create directory"];

impl Git {
    /// Brings a linked worktree to `commit`, and keeps its ignored files. False if something else stays in it: a repository
    /// within the worktree outlives it, or a file that cannot be replaced.
    pub(super) fn check_out(&self, lock: &RepoLock, path: &Path, name: &str, commit: &Oid) -> Result<bool, GitError> {
        let call = || self.call_in(path, format!("make the worktree of `{name}`")).repo_lock(lock);
        match call().args(["reset", "--quiet", "--hard", &commit.0]).run() {
            Err(GitError::Refused { complaint, .. }) if STUCK_SIGNS.iter().any(|sign| complaint.contains(sign)) => {
                return Ok(false);
            }
            other => drop(other?),
        }
        let cleaned = call().args(["clean", "--quiet", "--force", "-d"]).output()?.ok();
        // Without the names of folders: one that ignores all that is in it would be named, and hold nothing.
        let left = call().args(["ls-files", "--others", "--exclude-standard"]).run()?;
        Ok(cleaned && left.stdout.is_empty())
    }
}
