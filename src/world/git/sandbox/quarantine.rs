//! Quarantine: folders that others wrote in are moved out of the way, kept whole or to be removed.
//!
//! What a check or an agent leaves behind may not let itself be removed (folders without write permission, files of
//! another user that a container made). That is no reason to stop: the folder stays in quarantine, and removing it is
//! tried again the next time.
//!
//! On disk the names are `<uid>.kept-N` for what is kept, and `.trash` and `.trash-N` for what is to be removed. They stay
//! as they are, since earlier releases have left such folders.

use std::io;
use std::path::{Path, PathBuf};

use gastown_controllers::world::SandboxId;

use super::nested;
use super::worktree::Home;
use crate::git::GitError;
use crate::git::folders::{absent, remove};

/// Most worktrees that are kept for one polecat, because git could not rescue their files. More, and people must look.
const KEPT_MAX: u32 = 100;
/// Most folders of one place that stay in quarantine because they cannot be removed. More, and people must look.
const DISCARDED_MAX: u32 = 100;

/// Removes a worktree's folder and its entry. The folder is renamed first, so that a crash leaves no half worktree to rescue.
pub(in crate::git) fn discard(path: &Path, entry: Option<&Path>) -> io::Result<()> {
    discard_by(path, entry, &remove)
}

/// Removes what of a place is in quarantine to be removed, as far as that goes.
pub(super) fn sweep(path: &Path) {
    sweep_by(path, &remove);
}

/// Moves a worktree that git could not rescue into quarantine, whole, with its repository. The clone's entry of a worktree
/// of an earlier release goes, unless it holds the repositories of submodules.
pub(super) fn keep(path: &Path, home: Option<&Home>, clone: Option<&Path>, id: &SandboxId) -> Result<(), GitError> {
    let kept = (1..=KEPT_MAX).map(|n| path.with_file_name(format!("{}.kept-{n}", id.uid))).find(|p| !p.exists());
    let Some(kept) = kept else {
        let message = format!("{KEPT_MAX} worktrees are kept there already: look through them and delete some");
        return Err(GitError::Io {
            doing: format!("quarantine the worktree `{}`", path.display()),
            source: std::io::Error::other(message),
        });
    };
    let doing = format!("quarantine the worktree as `{}`", kept.display());
    let quarantine = || {
        let mut goes = None;
        if let Some(Home { repo, entry }) = home {
            if Some(repo.as_path()) == clone && !nested::keeps_submodules(entry)? {
                goes = Some(entry.as_path());
            } else if entry.is_dir() {
                // Before the move, so that a crash in between leaves no entry that seems to have lost its folder.
                fs_err::write(entry.join("gitdir"), format!("{}\n", kept.join(".git").display()))?;
                absent(fs_err::remove_file(entry.join("locked")))?;
            }
        }
        absent(fs_err::rename(path, &kept))?;
        discard(path, goes)
    };
    quarantine().map_err(|source| GitError::Io { doing, source })?;
    tracing::warn!(sandbox = id.name, quarantine = %kept.display(), "git cannot rescue what is in a worktree: it is quarantined");
    Ok(())
}

fn discard_by(path: &Path, entry: Option<&Path>, remove: &dyn Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        absent(fs_err::rename(path, free(path)?))?;
    }
    sweep_by(path, remove);
    entry.map_or(Ok(()), remove)
}

fn sweep_by(path: &Path, remove: &dyn Fn(&Path) -> io::Result<()>) {
    for discarded in names(path).filter(|discarded| discarded.symlink_metadata().is_ok()) {
        if let Err(error) = remove(&discarded) {
            tracing::warn!(%error, "`{}` cannot be removed: it is left there; remove it by hand", discarded.display());
        }
    }
}

/// The first name beside a place that is not taken.
fn free(path: &Path) -> io::Result<PathBuf> {
    names(path).find(|discarded| discarded.symlink_metadata().is_err()).ok_or_else(|| {
        let (first, folder) = (path.with_extension("trash"), path.parent().unwrap_or(path));
        let (first, folder) = (first.display(), folder.display());
        io::Error::other(format!(
            "{DISCARDED_MAX} folders like `{first}` cannot be removed: delete them from `{folder}`"
        ))
    })
}

fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let later = (2..=DISCARDED_MAX).map(|n| path.with_extension(format!("trash-{n}")));
    std::iter::once(path.with_extension("trash")).chain(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(dir: &Path) -> PathBuf {
        let path = dir.join("worktree");
        fs_err::create_dir(&path).unwrap();
        fs_err::write(path.join("file"), "").unwrap();
        path
    }

    #[test]
    fn what_cannot_be_removed_is_left_beside_up_to_a_bound_and_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let refuse = |_: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        for n in 1..=DISCARDED_MAX as usize {
            let path = made(dir.path());
            discard_by(&path, None, &refuse).unwrap();
            assert!(!path.exists());
            assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), n, "each has its own name");
        }
        let path = made(dir.path());
        let refused = discard_by(&path, None, &refuse).unwrap_err().to_string();
        assert!(refused.contains("delete them") && path.exists(), "{refused}");
        sweep(&path);
        discard(&path, None).unwrap();
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
    }
}
