//! Repositories within a worktree: a rescue records at most which commit they are at, so what they hold goes with them.
//!
//! They are a submodule, a clone, or what `git init` made, and commits, stashes and files of theirs are in them alone.
//! Those in ignored folders are left out, as ignored files are: package managers and tests keep theirs there.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gastown_controllers::seen::Oid;
use git2::{ObjectType, Repository};

use crate::git::GitError;
use crate::git::folders::is_empty;

/// Whether there is a repository within the worktree, or one that its entry keeps for a submodule. `tree` is what a
/// rescue found in it.
pub(super) fn any(clone: &Path, worktree: &Path, entry: &Path, tree: &Oid) -> Result<bool, GitError> {
    let doing = || format!("look for repositories within `{}`", worktree.display());
    let io = |source| GitError::Io { doing: doing(), source };
    let git = |source| GitError::Read { doing: doing(), source };
    if keeps_submodules(entry).map_err(io)? {
        return Ok(true);
    }
    let repo = Repository::open_bare(clone).map_err(git)?;
    let mut trees = vec![(git2::Oid::from_str(&tree.0).map_err(git)?, worktree.to_owned())];
    while let Some((tree, folder)) = trees.pop() {
        for item in &repo.find_tree(tree).map_err(git)? {
            let path = folder.join(OsStr::from_bytes(item.name_bytes()));
            match item.kind() {
                // A link to a commit: a submodule, which may not be checked out, or a repository that `git add` met.
                Some(ObjectType::Commit) if !is_empty(&path).map_err(io)? => return Ok(true),
                // Its files are tracked from here, and its commits are not.
                Some(ObjectType::Tree) if path.join(".git").symlink_metadata().is_ok() => return Ok(true),
                Some(ObjectType::Tree) => trees.push((item.id(), path)),
                _ => {}
            }
        }
    }
    Ok(false)
}

/// Whether a worktree's entry holds the repositories of submodules.
pub(super) fn keeps_submodules(entry: &Path) -> std::io::Result<bool> {
    Ok(!is_empty(&entry.join("modules"))?)
}
