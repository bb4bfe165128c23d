//! The programs that a session would find, and the town's own: the folder that its PATH starts with, the supervisor.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use gastown_base::private;
use rustix::fs::{Access, access};

use super::supervisor;
use crate::layout::Layout;

/// The names that this program goes by in a session.
const NAMES: [&str; 2] = ["gt", "bd"];

/// The path of a program: itself if it is a path, otherwise the first of that name in `path`.
pub fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|program| starts(program));
    }
    if name.is_empty() {
        return None;
    }
    std::env::split_paths(path).map(|dir| dir.join(name)).find(|program| starts(program))
}

pub(super) fn starts(program: &Path) -> bool {
    program.is_file() && access(program, Access::EXEC_OK).is_ok()
}

/// Puts in place what sessions are started with: `gt`, `bd` and the supervisor.
pub fn install(layout: &Layout, gt: &Path) -> io::Result<()> {
    supervisor::install(layout)?;
    install_bin(layout, gt)
}

/// Makes `gt` and `bd` in the town's own folder lead to this program. A session never sees the folder without them.
fn install_bin(layout: &Layout, gt: &Path) -> io::Result<()> {
    let bin = layout.bin();
    private::create(&bin)?;
    for name in NAMES {
        let link = bin.join(name);
        if fs_err::read_link(&link).is_ok_and(|target| target == gt) {
            continue;
        }
        let fresh = bin.join(format!(".{name}-{}", rustix::process::getpid().as_raw_nonzero()));
        match fs_err::os::unix::fs::symlink(gt, &fresh) {
            Ok(()) => {}
            // Left by a process of the same number that died here.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                fs_err::remove_file(&fresh)?;
                fs_err::os::unix::fs::symlink(gt, &fresh)?;
            }
            Err(e) => return Err(e),
        }
        fs_err::rename(&fresh, &link)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_follow_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        for gt in ["/old/gt", "/new/gt", "/new/gt"] {
            install_bin(&layout, Path::new(gt)).unwrap();
            assert_eq!(fs_err::read_link(layout.bin().join("gt")).unwrap(), Path::new(gt));
            assert_eq!(fs_err::read_link(layout.bin().join("bd")).unwrap(), Path::new(gt));
        }
        assert_eq!(fs_err::read_dir(layout.bin()).unwrap().count(), 2);
    }

    #[test]
    fn only_what_may_be_executed_is_a_program() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("text"), "").unwrap();
        let path = std::env::join_paths([dir.path(), Path::new("/bin")]).unwrap();
        assert_eq!(find("sh", &path), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find("text", &path), None);
        assert_eq!(find("/bin/sh", OsStr::new("")), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find("", &path), None);
    }
}
