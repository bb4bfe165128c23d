//! Folders that are the user's alone: made so, and trusted only while nobody else can put another in their place.
//!
//! A path in a shared folder, such as `/tmp/gt-1000`, can be made first by anybody. So a folder counts only if it belongs
//! to the user and is closed to others, and if no folder on the way to it lets others rename what is in it.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::geteuid;

/// The bits of others: they may not even look.
const OTHERS: u32 = 0o077;
/// The bits by which others could put something in a folder, or take it away.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with this bit, what is somebody's own is moved by nobody else.
const STICKY: u32 = 0o1000;

/// Makes a folder, and those above it that are missing, closed to others. One that is there stays as it is.
pub fn create(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| named(&error, folder))
}

/// Makes a folder that is not there, closed to others.
pub fn create_new(folder: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder).map_err(|error| named(&error, folder))
}

/// Makes a folder, or closes one that is there to others. Refused if it belongs to somebody else.
pub fn own(folder: &Path) -> io::Result<()> {
    create(folder)?;
    let found = fs_err::symlink_metadata(folder)?;
    // A person may keep it on another disk.
    let found = if found.is_symlink() { fs_err::metadata(folder)? } else { found };
    belongs_to_us(folder, &found)?;
    if found.mode() & OTHERS != 0 {
        fs_err::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Whether a folder that is there can be trusted: what is in it was put there by the user alone.
pub fn check(folder: &Path) -> io::Result<()> {
    let found = fs_err::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(untrusted(format!("{} is no folder", folder.display())));
    }
    belongs_to_us(folder, &found)?;
    if found.mode() & OTHERS != 0 {
        let (shown, mode) = (folder.display(), found.mode() & 0o777);
        return Err(untrusted(format!("{shown} is open to others (mode {mode:03o}): chmod 700 {shown}")));
    }
    let real = fs_err::canonicalize(folder)?;
    check_way(folder)?;
    if real == folder { Ok(()) } else { check_way(&real) }
}

/// No folder above, nor a link on the way, is another user's or writable by others.
fn check_way(folder: &Path) -> io::Result<()> {
    for above in folder.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        let found = fs_err::symlink_metadata(above)?;
        let (shown, owner, mode) = (above.display(), found.uid(), found.mode());
        if owner != 0 && owner != geteuid().as_raw() && Some(owner) != nobody() {
            return Err(untrusted(format!("{shown} belongs to another user (uid {owner})")));
        }
        if found.is_dir() && mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            let why = format!("others can replace what is in {shown} (mode {:03o}): chmod go-w {shown}", mode & 0o777);
            return Err(untrusted(why));
        }
    }
    Ok(())
}

fn belongs_to_us(path: &Path, found: &Metadata) -> io::Result<()> {
    if found.uid() == geteuid().as_raw() {
        return Ok(());
    }
    Err(untrusted(format!("{} belongs to another user (uid {})", path.display(), found.uid())))
}

fn named(error: &io::Error, folder: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("could not create the folder {}: {error}", folder.display()))
}

fn untrusted(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// The uid that stands for whoever has none in this user namespace: in a sandbox without root, `/` is root's and is shown
/// as its. None where every user has one.
fn nobody() -> Option<u32> {
    let map = fs_err::read_to_string("/proc/self/uid_map").ok()?;
    let mut first = map.split_whitespace().map(str::parse);
    if let (Some(Ok(0)), Some(Ok(0)), Some(Ok(u32::MAX))) = (first.next(), first.next(), first.next()) {
        return None;
    }
    fs_err::read_to_string("/proc/sys/kernel/overflowuid").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().mode() & 0o777
    }

    fn set(path: &Path, mode: u32) {
        fs_err::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_closed_and_what_was_open_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let (deep, open) = (dir.path().join("a/b"), dir.path().join("open"));
        own(&deep).unwrap();
        assert_eq!((mode(&deep), mode(&dir.path().join("a"))), (0o700, 0o700));
        fs_err::create_dir(&open).unwrap();
        set(&open, 0o755);
        assert!(check(&open).unwrap_err().to_string().contains("is open to others (mode 755)"));
        own(&open).unwrap();
        assert_eq!(mode(&open), 0o700);
        check(&open).unwrap();
    }

    #[test]
    fn a_way_that_others_can_change_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, folder) = (dir.path().join("shared"), dir.path().join("shared/own"));
        own(&folder).unwrap();
        for (mode, trusted) in [(0o777, false), (0o775, false), (0o1777, true), (0o755, true)] {
            set(&shared, mode);
            assert_eq!(check(&folder).is_ok(), trusted, "{mode:o}");
        }
    }

    #[test]
    fn a_folder_of_another_user_is_not_trusted_wherever_it_is_on_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let (shared, folder) = (dir.path().join("shared"), dir.path().join("shared/own"));
        own(&folder).unwrap();
        // Only root can give a folder away.
        if std::os::unix::fs::chown(&shared, Some(12345), None).is_err() {
            return;
        }
        assert!(check(&folder).unwrap_err().to_string().ends_with("shared belongs to another user (uid 12345)"));
        assert!(own(&shared).unwrap_err().to_string().ends_with("belongs to another user (uid 12345)"));
        let link = dir.path().join("link");
        fs_err::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(check(&link).unwrap_err().to_string().ends_with("is no folder"));
    }
}
