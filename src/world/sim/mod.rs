//! `SimWorld`: repositories, worktrees, sessions, attempts and jobs in memory, in virtual time.
//!
//! It keeps the contract of the real adapter: what an act promises, what a look may say. `tests/conform` holds the two
//! together, and lists what is left out here. `gt diff` runs the real engine on it, begun as the town is [observed](seed), to
//! say what a change would do; so do the tests, which crash the engine at every effect and compare how it ends. What no rule
//! decides (durations, verdicts, agents, lost news) comes from a [`Behavior`].
//!
//! It watches the invariants that bind controllers, and notes each breach (see [`SimWorld::violations`]):
//! - a bead has at most one session, and so has a sandbox; no attempt is skipped;
//! - a worktree is not prepared anew while a session runs in it;
//! - a session is not ended before its agent has begun to hand in, unless a person wants that;
//! - a target moves forward only, and only by a push, unless somebody else resets it;
//! - a branch that is removed from a remote is one that the town made;
//! - a controller does not begin a job beside another of its track;
//! - a commit that was handed in stays reachable from a branch, a target or an archive ref.
//!
//! Its tasks need a tokio runtime; on a paused one they take no time. Invariant: the same calls in the same order give
//! the same world.

pub mod clock;

pub mod behavior;

pub mod commits;

mod merge;

mod merged;

mod repo;

mod jobs;

mod sandbox;

mod agent_handle;

mod freezable;

mod remotes;

mod faults;

pub mod seed;
mod sources;

use gastown_crds::reason::Reason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc;
use futures::stream::{BoxStream, StreamExt};
use gastown_controllers::world::{
    ActError, AskAttempts, AskDeclared, AskLease, AskLimiting, AskMerged, AskProgram, AskReplay, AskRepo, AskRevision,
    Attempt, Declared, Found, Free, Host, Job, JobKey, JobState, Jobs, Lease, Limiting, Machine, Merged, Oid, Owner,
    Replay, Replayed, Replays, RepoFacts, Repositories, SandboxFacts, SandboxId, SandboxSpec, Sandboxes, Seen,
    SessionSpec, Sessions, Sources, Track, WorldEvent, remote_id,
};
use jiff::Timestamp;

pub use agent_handle::AgentHandle;
use behavior::Behavior;
use commits::Commits;
use gastown_base::clock::Clock;
use jobs::Begun;
use repo::{Clone, Remote};
use sandbox::{Live, Worktree};

/// Cores of the simulated machine.
const CORES: u32 = 4;
/// What it is called.
const HOST_NAME: &str = "here";

/// A simulated world; clones share it.
#[derive(Clone)]
pub struct SimWorld {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    behavior: Arc<dyn Behavior>,
    state: Mutex<State>,
}

/// All that there is.
#[derive(Default)]
struct State {
    commits: Commits,
    /// By [`remote_id`] of their url.
    remotes: BTreeMap<String, Remote>,
    /// The machine; none: a usual one.
    machine: Option<Machine>,
    /// What is free; none: enough.
    free: Option<Free>,
    /// How often that was asked.
    free_looks: usize,
    /// Those that never answer, by [`remote_id`].
    hanging: BTreeSet<String>,
    /// By the rig's uid.
    clones: BTreeMap<String, Clone>,
    /// With the uid of the rig whose clone holds their commits.
    replays: BTreeMap<String, (String, Vec<Replayed>)>,
    jobs: BTreeMap<JobKey, Begun>,
    /// The job that was begun last on each track.
    newest: BTreeMap<String, JobKey>,
    /// By the polecat's uid, as the next one.
    worktrees: BTreeMap<String, Worktree>,
    /// When a worktree was made last: no two are made at once.
    made: Option<Timestamp>,
    sessions: BTreeMap<String, Live>,
    /// By the bead's uid and the attempt.
    attempts: BTreeMap<String, BTreeMap<u32, Attempt>>,
    /// Heads that agents have handed in, by the rig's uid.
    handed_in: BTreeSet<(String, Oid)>,
    listeners: Vec<mpsc::UnboundedSender<WorldEvent>>,
    /// Since when and until when nothing can be seen.
    blind: Option<(Timestamp, Timestamp)>,
    /// The most sessions that were at work at once.
    busiest: usize,
    /// The most jobs that ran at once.
    most_jobs: usize,
    violations: BTreeSet<String>,
    /// A person wants sessions to end whatever they do.
    may_end: bool,
    /// Repositories on this machine that sources are read from, by path.
    origins: BTreeMap<String, sources::Repository>,
    /// The leases of sources in their remotes, by remote and ref.
    leases: BTreeMap<(String, String), Lease>,
}

