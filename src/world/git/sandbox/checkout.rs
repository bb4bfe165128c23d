//! A worktree is made, switched to another commit, and put on its branch.

use std::path::{Path, PathBuf};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::SandboxId;

use super::looking;
use super::rescue::Held;
use super::worktree::{self, Found};
use crate::git::folders::absent;
use crate::git::{Git, GitError};

impl Git {
    /// Makes the worktree, without a branch.
    pub(in crate::git) fn add(
        &self,
        held: &Held,
        id: &SandboxId,
        path: &Path,
        start: &Oid,
    ) -> Result<PathBuf, GitError> {
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent).map_err(|source| looking(id, source))?;
        }
        // No `-b`: that writes to the shared config, and refuses a branch that a crash left behind.
        self.call_in(held.clone, format!("make the worktree of `{}`", id.name))
            .repo_lock(held.repo_lock)
            .args(["worktree", "add", "--quiet", "--detach"])
            .arg(path)
            .arg(&start.0)
            .run()?;
        match worktree::find(held.clone, path).map_err(|source| looking(id, source))? {
            Found::Whole(entry) => Ok(entry),
            other => Err(looking(id, std::io::Error::other(format!("after `git worktree add` it is {other:?}")))),
        }
    }

    /// Brings a rescued worktree to `start`, keeping ignored files. False if something of the old work stays in it.
    pub(super) fn switch(
        &self,
        held: &Held,
        id: &SandboxId,
        path: &Path,
        entry: &Path,
        start: &Oid,
    ) -> Result<bool, GitError> {
        worktree::clear_unfinished(entry).map_err(|source| looking(id, source))?;
        let call = || self.call_in(path, format!("switch the worktree of `{}`", id.name)).repo_lock(held.repo_lock);
        call().args(["checkout", "--quiet", "--force", "--detach", &start.0]).run()?;
        let cleaned = call().args(["clean", "--quiet", "--force", "-d"]).output()?.ok();
        // Repositories within the worktree survive a clean.
        let left = call().args(["ls-files", "--others", "--exclude-standard", "--directory"]).run()?;
        Ok(cleaned && left.stdout.is_empty())
    }

    /// Puts the worktree on its branch, which begins at `start`.
    pub(super) fn attach(
        &self,
        held: &Held,
        path: &Path,
        entry: &Path,
        branch: &str,
        start: &Oid,
    ) -> Result<(), GitError> {
        let io = |source| GitError::Io { doing: format!("look for worktrees on {branch}"), source };
        for (folder, other) in worktree::on_branch(held.clone, branch).map_err(io)? {
            if other.file_name() == entry.file_name() {
                continue;
            }
            // An older sandbox, of a namesake: it keeps its commit and its files, and leaves us the branch.
            let uid = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.refuse_if_in_use(&SandboxId { name: uid.clone(), uid })?;
            let git_dir = format!("--git-dir={}", other.display());
            let commit = self.call(format!("read {branch}")).args([&git_dir, "rev-parse", "HEAD^{commit}"]).run()?;
            self.call(format!("free {branch}"))
                .repo_lock(held.repo_lock)
                .args([&git_dir, "update-ref", "--no-deref", "HEAD", &commit.text()])
                .run()?;
        }
        // Left by a git that was killed; this branch is only moved by its polecat, which does not run now.
        absent(fs_err::remove_file(held.clone.join(format!("refs/heads/{branch}.lock")))).map_err(io)?;
        self.set_ref(held, &format!("refs/heads/{branch}"), &start.0)?;
        self.call_in(path, format!("check out {branch}"))
            .repo_lock(held.repo_lock)
            .args(["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")])
            .run()?;
        Ok(())
    }
}
