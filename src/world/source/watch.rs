//! Watches on what sources are read from. An event is a hint: the content decides.
//!
//! Of a repository, what moves its refs counts; of a folder, files that may declare objects. A file that is being written is
//! not read before it is closed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::warn;

use super::may_declare;

/// How long a file that is not closed counts as being written. An editor takes milliseconds; what keeps a file open for
/// longer, such as a log, is read as it is.
const WRITING_MAX: Duration = Duration::from_secs(2);
/// Most sources that may have changed and that nobody has looked at yet. Each is there once; further ones wait.
const CHANGED_MAX: usize = 1024;

/// The watches of a town.
pub(super) struct Watches {
    runtime: Handle,
    changed: mpsc::Sender<String>,
    /// By the source's uid.
    watched: Mutex<BTreeMap<String, Watch>>,
}

/// The watch of one source; it ends when it is dropped.
struct Watch {
    /// The folders, each with what tells it from another of its name.
    paths: Vec<(PathBuf, (u64, u64))>,
    state: Arc<State>,
    _watcher: RecommendedWatcher,
}

/// What a watcher's thread and the looks share.
struct State {
    uid: String,
    /// Whether a change was reported and not looked at yet.
    pending: AtomicBool,
    changed: mpsc::Sender<String>,
    runtime: Handle,
    /// Files that are being written, since when.
    writing: Mutex<BTreeMap<PathBuf, Instant>>,
}

/// How a folder is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Watching {
    /// Nobody writes in it.
    Still,
    /// Somebody writes a file just now.
    Writing(String),
}

impl Watches {
    /// No watch yet; the receiver yields the uids of sources that may have changed.
    pub fn new(runtime: Handle) -> (Self, mpsc::Receiver<String>) {
        let (changed, receiver) = mpsc::channel(CHANGED_MAX);
        (Self { runtime, changed, watched: Mutex::default() }, receiver)
    }

    /// Ends the watch of a source.
    pub fn forget(&self, uid: &str) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// Watches what moves the refs of a repository. What changes from now on is an event.
    pub fn repository(&self, uid: &str, git_dir: &Path, common_dir: &Path) {
        let mut paths = vec![(git_dir.to_owned(), RecursiveMode::NonRecursive)];
        if common_dir != git_dir {
            paths.push((common_dir.to_owned(), RecursiveMode::NonRecursive));
        }
        for refs in ["refs", "reftable"] {
            let folder = common_dir.join(refs);
            if folder.is_dir() {
                paths.push((folder, RecursiveMode::Recursive));
            }
        }
        self.watch(uid, &paths, moves_a_ref);
    }

    /// Watches for a folder that is not there, or not what it should be: whatever comes beside it may be it.
    pub fn appearance(&self, uid: &str, dir: &Path) {
        if let Some(there) = dir.ancestors().find(|dir| dir.is_dir()) {
            self.watch(uid, &[(there.to_owned(), RecursiveMode::NonRecursive)], brings_something);
        }
    }

    /// Watches a folder, and says whether somebody writes there just now.
    pub fn folder(&self, uid: &str, dir: &Path) -> Watching {
        let state = self.watch(uid, &[(dir.to_owned(), RecursiveMode::Recursive)], changes_a_file);
        let Some(state) = state else { return Watching::Still };
        let mut writing = state.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.retain(|_, since| since.elapsed() < WRITING_MAX);
        writing
            .keys()
            .next()
            .map_or(Watching::Still, |path| Watching::Writing(format!("{} is being written", path.display())))
    }

    fn watch(
        &self,
        uid: &str,
        paths: &[(PathBuf, RecursiveMode)],
        judge: fn(&Event, &State) -> bool,
    ) -> Option<Arc<State>> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // A folder that was made anew under its old name is another: its changes are told to nobody yet.
        let inode = |path: &Path| fs_err::metadata(path).map(|found| (found.dev(), found.ino())).unwrap_or_default();
        let names: Vec<(PathBuf, (u64, u64))> = paths.iter().map(|(path, _)| (path.clone(), inode(path))).collect();
        if let Some(watch) = watched.get(uid).filter(|watch| watch.paths == names) {
            // Before it is looked: a change from here on is reported again.
            watch.state.pending.store(false, Ordering::SeqCst);
            return Some(Arc::clone(&watch.state));
        }
        let state = Arc::new(State {
            uid: uid.to_owned(),
            pending: AtomicBool::new(false),
            changed: self.changed.clone(),
            runtime: self.runtime.clone(),
            writing: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let report = move |event: notify::Result<Event>| match event {
            Ok(event) if event.need_rescan() || judge(&event, &shared) => shared.report(),
            Ok(_) => {}
            // What was missed is found by looking.
            Err(_) => shared.report(),
        };
        let made = notify::recommended_watcher(report).and_then(|mut watcher| {
            paths.iter().try_for_each(|(path, mode)| watcher.watch(path, *mode))?;
            Ok(watcher)
        });
        match made {
            Ok(watcher) => {
                watched.insert(uid.to_owned(), Watch { paths: names, state: Arc::clone(&state), _watcher: watcher });
                Some(state)
            }
            Err(error) => {
                // It is looked at again now and then all the same.
                warn!(%error, paths = ?names, "a source cannot be watched; changes are noticed late");
                watched.remove(uid);
                None
            }
        }
    }
}

impl State {
    /// The source is to be looked at, once for however many changes.
    fn report(&self) {
        if self.pending.swap(true, Ordering::SeqCst) {
            return;
        }
        // Called on the watcher's own thread, which may wait.
        drop(self.changed.blocking_send(self.uid.clone()));
    }

    /// A file is being written; if nobody says when that ends, it is looked at all the same.
    fn begin_writing(&self, path: &Path) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = writing.insert(path.to_owned(), Instant::now()).is_none();
        drop(writing);
        if is_first {
            let (changed, uid) = (self.changed.clone(), self.uid.clone());
            self.runtime.spawn(async move {
                tokio::time::sleep(WRITING_MAX + Duration::from_millis(10)).await;
                drop(changed.send(uid).await);
            });
        }
    }

    fn end_writing(&self, path: &Path) {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).remove(path);
    }
}

/// Whether an event has brought something into a folder, or taken it away.
fn brings_something(event: &Event, _: &State) -> bool {
    matches!(event.kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)))
}

/// Whether an event in a repository may have moved a ref. Git writes a file beside it and renames that.
fn moves_a_ref(event: &Event, _: &State) -> bool {
    let moves = matches!(
        event.kind,
        EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_)
            | EventKind::Create(CreateKind::Folder)
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    );
    let is_ref = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let below_refs = path.components().any(|part| matches!(part.as_os_str().to_str(), Some("refs" | "reftable")));
        !name.ends_with(".lock") && (below_refs || name == "HEAD" || name == "packed-refs")
    };
    moves && event.paths.iter().any(is_ref)
}

/// Whether an event in a folder may have changed a manifest.
fn changes_a_file(event: &Event, state: &State) -> bool {
    let mut changes = false;
    for path in &event.paths {
        // A folder that comes or goes may bring or take manifests; a file that is named otherwise declares nothing.
        let may = |path: &Path| path.file_name().is_some_and(|name| may_declare(Path::new(name)));
        let is_file = path.extension().is_some();
        if is_file && !may(path) {
            continue;
        }
        match event.kind {
            EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) if is_file => {
                state.begin_writing(path);
            }
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Remove(_) => {
                state.end_writing(path);
                changes = true;
            }
            EventKind::Create(_) => changes = true,
            _ => {}
        }
    }
    changes
}
