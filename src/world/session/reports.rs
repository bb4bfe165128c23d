//! Reports: wakes the engine when an agent's own program has reported what it does, by a file in the attempt's folder; and, where it
//! reports no turn that fails, once its transcript says so.
//!
//! One inotify instance for all sessions: a user has 128 of them by default, and a town may have more agents.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gastown_supervisor::records::ACTIVITY;
use jiff::Timestamp;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::exits::{Ended, waited_for};
use super::failed_turn;

/// Bytes of events that are read at once: an event with a file's name takes up to 272.
const EVENTS_BYTES: usize = 8192;

/// What is watched.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    /// None where the kernel gives no more of them: then a report is seen at the next look.
    inotify: Option<Arc<OwnedFd>>,
    watches: Arc<Mutex<Watches>>,
}

/// Who is woken by what, by the kernel's number of it.
type Watches = BTreeMap<i32, Vec<Watch>>;

#[derive(Debug, PartialEq, Eq)]
struct Watch {
    sandbox_uid: String,
    of: Of,
}

/// What a watch is of.
#[derive(Debug, PartialEq, Eq)]
enum Of {
    /// The folder that an agent's program reports into.
    Reports,
    /// A transcript.
    Transcript(PathBuf),
    /// The folder in which something of the path of a transcript is missing.
    Above,
}

impl Of {
    /// Whether a sandbox has one of these at most: another is of an attempt that has ended, or is not needed any more.
    fn replaces(&self, other: &Self) -> bool {
        matches!(self, Self::Reports) == matches!(other, Self::Reports)
    }
}

impl Reports {
    /// Reads on this runtime, and wakes by this channel.
    pub fn new(runtime: &Handle, wakes: mpsc::Sender<Ended>) -> Self {
        let watches = Arc::<Mutex<Watches>>::default();
        let begin = || {
            let inotify = Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
            let read = inotify.try_clone()?;
            let _in_runtime = runtime.enter();
            runtime.spawn(follow(waited_for(read)?, Arc::clone(&watches), wakes));
            Ok::<_, io::Error>(inotify)
        };
        let inotify = begin()
            .inspect_err(|error| tracing::warn!(%error, "what agents report is seen late: it cannot be watched"))
            .ok();
        Self { inotify, watches }
    }

    /// Wakes whenever a report is written into this folder; again is harmless. A folder that goes is forgotten.
    pub fn watch(&self, folder: &Path, sandbox_uid: &str) {
        self.add(folder, WatchFlags::MOVED_TO | WatchFlags::ONLYDIR, Of::Reports, sandbox_uid);
    }

    /// Wakes whenever a turn has failed by this transcript, and once more of it is there while it is not; again is harmless. What is
    /// in it by now, whoever calls this looks at.
    pub fn watch_transcript(&self, file: &Path, sandbox_uid: &str) {
        if self.add(file, WatchFlags::MODIFY, Of::Transcript(file.to_owned()), sandbox_uid) {
            return;
        }
        let appears = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        // The first that is there: at the latest the root.
        let _ = file.ancestors().skip(1).find(|above| self.add(above, appears, Of::Above, sandbox_uid));
    }

    /// Whether it is there. What cannot be watched otherwise is taken for there, and said.
    fn add(&self, path: &Path, what: WatchFlags, of: Of, sandbox_uid: &str) -> bool {
        let Some(inotify) = &self.inotify else { return true };
        // Held meanwhile: what is found at once is of somebody. Two agents may wait for one folder, and share its number.
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        match inotify::add_watch(inotify, path, what) {
            Ok(id) => {
                let watch = Watch { sandbox_uid: sandbox_uid.to_owned(), of };
                watches.retain(|other, them| {
                    them.retain(|it| it.sandbox_uid != sandbox_uid || !watch.of.replaces(&it.of));
                    let is_over = them.is_empty() && *other != id;
                    if is_over {
                        let _ = inotify::remove_watch(inotify, *other);
                    }
                    !is_over
                });
                watches.entry(id).or_default().push(watch);
                true
            }
            // An attempt of an earlier release, or what is gone or not there yet.
            Err(Errno::NOENT) => false,
            Err(error) => {
                tracing::warn!(%error, sandbox_uid, "what its agent reports is seen late: it cannot be watched");
                true
            }
        }
    }
}

async fn follow(events: tokio::io::unix::AsyncFd<OwnedFd>, watches: Arc<Mutex<Watches>>, wakes: mpsc::Sender<Ended>) {
    // The turns that have failed, of which the engine knows: the next turn writes after them.
    let mut known = BTreeMap::new();
    loop {
        let Ok(mut ready) = events.readable().await else { return };
        for uid in reported(events.get_ref(), &watches, &mut known) {
            // Nobody listens any more: the engine is going down.
            if wakes.send(Ended::Session(uid)).await.is_err() {
                return;
            }
        }
        ready.clear_ready();
    }
}

/// The sandboxes whose agents have reported, each once; and those whose agents have failed since it was `known` of them.
fn reported(events: &OwnedFd, watches: &Mutex<Watches>, known: &mut BTreeMap<String, Timestamp>) -> BTreeSet<String> {
    let mut buffer = [MaybeUninit::uninit(); EVENTS_BYTES];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    let mut found = BTreeSet::new();
    let mut transcripts = BTreeMap::new();
    while let Ok(event) = reader.next() {
        let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
        if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
            found.extend(watches.values().flatten().map(|it| it.sandbox_uid.clone()));
        } else if event.events().contains(ReadFlags::IGNORED) {
            watches.remove(&event.wd());
        }
        let is_report = event.file_name().map(CStr::to_bytes) == Some(ACTIVITY.as_bytes());
        for Watch { sandbox_uid, of } in watches.get(&event.wd()).into_iter().flatten() {
            match of {
                Of::Reports if !is_report => {}
                Of::Reports | Of::Above => drop(found.insert(sandbox_uid.clone())),
                // Written with each word of a turn: read once for all that is known by now.
                Of::Transcript(file) => drop(transcripts.insert(sandbox_uid.clone(), file.clone())),
            }
        }
    }
    for (uid, file) in transcripts {
        let Some(failed) = failed_turn::of(&file) else { continue };
        if known.insert(uid.clone(), failed.since) != Some(failed.since) {
            found.insert(uid);
        }
    }
    let watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
    known.retain(|uid, _| watches.values().flatten().any(|it| it.sandbox_uid == *uid));
    found
}
