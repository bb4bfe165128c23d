//! One lock for each repository: a lock file that whoever changes worktrees or branches holds, across processes.
//!
//! Git's own locks are not enough: concurrent `worktree add` commands fail on the shared config and leave half of their
//! work behind. The lock is an flock on a file beside the clone, never inside what is deleted.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gastown_base::lock;
use gastown_controllers::world::SandboxId;

use crate::git::{Git, GitError};

/// The longest wait for a lock: a worktree of 10,000 files takes half a second, and few rigs have 60 polecats.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(30);

/// A held lock; dropped, it is free once the children that were given it have ended too.
#[derive(Debug)]
pub(in crate::git) struct RepoLock {
    file: File,
}

impl RepoLock {
    /// Takes the lock at `path`, waiting at most `limit`.
    pub(in crate::git) fn take(path: &Path, what: &str, limit: Duration) -> Result<Self, GitError> {
        let error = |source| GitError::Io { doing: format!("lock `{}`", path.display()), source };
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).map_err(error)?;
        }
        let busy = || GitError::Busy { what: what.to_owned(), lock: path.display().to_string(), limit };
        let file = lock::take(path, limit).map_err(error)?.ok_or_else(busy)?;
        Ok(Self { file })
    }

    /// The lock as a child's standard input (the file is empty): should this process be killed, it stays taken
    /// until the git that it started has ended.
    pub(in crate::git) fn stdin(&self) -> Stdio {
        self.file.try_clone().map_or_else(|_| Stdio::null(), Stdio::from)
    }
}

impl Git {
    /// The lock of a rig's clone: its branches.
    pub(in crate::git) fn repo_lock(&self, rig_uid: &str) -> Result<RepoLock, GitError> {
        RepoLock::take(&self.lock_path(rig_uid, "lock"), "the rig's repository", LOCK_WAIT_MAX)
    }

    /// The lock of a sandbox's worktree and repository.
    pub(in crate::git) fn sandbox_lock(&self, id: &SandboxId) -> Result<RepoLock, GitError> {
        let path = self.layout.sandboxes().join(format!("{}.lock", id.uid));
        RepoLock::take(&path, &format!("the worktree of `{}`", id.name), LOCK_WAIT_MAX)
    }

    /// The lock of a rig's remote: clone and fetch. Apart, since they may take minutes and change other refs.
    pub(in crate::git) fn remote_lock(&self, rig_uid: &str) -> Result<RepoLock, GitError> {
        RepoLock::take(&self.lock_path(rig_uid, "remote.lock"), "the rig's remote", LOCK_WAIT_MAX)
    }

    /// Removes the locks of a clone that is no more.
    pub(in crate::git) fn remove_clone_locks(&self, uid: &str) -> std::io::Result<()> {
        for extension in ["lock", "remote.lock"] {
            match fs_err::remove_file(self.lock_path(uid, extension)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }

    fn lock_path(&self, rig_uid: &str, extension: &str) -> PathBuf {
        let clone = self.layout.bare_clone(rig_uid);
        clone.with_file_name(format!("{rig_uid}.{extension}"))
    }
}
