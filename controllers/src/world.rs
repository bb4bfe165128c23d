//! The world as controllers see it: repositories, sandboxes, sessions, attempts and jobs, as plain facts.
//!
//! Facts and effects name a `RigId`, a `SandboxId` or a `JobKey`, never a path or a pane: the adapter in `src/world/`
//! knows where they are. One trait with two verbs is the whole border between deciding and doing.

use std::collections::BTreeMap;
use std::fmt;

use gastown_crds::bead::ReworkKind;
use gastown_crds::common::{NameValue, Person};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::seen::{Oid, Seen};

/// A rig's repository on this machine: the Rig's uid. The name goes along for people's eyes only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RigId {
    /// The Rig's name.
    pub name: String,
    /// The Rig's uid.
    pub uid: String,
}

/// A polecat's sandbox, worktree and session as one unit: the Polecat's uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SandboxId {
    /// The Polecat's name.
    pub name: String,
    /// The Polecat's uid.
    pub uid: String,
}

/// A job's name: a digest of its inputs, 32 hex characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(pub String);

/// What may take longer than a second. The adapter runs it as a supervised child; its inputs are its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Job {
    /// Makes the town's bare clone, guards included. Idempotent: a whole clone is made beside and renamed.
    Clone {
        /// The rig.
        rig: RigId,
        /// What to clone.
        url: String,
        /// Counts up with every try.
        round: u32,
    },
    /// Brings `refs/gt/target/*` up to date with the remote.
    Fetch {
        /// The rig.
        rig: RigId,
        /// The remote, in case the declared url has changed.
        url: String,
        /// What made it necessary, such as a push's key: one cause is one fetch.
        cause: String,
        /// Counts up with every try.
        round: u32,
    },
    /// Copies the declared files in and runs `workspace.setup` in the worktree.
    Setup {
        /// The rig.
        rig: RigId,
        /// Whose worktree.
        sandbox: SandboxId,
        /// Which preparation of the worktree (see [`Sandbox::prepared`]).
        prepared: String,
        /// When it was made (see [`Sandbox::made`]).
        made: Timestamp,
        /// The commands.
        commands: Vec<String>,
        /// Files to copy in, relative.
        copy: Vec<String>,
        /// Where they are copied from.
        copy_from: Option<String>,
        /// Seconds that all commands may take.
        timeout_s: u64,
        /// Counts up with every try.
        round: u32,
    },
    /// Runs the rig's checks on a commit in a clean worktree. The result speaks of its tree.
    Verify {
        /// The rig.
        rig: RigId,
        /// The commit to check out.
        commit: Oid,
        /// Its tree: what the verdict is filed under.
        tree: Oid,
        /// The commands.
        checks: Vec<Check>,
        /// Counts up: a red verdict is confirmed by a second try.
        round: u32,
    },
    /// Fast-forwards a branch of the remote, with a lease on its present value.
    Push {
        /// The rig.
        rig: RigId,
        /// The remote.
        url: String,
        /// The branch.
        branch: String,
        /// What the remote must hold; none: the branch must not exist. Ignored with `force`.
        from: Option<Oid>,
        /// What it shall hold.
        to: Oid,
        /// Moves the branch anywhere, from what the town itself last made of it: only for `gastown/<bead>` branches, which
        /// are the town's own.
        force: bool,
        /// Update a working copy that has the branch checked out (`updateInstead`).
        update_checked_out: bool,
        /// The fetch round that `from` was seen in.
        round: u32,
    },
}

/// One verification command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// Shell text.
    pub run: String,
    /// Seconds it may take.
    pub timeout_s: u64,
}

impl Job {
    /// The job's name: the same inputs give the same name, so "ensure" is idempotent.
    pub fn key(&self) -> JobKey {
        let inputs = match self {
            // A verdict belongs to the tree and the commands, whatever commit carried the tree.
            Self::Verify { rig, tree, checks, round, .. } => {
                serde_json::json!(["verify", rig.uid, tree, checks, round])
            }
            other => serde_json::json!(other),
        };
        JobKey(gastown_crds::names::digest(&["job", &inputs.to_string()]))
    }

    /// The rig it works for.
    pub fn rig(&self) -> &RigId {
        match self {
            Self::Clone { rig, .. }
            | Self::Fetch { rig, .. }
            | Self::Setup { rig, .. }
            | Self::Verify { rig, .. }
            | Self::Push { rig, .. } => rig,
        }
    }
}

/// How a job ended, as a number: the exit code of its process. One table for all jobs.
pub mod exit {
    /// It did what it is for; a verification: green.
    pub const OK: i32 = 0;
    /// A verification: red. Anything else: it failed and may be tried again.
    pub const FAILED: i32 = 1;
    /// A push: the target is checked out in a working copy that refuses.
    pub const CHECKED_OUT: i32 = 10;
    /// A push: the remote refuses this branch.
    pub const PROTECTED: i32 = 11;
    /// A push: the remote no longer holds what the lease says.
    pub const CONTENDED: i32 = 12;
    /// A clone or fetch: the remote has no such branch, or is empty.
    pub const NO_BRANCH: i32 = 13;
    /// A verification: a check could not run, or did not end in time. Neither pass nor red, unless it stays so.
    pub const UNABLE: i32 = 14;
    /// It could not run, for a reason of this machine's, such as no space. Neither pass nor red.
    pub const ERROR: i32 = 75;
    /// The remote asks for a password or key.
    pub const AUTH: i32 = 77;
}

