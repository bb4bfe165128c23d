//! Folders and files: whether one is absent or empty, what is in it, and removing it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The permissions that an owner needs on a folder to remove what is in it.
const OWNER_ALL: u32 = 0o700;

/// Takes "not found" as success.
pub(super) fn absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether there is nothing at a path, or an empty folder.
pub(super) fn is_empty(path: &Path) -> io::Result<bool> {
    match fs_err::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

/// What is in a folder; nothing if it is not there.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs_err::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// Removes a file or a folder, if need be after giving its owner the permission.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    if folder.symlink_metadata().is_ok_and(|it| !it.is_dir()) {
        return absent(fs_err::remove_file(folder));
    }
    if absent(fs_err::remove_dir_all(folder)).is_ok() {
        return Ok(());
    }
    unlock(folder);
    absent(fs_err::remove_dir_all(folder))
}

/// Lets its owner into each folder, as far as that goes. Symbolic links are not followed.
fn unlock(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(found) = folder.symlink_metadata() else { continue };
        let mode = found.permissions().mode();
        if mode & OWNER_ALL != OWNER_ALL {
            // Refused if it is somebody else's; whether it matters, the removal will say.
            fs_err::set_permissions(&folder, PermissionsExt::from_mode(mode | OWNER_ALL)).ok();
        }
        let Ok(entries) = fs_err::read_dir(&folder) else { continue };
        let is_folder = |entry: &fs_err::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        folders.extend(entries.flatten().filter(is_folder).map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_let_in_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, outside) = (dir.path().join("worktree"), dir.path().join("outside"));
        fs_err::create_dir_all(path.join("locked/deep")).unwrap();
        fs_err::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&outside, path.join("link")).unwrap();
        let mode = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        mode(&outside, 0o500);
        mode(&path.join("locked/deep"), 0o000);
        mode(&path.join("locked"), 0o055);
        unlock(&path);
        let now = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((now(&path.join("locked")), now(&path.join("locked/deep"))), (0o755, 0o700));
        assert_eq!(now(&outside), 0o500);
    }
}
