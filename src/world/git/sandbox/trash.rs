//! Getting folders that others wrote in out of the way: kept aside whole, or renamed, which counts, and then removed.
//!
//! What a check or an agent leaves behind may not let itself be removed (folders without write permission, files of
//! another user that a container made). That is no reason to stop: it is left beside, and tried again the next time.

use std::io;
use std::path::{Path, PathBuf};

use gastown_controllers::world::SandboxId;

use super::nested;
use crate::git::GitError;
use crate::git::folders::{absent, remove};

/// Worktrees kept aside for one polecat, because git could not rescue what they held. More, and people must look.
const ASIDE_MAX: u32 = 100;
/// Folders that are left beside one place because they cannot be removed. More, and people must look.
const TRASH_MAX: u32 = 100;
/// Removes a worktree's folder and its entry. By a rename first, so that a crash leaves no half worktree to rescue.
pub(in crate::git) fn discard(path: &Path, entry: Option<&Path>) -> io::Result<()> {
    discard_by(path, entry, &remove)
}

/// Removes what was left beside a place, as far as it lets itself be removed.
pub(super) fn sweep(path: &Path) {
    sweep_by(path, &remove);
}

/// Moves what git could not rescue out of the way, whole. Repositories of submodules are in its entry, which then stays.
pub(super) fn set_aside(path: &Path, entry: Option<&Path>, id: &SandboxId) -> Result<(), GitError> {
    let aside = (1..=ASIDE_MAX).map(|n| path.with_file_name(format!("{}.kept-{n}", id.uid))).find(|p| !p.exists());
    let Some(aside) = aside else {
        let message = format!("{ASIDE_MAX} worktrees are kept there already: look through them and delete some");
        return Err(GitError::Io {
            doing: format!("set the worktree `{}` aside", path.display()),
            source: std::io::Error::other(message),
        });
    };
    let doing = format!("set the worktree aside as `{}`", aside.display());
    let set_aside = || {
        let entry = match entry {
            Some(entry) if nested::keeps_submodules(entry)? => {
                // Before the move, so that a crash in between leaves no entry that seems to have lost its folder.
                fs_err::write(entry.join("gitdir"), format!("{}\n", aside.join(".git").display()))?;
                None
            }
            other => other,
        };
        fs_err::rename(path, &aside)?;
        discard(path, entry)
    };
    set_aside().map_err(|source| GitError::Io { doing, source })?;
    tracing::warn!(sandbox = id.name, aside = %aside.display(), "a worktree holds what git cannot rescue: kept aside");
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
    for trash in names(path).filter(|trash| trash.symlink_metadata().is_ok()) {
        if let Err(error) = remove(&trash) {
            tracing::warn!(%error, "`{}` cannot be removed: it is left there; remove it by hand", trash.display());
        }
    }
}

/// The first name beside a place that is not taken.
fn free(path: &Path) -> io::Result<PathBuf> {
    names(path).find(|trash| trash.symlink_metadata().is_err()).ok_or_else(|| {
        let (first, folder) = (path.with_extension("trash"), path.parent().unwrap_or(path));
        let (first, folder) = (first.display(), folder.display());
        io::Error::other(format!("{TRASH_MAX} folders like `{first}` cannot be removed: delete them from `{folder}`"))
    })
}

fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let later = (2..=TRASH_MAX).map(|n| path.with_extension(format!("trash-{n}")));
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
        for n in 1..=TRASH_MAX as usize {
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
