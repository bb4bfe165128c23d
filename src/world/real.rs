//! This machine behind the ports: git, sessions and jobs, each asked in one place.
//!
//! What could not be seen is `Unknown`, with since when; it is never turned into "not there".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, BoxStream, StreamExt};
use gastown_controllers::world::{
    self as ports, ActError, Ask, AskAttempts, AskDeclared, AskFree, AskLease, AskLimiting, AskMerged, AskProgram,
    AskReplay, AskRepo, AskRevision, Attempt, Declared, Found, Free, Frozen, Host, Job, JobKey, JobState, Lease,
    Limiting, Machine, Merged, Oid, Owner, Question, Replay, Replays, RepoFacts, Repositories, SandboxFacts, SandboxId,
    SandboxSpec, Sandboxes, Seen, Session, SessionSpec, Track, WorldEvent,
};
use gastown_crds::Source;
use gastown_crds::kinds::Registered;
use gastown_crds::reason::Reason;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::agents::AGENTS;
use crate::git::{Git, GitError};
use crate::jobs::{JobError, Jobs, Keep};
use crate::session::children::Children;
use crate::session::exits::{Ended, Exits};
use crate::session::{SessionError, SessionTown, Sessions, probe, program};
use crate::source::Sources;
use crate::town::Town;
use gastown_base::causes::in_a_line;
use gastown_base::clock::Clock;

/// Finished jobs that are kept, logs and all. Losing an older verdict costs one more verification, nothing else. Of
/// fetches, the present interval's of each of a hundred rigs is enough.
const JOBS_KEPT: Keep = Keep { newest: 1000, fetches: 100 };
/// Jobs started between two sweeps.
const SWEEP_EVERY: u32 = 100;

/// This machine.
pub struct Real {
    git: Git,
    sessions: Arc<Sessions>,
    sources: Sources,
    jobs: Jobs,
    exits: Exits,
    machine: Machine,
    /// Where the town keeps its data.
    data: PathBuf,
    clock: Arc<dyn Clock>,
    /// What could not be seen, and since when.
    blind: Mutex<BTreeMap<Ask, Timestamp>>,
    jobs_started: Mutex<u32>,
}

/// The sessions of a town, for the controller and for commands that look at them.
pub fn sessions(town: &Town, path: OsString, children: Arc<Children>) -> Sessions {
    let session_town = SessionTown { uid: town.uid.clone(), dir: town.dir.clone(), path, agents: AGENTS.into() };
    Sessions::new(town.layout.clone(), session_town, children)
}

impl Real {
    /// The world of a town, ready to be looked at: the agents' programs and the guards are in place.
    /// With it comes the stream of what ends here.
    pub fn open(
        town: &Town,
        gt: &Path,
        polecats_max: Option<u32>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, BoxStream<'static, WorldEvent>), ActError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let refused = |error: std::io::Error| back_off(error.to_string());
        program::install(&town.layout, gt).map_err(refused)?;
        let children = Arc::new(Children::default());
        let data = town.layout.data().to_owned();
        let machine = probe::probe(&path, polecats_max, &data);
        let sessions = Arc::new(sessions(town, path, Arc::clone(&children)));
        let (exits, ended) = Exits::new(Arc::clone(&sessions), Handle::current());
        let git = Git::new(town.layout.clone());
        let (sources, changed) = Sources::new(
            Git::new(town.layout.clone()),
            town.layout.clone(),
            town.dir.clone(),
            town.name.clone(),
            Handle::current(),
        );
        let real = Self {
            git,
            sources,
            sessions,
            jobs: Jobs::new(town.layout.clone(), PathBuf::from(gt), children),
            exits,
            machine,
            data,
            clock,
            blind: Mutex::default(),
            jobs_started: Mutex::default(),
        };
        let wakes = stream::unfold(ended, |mut ended| async move { Some((ended.recv().await?, ended)) });
        let wakes = wakes.map(|ended| match ended {
            Ended::Session(uid) => WorldEvent::Sandbox(uid),
            Ended::Job(key) => WorldEvent::Job(key),
        });
        let changed = stream::unfold(changed, |mut changed| async move { Some((changed.recv().await?, changed)) });
        let wakes = stream::select(wakes, changed.map(WorldEvent::Source));
        Ok((real, wakes.boxed()))
    }