/// What is seen of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Never started.
    Absent,
    /// Its process holds its lock.
    Running,
    /// It ended.
    Exited(Exited),
    /// It began, holds no lock, and left no result: its machine or supervisor died. It may run again under the next round.
    Lost {
        /// When it had begun.
        at: Timestamp,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// The exit code; see [`exit`].
    pub code: i32,
    /// When.
    pub at: Timestamp,
    /// The tail of its log, at most 4096 bytes.
    pub tail: String,
}

/// What is seen of a rig's repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepoFacts {
    /// The bare clone exists, whole.
    pub cloned: bool,
    /// The branch asked for, or the remote's HEAD as last fetched.
    pub branch: Option<String>,
    /// The commit at its tip as last fetched: `refs/gt/target/<branch>`.
    pub target: Option<Oid>,
    /// That commit's tree.
    pub target_tree: Option<Oid>,
    /// Merge requests found on it by their `Gastown-MR` trailer, within the newest 1000 commits: which commit each became last.
    pub landed: BTreeMap<String, Oid>,
}

/// A commit handed in, as replay needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The merge request's name: a trailer.
    pub merge_request: String,
    /// The bead's name: a trailer.
    pub bead: String,
    /// The tip handed in.
    pub head: Oid,
    /// Where its branch began.
    pub base: Oid,
    /// The committer date of what lands: the merge request's creation.
    pub date: Timestamp,
    /// The title, for a branch with merge commits that lands as one.
    pub title: String,
}

/// What becomes of one candidate when a list of them is replayed onto a commit, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "replayed", rename_all = "camelCase")]
pub enum Replayed {
    /// It applies: the commit it becomes, and that commit's tree.
    Clean {
        /// The new tip.
        commit: Oid,
        /// Its tree.
        tree: Oid,
    },
    /// It does not apply onto what stands before it; it was left out and the replay went on.
    Conflict {
        /// The files.
        files: Vec<String>,
    },
    /// It changes nothing there: already applied.
    Empty,
    /// The clone does not hold its commits: the rig was deleted and made anew, or its folder was.
    Missing,
}

/// What is seen of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SandboxFacts {
    /// Its worktree, if there is one.
    pub sandbox: Option<Sandbox>,
    /// Its session.
    pub session: Session,
}

/// A worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Which preparation it is in: a digest of bead, rework and start that the plan chose.
    pub prepared: String,
    /// The branch it was prepared with.
    pub branch: String,
    /// Where that branch began.
    pub base: Oid,
    /// When it was made so: one that was deleted and made again is another.
    pub made: Timestamp,
}

/// What is seen of a session. Liveness is the lock, never the pane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Session {
    /// The lock is free.
    #[default]
    None,
    /// The lock is held and no exit is recorded.
    Running {
        /// The bead's uid.
        bead_uid: String,
        /// Which attempt at it.
        attempt: u32,
    },
    /// The lock is held although an exit is recorded: processes that outlived their agent.
    Strays {
        /// Their process ids.
        pids: Vec<i32>,
    },
}

/// One attempt at a bead: `runs/<bead uid>/<n>/`, made before the spawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which: counts up from 1.
    pub attempt: u32,
    /// The digest of the bead's text that it was for.
    pub work: String,
    /// How far it came.
    pub state: RunState,
}

/// How far an attempt came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// The folder is there, nothing was started (yet): a crash between intent and act, or a start under way.
    Intended,
    /// Its session holds the lock.
    Running,
    /// It ended, and left its exit.
    Ended(RunEnd),
    /// It had started, holds no lock, and left no exit: machine, tmux or supervisor died. Not charged.
    Lost {
        /// When it had started.
        at: Timestamp,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The agent's exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether the agent ended by itself. Ended by us, or with its terminal: not charged.
    pub own: bool,
    /// When.
    pub at: Timestamp,
    /// The tail of its output, at most 4096 bytes.
    pub tail: String,
}

/// Everything a session needs to know, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSpec {
    /// The rig.
    pub rig: RigId,
    /// The polecat's name within its rig.
    pub polecat: String,
    /// The bead's name.
    pub bead: String,
    /// The bead's uid.
    pub bead_uid: String,
    /// Which attempt it is.
    pub attempt: u32,
    /// The digest of the bead's text.
    pub work: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables of the Runtime.
    pub env: Vec<NameValue>,
    /// Where the branch began: `GT_BASE`.
    pub base: Oid,
    /// Why the work came back, and the log or files that say more.
    pub rework: Option<(ReworkKind, String)>,
    /// Who its commits are by.
    pub author: Person,
}

