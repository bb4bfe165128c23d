//! The world as controllers see it: one port for each adapter, with what is asked of it, what it answers and what it does.
//!
//! Facts and effects name an [`Owner`], a [`SandboxId`] or a [`JobKey`], never a path or a pane: the adapter knows where
//! they are. Engine and adapters meet here and nowhere else.
//!
//! To add a question or an act: its type and a method of the trait in its port's file, one line in each table here, and
//! the method in the real and in the simulated adapter.

mod owner;

mod repository;

mod sandbox;

mod session;

mod job;

mod track;

mod remote;

mod machine;

mod source;

mod happening;

use std::fmt;
use std::sync::Arc;

use gastown_crds::reason::Reason;
use jiff::Timestamp;

pub use crate::seen::{Oid, Seen};
pub use happening::{AskHappened, Happening};
pub use job::{Check, Exited, GateQuestion, Job, JobKey, JobState, Jobs, Pool, exit};
pub use machine::{AskFree, AskMachine, Free, Host, Machine};
pub use owner::Owner;
pub use remote::{path_of, remote_id, server_of};
pub use repository::{
    AskMerged, AskReplay, AskRepo, Candidate, LandedBead, Merged, OwnBranch, Replay, Replayed, Replays, RepoFacts,
    Repositories, replay_key,
};
pub use sandbox::{Sandbox, SandboxFacts, SandboxId, SandboxSpec, Sandboxes};
pub use session::{
    AskAttempts, AskLimiting, AskProgram, Attempt, AttemptEnd, AttemptState, Conversation, Frozen, Limiting, Limits,
    OutOfMemory, RuntimeParts, Session, SessionSpec, Sessions,
};
pub use source::{
    AskDeclared, AskLease, AskRevision, At, Declared, DeclaredObject, Found, Lease, Origin, Revision, Signature,
    Sources,
};
pub use track::Track;

/// A question of some port, and the type of its answer.
pub trait Question {
    /// The type of the answer.
    type Answer;
    /// The question among all others.
    fn ask(&self) -> Ask;
    /// The answer, if the fact is one to such a question.
    fn answer(fact: &Fact) -> Option<&Self::Answer>;
}

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// The state of a repository and of its target branch.
    Repo(AskRepo),
    /// How much of a merge request the target holds.
    Merged(AskMerged),
    /// The state of a sandbox and its session.
    Sandbox(SandboxId),
    /// The attempts at an object.
    Attempts(AskAttempts),
    /// The state of a job.
    Job(JobKey),
    /// The job that was begun last on a track.
    Newest(Track),
    /// The result of a replay.
    Replay(AskReplay),
    /// Whether a program would start.
    Program(AskProgram),
    /// What sessions can be held to on this machine.
    Limiting,
    /// The limits of this machine.
    Machine,
    /// Memory and disk that are free.
    Free,
    /// The revision that a source is at.
    Revision(AskRevision),
    /// What a revision of a source declares.
    Declared(AskDeclared),
    /// Who holds the lease of a source.
    Lease(AskLease),
    /// Whether something has happened.
    Happened(AskHappened),
}

/// The answer to an [`Ask`], variant for variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// To `Ask::Repo`.
    Repo(RepoFacts),
    /// To `Ask::Merged`.
    Merged(Merged),
    /// To `Ask::Sandbox`.
    Sandbox(SandboxFacts),
    /// To `Ask::Attempts`, by attempt, ascending.
    Attempts(Vec<Attempt>),
    /// To `Ask::Job`.
    Job(JobState),
    /// To `Ask::Newest`; none: no job of it is on record.
    Newest(Option<JobKey>),
    /// To `Ask::Replay`.
    Replay(Replays),
    /// To `Ask::Program`.
    Program(bool),
    /// To `Ask::Limiting`.
    Limiting(Limiting),
    /// To `Ask::Machine`.
    Machine(Machine),
    /// To `Ask::Free`.
    Free(Free),
    /// To `Ask::Revision`.
    Revision(Found),
    /// To `Ask::Declared`; none: that cannot be read any more.
    Declared(Option<Arc<Declared>>),
    /// To `Ask::Lease`; none: nobody holds it.
    Lease(Option<Lease>),
    /// To `Ask::Happened`; none: it has not.
    Happened(Option<Happening>),
}