    /// What a look has come to. What cannot be seen is remembered with since when.
    fn seen<T>(&self, question: &impl Question, found: Result<T, String>) -> Seen<T> {
        let mut blind = self.blind.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(fact) => {
                blind.remove(&question.ask());
                Seen::Known(fact)
            }
            Err(why) => {
                let since = *blind.entry(question.ask()).or_insert_with(|| self.clock.now());
                Seen::Unknown { why, since }
            }
        }
    }

    fn look_at_sandbox(&self, id: &SandboxId) -> Result<SandboxFacts, String> {
        let session = self.sessions.look(id).map_err(|e| in_a_line(&e))?;
        if let Session::Running { owner_uid, attempt } = &session {
            // Before its reports are read: each that comes later wakes.
            self.exits.watch_attempt(owner_uid, *attempt, &id.uid);
        }
        let runtime = self.sessions.runtime(&session).map_err(|e| in_a_line(&e))?;
        let activity = self.sessions.activity(&session).map_err(|e| in_a_line(&e))?;
        let sandbox = self.git.sandbox(id).map_err(|e| e.message())?;
        let frozen = match session {
            Session::None => Frozen::No,
            _ => self.sessions.look_frozen(id).map_err(|e| in_a_line(&e))?,
        };
        Ok(SandboxFacts { sandbox, session, runtime, frozen, activity })
    }

    /// Lets go of the oldest finished jobs now and then.
    fn sweep(&self) {
        let mut started = self.jobs_started.lock().unwrap_or_else(PoisonError::into_inner);
        if (*started).is_multiple_of(SWEEP_EVERY)
            && let Err(error) = self.jobs.sweep(JOBS_KEPT)
        {
            tracing::warn!(error = in_a_line(&error), "old jobs could not be swept");
        }
        *started = started.wrapping_add(1);
    }
}

impl Repositories for Real {
    fn repo(&self, asked: &AskRepo) -> Seen<RepoFacts> {
        self.seen(asked, self.git.facts(&asked.owner, asked.branch.as_deref()).map_err(|e| e.message()))
    }

    fn merged(&self, asked: &AskMerged) -> Seen<Merged> {
        self.seen(asked, self.git.merged(asked).map_err(|e| e.message()))
    }

    fn replays(&self, asked: &AskReplay) -> Seen<Replays> {
        self.seen(asked, self.git.replayed(&asked.0).map_err(|e| e.message()))
    }

    fn replay(&self, replay: &Replay) -> Result<(), ActError> {
        let Replay { owner: rig, key, onto, candidates, committer } = replay;
        self.git.replay(rig, key, onto, candidates, committer).map_err(|e| git_failed(&e))
    }

    fn archive(&self, rig: &Owner, name: &str, head: &Oid) -> Result<(), ActError> {
        self.git.archive(rig, name, head).map_err(|e| git_failed(&e))
    }
}

impl Sandboxes for Real {
    fn sandbox(&self, id: &SandboxId) -> Seen<SandboxFacts> {
        self.seen(id, self.look_at_sandbox(id))
    }

    fn ensure_sandbox(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<(), ActError> {
        self.git.ensure_sandbox(id, spec).map_err(|e| git_failed(&e))
    }

    fn remove_sandbox(&self, id: &SandboxId) -> Result<(), ActError> {
        self.git.remove_sandbox(id).map_err(|e| git_failed(&e))
    }
}

impl ports::Sessions for Real {
    fn attempts(&self, asked: &AskAttempts) -> Seen<Vec<Attempt>> {
        self.seen(asked, self.sessions.attempts(&asked.0).map_err(|e| in_a_line(&e)))
    }