impl SimWorld {
    /// An empty world.
    pub fn new(clock: Arc<dyn Clock>, behavior: Arc<dyn Behavior>) -> Self {
        Self { inner: Arc::new(Inner { clock, behavior, state: Mutex::default() }) }
    }

    /// The events from now on, for an engine: sessions and jobs that begin or end.
    pub fn wakes(&self) -> BoxStream<'static, WorldEvent> {
        // Bounded by what happens while an engine is busy; one that is gone is forgotten at the next event.
        let (sender, receiver) = mpsc::unbounded();
        self.state().listeners.push(sender);
        receiver.boxed()
    }

    /// The breaches of the invariants above.
    pub fn violations(&self) -> Vec<String> {
        let mut state = self.state();
        state.check_heads("at the end");
        state.violations.iter().cloned().collect()
    }

    /// A person has stopped something, or withdrawn it: from now on sessions may be ended whatever they do.
    pub fn sessions_may_end(&self) {
        self.state().may_end = true;
    }

    /// The most sessions that were at work at once; those that have handed in and are leaving are not.
    pub fn busiest(&self) -> usize {
        self.state().busiest
    }

    /// So much is free from now on.
    pub fn set_free(&self, free: Free) {
        self.state().free = Some(free);
    }

    /// How often it was asked what is free.
    pub fn free_looks(&self) -> usize {
        self.state().free_looks
    }

    /// The most jobs that ran at once.
    pub fn most_jobs(&self) -> usize {
        self.state().most_jobs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a test must not hide behind a poisoned lock.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Sends an event to the listeners, after the delay that the behavior gives it; none: the event is lost.
    fn notify(&self, event: WorldEvent) {
        let what = match &event {
            WorldEvent::Job(key) => format!("job/{}", key.0),
            WorldEvent::Sandbox(uid) => format!("sandbox/{uid}"),
            WorldEvent::Source(uid) => format!("source/{uid}"),
            WorldEvent::Happened(event_type) => format!("event/{event_type}"),
        };
        let Some(delay) = self.inner.behavior.delay_of(&what) else { return };
        if delay.is_zero() {
            self.state().send(&event);
            return;
        }
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            world.state().send(&event);
        });
    }
}

impl State {
    fn send(&mut self, event: &WorldEvent) {
        self.listeners.retain(|listener| listener.unbounded_send(event.clone()).is_ok());
    }

    fn violated(&mut self, what: impl Into<String>) {
        self.violations.insert(what.into());
    }
}

/// An act that does not work out.
fn refused(message: impl Into<String>) -> ActError {
    ActError { message: message.into(), reason: Reason::BackOff }
}

impl SimWorld {
    /// The answer to a look, unless nothing can be seen just now.
    fn seen<T>(&self, found: impl FnOnce(&State) -> T) -> Seen<T> {
        let now = self.now();
        let state = self.state();
        match state.blind.filter(|(_, until)| now < *until) {
            Some((since, until)) => Seen::Unknown { why: format!("nothing is seen before {until}"), since },
            None => Seen::Known(found(&state)),
        }
    }
}

impl Repositories for SimWorld {
    fn repo(&self, asked: &AskRepo) -> Seen<RepoFacts> {
        self.seen(|state| state.repo(&asked.owner, asked.branch.as_deref()))
    }

    fn merged(&self, asked: &AskMerged) -> Seen<Merged> {
        self.seen(|state| state.merged(asked))
    }