/// How a worktree is to be prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxSpec {
    /// The rig.
    pub rig: RigId,
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

/// A question to the world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// What is there of a rig's repository, and of its target branch?
    Repo {
        /// The rig.
        rig: RigId,
        /// The branch; none: the remote's HEAD.
        branch: Option<String>,
    },
    /// What of a sandbox and its session?
    Sandbox(SandboxId),
    /// Which attempts at a bead (by uid)?
    Runs(String),
    /// How is a job?
    Job(JobKey),
    /// What was a replay's result?
    Replay(String),
    /// Would this program start? (Its name or path, as in `Runtime.spec.command[0]`.)
    Program(String),
    /// What can this machine bear?
    Machine,
}

/// The answer to an [`Ask`], variant for variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// To `Ask::Repo`.
    Repo(RepoFacts),
    /// To `Ask::Sandbox`.
    Sandbox(SandboxFacts),
    /// To `Ask::Runs`, by attempt, ascending.
    Runs(Vec<Run>),
    /// To `Ask::Job`.
    Job(JobState),
    /// To `Ask::Replay`: none if it was not made yet; else one result for each candidate, in order.
    Replay(Option<Vec<Replayed>>),
    /// To `Ask::Program`.
    Program(bool),
    /// To `Ask::Machine`.
    Machine(Machine),
}

/// What this machine can bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its cores.
    pub cores: u32,
    /// A hard limit on polecats that the machine's owner has set, if any.
    pub polecats_max: Option<u32>,
    /// What is missing here and does harm, such as tmux; none if all is well.
    pub degraded: Option<String>,
}

/// Something to be done in the world: idempotent, named by its result, and refused by the adapter if its guard fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The job runs, or has run.
    EnsureJob(Job),
    /// The replay of `candidates` onto `onto` is recorded under `key` (see [`replay_key`]).
    EnsureReplay {
        /// The rig.
        rig: RigId,
        /// The record's name.
        key: String,
        /// Onto which commit.
        onto: Oid,
        /// What, in order.
        candidates: Vec<Candidate>,
        /// Who commits.
        committer: Person,
    },
    /// The worktree exists in this preparation. What it held before is rescued first.
    EnsureSandbox {
        /// Whose.
        sandbox: SandboxId,
        /// How.
        spec: SandboxSpec,
    },
    /// The attempt's session runs, or has run. Exclusive: while another holds the lock, nothing starts.
    EnsureSession {
        /// Whose.
        sandbox: SandboxId,
        /// What.
        spec: SessionSpec,
    },
    /// No session of this attempt runs; strays are ended too.
    EndSession {
        /// Whose.
        sandbox: SandboxId,
    },
    /// The commit stays reachable as `refs/gt/archive/<name>`.
    Archive {
        /// The rig.
        rig: RigId,
        /// The merge request's name.
        name: String,
        /// The commit.
        head: Oid,
    },
    /// The sandbox is gone; what it held is rescued first.
    RemoveSandbox {
        /// Whose.
        sandbox: SandboxId,
    },
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, round) = match self {
            Self::Clone { round, .. } => ("clone", round),
            Self::Fetch { round, .. } => ("fetch", round),
            Self::Setup { round, .. } => ("setup", round),
            Self::Verify { round, .. } => ("verify", round),
            Self::Push { round, .. } => ("push", round),
        };
        write!(f, "{what} for {}, round {round}", self.rig().name)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnsureJob(job) => job.fmt(f),
            Self::EnsureReplay { candidates, .. } => write!(f, "replay {}", candidates.len()),
            Self::EnsureSandbox { sandbox, spec } => {
                write!(f, "prepare {} on {} at {}", sandbox.name, spec.branch, spec.start.short())
            }
            Self::EnsureSession { sandbox, spec } => {
                write!(f, "start {} on {}, attempt {}", sandbox.name, spec.bead, spec.attempt)
            }
            Self::EndSession { sandbox } => write!(f, "end the session of {}", sandbox.name),
            Self::Archive { name, .. } => write!(f, "archive {name}"),
            Self::RemoveSandbox { sandbox } => write!(f, "remove the sandbox of {}", sandbox.name),
        }
    }
}

/// The name of a replay's record: the same inputs give the same commits, so the record is good for ever.
pub fn replay_key(rig: &RigId, onto: &Oid, candidates: &[Candidate], committer: &Person) -> String {
    let inputs = serde_json::json!([rig.uid, onto, candidates, committer]);
    gastown_crds::names::digest(&["replay", &inputs.to_string()])
}

/// The border between deciding and doing: two verbs. Both block; none may take longer than two seconds.
pub trait Adapter: Send + Sync {
    /// Looks. Invariant: the answer was read after the call began.
    fn look(&self, ask: &Ask) -> Seen<Fact>;
    /// Does. Ok means only "not refused": what it did is learnt by the next look.
    fn act(&self, act: &Act) -> Result<(), ActError>;
}

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ActError {
    /// What was tried and what went wrong, for people.
    pub message: String,
    /// The reason for a condition, where a program should tell it apart.
    pub reason: &'static str,
}
