//! What people have yet to be told of the store: that it was made anew, by whichever process found out that it was lost. That may be
//! an agent's, or a controller's whose log nobody reads, so it is kept beside the ledger until somebody is told.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Restored;

/// No more is kept: a store that is lost again and again says the same again and again.
const KEPT_BYTES_MAX: u64 = 16 << 10;

fn path(facts: &Path) -> PathBuf {
    facts.with_extension("restored")
}

/// Keeps it until somebody is told.
pub(super) fn keep(facts: &Path, restored: &Restored) {
    let path = path(facts);
    if fs_err::metadata(&path).is_ok_and(|there| there.len() > KEPT_BYTES_MAX) {
        return;
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let written = fs_err::OpenOptions::from_options(options).open(&path);
    if let Err(error) = written.and_then(|mut file| file.write_all(format!("{restored}\n").as_bytes())) {
        tracing::warn!(%error, "that the store was made anew is said here alone: {restored}");
    }
}

/// What was kept beside these facts, to be told now: a line each time that the store was made anew since.
pub fn take_restored(facts: &Path) -> io::Result<Vec<String>> {
    let path = path(facts);
    let taken = path.with_extension("told");
    match fs_err::rename(&path, &taken) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        renamed => renamed?,
    }
    let text = fs_err::read_to_string(&taken)?;
    fs_err::remove_file(&taken)?;
    Ok(text.lines().map(str::to_owned).collect())
}
