//! A socket that somebody removes: temporary folders are tidied up, and whoever serves there has to make it anew.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Bytes of events that are read at once: an event with a file's name takes up to 272.
const EVENTS_BYTES: usize = 4096;

/// Waits for a file to be gone. It is told of its folder's events: nothing is looked at meanwhile.
pub(super) struct Gone {
    /// None where it cannot be watched: then it is never told.
    events: Option<AsyncFd<OwnedFd>>,
}

impl Gone {
    /// Of a file that is there. Where it is gone already, that is told at once.
    pub fn of(file: &Path) -> Self {
        let events = watched(file).inspect_err(|error| {
            tracing::warn!(%error, file = %file.display(), "if somebody removes it, that is not seen");
        });
        Self { events: events.ok() }
    }

    /// Returns once the file is not there.
    pub async fn wait(&self, file: &Path) {
        loop {
            if matches!(fs_err::symlink_metadata(file), Err(error) if error.kind() == io::ErrorKind::NotFound) {
                return;
            }
            let Some(events) = &self.events else { return std::future::pending().await };
            let Ok(mut ready) = events.readable().await else { return std::future::pending().await };
            let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
            let mut reader = inotify::Reader::new(events.get_ref(), &mut buffer);
            let mut is_over = false;
            while let Ok(event) = reader.next() {
                is_over |= event.events().contains(ReadFlags::IGNORED);
            }
            ready.clear_ready();
            // Without its folder, nothing more is told.
            if is_over {
                return;
            }
        }
    }
}

#[expect(deprecated, reason = "sound for a descriptor that is owned: nobody can close it before it is let go of")]
fn watched(file: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let what = WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
    inotify::add_watch(&events, file.parent().unwrap_or(Path::new("/")), what)?;
    AsyncFd::with_interest(events, Interest::READABLE)
}
