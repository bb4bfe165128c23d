//! Lock files that killed gits left in a sandbox: nobody works in it, so nobody holds them.

use std::path::{Path, PathBuf};

use gastown_controllers::world::SandboxId;

use super::{looking, worktree};
use crate::git::folders::{absent, list};
use crate::git::{Git, GitError};

/// Folders of a repository without lock files of git. What is written among the objects has a name of its own.
const WITHOUT: [&str; 3] = ["objects", "hooks", "lfs"];

impl Git {
    /// Removes the lock files of a sandbox's repository and of the submodules in it, unless a session runs in it. The caller
    /// knows that no setup does.
    pub fn remove_locks(&self, id: &SandboxId) -> Result<(), GitError> {
        if self.in_use(id)? {
            return Ok(());
        }
        let sweep = || {
            let entry = worktree::named_entry(&self.layout.worktree(&id.uid))?;
            let repo = entry.as_deref().and_then(|entry| entry.ancestors().nth(2));
            for repo in worktree::repositories(&self.layout, &id.uid).filter(|own| repo == Some(own)) {
                locks(&repo)?.iter().try_for_each(|lock| absent(fs_err::remove_file(lock)))?;
            }
            Ok(())
        };
        let _lock = self.sandbox_lock(id)?;
        sweep().map_err(|source| looking(id, source))
    }
}

/// The lock files in a repository. No ref is called like one (git-check-ref-format(1)).
fn locks(repo: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = vec![repo.join("objects/info/commit-graphs/commit-graph-chain.lock")];
    let mut folders = vec![repo.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in list(&folder)? {
            let name = path.file_name().unwrap_or_default();
            // Links are not followed: they lead out of the repository.
            match fs_err::symlink_metadata(&path) {
                Ok(it) if it.is_dir() && WITHOUT.iter().all(|without| name != *without) => folders.push(path),
                Ok(it) if it.is_file() && path.extension().is_some_and(|e| e == "lock") => found.push(path),
                _ => {}
            }
        }
    }
    Ok(found)
}