impl Ask {
    /// The event that says that the answer may have changed; none: only another look finds out.
    pub fn changed_by(&self) -> Option<WorldEvent> {
        match self {
            Self::Sandbox(sandbox) => Some(WorldEvent::Sandbox(sandbox.uid.clone())),
            Self::Job(job) => Some(WorldEvent::Job(job.clone())),
            Self::Revision(asked) => Some(WorldEvent::Source(asked.source.uid.clone())),
            Self::Happened(asked) => Some(WorldEvent::Happened(asked.event_type.clone())),
            // Of what runs on a track, the job is asked about too, and its end is an event. So it is of a lease.
            Self::Newest(_)
            | Self::Lease(_)
            | Self::Repo(_)
            | Self::Merged(_)
            | Self::Attempts(_)
            | Self::Replay(_)
            | Self::Program(_)
            | Self::Limiting
            | Self::Machine
            | Self::Free
            // What a tree declares never changes.
            | Self::Declared(_) => None,
        }
    }
}

/// Something in the world began, ended or changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldEvent {
    /// The session in the sandbox of the polecat with this uid.
    Sandbox(String),
    /// A job.
    Job(JobKey),
    /// What the source with this uid is read from.
    Source(String),
    /// An event of this type was filed. It is the last of these: whoever wants all of them begins here.
    Happened(String),
}

/// Something to be done in the world: idempotent, named by its result, and refused by the adapter if its guard fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The job runs, or has run.
    EnsureJob(Job),
    /// The replay is recorded under its key.
    EnsureReplay(Replay),
    /// The worktree exists in this preparation. What it held before is rescued first.
    EnsureSandbox {
        /// The sandbox.
        sandbox: SandboxId,
        /// How it is prepared.
        spec: SandboxSpec,
    },
    /// The attempt's session runs, or has run. Exclusive: while another holds the lock, nothing starts.
    EnsureSession {
        /// The sandbox.
        sandbox: SandboxId,
        /// What runs in it.
        spec: SessionSpec,
    },
    /// No session of this attempt runs; strays are ended too.
    EndSession {
        /// The sandbox.
        sandbox: SandboxId,
    },
    /// No process of the session does anything until it is thawed.
    FreezeSession {
        /// The sandbox.
        sandbox: SandboxId,
    },
    /// The processes of the session go on.
    ThawSession {
        /// The sandbox.
        sandbox: SandboxId,
    },
    /// The commit stays reachable as `refs/gt/archive/<name>`.
    Archive {
        /// The object in whose repository it is.
        owner: Owner,
        /// The merge request's name.
        name: String,
        /// The commit.
        head: Oid,
    },
    /// The sandbox is gone; what it held is rescued first.
    RemoveSandbox {
        /// The sandbox.
        sandbox: SandboxId,
    },
    /// The town's clone of a source is gone.
    RemoveClone {
        /// The source.
        owner: Owner,
    },
}

