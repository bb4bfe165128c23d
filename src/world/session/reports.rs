//! Reports: wakes the engine when an agent's own program has reported what it does, by a file in the attempt's folder.
//!
//! One inotify instance for all sessions: a user has 128 of them by default, and a town may have more agents.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gastown_supervisor::records::ACTIVITY;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::exits::{Ended, waited_for};

/// Bytes of events that are read at once: an event with a file's name takes up to 272.
const EVENTS_BYTES: usize = 8192;

/// The folders of attempts that are watched.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    /// None where the kernel gives no more of them: then a report is seen at the next look.
    inotify: Option<Arc<OwnedFd>>,
    /// The sandbox of each folder.
    sandboxes: Arc<Mutex<BTreeMap<i32, String>>>,
}

impl Reports {
    /// Reads on this runtime, and wakes by this channel.
    pub fn new(runtime: &Handle, wakes: mpsc::Sender<Ended>) -> Self {
        let sandboxes = Arc::<Mutex<BTreeMap<i32, String>>>::default();
        let begin = || {
            let inotify = Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
            let read = inotify.try_clone()?;
            let _in_runtime = runtime.enter();
            runtime.spawn(follow(waited_for(read)?, Arc::clone(&sandboxes), wakes));
            Ok::<_, io::Error>(inotify)
        };
        let inotify = begin()
            .inspect_err(|error| tracing::warn!(%error, "what agents report is seen late: it cannot be watched"))
            .ok();
        Self { inotify, sandboxes }
    }

    /// Wakes whenever a report is written into this folder; again is harmless. A folder that goes is forgotten.
    pub fn watch(&self, folder: &Path, sandbox_uid: &str) {
        let Some(inotify) = &self.inotify else { return };
        let what = WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        match inotify::add_watch(inotify, folder, what) {
            Ok(id) => {
                let mut sandboxes = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
                // Another folder of the sandbox is that of an attempt that has ended.
                sandboxes.retain(|other, uid| {
                    let is_over = uid == sandbox_uid && *other != id;
                    if is_over {
                        let _ = inotify::remove_watch(inotify, *other);
                    }
                    !is_over
                });
                sandboxes.insert(id, sandbox_uid.to_owned());
            }
            // An attempt of an earlier release, or one whose folder is gone.
            Err(Errno::NOENT) => {}
            Err(error) => {
                tracing::warn!(%error, sandbox_uid, "what its agent reports is seen late: it cannot be watched");
            }
        }
    }
}

async fn follow(
    events: tokio::io::unix::AsyncFd<OwnedFd>,
    sandboxes: Arc<Mutex<BTreeMap<i32, String>>>,
    wakes: mpsc::Sender<Ended>,
) {
    loop {
        let Ok(mut ready) = events.readable().await else { return };
        for uid in reported(events.get_ref(), &sandboxes) {
            // Nobody listens any more: the engine is going down.
            if wakes.send(Ended::Session(uid)).await.is_err() {
                return;
            }
        }
        ready.clear_ready();
    }
}

/// The sandboxes whose agents have reported, each once.
fn reported(events: &OwnedFd, sandboxes: &Mutex<BTreeMap<i32, String>>) -> Vec<String> {
    let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    let mut found = Vec::new();
    while let Ok(event) = reader.next() {
        let mut sandboxes = sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            found.extend(sandboxes.values().cloned());
        } else if event.events().contains(ReadFlags::IGNORED) {
            sandboxes.remove(&event.wd());
        } else if event.file_name().map(CStr::to_bytes) == Some(ACTIVITY.as_bytes()) {
            found.extend(sandboxes.get(&event.wd()).cloned());
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}
