//! The kernel's word that something in a folder changed, so that nobody has to look again and again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room for events: many at once, and each with the longest file name.
const BUFFER_BYTES: usize = 16 * 1024;

/// A watched folder.
#[derive(Debug)]
pub struct Inotify {
    fd: AsyncFd<OwnedFd>,
}

impl Inotify {
    /// Begins to watch. Must be called in a tokio runtime.
    #[expect(deprecated, reason = "sound for a descriptor that is owned: nobody can close it before it is let go of")]
    pub fn of_folder(dir: &Path) -> io::Result<Self> {
        let fd = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let interest = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::ATTRIB;
        add_watch(&fd, dir, interest)?;
        Ok(Self { fd: AsyncFd::with_interest(fd, Interest::READABLE)? })
    }

    /// Waits for the next change, or for one that came since the last call.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
            let mut reader = Reader::new(ready.get_inner(), &mut buffer);
            let first = reader.next().map(drop);
            match first {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::WOULDBLOCK) => ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
