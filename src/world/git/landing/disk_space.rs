//! Whether a check may have failed because the disk is full: that is no fault of the branch, so the branch is not red.
//!
//! Two signs: the disk is almost full, or the check's last words say that it was. The second counts too, since the files
//! that filled the disk may be gone with the check (its temporary files, half of what it linked). But a branch may print
//! what it likes: if the check goes on saying so, the branch is red.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gastown_controllers::world::exit;
use rustix::fs::{StatVfs, statvfs};

use crate::git::Git;

/// Fewer free files than a check's own folders and logs need.
const INODES_MIN: u64 = 100;
/// The part of a check's output that is read for signs, in bytes, at its end: a program that finds the disk full stops.
const LAST_BYTES: usize = 4096;
/// The messages of programs that find the disk full.
const SIGNS: [&str; 3] = ["No space left on device", "ENOSPC", "Disk quota exceeded"];

/// A writer to a log that keeps the last bytes.
pub(super) struct Last<'a> {
    log: &'a mut dyn Write,
    bytes: Vec<u8>,
}

impl<'a> Last<'a> {
    pub(super) fn of(log: &'a mut dyn Write) -> Self {
        Self { log, bytes: Vec::new() }
    }

    /// The last bytes.
    pub(super) fn said(self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Write for Last<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(text);
        self.bytes.drain(..self.bytes.len().saturating_sub(LAST_BYTES));
        // A log on a full disk cannot be written, and that is when these bytes matter.
        self.log.write_all(text).ok();
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

impl Git {
    /// Signs that a check failed because a disk is full: the one it ran on, the one of its temporary files, or one that it
    /// named in what it `said` last. None if there are none; else the exit code for it, and a message.
    pub(super) fn disk_full(&self, worktree: &Path, said: &str) -> Option<(i32, String)> {
        let temporary = self.var("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let is_short = |place: &&Path| statvfs(*place).is_ok_and(|found| is_short(&found, self.limits.free_bytes_min));
        if let Some(place) = [worktree, temporary.as_path()].iter().find(|place| is_short(place)) {
            return Some((exit::ERROR, format!("the disk of `{}` is almost full: free some space", place.display())));
        }
        let sign = SIGNS.iter().find(|sign| said.contains(**sign))?;
        Some((exit::UNABLE, format!("it says `{sign}`: free some space where it writes (df -h; df -i)")))
    }
}

fn is_short(found: &StatVfs, bytes_min: u64) -> bool {
    // Some file systems do not count: /proc no bytes, btrfs no files.
    let bytes = found.f_blocks > 0 && found.f_bavail.saturating_mul(found.f_frsize) < bytes_min;
    bytes || found.f_files > 0 && found.f_favail < INODES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_run_out_where_they_are_counted() {
        let mut found = statvfs("/").unwrap();
        (found.f_frsize, found.f_blocks, found.f_bavail) = (4096, 1000, 10);
        (found.f_files, found.f_favail) = (0, 0);
        assert!(is_short(&found, 40_961) && !is_short(&found, 40_960));
        found.f_blocks = 0;
        assert!(!is_short(&found, 40_961));
        (found.f_files, found.f_favail) = (1000, INODES_MIN);
        assert!(!is_short(&found, 0));
        found.f_favail -= 1;
        assert!(is_short(&found, 0));
    }

    #[test]
    fn the_last_bytes_are_kept_though_the_log_takes_none() {
        let mut full = fs_err::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut last = Last::of(&mut full);
        last.write_all(&[b'a'; LAST_BYTES]).unwrap();
        last.write_all(b"the end").unwrap();
        let said = last.said();
        assert_eq!((said.len(), said.ends_with("aathe end")), (LAST_BYTES, true));
    }
}
