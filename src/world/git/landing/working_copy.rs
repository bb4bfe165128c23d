//! The working copy that a push would update: what lies there and git does not hold is a person's, and stays.
//!
//! Git's own `updateInstead` takes ignored files to be worth nothing, and overwrites them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::exit;
use gastown_crds::url::redact;
use git2::{Delta, Repository, Tree};

use crate::git::failure::Failure;
use crate::git::landing::push::Push;
use crate::git::{Git, GitError};

/// Files that are named of those in the way.
const NAMED_MAX: usize = 3;

impl Git {
    /// Refuses a push that would overwrite files of a working copy which git does not hold there. `at` is the commit that is
    /// checked out.
    pub(super) fn check_working_copy(
        &self,
        repo: &Repository,
        push: &Push,
        path: &Path,
        at: &Oid,
    ) -> Result<(), Failure> {
        let Some(place) = self.working_copy(path, push.branch)? else { return Ok(()) };
        let doing = || format!("see what lies in `{}`", place.display());
        let found =
            in_the_way(repo, &place, at, push.to).map_err(|source| GitError::Read { doing: doing(), source })?;
        let Some(first) = found.first() else { return Ok(()) };
        let shown: Vec<_> = found.iter().take(NAMED_MAX).map(|it| format!("`{}`", it.display())).collect();
        let more = if found.len() > NAMED_MAX { ", …" } else { "" };
        let message = format!(
            "{} of {} was not moved: it would overwrite what git does not hold in {}: {}{more}\n\
             move it away, then it is tried again, such as: mv {}{{,.mine}}",
            push.branch,
            redact(push.url),
            place.display(),
            shown.join(", "),
            place.join(first).display()
        );
        Err(Failure { code: exit::CHECKED_OUT, message })
    }

    /// The working copy of a repository that has a branch checked out.
    fn working_copy(&self, path: &Path, branch: &str) -> Result<Option<PathBuf>, GitError> {
        let call = self.call_in(path, format!("list the working copies of `{}`", path.display()));
        let listed = call.args(["worktree", "list", "--porcelain", "-z"]).run()?.stdout;
        let is_on = format!("branch refs/heads/{branch}");
        let mut place = None;
        for line in listed.split(|&b| b == 0) {
            if let Some(path) = line.strip_prefix(b"worktree ") {
                place = Some(PathBuf::from(std::ffi::OsStr::from_bytes(path)));
            } else if line == is_on.as_bytes() {
                return Ok(place);
            }
        }
        Ok(None)
    }
}

/// What lies where `to` has files that `at` has not.
fn in_the_way(repo: &Repository, place: &Path, at: &Oid, to: &Oid) -> Result<Vec<PathBuf>, git2::Error> {
    let tree = |commit: &Oid| repo.find_commit(git2::Oid::from_str(&commit.0)?)?.tree();
    let (old, new) = (tree(at)?, tree(to)?);
    let mut found = Vec::new();
    for delta in repo.diff_tree_to_tree(Some(&old), Some(&new), None)?.deltas() {
        let Some(path) = delta.new_file().path().filter(|_| delta.status() == Delta::Added) else { continue };
        found.extend(blocks(place, path, &old));
    }
    found.dedup();
    Ok(found)
}

/// What stands in the way of a new file, and is in the tree neither itself nor as what it would replace.
fn blocks(place: &Path, path: &Path, old: &Tree) -> Option<PathBuf> {
    let mut parts: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    for part in parts {
        let Ok(there) = place.join(part).symlink_metadata() else { return None };
        if !there.is_dir() {
            return old.get_path(part).is_err().then(|| part.to_owned());
        }
    }
    // A folder where a file is to be: whatever of it git does not hold would go.
    untracked_in(place, path, old)
}

fn untracked_in(place: &Path, folder: &Path, old: &Tree) -> Option<PathBuf> {
    for entry in fs_err::read_dir(place.join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        let is_folder = entry.file_type().is_ok_and(|it| it.is_dir());
        let found =
            if is_folder { untracked_in(place, &path, old) } else { old.get_path(&path).is_err().then_some(path) };
        if found.is_some() {
            return found;
        }
    }
    None
}
