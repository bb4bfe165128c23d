//! A lock on a file, across processes: the kernel's `flock`, freed when the last process that inherited its descriptor
//! has ended, however it ended.
//!
//! # Design notes
//! A look must not make a start fail. So looking takes the lock *shared* for an instant (looks never disturb each
//! other), and whoever takes it tries again for many times longer than a look.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Between two tries: flock has no wait with a limit.
const RETRY: Duration = Duration::from_millis(2);

/// Takes the lock exclusively, and makes its file if need be; none: another holds it and kept it for `patience`.
pub fn take(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let file = open(path, true)?;
    let deadline = Instant::now() + patience;
    while !lock(&file, FlockOperation::NonBlockingLockExclusive)? {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(RETRY);
    }
    Ok(Some(file))
}

/// Whether somebody holds it.
pub fn held(path: &Path) -> io::Result<bool> {
    let file = match open(path, false) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let free = lock(&file, FlockOperation::NonBlockingLockShared)?;
    if free {
        release(&file);
    }
    Ok(!free)
}

/// Frees a lock that was taken, before its file is closed: a process that another thread is just starting may have got a
/// copy of the descriptor, and would hold the lock until it becomes its program.
pub fn release(lock: &File) {
    // Cannot fail on an open file; closing would free it all the same, a little later.
    let _ = flock(lock, FlockOperation::Unlock);
}

/// Whether it was taken: false if another holds it.
fn lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    loop {
        match flock(file, how) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    let file = fs_err::OpenOptions::from_options({
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(create).create(create).truncate(false).mode(0o600);
        options
    });
    file.open(path).map(fs_err::File::into_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_when_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!held(&path).unwrap(), "no file, no holder");
        let lock = take(&path, Duration::ZERO).unwrap().unwrap();
        assert!(held(&path).unwrap());
        assert!(take(&path, Duration::from_millis(5)).unwrap().is_none());
        release(&lock);
        assert!(!held(&path).unwrap());
        assert!(take(&path, Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn what_a_process_wrote_into_its_lock_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        fs_err::write(&path, "4711").unwrap();
        drop(take(&path, Duration::ZERO).unwrap());
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "4711");
    }
}
