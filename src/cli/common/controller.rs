//! The controller of a town, found where its socket or its lock is lost: by what it has open, and by how it was started.

use std::path::{Path, PathBuf};

use crate::town::Town;
use crate::world::layout::Layout;

/// A process of the user's, as `/proc` shows it.
struct Process {
    pid: i32,
    folder: PathBuf,
}

/// The controller of a town, whatever folders it was told to use.
pub fn of(town: &Town) -> Option<i32> {
    processes()
        .find(|it| it.is_controller() && (it.has_open(&town.layout.store()) || it.is_for(&town.dir)))
        .map(|it| it.pid)
}

/// A controller that has this store open.
pub fn with_the_store(layout: &Layout) -> Option<i32> {
    processes().find(|it| it.is_controller() && it.has_open(&layout.store())).map(|it| it.pid)
}

/// All others. What ends while it is looked at is left out; so is what may not be looked at: it is another user's.
fn processes() -> impl Iterator<Item = Process> {
    let own = std::process::id().cast_signed();
    let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(move |pid| *pid != own).map(|pid: i32| Process { pid, folder: PathBuf::from(format!("/proc/{pid}")) })
}

impl Process {
    fn words(&self) -> Vec<Vec<u8>> {
        let line = fs_err::read(self.folder.join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    }

    /// Whether it was started as `gt up`, and is what serves: not the one that waits until another does.
    fn is_controller(&self) -> bool {
        let words = self.words();
        let says = |word: &str| words.iter().skip(1).any(|it| it == word.as_bytes());
        says("up") && (says("--background-child") || says("--foreground"))
    }

    /// Whether it has this file open, also where that was deleted.
    fn has_open(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        let open = fs_err::read_dir(self.folder.join("fd")).into_iter().flatten().flatten();
        open.filter_map(|fd| fs_err::read_link(fd.path()).ok())
            .any(|file| file.to_string_lossy().trim_end_matches(" (deleted)") == path)
    }

    /// Whether it was told to serve the town in this folder.
    fn is_for(&self, dir: &Path) -> bool {
        use std::os::unix::ffi::OsStrExt as _;
        let words = self.words();
        words.windows(2).any(|pair| pair[0] == b"--town" && pair[1] == dir.as_os_str().as_bytes())
    }
}
