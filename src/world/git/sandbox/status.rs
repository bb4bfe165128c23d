//! Questions about one worktree, for the verbs that agents run in it: is it dirty, where is its tip, how far ahead?

use std::path::Path;

use gastown_controllers::seen::Oid;
use git2::Repository;

use crate::git::clone::facts::oid;
use crate::git::history::History;
use crate::git::{Git, GitError};
use crate::layout::Layout;

/// Whether the worktree holds anything uncommitted: changes, or files that are neither tracked nor ignored.
/// By the git program, since only it runs the filters that decide what a change is.
pub fn dirty(worktree: &Path) -> Result<bool, GitError> {
    // No path of the layout is used; a call needs only the environment.
    Git::new(Layout::below(worktree)).is_dirty(worktree)
}

/// The commit that is checked out.
pub fn head(worktree: &Path) -> Result<Oid, GitError> {
    let read = || Ok(Repository::open(worktree)?.head()?.peel_to_commit()?.id());
    read().map(oid).map_err(|source| reading(worktree, source))
}

/// The number of commits that the worktree's tip has and `base` does not reach.
pub fn commits_ahead(worktree: &Path, base: &Oid) -> Result<u32, GitError> {
    let count = || {
        let repo = Repository::open(worktree)?;
        let tip = repo.head()?.peel_to_commit()?.id();
        let ahead = History::of(&repo)?.ahead(tip, git2::Oid::from_str(&base.0)?)?;
        Ok(u32::try_from(ahead).unwrap_or(u32::MAX))
    };
    count().map_err(|source| reading(worktree, source))
}

impl Git {
    /// See [`dirty`].
    pub fn is_dirty(&self, worktree: &Path) -> Result<bool, GitError> {
        let status = self
            .call_in(worktree, format!("look for uncommitted changes in `{}`", worktree.display()))
            // The agent's own git may run beside: take no index lock to save what was learnt.
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(["status", "--porcelain", "--untracked-files=normal"])
            .run()?;
        Ok(!status.stdout.is_empty())
    }
}

fn reading(worktree: &Path, source: git2::Error) -> GitError {
    GitError::Read { doing: format!("read the worktree `{}`", worktree.display()), source }
}
