//! The lock that says a session or job is alive: [`gastown_base::lock`], inherited by what it is held for.
//!
//! # Design notes
//! A look must not make a start fail: a start tries again for [`PATIENCE`], many times longer than a look.
//! Who holds it is read from `/proc/<pid>/fdinfo`, where the kernel lists the lock itself: a process that merely has the
//! file open, such as one that is just looking, is not taken for a holder.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use gastown_base::lock::{held, release, take};
use rustix::io::{FdFlags, fcntl_setfd};

use super::proc;

/// The longest wait of a start for a lock that somebody looks at. A look holds it for some ten microseconds.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// Lets every process that is started from now on hold the lock too.
pub fn bequeath(lock: &File) -> io::Result<()> {
    Ok(fcntl_setfd(lock, FdFlags::empty())?)
}

/// The processes that hold it, this one left out. A process that may not be looked into is not listed.
pub fn holders(path: &Path) -> io::Result<Vec<i32>> {
    let path = match fs_err::canonicalize(path) {
        Ok(path) => path,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    // The usual answer, a thousand times cheaper than looking into every process.
    if !held(&path)? {
        return Ok(Vec::new());
    }
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut pids = proc::pids()?;
    pids.retain(|pid| *pid != own && !held_by(*pid, &path).is_empty());
    pids.sort_unstable();
    Ok(pids)
}

/// The locks that a process holds of those at a path, which is a file or a folder, without symbolic links.
pub fn held_by(pid: i32, path: &Path) -> Vec<PathBuf> {
    let is_held =
        |(descriptor, file): &(OsString, PathBuf)| file.starts_with(path) && proc::holds_lock(pid, descriptor);
    proc::open_files(pid).filter(is_held).map(|(_, file)| file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    /// A process that has a lock; it ends with the test.
    struct Heir(std::process::Child);

    impl Heir {
        fn pid(&self) -> i32 {
            self.0.id().cast_signed()
        }
    }

    impl Drop for Heir {
        fn drop(&mut self) {
            drop(self.0.kill().and_then(|()| self.0.wait()));
        }
    }

    /// Whether something comes to be so. A child of another test has all that this process has, until it becomes its program.
    fn soon(is_so: impl Fn() -> bool) -> bool {
        (0..100_000).any(|_| {
            std::thread::yield_now();
            is_so()
        })
    }

    #[test]
    fn one_at_a_time_and_free_when_the_last_holder_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!held(&path).unwrap());
        let lock = take(&path, Duration::ZERO).unwrap().unwrap();
        assert!(held(&path).unwrap());
        assert!(take(&path, Duration::ZERO).unwrap().is_none());

        // Given to this one alone: what is bequeathed, the children of other tests keep.
        let heir = Heir(command("sleep").arg("600").stdin(lock.try_clone().unwrap()).spawn().unwrap());
        drop(lock);
        assert!(held(&path).unwrap());
        assert!(soon(|| holders(&path).unwrap() == [heir.pid()]), "{:?}", holders(&path));
        drop(heir);
        assert!(soon(|| !held(&path).unwrap()));
    }

    #[test]
    fn what_is_bequeathed_is_held_by_whoever_is_started_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = take(&path, Duration::ZERO).unwrap().unwrap();
        bequeath(&lock).unwrap();
        let heir = Heir(command("sleep").arg("600").spawn().unwrap());
        drop(lock);
        assert!(holders(&path).unwrap().contains(&heir.pid()));
    }

    #[test]
    fn whoever_only_has_the_file_open_is_no_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = take(&path, Duration::ZERO).unwrap().unwrap();
        let reader = Heir(command("sleep").arg("600").stdin(File::open(&path).unwrap()).spawn().unwrap());
        assert!(soon(|| holders(&path).unwrap().is_empty()));
        drop((reader, lock));
    }

    #[test]
    fn looking_never_makes_a_start_fail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        drop(take(&path, Duration::ZERO).unwrap());
        std::thread::scope(|scope| {
            let looks = scope.spawn(|| (0..20_000).filter(|_| held(&path).unwrap()).count());
            while !looks.is_finished() {
                assert!(take(&path, PATIENCE).unwrap().is_some());
            }
        });
    }
}
