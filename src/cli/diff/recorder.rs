//! The simulated world as one engine has it, with a record of what that engine did in it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gastown_controllers::seen::Seen;
use gastown_controllers::world::{
    Act, ActError, Adapter, Ask, Fact, Job, JobKey, JobState, SandboxFacts, SandboxId, Session, exit,
};

use crate::world::sim::SimWorld;
use crate::world::sim::behavior::Behavior;
use crate::world::sim::commits::Tree;

/// Something that was done in the world. What was so already is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A session was started.
    Started {
        /// The polecat's name.
        polecat: String,
        /// The bead's name.
        bead: String,
    },
    /// A session that ran was ended.
    Ended {
        /// The polecat's name.
        polecat: String,
        /// The bead's uid.
        bead_uid: String,
    },
    /// The processes of a session were frozen; or, if not, let go on.
    Froze {
        /// The polecat's name.
        polecat: String,
        /// Frozen.
        frozen: bool,
    },
    /// A sandbox was made; or renewed, if there was one.
    Prepared {
        /// The polecat's name.
        polecat: String,
        /// There was one.
        again: bool,
    },
    /// A sandbox was removed.
    Removed {
        /// The polecat's name.
        polecat: String,
    },
    /// A job was begun.
    Began(Box<Job>),
}

/// A world whose deeds are recorded.
pub struct Recorder {
    world: SimWorld,
    deeds: Mutex<Vec<Deed>>,
}

impl Recorder {
    /// Records what is done in a world.
    pub fn of(world: SimWorld) -> Self {
        Self { world, deeds: Mutex::default() }
    }

    /// What was done so far, in order.
    pub fn deeds(&self) -> Vec<Deed> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn facts(&self, id: &SandboxId) -> SandboxFacts {
        match self.world.look(&Ask::Sandbox(id.clone())) {
            Seen::Known(Fact::Sandbox(facts)) => facts,
            _ => SandboxFacts::default(),
        }
    }

    /// What an act is about to do.
    fn deed(&self, act: &Act) -> Option<Deed> {
        match act {
            Act::EnsureJob(job) => {
                let state = self.world.look(&Ask::Job(job.key()));
                matches!(state, Seen::Known(Fact::Job(JobState::Absent))).then(|| Deed::Began(Box::new(job.clone())))
            }
            Act::EnsureSandbox { sandbox, spec } => {
                let before = self.facts(sandbox).sandbox;
                let is_so = before.as_ref().is_some_and(|it| it.prepared == spec.prepared);
                (!is_so).then(|| Deed::Prepared { polecat: sandbox.name.clone(), again: before.is_some() })
            }
            Act::RemoveSandbox { sandbox } => {
                let is_there = self.facts(sandbox).sandbox.is_some();
                is_there.then(|| Deed::Removed { polecat: sandbox.name.clone() })
            }
            Act::EnsureSession { sandbox, spec } => (self.facts(sandbox).session == Session::None)
                .then(|| Deed::Started { polecat: sandbox.name.clone(), bead: spec.owner.name.clone() }),
            Act::EndSession { sandbox } => match self.facts(sandbox).session {
                Session::Running { owner_uid, .. } => {
                    Some(Deed::Ended { polecat: sandbox.name.clone(), bead_uid: owner_uid })
                }
                Session::None | Session::Strays { .. } => None,
            },
            Act::FreezeSession { sandbox } => Some(Deed::Froze { polecat: sandbox.name.clone(), frozen: true }),
            Act::ThawSession { sandbox } => Some(Deed::Froze { polecat: sandbox.name.clone(), frozen: false }),
            Act::EnsureReplay(_) | Act::Archive { .. } | Act::RemoveClone { .. } => None,
        }
    }
}

impl Adapter for Recorder {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        self.world.look(ask)
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        Adapter::begun(&self.world, job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        let deed = self.deed(act);
        self.world.act(act)?;
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner).extend(deed);
        Ok(())
    }
}

/// Agents that do nothing, on a machine on which these programs are not installed. Every job works; but no gate opens by
/// what a program says, which nobody knows beforehand.
pub struct Idle {
    /// The programs that are not there.
    pub missing: Arc<BTreeSet<String>>,
}

impl Behavior for Idle {
    fn has_program(&self, name: &str) -> bool {
        !self.missing.contains(name)
    }

    fn ends(&self, job: &Job, _: Option<&Tree>) -> (i32, String) {
        match job {
            Job::Gate { .. } => (exit::FAILED, "nothing is asked in a simulation".to_owned()),
            _ => (exit::OK, String::new()),
        }
    }
}