impl Act {
    /// Whether two acts want the same. A worktree is wanted in its preparation: where that begins moves with the target.
    pub fn wants_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::EnsureSandbox { sandbox: a, spec: x }, Self::EnsureSandbox { sandbox: b, spec: y }) => {
                (a, &x.owner, &x.prepared, &x.branch) == (b, &y.owner, &y.prepared, &y.branch)
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureJob(job) => job.fmt(f),
            Self::EnsureReplay(replay) => write!(f, "replay {}", replay.candidates.len()),
            Self::EnsureSandbox { sandbox, spec } => {
                write!(f, "prepare {} on {} at {}", sandbox.name, spec.branch, spec.start.short())
            }
            Self::EnsureSession { sandbox, spec } => {
                write!(f, "start {} on {}, attempt {}", sandbox.name, spec.owner.name, spec.attempt)
            }
            Self::EndSession { sandbox } => write!(f, "end the session of {}", sandbox.name),
            Self::FreezeSession { sandbox } => write!(f, "freeze the session of {}", sandbox.name),
            Self::ThawSession { sandbox } => write!(f, "thaw the session of {}", sandbox.name),
            Self::Archive { name, .. } => write!(f, "archive {name}"),
            Self::RemoveSandbox { sandbox } => write!(f, "remove the sandbox of {}", sandbox.name),
            Self::RemoveClone { owner } => write!(f, "remove the clone of {}", owner.name),
        }
    }
}

/// The border between deciding and doing: two verbs. Both block; none may take longer than two seconds.
pub trait Adapter: Send + Sync {
    /// Looks. Invariant: the answer was read after the call began.
    fn look(&self, ask: &Ask) -> Seen<Fact>;
    /// The job of this name, as it was begun; none if that is not on record. A record is read, and nothing else.
    fn begun(&self, job: &JobKey) -> Option<Job>;
    /// Does. Ok means only "not refused": what it did is learnt by the next look.
    fn act(&self, act: &Act) -> Result<(), ActError>;
}

/// Whatever has all ports is a world. Each question is answered by its own port, so that an answer is always one to the
/// question that was asked.
impl<W: Repositories + Sandboxes + Sessions + Jobs + Host + Sources + Send + Sync> Adapter for W {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        match ask {
            Ask::Repo(asked) => self.repo(asked).map(Fact::Repo),
            Ask::Merged(asked) => self.merged(asked).map(Fact::Merged),
            Ask::Sandbox(id) => self.sandbox(id).map(Fact::Sandbox),
            Ask::Attempts(asked) => self.attempts(asked).map(Fact::Attempts),
            Ask::Job(key) => self.job(key).map(Fact::Job),
            Ask::Newest(track) => self.newest(track).map(Fact::Newest),
            Ask::Replay(asked) => self.replays(asked).map(Fact::Replay),
            Ask::Program(asked) => self.program(asked).map(Fact::Program),
            Ask::Limiting => self.limiting(&AskLimiting).map(Fact::Limiting),
            Ask::Machine => self.machine().map(Fact::Machine),
            Ask::Free => self.free().map(Fact::Free),
            Ask::Revision(asked) => self.revision(asked).map(Fact::Revision),
            Ask::Declared(asked) => self.declared(asked).map(Fact::Declared),
            Ask::Lease(asked) => self.lease(asked).map(Fact::Lease),
            Ask::Happened(_) => Seen::Unknown {
                why: "an adapter does not see events: the engine watches them".to_owned(),
                since: Timestamp::UNIX_EPOCH,
            },
        }
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        Jobs::begun(self, job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        match act {
            Act::EnsureJob(job) => self.ensure_job(job),
            Act::EnsureReplay(replay) => self.replay(replay),
            Act::EnsureSandbox { sandbox, spec } => self.ensure_sandbox(sandbox, spec),
            Act::EnsureSession { sandbox, spec } => self.ensure_session(sandbox, spec),
            Act::EndSession { sandbox } => self.end_session(sandbox),
            Act::FreezeSession { sandbox } => self.freeze_session(sandbox),
            Act::ThawSession { sandbox } => self.thaw_session(sandbox),
            Act::Archive { owner, name, head } => self.archive(owner, name, head),
            Act::RemoveSandbox { sandbox } => self.remove_sandbox(sandbox),
            Act::RemoveClone { owner } => self.remove_clone(owner),
        }
    }
}

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ActError {
    /// The operation and what went wrong, for people.
    pub message: String,
    /// The reason for a condition, where a program should tell it apart.
    pub reason: Reason,
}
