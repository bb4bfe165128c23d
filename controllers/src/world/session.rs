//! The port of sessions: agents at work, their attempts at beads, and the programs that they are.

use gastown_crds::bead::ReworkKind;
use gastown_crds::common::NameValue;
use gastown_crds::polecat::Activity;
use gastown_crds::runtime::{EnvSource, PromptDelivery, RuntimeFile};
use jiff::Timestamp;

use super::{ActError, Ask, Fact, Owner, Question, SandboxId, Seen};

/// Sessions of agents. A sandbox has at most one.
pub trait Sessions {
    /// The attempts at an object, ascending.
    fn attempts(&self, asked: &AskAttempts) -> Seen<Vec<Attempt>>;
    /// Whether a program would start.
    fn program(&self, asked: &AskProgram) -> Seen<bool>;
    /// What sessions can be held to here.
    fn limiting(&self, asked: &AskLimiting) -> Seen<Limiting>;
    /// The attempt's session runs, or has run. Exclusive: while another holds the lock, nothing starts.
    fn ensure_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError>;
    /// No session runs in the sandbox; strays are ended too.
    fn end_session(&self, id: &SandboxId) -> Result<(), ActError>;
    /// No process of the session does anything until it is thawed; where none runs, nothing is done.
    fn freeze_session(&self, id: &SandboxId) -> Result<(), ActError>;
    /// The processes of the session go on.
    fn thaw_session(&self, id: &SandboxId) -> Result<(), ActError>;
}

/// Asks for the attempts at the object with this uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskAttempts(pub String);

impl Question for AskAttempts {
    type Answer = Vec<Attempt>;

    fn ask(&self) -> Ask {
        Ask::Attempts(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Attempts(it) = fact { Some(it) } else { None }
    }
}

/// Asks whether a program would start, by its name or path, as in `Runtime.spec.command[0]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskProgram(pub String);

impl Question for AskProgram {
    type Answer = bool;

    fn ask(&self) -> Ask {
        Ask::Program(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Program(it) = fact { Some(it) } else { None }
    }
}

/// Asks what sessions can be held to on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskLimiting;

impl Question for AskLimiting {
    type Answer = Limiting;

    fn ask(&self) -> Ask {
        Ask::Limiting
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Limiting(it) = fact { Some(it) } else { None }
    }
}

/// What sessions can be held to on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limiting {
    /// Each session runs in a cgroup of its own, and these of its limits hold.
    Cgroup {
        /// Memory.
        memory: bool,
        /// Cores.
        cpu: bool,
    },
    /// Nothing: why, for people.
    No(String),
}

/// What a session is held to, where that can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Cores, in thousandths.
    pub cpu: Option<u32>,
}

/// The state of a session. Liveness is the lock, never the pane.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Session {
    /// The lock is free.
    #[default]
    None,
    /// The lock is held and no exit is recorded.
    Running {
        /// The uid of the object whose attempt it is.
        owner_uid: String,
        /// The number of the attempt.
        attempt: u32,
    },
    /// The lock is held although an exit is recorded: processes that outlived their agent.
    Strays {
        /// Their process ids.
        pids: Vec<i32>,
    },
}

impl Session {
    /// The number of the attempt that runs.
    pub fn attempt(&self) -> Option<u32> {
        match self {
            Self::Running { attempt, .. } => Some(*attempt),
            Self::None | Self::Strays { .. } => None,
        }
    }
}

/// Whether the processes of a session are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Frozen {
    /// They are not, and were not meant to be.
    #[default]
    No,
    /// They were meant to be, and some go on all the same: a freeze was cut short.
    Partly,
    /// None of them does anything.
    Wholly,
}

/// One attempt: `runs/<the owner's uid>/<n>/`, made before the spawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// The digest of the text that it was for.
    pub work: String,
    /// The name of the Runtime that it was of, if that is on record.
    pub runtime: Option<String>,
    /// How far it came.
    pub state: AttemptState,
    /// The conversation that its agent was in, if it was reported and can be gone on with.
    pub conversation: Option<Conversation>,
}

