//! Variables that are on no disk: they go from the controller to the supervisor of a session through a pipe.
//!
//! The pipe has a name in the attempt's folder, since a session that tmux starts inherits nothing from the controller. The kernel
//! keeps what is in it only while somebody has it open: with a controller that dies, the variables are gone, and a supervisor that
//! comes late finds none and starts nothing.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// The pipe's name in the folder of an attempt.
const PIPE: &str = "variables";

/// Longest text, in bytes: a pipe takes 64 KiB at once.
const TEXT_BYTES_MAX: usize = 63 * 1024;

/// The end of the text: JSON holds no newline, unless it is laid out.
const END: u8 = b'\n';

/// Variables on their way. Dropped, those that nobody has taken are gone.
#[derive(Debug)]
pub struct Handover {
    path: PathBuf,
    /// Open for reading too: so it opens before anybody reads.
    _pipe: File,
}

impl Handover {
    /// Puts them where the supervisor of this attempt takes them.
    pub fn offer(attempt_dir: &Path, variables: &[(String, String)]) -> io::Result<Self> {
        let mut text = serde_json::to_vec(variables)?;
        text.push(END);
        if text.len() > TEXT_BYTES_MAX {
            let why = format!("the variables of `envFrom` have more than {} KiB", TEXT_BYTES_MAX / 1024);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let path = attempt_dir.join(PIPE);
        remove(&path)?;
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let mut pipe = fs_err::OpenOptions::new().read(true).write(true).custom_flags(flags()).open(&path)?;
        pipe.write_all(&text)?;
        Ok(Self { path, _pipe: pipe.into_parts().0 })
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        // Taken, most of the time.
        drop(remove(&self.path));
    }
}

/// Takes the variables that were put there for this attempt. None: they are gone.
pub(super) fn take(attempt_dir: &Path) -> io::Result<Option<Vec<(String, String)>>> {
    let path = attempt_dir.join(PIPE);
    let pipe = match fs_err::OpenOptions::new().read(true).custom_flags(flags()).open(&path) {
        Ok(pipe) => pipe,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    remove(&path)?;
    let mut text = Vec::new();
    match pipe.take(TEXT_BYTES_MAX as u64).read_to_end(&mut text) {
        // All of it was there before this process was started; the controller may have the pipe open still.
        Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e),
        _ => {}
    }
    Ok(text.strip_suffix(&[END]).map(serde_json::from_slice).transpose()?)
}

/// Nobody waits for anybody: whoever is not there is not.
fn flags() -> i32 {
    OFlags::NONBLOCK.union(OFlags::CLOEXEC).bits().cast_signed()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(bytes: usize) -> Vec<(String, String)> {
        vec![("A".to_owned(), "two\nlines".to_owned()), ("B".to_owned(), "x".repeat(bytes))]
    }

    #[test]
    fn variables_are_taken_once_and_leave_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let offered = Handover::offer(dir.path(), &variables(50_000)).unwrap();
        assert_eq!(take(dir.path()).unwrap(), Some(variables(50_000)));
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(take(dir.path()).unwrap(), None);
        drop(offered);
    }

    #[test]
    fn with_whoever_offered_them_they_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        drop(Handover::offer(dir.path(), &variables(1)).unwrap());
        assert_eq!(take(dir.path()).unwrap(), None);
        // One that was killed leaves the name.
        mknodat(CWD, dir.path().join(PIPE), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(take(dir.path()).unwrap(), None);
        // And the next is not misled by it.
        mknodat(CWD, dir.path().join(PIPE), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _offered = Handover::offer(dir.path(), &variables(2)).unwrap();
        assert_eq!(take(dir.path()).unwrap(), Some(variables(2)));
    }

    #[test]
    fn what_a_pipe_does_not_take_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refused = Handover::offer(dir.path(), &variables(100_000)).unwrap_err();
        assert_eq!(refused.to_string(), "the variables of `envFrom` have more than 63 KiB");
    }
}
