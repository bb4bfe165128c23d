//! The port of sandboxes: a polecat's worktree, and whether a session runs in it.

use gastown_crds::polecat::Activity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActError, Ask, Fact, Frozen, Oid, Owner, Question, Seen, Session};

/// Worktrees of polecats. What one held is rescued before it changes or goes.
pub trait Sandboxes {
    /// The state of a sandbox and its session.
    fn sandbox(&self, id: &SandboxId) -> Seen<SandboxFacts>;
    /// The worktree exists in this preparation.
    fn ensure_sandbox(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<(), ActError>;
    /// The sandbox is gone.
    fn remove_sandbox(&self, id: &SandboxId) -> Result<(), ActError>;
}

/// A polecat's sandbox, worktree and session as one unit: the Polecat's uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxId {
    /// The Polecat's name.
    pub name: String,
    /// The Polecat's uid.
    pub uid: String,
}

impl Question for SandboxId {
    type Answer = SandboxFacts;

    fn ask(&self) -> Ask {
        Ask::Sandbox(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Sandbox(it) = fact { Some(it) } else { None }
    }
}

/// The state of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxFacts {
    /// Its worktree, if there is one.
    pub sandbox: Option<Sandbox>,
    /// Its session.
    pub session: Session,
    /// The name of the Runtime that its session is of, if one runs and that is on record.
    pub runtime: Option<String>,
    /// Whether the processes of its session are frozen.
    pub frozen: Frozen,
    /// What the agent of its session reported last; that it is starting, until it reports anything.
    pub activity: Option<Activity>,
}

/// A worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// The name of its preparation: a digest of bead, rework and start that the plan chose.
    pub prepared: String,
    /// The branch it was prepared with.
    pub branch: String,
    /// Where that branch began.
    pub base: Oid,
    /// When it was made so: one that was deleted and made again is another.
    pub made: Timestamp,
}

/// How a worktree is to be prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// The object in whose repository it is.
    pub owner: Owner,
    /// The name of this preparation; a worktree that carries it already is left alone.
    pub prepared: String,
    /// The branch to be on.
    pub branch: String,
    /// Where it begins: the commits after it are what lands.
    pub base: Oid,
    /// Where its tip is to be: the base, or a head handed in before.
    pub start: Oid,
    /// The target: base and start of one whose clone does not hold `start` or `base` any more.
    pub target: Oid,
}

impl SandboxSpec {
    /// Where it begins and where its tip is, in a clone that holds these commits.
    pub fn points(&self, holds: impl Fn(&Oid) -> bool) -> (&Oid, &Oid) {
        if holds(&self.base) && holds(&self.start) { (&self.base, &self.start) } else { (&self.target, &self.target) }
    }
}
