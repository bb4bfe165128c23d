//! This machine behind the `Adapter` trait: git, sessions and jobs, each asked in one place.
//!
//! What could not be seen is `Unknown`, with since when; it is never turned into "not there".

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{self, BoxStream, StreamExt};
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{
    Act, ActError, Adapter, Ask, Fact, JobState, Machine, SandboxFacts, SandboxId, Session,
};
use gastown_crds::common::reasons;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::causes::in_a_line;
use crate::clock::Clock;
use crate::engine::Woke;
use crate::manifests;
use crate::town::Town;
use crate::world::git::{self, Git, GitError};
use crate::world::jobs::{Jobs, Keep};
use crate::world::session::children::Children;
use crate::world::session::exits::{Ended, Exits};
use crate::world::session::{SessionTown, Sessions, probe, program};

/// Finished jobs that are kept, logs and all. Losing an older verdict costs one more verification, nothing else. Of
/// fetches, the present interval's of each of a hundred rigs is enough.
const JOBS_KEPT: Keep = Keep { newest: 1000, fetches: 100 };
/// Jobs started between two sweeps.
const SWEEP_EVERY: u32 = 100;

/// This machine.
pub struct Real {
    git: Git,
    sessions: Arc<Sessions>,
    jobs: Jobs,
    exits: Exits,
    machine: Machine,
    clock: Arc<dyn Clock>,
    /// What could not be seen, and since when.
    blind: Mutex<BTreeMap<Ask, Timestamp>>,
    jobs_started: Mutex<u32>,
}

/// The sessions of a town, for the controller and for commands that look at them.
pub fn sessions(town: &Town, gt: &Path, path: OsString, children: Arc<Children>) -> Sessions {
    let session_town = SessionTown {
        uid: town.uid.clone(),
        dir: town.dir.clone(),
        gt: gt.to_owned(),
        path,
        agents: manifests::AGENTS.into(),
    };
    Sessions::new(town.layout.clone(), session_town, children)
}

impl Real {
    /// The world of a town, ready to be looked at: the agents' `gt` and `bd` and the guards are in place.
    /// With it comes the stream of what ends here.
    pub fn open(
        town: &Town,
        gt: &Path,
        polecats_max: Option<u32>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, BoxStream<'static, Woke>), ActError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let refused = |error: std::io::Error| ActError { message: error.to_string(), reason: reasons::BACK_OFF };
        program::install_bin(&town.layout, gt).map_err(refused)?;
        git::guard::install(&town.layout).map_err(|e| git_failed(&e))?;
        let children = Arc::new(Children::default());
        let machine = probe::probe(&path, polecats_max);
        let sessions = Arc::new(sessions(town, gt, path, Arc::clone(&children)));
        let (exits, ended) = Exits::new(Arc::clone(&sessions), Handle::current());
        let real = Self {
            git: Git::new(town.layout.clone()),
            sessions,
            jobs: Jobs::new(town.layout.clone(), PathBuf::from(gt), children),
            exits,
            machine,
            clock,
            blind: Mutex::default(),
            jobs_started: Mutex::default(),
        };
        let wakes = stream::unfold(ended, |mut ended| async move { Some((ended.recv().await?, ended)) });
        let wakes = wakes.map(|ended| match ended {
            Ended::Session(uid) => Woke::Sandbox(uid),
            Ended::Job(key) => Woke::Job(key),
        });
        Ok((real, wakes.boxed()))
    }

    fn fact(&self, ask: &Ask) -> Result<Fact, String> {
        Ok(match ask {
            Ask::Repo { rig, branch } => Fact::Repo(self.git.facts(rig, branch.as_deref()).map_err(|e| e.message())?),
            Ask::Sandbox(id) => Fact::Sandbox(self.sandbox(id)?),
            Ask::Runs(bead_uid) => Fact::Runs(self.sessions.runs(bead_uid).map_err(|e| in_a_line(&e))?),
            Ask::Job(key) => {
                let state = self.jobs.look(key).map_err(|e| in_a_line(&e))?;
                if state == JobState::Running {
                    self.exits.watch_job(key);
                }
                Fact::Job(state)
            }
            Ask::Replay(key) => Fact::Replay(self.git.replayed(key).map_err(|e| e.message())?),
            Ask::Program(name) => Fact::Program(self.sessions.program_exists(name)),
            Ask::Machine => Fact::Machine(self.machine.clone()),
        })
    }

    fn sandbox(&self, id: &SandboxId) -> Result<SandboxFacts, String> {
        let session = self.sessions.look(id).map_err(|e| in_a_line(&e))?;
        if let Session::Running { bead_uid, attempt } = &session {
            self.exits.watch_run(bead_uid, *attempt, &id.uid);
        }
        let sandbox = self.git.sandbox(id).map_err(|e| e.message())?;
        Ok(SandboxFacts { sandbox, session })
    }

    fn try_act(&self, act: &Act) -> Result<(), ActError> {
        let back_off = |message: String| ActError { message, reason: reasons::BACK_OFF };
        match act {
            Act::EnsureJob(job) => {
                self.sweep();
                self.jobs.ensure(job).map_err(|e| back_off(in_a_line(&e)))?;
                self.exits.watch_job(&job.key());
                Ok(())
            }
            Act::EnsureReplay { rig, key, onto, candidates, committer } => {
                self.git.replay(rig, key, onto, candidates, committer).map_err(|e| git_failed(&e))
            }
            Act::EnsureSandbox { sandbox, spec } => self.git.ensure_sandbox(sandbox, spec).map_err(|e| git_failed(&e)),
            Act::EnsureSession { sandbox, spec } => {
                let Some(mut extra) = self.git.session_env(sandbox).map_err(|e| git_failed(&e))? else {
                    // An agent without its folder would fail at once, be charged for it, and have no guard.
                    return Err(back_off(format!("{} has no worktree to start in; it is made first", sandbox.name)));
                };
                extra.push(("GT_BASE".to_owned(), spec.base.0.clone()));
                self.sessions.ensure(sandbox, spec, &extra).map_err(|e| back_off(in_a_line(&e)))?;
                self.exits.watch_run(&spec.bead_uid, spec.attempt, &sandbox.uid);
                Ok(())
            }
            Act::EndSession { sandbox } => self.sessions.end(sandbox).map_err(|e| back_off(in_a_line(&e))),
            Act::Archive { rig, name, head } => self.git.archive(rig, name, head).map_err(|e| git_failed(&e)),
            Act::RemoveSandbox { sandbox } => self.git.remove_sandbox(sandbox).map_err(|e| git_failed(&e)),
        }
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

impl Adapter for Real {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        let fact = self.fact(ask);
        let mut blind = self.blind.lock().unwrap_or_else(PoisonError::into_inner);
        match fact {
            Ok(fact) => {
                blind.remove(ask);
                Seen::Known(fact)
            }
            Err(why) => {
                let since = *blind.entry(ask.clone()).or_insert_with(|| self.clock.now());
                Seen::Unknown { why, since }
            }
        }
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        self.try_act(act)
    }
}

fn git_failed(error: &GitError) -> ActError {
    ActError { message: error.message(), reason: error.reason() }
}
