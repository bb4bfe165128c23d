//! Submodules that are checked out in a worktree which is used again: each is brought to the commit that the worktree names.
//!
//! What somebody left in one is kept in its repository, which stays with the sandbox: edits as a stash, commits by a ref.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::Repository;

use super::rescue::IDENTITY;
use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

/// The mode of an entry that names a commit of another repository.
const LINK: u32 = 0o160_000;

impl Git {
    /// Brings them there. False if one cannot be, such as one in the middle of a merge.
    pub(super) fn settle_submodules(&self, lock: &RepoLock, worktree: &Path) -> Result<bool, GitError> {
        let mut folders = vec![worktree.to_owned()];
        while let Some(folder) = folders.pop() {
            for (path, wanted) in links(&folder)? {
                let place = folder.join(OsStr::from_bytes(&path));
                // One that is not checked out, or a repository that is there in its stead.
                if !place.join(".git").is_file() {
                    continue;
                }
                if !self.settle_submodule(lock, &place, wanted)? {
                    let call = self.call_in(&folder, format!("put away the submodule `{}`", place.display()));
                    let call = call.repo_lock(lock).args(["submodule", "--quiet", "deinit", "--force", "--"]);
                    if !call.arg(OsStr::from_bytes(&path)).output()?.ok() {
                        return Ok(false);
                    }
                    continue;
                }
                folders.push(place);
            }
        }
        Ok(true)
    }

    /// False if it does not have the commit, or something in it is in the way.
    fn settle_submodule(&self, lock: &RepoLock, place: &Path, wanted: git2::Oid) -> Result<bool, GitError> {
        let doing = || format!("settle the submodule `{}`", place.display());
        let call = || self.call_in(place, doing()).repo_lock(lock);
        let head = Repository::open(place).ok().and_then(|repo| repo.head().ok()?.target());
        let status = call().args(["status", "--porcelain", "--ignore-submodules=all"]).output()?;
        if !status.ok() {
            return Ok(false);
        }
        if head == Some(wanted) && status.stdout.is_empty() {
            return Ok(true);
        }
        if let Some(head) = head.map(|head| head.to_string()) {
            let named = ["for-each-ref", "--count=1", "--contains", &head];
            if call().args(named).output()?.stdout.is_empty() {
                let name = format!("refs/gt/rescue/{}", head.get(..12).unwrap_or(&head));
                call().args(["update-ref", &name, &head]).run()?;
            }
        }
        if !status.stdout.is_empty() {
            let stash = IDENTITY.iter().fold(call(), |call, (name, value)| call.env(name, value));
            if !stash.args(["stash", "push", "--quiet", "--include-untracked"]).output()?.ok() {
                return Err(GitError::Refused {
                    doing: doing(),
                    code: 1,
                    complaint: "its edits cannot be put aside".into(),
                });
            }
        }
        Ok(call().args(["checkout", "--quiet", "--force", "--detach", &wanted.to_string()]).output()?.ok())
    }
}

/// The submodules of a worktree: their paths, and the commits that its index names.
fn links(worktree: &Path) -> Result<Vec<(Vec<u8>, git2::Oid)>, GitError> {
    if !worktree.join(".gitmodules").is_file() {
        return Ok(Vec::new());
    }
    let read = |source| GitError::Read { doing: format!("look for submodules in `{}`", worktree.display()), source };
    let index = Repository::open(worktree).and_then(|repo| repo.index()).map_err(read)?;
    Ok(index.iter().filter(|entry| entry.mode == LINK).map(|entry| (entry.path, entry.id)).collect())
}