    fn limiting(&self, asked: &AskLimiting) -> Seen<Limiting> {
        self.seen(asked, self.sessions.limiting().map_err(|e| in_a_line(&e)))
    }

    fn program(&self, asked: &AskProgram) -> Seen<bool> {
        Seen::Known(self.sessions.program_exists(&asked.0))
    }

    fn ensure_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError> {
        let Some(extra) = self.git.session_env(id).map_err(|e| git_failed(&e))? else {
            // An agent without its folder would fail at once, and be charged for it.
            return Err(back_off(format!("{} has no worktree to start in; it is made first", id.name)));
        };
        self.git.remove_locks(id).map_err(|e| git_failed(&e))?;
        let reason = |error: &SessionError| match error {
            SessionError::EnvFrom(_) => Reason::EnvFromFailed,
            _ => Reason::BackOff,
        };
        let not_started = |error: SessionError| ActError { message: in_a_line(&error), reason: reason(&error) };
        self.sessions.ensure(id, spec, &extra).map_err(not_started)?;
        self.exits.watch_attempt(&spec.owner.uid, spec.attempt, &id.uid);
        Ok(())
    }

    fn end_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.sessions.end(id).map_err(|e| back_off(in_a_line(&e)))
    }

    fn freeze_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.sessions.freeze(id).map_err(|e| back_off(in_a_line(&e)))
    }

    fn thaw_session(&self, id: &SandboxId) -> Result<(), ActError> {
        self.sessions.thaw(id).map_err(|e| back_off(in_a_line(&e)))
    }
}

impl ports::Jobs for Real {
    fn job(&self, key: &JobKey) -> Seen<JobState> {
        let state = self.jobs.look(key).map_err(|e| in_a_line(&e));
        if matches!(state, Ok(JobState::Running)) {
            self.exits.watch_job(key);
        }
        self.seen(key, state)
    }

    fn newest(&self, track: &Track) -> Seen<Option<JobKey>> {
        self.seen(track, self.jobs.newest(track).map_err(|e| in_a_line(&e)))
    }

    fn begun(&self, key: &JobKey) -> Option<Job> {
        self.jobs.begun(key)
    }

    fn ensure_job(&self, job: &Job) -> Result<(), ActError> {
        self.sweep();
        let reason = |error: &JobError| match error {
            JobError::Behind { .. } => Reason::RepoBusy,
            _ => Reason::BackOff,
        };
        self.jobs.ensure(job).map_err(|e| ActError { message: in_a_line(&e), reason: reason(&e) })?;
        self.exits.watch_job(&job.key());
        Ok(())
    }
}

impl ports::Sources for Real {
    fn revision(&self, asked: &AskRevision) -> Seen<Found> {
        self.seen(asked, self.sources.revision(asked).map_err(|e| in_a_line(&e)))
    }

    fn declared(&self, asked: &AskDeclared) -> Seen<Option<Arc<Declared>>> {
        self.seen(asked, self.sources.declared(asked).map_err(|e| in_a_line(&e)))
    }

    fn lease(&self, asked: &AskLease) -> Seen<Option<Lease>> {
        self.seen(asked, self.git.lease(&asked.source, &asked.reference).map_err(|e| in_a_line(&e)))
    }

    fn remove_clone(&self, source: &Owner) -> Result<(), ActError> {
        if source.kind != Source::row().name {
            return Err(back_off(format!("the clone of {source:?} may hold work")));
        }
        self.git.remove_clone(source).map_err(|e| git_failed(&e))?;
        self.sources.forget(&source.uid);
        Ok(())
    }
}

impl Host for Real {
    fn machine(&self) -> Seen<Machine> {
        Seen::Known(self.machine.clone())
    }

    fn free(&self) -> Seen<Free> {
        self.seen(&AskFree, crate::free::free(&self.data).map_err(|error| error.to_string()))
    }
}

fn back_off(message: String) -> ActError {
    ActError { message, reason: Reason::BackOff }
}

fn git_failed(error: &GitError) -> ActError {
    ActError { message: error.message(), reason: error.reason() }
}
