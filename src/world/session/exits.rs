//! Wakes: notifies the engine that a session or job has begun or ended, or that an agent has reported, the moment the
//! kernel knows it, so nobody polls.
//!
//! A wake says *look again*, nothing more. Which processes to wait for is read from the records, so a controller that
//! was just started waits for what runs already. What outlives its supervisor is waited for too, until the lock is free.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gastown_controllers::world::JobKey;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Holder, Started};
use gastown_supervisor::watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::reports::Reports;
use super::{Sessions, attempts};

/// Most sessions and jobs that are waited for at once; each takes one or two descriptors. Slots bound both far below.
const WATCHES_MAX: usize = 4096;

/// Most wakes that nobody has taken yet; further ones wait, none is lost.
const WAKES_MAX: usize = 1024;

/// Something to look at again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// The session of the sandbox with this uid.
    Session(String),
    /// The job with this key.
    Job(JobKey),
}

/// The attempt or job that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Watched {
    Attempt { owner_uid: String, attempt: u32, sandbox_uid: String },
    Job(JobKey),
}

/// Waits for sessions and jobs.
#[derive(Debug, Clone)]
pub struct Exits {
    sessions: Arc<Sessions>,
    runtime: Handle,
    watched: Arc<Mutex<BTreeSet<Watched>>>,
    reports: Reports,
    wakes: mpsc::Sender<Ended>,
}

impl Exits {
    /// Waits on this runtime, which needs its I/O driver. The receiver yields the wakes.
    pub fn new(sessions: Arc<Sessions>, runtime: Handle) -> (Self, mpsc::Receiver<Ended>) {
        let (wakes, receiver) = mpsc::channel(WAKES_MAX);
        let reports = Reports::new(&runtime, wakes.clone());
        (Self { sessions, runtime, watched: Arc::default(), reports, wakes }, receiver)
    }

    /// Wakes when the attempt begins, when its agent reports, when its supervisor ends, and when its last process ends. To be
    /// called when a look said that it runs or is intended; again is harmless. False: too many are waited for.
    pub fn watch_attempt(&self, owner_uid: &str, attempt: u32, sandbox_uid: &str) -> bool {
        let layout = &self.sessions.layout;
        self.reports.watch(&layout.attempt(owner_uid, attempt).join(records::RUN), sandbox_uid);
        if let Some(transcript) = attempts::failing_transcript(layout, owner_uid, attempt) {
            self.reports.watch_transcript(&transcript, sandbox_uid);
        }
        let (owner_uid, sandbox_uid) = (owner_uid.to_owned(), sandbox_uid.to_owned());
        self.watch(Watched::Attempt { owner_uid, attempt, sandbox_uid })
    }

    /// Wakes when the job begins and when it ends. To be called when a look said that it runs or is absent though ensured.
    pub fn watch_job(&self, key: &JobKey) -> bool {
        self.watch(Watched::Job(key.clone()))
    }

    fn watch(&self, what: Watched) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if watched.contains(&what) {
            return true;
        }
        if watched.len() >= WATCHES_MAX {
            return false;
        }
        watched.insert(what.clone());
        drop(watched);
        let this = self.clone();
        self.runtime.spawn(async move {
            if let Err(error) = this.follow(&what).await {
                // The level-triggered resync still sees it, later.
                tracing::warn!(?what, %error, "cannot wait for its end");
                this.forget(&what);
            }
        });
        true
    }

    async fn follow(&self, what: &Watched) -> io::Result<()> {
        let dir = match what {
            Watched::Attempt { owner_uid, attempt, .. } => self.sessions.layout.attempt(owner_uid, *attempt),
            Watched::Job(key) => self.sessions.layout.job(&key.0),
        };
        let Some(started) = self.began(what, &dir).await? else {
            self.forget(what);
            self.wake(what).await;
            return Ok(());
        };
        ended(started.process.open()).await?;
        self.sessions.children.reap();
        if let Watched::Attempt { owner_uid, attempt, sandbox_uid } = what {
            let holder = Holder { owner_uid: owner_uid.clone(), attempt: *attempt };
            while let Some(left) = self.left(&holder, sandbox_uid).await? {
                // Once for the supervisor, then for each who is left.
                self.wake(what).await;
                ended(Some(left)).await?;
                self.sessions.children.reap();
            }
        }
        // Forgotten first: who is woken may want to be woken again.
        self.forget(what);
        self.wake(what).await;
        Ok(())
    }

    /// Its start, waited for if need be; none if its folder is gone.
    async fn began(&self, what: &Watched, dir: &Path) -> io::Result<Option<Started>> {
        let read = || records::read::<Started>(&dir.join(records::STARTED)).map_err(io::Error::other);
        if let Some(started) = read()? {
            return Ok(Some(started));
        }
        let Ok(events) = watch::folder(dir) else { return Ok(None) };
        let events = waited_for(events)?;
        loop {
            if let Some(started) = read()? {
                self.wake(what).await;
                return Ok(Some(started));
            }
            if !dir.exists() {
                return Ok(None);
            }
            let mut ready = events.readable().await?;
            watch::drain(events.get_ref());
            ready.clear_ready();
        }
    }

    /// One process that is left of an attempt whose supervisor has ended.
    async fn left(&self, holder: &Holder, sandbox_uid: &str) -> io::Result<Option<OwnedFd>> {
        let (sessions, holder, sandbox_uid) = (Arc::clone(&self.sessions), holder.clone(), sandbox_uid.to_owned());
        let look = move || {
            // The lock belongs to the next attempt already: whoever holds it is that one's affair.
            if sessions.holder(&sandbox_uid).map_err(io::Error::other)?.as_ref() != Some(&holder) {
                return Ok(None);
            }
            // Its agent first: whatever else is there is no reason to take it for one that works.
            let agent = sessions.agent(&holder).map_err(io::Error::other)?.map(|agent| agent.pid);
            let pids = sessions.strays(&sandbox_uid, &holder).map_err(io::Error::other)?;
            Ok(agent.into_iter().chain(pids).filter_map(ProcessId::of).find_map(|process| process.open()))
        };
        self.runtime.spawn_blocking(look).await.map_err(io::Error::other)?
    }

    async fn wake(&self, what: &Watched) {
        let ended = match what {
            Watched::Attempt { sandbox_uid, .. } => Ended::Session(sandbox_uid.clone()),
            Watched::Job(key) => Ended::Job(key.clone()),
        };
        // Nobody listens any more: the engine is going down.
        drop(self.wakes.send(ended).await);
    }

    fn forget(&self, what: &Watched) {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(what);
    }
}

/// Waits until a process has ended; none has ended already.
async fn ended(process: Option<OwnedFd>) -> io::Result<()> {
    if let Some(process) = process {
        drop(waited_for(process)?.readable().await?);
    }
    Ok(())
}

#[expect(deprecated, reason = "sound for a descriptor that is owned: nobody can close it before it is let go of")]
pub(super) fn waited_for(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
