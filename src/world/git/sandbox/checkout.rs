//! A worktree's files are brought to a commit: all of them in a new one, those that differ in one that is used again.

use std::path::Path;

use gastown_controllers::seen::Oid;

use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

impl Git {
    /// Brings a linked worktree to `commit`, and keeps its ignored files. False if something else stays in it: a repository
    /// within the worktree outlives it.
    pub(super) fn check_out(&self, lock: &RepoLock, path: &Path, name: &str, commit: &Oid) -> Result<bool, GitError> {
        let call = || self.call_in(path, format!("make the worktree of `{name}`")).repo_lock(lock);
        call().args(["reset", "--quiet", "--hard", &commit.0]).run()?;
        let cleaned = call().args(["clean", "--quiet", "--force", "-d"]).output()?.ok();
        let left = call().args(["ls-files", "--others", "--exclude-standard", "--directory"]).run()?;
        Ok(cleaned && left.stdout.is_empty())
    }
}
