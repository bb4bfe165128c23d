//! Waiting, within a limit, for something to be true of a folder or of processes, woken by the kernel and not by a clock.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// A descriptor that becomes readable when a file of the folder is made, renamed into it or written to.
pub fn folder(dir: &Path) -> io::Result<OwnedFd> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY | WatchFlags::DELETE_SELF;
    inotify::add_watch(&events, dir, what)?;
    Ok(events)
}

/// Reads away what made the descriptor of [`folder`] readable.
pub fn drain(events: &OwnedFd) {
    let mut buffer = [0_u8; 4096];
    while matches!(rustix::io::read(events, &mut buffer[..]), Ok(n) if n > 0) {}
}

/// Waits until `is_so`, looking again whenever the folder changes; false at the limit.
pub fn until(dir: &Path, limit: Duration, mut is_so: impl FnMut() -> bool) -> io::Result<bool> {
    // Watched before the first look: what happens in between wakes us.
    let events = folder(dir)?;
    let deadline = Instant::now() + limit;
    loop {
        if is_so() {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        readable(&[events.as_fd()], Some(left))?;
        drain(&events);
    }
}

/// Waits until one of the descriptors is readable, and says which are; none at the limit.
pub fn readable(fds: &[impl AsFd], limit: Option<Duration>) -> io::Result<Vec<bool>> {
    let limit = limit.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    match poll(&mut polled, limit.as_ref()) {
        // Interrupted counts as a look at nothing: callers go round again.
        Ok(_) | Err(Errno::INTR) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(e) => Err(e.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_when_the_file_appears_and_gives_up_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        assert!(!until(dir.path(), Duration::from_millis(10), || file.exists()).unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| until(dir.path(), Duration::from_mins(1), || file.exists()).unwrap());
            fs_err::write(&file, "").unwrap();
            assert!(waiting.join().unwrap());
        });
    }
}
