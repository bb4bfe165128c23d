//! The port of sessions: agents at work, their attempts at beads, and the programs that they are.

use gastown_crds::bead::ReworkKind;
use gastown_crds::common::{NameValue, Person};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActError, Ask, Fact, Oid, Question, RigId, SandboxId, Seen};

/// Sessions of agents. A sandbox has at most one.
pub trait Sessions {
    /// The attempts at a bead, ascending.
    fn runs(&self, asked: &AskRuns) -> Seen<Vec<Run>>;
    /// Whether a program would start.
    fn program(&self, asked: &AskProgram) -> Seen<bool>;
    /// The attempt's session runs, or has run. Exclusive: while another holds the lock, nothing starts.
    fn ensure_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError>;
    /// No session runs in the sandbox; strays are ended too.
    fn end_session(&self, id: &SandboxId) -> Result<(), ActError>;
}

/// Which attempts were made at the bead with this uid?
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskRuns(pub String);

impl Question for AskRuns {
    type Answer = Vec<Run>;

    fn ask(&self) -> Ask {
        Ask::Runs(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Runs(it) = fact { Some(it) } else { None }
    }
}

/// Would this program start? (Its name or path, as in `Runtime.spec.command[0]`.)
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