/// A conversation of an agent with its model, which another attempt can go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id, as the agent's program knows it.
    pub id: String,
    /// The uid of the sandbox that it speaks of.
    pub sandbox_uid: String,
    /// The account of the town's that it was held by; none for the Runtime's own.
    pub account: Option<String>,
}

/// How far an attempt came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptState {
    /// The folder is there, nothing was started (yet): a crash between intent and act, or a start under way.
    Intended,
    /// Its session holds the lock.
    Running,
    /// It ended, and left its exit.
    Ended(AttemptEnd),
    /// It had started, holds no lock, and left no exit: machine, tmux or supervisor died. Not charged.
    Lost {
        /// When it had started.
        at: Timestamp,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// The agent's exit code; 128 + n for signal n.
    pub code: i32,
    /// Whether the agent ended by itself. Ended by us, or with its terminal: not charged.
    pub own: bool,
    /// The instant of its end.
    pub at: Timestamp,
    /// The tail of its output, at most 4096 bytes.
    pub tail: String,
    /// Whether it, or its last program, was killed for memory.
    pub out_of_memory: Option<OutOfMemory>,
    /// What it reported last; of a program that reports, that it was starting until it has.
    pub activity: Option<Activity>,
}

impl AttemptEnd {
    /// The end of what the agent printed, without the lines that its supervisor adds.
    pub fn output(&self) -> &str {
        let mut output = self.tail.trim_end();
        loop {
            let last = output.rfind('\n').map_or(0, |at| at + 1);
            if !output[last..].starts_with("gt: ") {
                return output;
            }
            output = output[..last].trim_end();
        }
    }

    /// The lines that the agent printed, from the last: what its supervisor adds is not among them, nor are blank ones.
    pub fn said(&self) -> impl Iterator<Item = &str> + Clone {
        self.tail.lines().rev().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("gt: "))
    }
}

/// Whose memory was used up when an agent was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfMemory {
    /// The session's own, of so many bytes.
    Limit(u64),
    /// The machine's: others' doing as much as its own.
    Machine,
}

/// The program of a session, and the object that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSpec {
    /// The object whose attempts it counts among, such as the bead that is worked on.
    pub owner: Owner,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The digest of what is to be done. Attempts at another text do not count against this one.
    pub work: String,
    /// The program and its arguments; `$(NAME)` stands for a variable that the agent sees.
    pub command: Vec<String>,
    /// What its Runtime declares beside the command.
    pub runtime: Box<RuntimeParts>,
    /// Variables that the agent sees, after those of the Runtime; of two with one name, the later counts. The adapter adds those
    /// that say where things are on this machine.
    pub env: Vec<NameValue>,
    /// What it is held to.
    pub limits: Limits,
    /// Why the work came back, and the log or files that say more: `GT_REWORK` and `GT_REWORK_LOG`.
    pub rework: Option<(ReworkKind, String)>,
}

/// What a Runtime declares beside the command. In values and contents, `$(NAME)` stands for a variable that the agent sees, other
/// than those of [`Self::env_from`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuntimeParts {
    /// The Runtime's name.
    pub name: String,
    /// Variables.
    pub env: Vec<NameValue>,
    /// Where more of them come from, before those: no value of these is in a record, an error or a log.
    pub env_from: Vec<EnvSource>,
    /// Variables that are not inherited; a name that ends in `*` stands for all that begin so.
    pub unset_env: Vec<String>,
    /// Files that are written into the folder that `GT_RUN` names.
    pub files: Vec<RuntimeFile>,
    /// The seconds that its session has to end once it is asked to; unsaid: the default.
    pub grace_seconds: Option<u32>,
    /// Whether its program reports what it does: one that has reported nothing has not begun.
    pub reports: bool,
    /// Whether it reports no turn that fails: its transcript says so.
    pub fails_in_transcript: bool,
    /// How it is given what `GT_PROMPT` says.
    pub prompt_delivery: PromptDelivery,
}

impl SessionSpec {
    /// The value of a variable, other than the Runtime's.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|variable| variable.name == name).map(|variable| variable.value.as_str())
    }
}