    fn replays(&self, asked: &AskReplay) -> Seen<Replays> {
        self.seen(|state| state.replays.get(&asked.0).map(|(_, results)| results.clone()))
    }

    fn replay(&self, replay: &Replay) -> Result<(), ActError> {
        let Replay { owner: rig, key, onto, candidates, committer } = replay;
        self.state().ensure_replay(rig, key, onto, candidates, committer)
    }

    fn archive(&self, rig: &Owner, name: &str, head: &Oid) -> Result<(), ActError> {
        self.state().archive(rig, name, head)
    }
}

impl Sandboxes for SimWorld {
    fn sandbox(&self, id: &SandboxId) -> Seen<SandboxFacts> {
        self.seen(|state| {
            let (sandbox, session) = (state.sandbox(&id.uid), state.session(&id.uid));
            SandboxFacts {
                sandbox,
                session,
                runtime: state.runtime(&id.uid),
                frozen: state.frozen(&id.uid),
                activity: None,
            }
        })
    }

    fn ensure_sandbox(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<(), ActError> {
        let now = self.now();
        self.state().ensure_sandbox(id, spec, now)
    }

    fn remove_sandbox(&self, id: &SandboxId) -> Result<(), ActError> {
        self.state().remove_sandbox(id)
    }
}

impl Sessions for SimWorld {
    fn attempts(&self, asked: &AskAttempts) -> Seen<Vec<Attempt>> {
        self.seen(|state| state.attempts.get(&asked.0).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }

    fn limiting(&self, _: &AskLimiting) -> Seen<Limiting> {
        self.seen(|_| Limiting::Cgroup { memory: true, cpu: true })
    }

    fn program(&self, asked: &AskProgram) -> Seen<bool> {
        self.seen(|_| self.inner.behavior.has_program(&asked.0))
    }

    fn ensure_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError> {
        self.start_session(id, spec)
    }

    fn end_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.stop_session(id);
        Ok(())
    }

    fn freeze_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.set_frozen(id, true);
        Ok(())
    }

    fn thaw_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.set_frozen(id, false);
        Ok(())
    }
}

impl Jobs for SimWorld {
    fn job(&self, key: &JobKey) -> Seen<JobState> {
        self.seen(|state| state.jobs.get(key).map_or(JobState::Absent, |begun| begun.state.clone()))
    }

    fn newest(&self, track: &Track) -> Seen<Option<JobKey>> {
        self.seen(|state| state.newest.get(&track.id(remote_id)).cloned())
    }

    fn begun(&self, key: &JobKey) -> Option<Job> {
        self.state().job_begun(key)
    }

    fn ensure_job(&self, job: &Job) -> Result<(), ActError> {
        self.start_job(job)
    }
}

impl Sources for SimWorld {
    fn revision(&self, asked: &AskRevision) -> Seen<Found> {
        self.state().watch_origin(asked);
        self.seen(|state| state.revision(asked))
    }

    fn declared(&self, asked: &AskDeclared) -> Seen<Option<Arc<Declared>>> {
        self.seen(|state| state.declared(asked))
    }

    fn lease(&self, asked: &AskLease) -> Seen<Option<Lease>> {
        self.seen(|state| state.clones.get(&asked.source.uid)?.lease.clone())
    }

    fn remove_clone(&self, source: &Owner) -> Result<(), ActError> {
        self.state().clones.remove(&source.uid);
        Ok(())
    }
}

impl Host for SimWorld {
    fn machine(&self) -> Seen<Machine> {
        let usual =
            Machine { name: HOST_NAME.to_owned(), cores: CORES, memory: 64 << 30, disk: 1 << 40, ..Machine::default() };
        self.seen(|state| state.machine.clone().unwrap_or(usual))
    }

    fn free(&self) -> Seen<Free> {
        self.state().free_looks += 1;
        self.seen(|state| state.free.unwrap_or(Free { memory: 32 << 30, disk: 1 << 39 }))
    }
}
