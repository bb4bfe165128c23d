//! Whether the files of a store are still those that were opened. SQLite goes on with a file that was removed, and reads from one that
//! was cut off whatever is left of it; only the folder says so.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Place;
use super::restore::Loss;

/// A page of the file is not there: `SQLITE_IOERR_SHORT_READ`.
const SHORT_READ: i32 = 522;

/// The files of a store as they were last seen.
#[derive(Debug)]
pub(super) struct Standing {
    path: PathBuf,
    wal: PathBuf,
    seen: Stamp,
    /// None until there is one.
    wal_seen: Option<Stamp>,
}

/// A file, and how long it was.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
}

impl Standing {
    /// The files of a store that was just opened; none of one in memory.
    pub fn of(place: &Place) -> Option<Self> {
        let Place::File(path) = place else { return None };
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        let (seen, wal_seen) = (stamp(path).ok()??, stamp(&wal).ok()?);
        Some(Self { seen, wal_seen, path: path.clone(), wal })
    }

    /// What has become of them; none if they are as they should be: the same, and no shorter. One look at each. `is_folded`
    /// says whether all that the write-ahead log held is in the file: then whoever cut it off may have been SQLite.
    pub fn lost(&mut self, is_folded: impl FnOnce() -> bool) -> Option<Loss> {
        // What cannot be seen is not taken for lost.
        let (Ok(now), Ok(wal)) = (stamp(&self.path), stamp(&self.wal)) else { return None };
        let Some(now) = now else { return Some(Loss::Missing) };
        let lost = match (self.wal_seen, wal) {
            _ if now.file != self.seen.file => Some("replaced by another file"),
            _ if now.bytes < self.seen.bytes => Some("cut off"),
            (Some(seen), Some(wal)) if seen.file == wal.file && wal.bytes < seen.bytes => {
                (!is_folded()).then_some("robbed of what its write-ahead log held")
            }
            (Some(seen), wal) if wal.is_none_or(|wal| wal.file != seen.file) => Some("robbed of its write-ahead log"),
            _ => None,
        };
        if lost.is_none() {
            (self.seen, self.wal_seen) = (now, wal);
        }
        lost.map(Loss::Overwritten)
    }
}

/// None where there is no file.
fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs_err::metadata(path) {
        Ok(metadata) => Ok(Some(Stamp { file: (metadata.dev(), metadata.ino()), bytes: metadata.len() })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether SQLite says that a file is not as it was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, DatabaseCorrupt | NotADatabase) || failure.extended_code == SHORT_READ
        }
        _ => false,
    }
}
