//! `SimWorld`: repositories, worktrees, sessions, attempts and jobs in memory, in virtual time.
//!
//! It keeps the contract of the real adapter: what an act promises, what a look may say. `tests/conform` holds the two
//! together, and lists what is left out here. No verb of `gt` uses it: the tests run the real engine on it, crash that at
//! every effect, and compare how it ends. What no rule decides (durations, verdicts, agents, lost news) comes from a
//! [`Nature`].
//!
//! It watches the invariants that bind controllers, and notes each breach (see [`SimWorld::violations`]):
//! - a bead has at most one session, and so has a sandbox; no attempt is skipped;
//! - a worktree is not prepared anew while a session runs in it;
//! - a session is not ended before its agent has begun to hand in;
//! - a target moves forward only, and only by a push;
//! - a commit that was handed in stays reachable from a branch, a target or an archive ref.
//!
//! Its tasks need a tokio runtime; on a paused one they take no time. Invariant: the same calls in the same order give
//! the same world.

pub mod clock;

pub mod nature;

pub mod commits;

mod merge;

mod repo;

mod jobs;

mod sandbox;

mod desk;

mod outside;

mod faults;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc;
use futures::stream::{BoxStream, StreamExt};
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::{
    Act, ActError, Adapter, Ask, Fact, JobKey, JobState, Machine, Replayed, Run, SandboxFacts,
};
use gastown_crds::common::reasons;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::engine::Woke;
use commits::Commits;
pub use desk::Desk;
use jobs::Begun;
use nature::Nature;
use repo::{Clone, Remote};
use sandbox::{Live, Worktree};

/// Cores of the simulated machine.
const CORES: u32 = 4;

/// A simulated world; clones share it.
#[derive(Clone)]
pub struct SimWorld {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    nature: Arc<dyn Nature>,
    state: Mutex<State>,
}

/// All that there is.
#[derive(Default)]
struct State {
    commits: Commits,
    /// By url.
    remotes: BTreeMap<String, Remote>,
    /// By the rig's uid.
    clones: BTreeMap<String, Clone>,
    /// With the uid of the rig whose clone holds their commits.
    replays: BTreeMap<String, (String, Vec<Replayed>)>,
    jobs: BTreeMap<JobKey, Begun>,
    /// By the polecat's uid, as the next one.
    worktrees: BTreeMap<String, Worktree>,
    /// When a worktree was made last: no two are made at once.
    made: Option<Timestamp>,
    sessions: BTreeMap<String, Live>,
    /// By the bead's uid and the attempt.
    runs: BTreeMap<String, BTreeMap<u32, Run>>,
    /// Heads that agents have handed in, by the rig's uid.
    handed_in: BTreeSet<(String, Oid)>,
    listeners: Vec<mpsc::UnboundedSender<Woke>>,
    /// Since when and until when nothing can be seen.
    blind: Option<(Timestamp, Timestamp)>,
    /// How many acts from now on fail.
    refusals: u32,
    /// The most sessions that were at work at once.
    busiest: usize,
    /// The most jobs that ran at once.
    most_jobs: usize,
    violations: BTreeSet<String>,
}

impl SimWorld {
    /// An empty world.
    pub fn new(clock: Arc<dyn Clock>, nature: Arc<dyn Nature>) -> Self {
        Self { inner: Arc::new(Inner { clock, nature, state: Mutex::default() }) }
    }

    /// What ends or begins from now on, for an engine.
    pub fn wakes(&self) -> BoxStream<'static, Woke> {
        // Bounded by what happens while an engine is busy; one that is gone is forgotten at the next event.
        let (sender, receiver) = mpsc::unbounded();
        self.state().listeners.push(sender);
        receiver.boxed()
    }

    /// What was done here that must not be.
    pub fn violations(&self) -> Vec<String> {
        let mut state = self.state();
        state.check_heads("at the end");
        state.violations.iter().cloned().collect()
    }

    /// The most sessions that were at work at once; those that have handed in and are leaving are not.
    pub fn busiest(&self) -> usize {
        self.state().busiest
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

    /// Tells whoever listens, if nature lets it through.
    fn tell(&self, woke: Woke) {
        let what = match &woke {
            Woke::Job(key) => format!("job/{}", key.0),
            Woke::Sandbox(uid) => format!("sandbox/{uid}"),
        };
        let Some(delay) = self.inner.nature.tells(&what) else { return };
        if delay.is_zero() {
            self.state().send(&woke);
            return;
        }
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            world.state().send(&woke);
        });
    }
}

impl State {
    fn send(&mut self, woke: &Woke) {
        self.listeners.retain(|listener| listener.unbounded_send(woke.clone()).is_ok());
    }

    fn violated(&mut self, what: impl Into<String>) {
        self.violations.insert(what.into());
    }
}

/// An act that does not work out.
fn refused(message: impl Into<String>) -> ActError {
    ActError { message: message.into(), reason: reasons::BACK_OFF }
}

impl Adapter for SimWorld {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        let now = self.now();
        let state = self.state();
        if let Some((since, until)) = state.blind.filter(|(_, until)| now < *until) {
            return Seen::Unknown { why: format!("nothing is seen before {until}"), since };
        }
        Seen::Known(match ask {
            Ask::Repo { rig, branch } => Fact::Repo(state.repo(rig, branch.as_deref())),
            Ask::Sandbox(id) => Fact::Sandbox(SandboxFacts {
                sandbox: state.worktrees.get(&id.uid).map(Worktree::facts),
                session: state.session(&id.uid),
            }),
            Ask::Runs(bead) => {
                Fact::Runs(state.runs.get(bead).into_iter().flat_map(BTreeMap::values).cloned().collect())
            }
            Ask::Job(key) => Fact::Job(state.jobs.get(key).map_or(JobState::Absent, |begun| begun.state.clone())),
            Ask::Replay(key) => Fact::Replay(state.replays.get(key).map(|(_, results)| results.clone())),
            Ask::Program(name) => Fact::Program(self.inner.nature.has_program(name)),
            Ask::Machine => Fact::Machine(Machine { cores: CORES, polecats_max: None, degraded: None }),
        })
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        {
            let mut state = self.state();
            if state.refusals > 0 {
                state.refusals -= 1;
                return Err(refused("this act was to fail"));
            }
        }
        match act {
            Act::EnsureJob(job) => {
                self.ensure_job(job);
                Ok(())
            }
            Act::EnsureReplay { rig, key, onto, candidates, committer } => {
                self.state().ensure_replay(rig, key, onto, candidates, committer)
            }
            Act::EnsureSandbox { sandbox, spec } => {
                let now = self.now();
                self.state().ensure_sandbox(sandbox, spec, now)
            }
            Act::EnsureSession { sandbox, spec } => self.ensure_session(sandbox, spec),
            Act::EndSession { sandbox } => {
                self.end_session(sandbox);
                Ok(())
            }
            Act::Archive { rig, name, head } => self.state().archive(rig, name, head),
            Act::RemoveSandbox { sandbox } => self.state().remove_sandbox(sandbox),
        }
    }
}
