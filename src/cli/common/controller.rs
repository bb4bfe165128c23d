//! The controller of a town, found where its socket or its lock is lost: by what it has open, and by how it was started.

use std::ffi::OsString;
use std::path::Path;

use gastown_supervisor::proc;

use crate::town::Town;
use crate::world::layout::Layout;

/// The controller of a town, whatever folders it was told to use.
pub fn of(town: &Town) -> Option<i32> {
    controllers()
        .find(|(pid, words)| has_open(*pid, &town.layout.store()) || are_for(words, &town.dir))
        .map(|(pid, _)| pid)
}

/// A controller that has this store open.
pub fn with_the_store(layout: &Layout) -> Option<i32> {
    controllers().map(|(pid, _)| pid).find(|pid| has_open(*pid, &layout.store()))
}

/// All controllers but this process, with the words that they were started with.
fn controllers() -> impl Iterator<Item = (i32, Vec<OsString>)> {
    let own = std::process::id().cast_signed();
    let pids = proc::pids().unwrap_or_default().into_iter().filter(move |pid| *pid != own);
    pids.map(|pid| (pid, proc::words(pid))).filter(|(_, words)| serves(words))
}

/// Whether these are the words of a `gt up` that serves, and not of one that waits until another does.
fn serves(words: &[OsString]) -> bool {
    let says = |word: &str| words.iter().skip(1).any(|it| it == word);
    says("up") && (says("--background-child") || says("--foreground"))
}

/// Whether a process has this file open, also where that was deleted.
fn has_open(pid: i32, path: &Path) -> bool {
    let path = path.to_string_lossy();
    proc::open_files(pid).any(|(_, file)| file.to_string_lossy().trim_end_matches(" (deleted)") == path)
}

/// Whether these words name the town in this folder.
fn are_for(words: &[OsString], dir: &Path) -> bool {
    words.windows(2).any(|pair| pair[0] == "--town" && pair[1] == dir)
}
