//! Temporary files that killed gits left among a clone's objects, some of them of gigabytes.
//!
//! Git's own collection would remove them, and nothing is ever collected here. By age alone: a git that writes keeps its
//! file young, and agents' gits work on the same clone beside ours.

use std::io;
use std::path::Path;

use gastown_supervisor::records::written;
use jiff::{SignedDuration, Timestamp};

use crate::git::folders::{self, list};

/// The age from which such a file belongs to no running git: twice the limit of our longest call.
const UNFINISHED_MIN: SignedDuration = SignedDuration::from_hours(2);

/// Removes the temporary files of killed gits, as far as that goes: what stays takes disk space, and no more.
pub(super) fn sweep(clone: &Path, now: Timestamp) {
    if let Err(error) = try_sweep(&clone.join("objects"), now) {
        tracing::warn!(%error, "what killed gits left in a clone could not be removed");
    }
}

fn try_sweep(objects: &Path, now: Timestamp) -> io::Result<()> {
    let (own, folders): (Vec<_>, Vec<_>) = list(objects)?.into_iter().partition(|path| is_temporary(path));
    let mut found = own;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        found.extend(list(folder)?.into_iter().filter(|path| is_temporary(path)));
    }
    for path in found {
        // One that is gone by now was in use.
        if written(&path).is_ok_and(|at| now.duration_since(at) > UNFINISHED_MIN) {
            folders::remove(&path)?;
        }
    }
    Ok(())
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"tmp_"))
}
