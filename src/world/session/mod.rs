//! Sessions of polecats: one agent in one worktree, in tmux or as a plain process, alive as long as its lock is held.
//!
//! A session is `gt __run` (see [`gastown_supervisor`]) in a tmux pane. What is seen of it comes from its lock and its
//! records, never from tmux: panes only say where to look on. Every function here blocks; ending a session takes as long as
//! its agent is given to end by itself, everything else two seconds at most.
//!
//! # Invariants
//! - A sandbox has at most one session: the lock. An attempt is started at most once: `started.json`, written under it.
//! - An attempt's folder is made, exclusively, before anything is started.
//! - A start that comes too late does not come: whoever takes the lock checks that the holder's file still names it.
//! - Where the lock is held and it cannot be said by whom, the answer is an error, and nothing is ended.
//! - Where systemd makes cgroups for us, each session has one of its own, which holds it to its limits ([`scope`]).
//! - A session is over when all that its agent started is gone; its supervisor sees to that, and if that one was killed,
//!   whoever looks finds what it left.
//!
//! # What a session sees
//! What the controller sees, without `GT_*`, `GIT_*`, `BD_*` and `TMUX*`; then, the later winning (their names, as `$(NAME)` may
//! use them, are listed in `crds/src/session_variables.rs`):
//!
//! | variable | value |
//! |---|---|
//! | those of `envFrom` | as files and commands say; no record holds them: they are handed to the supervisor through a pipe |
//! | the Runtime's `env` | as declared, with `$(NAME)` for the value of any of those below, and of an entry before it |
//! | the controller's | what the session is about: see `controllers/src/kinds/polecat/environment.rs` |
//! | `GT_TOWN_UID`, `GT_TOWN` | the town's uid, and its folder |
//! | `GT_SANDBOX`, `GT_WORKTREE` | the worktree's folder; the first is the mark of all that the agent starts |
//! | `GT_RUN` | a folder of the attempt outside the worktree: the Runtime's files are there, and what hooks report |
//! | `GT_DATA`, `GT_STATE` | where the town's things lie, wherever the agent's home is |
//! | `GT_REWORK` | empty, `Red` or `Conflict`: why the work came back |
//! | `GT_REWORK_LOG` | a file with the log, or the conflicting files; empty when there was no rework |
//! | `GT_DEGRADED` | `true` without tmux; otherwise not set |
//! | the caller's | what git needs |
//! | `PATH` | the Runtime's or the inherited one, after the folder of `gt` and `bd` |

pub mod program;

mod supervisor;

pub mod scope;

pub mod probe;

mod occupants;

pub mod attempts;

mod start;

pub mod expand;

pub mod env_from;

mod env_file;

mod failed_turn;

mod resets;

mod end;

mod freeze;

pub mod many;

pub mod tmux;

mod screen;

mod typing;

pub mod nudge;

mod opening;

pub mod children;

mod reports;

pub mod exits;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gastown_controllers::world::{Attempt, Frozen, Limiting, SandboxId, Session};
use gastown_crds::polecat::Activity;
use gastown_supervisor::lock;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{Exit, Holder, RecordError, Started};

use crate::exec::ExecError;
use crate::layout::Layout;
use crate::messages::MessagesError;
use children::Children;
use env_from::EnvFromError;
pub use occupants::in_use;
use scope::{ScopeError, Scopes};

/// The parts of a town that sessions are started with.
#[derive(Debug, Clone)]
pub struct SessionTown {
    /// The town's uid.
    pub uid: String,
    /// The town's folder.
    pub dir: PathBuf,
    /// The PATH for tmux, and the one that agents start with.
    pub path: OsString,
    /// The agents that are built in: a command word such as `gt:script`, and the shell text it stands for.
    pub agents: BTreeMap<&'static str, &'static str>,
}

/// The sessions of one town.
#[derive(Debug)]
pub struct Sessions {
    layout: Layout,
    town: SessionTown,
    children: Arc<Children>,
    tmux_is_new_enough: Mutex<BTreeMap<PathBuf, bool>>,
    /// Held for the instant in which the lock is taken to withdraw a start, so that no look sees that.
    withdrawing: Mutex<()>,
    scopes: Scopes,
    /// For each sandbox, the attempt of which nothing is left: what is gone does not come back.
    gone: Mutex<BTreeMap<String, Holder>>,
}

/// A session could not be seen, started or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file system refused; the error names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A record could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A program could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A source of its variables gave none.
    #[error(transparent)]
    EnvFrom(#[from] EnvFromError),
    /// It cannot be held to its limits just now.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The messages to an agent could not be read or written.
    #[error(transparent)]
    Messages(#[from] MessagesError),
    /// tmux refused.
    #[error("tmux would not {what}: {complaint}")]
    Tmux {
        /// The request, to complete "tmux would not …".
        what: &'static str,
        /// The complaint of tmux.
        complaint: String,
    },
    /// Another session has the sandbox.
    #[error("the sandbox of {name} is in use by another session; it has to end first")]
    Busy {
        /// The polecat's name.
        name: String,
    },
    /// The lock is held, and no record says for which attempt.
    #[error("the lock of {name} is held by processes {pids:?}, and nothing says what they are; end them to go on")]
    Unknown {
        /// The polecat's name.
        name: String,
        /// The processes that hold the lock.
        pids: Vec<i32>,
    },
    /// The command is empty or names an agent that is not built in.
    #[error("invalid command `{word}`: the Runtime's command has to name a program")]
    NoCommand {
        /// The first word of the command.
        word: String,
    },
    /// The session was started and did not begin.
    #[error("the session of {name} did not begin within {limit:?}; it is tried again")]
    NotBegun {
        /// The polecat's name.
        name: String,
        /// The time that it was waited for.
        limit: std::time::Duration,
    },
    /// Processes do not end.
    #[error("processes {pids:?} of {name} do not end even when killed")]
    Stubborn {
        /// The polecat's name.
        name: String,
        /// The processes.
        pids: Vec<i32>,
    },
    /// Processes go on although they were stopped.
    #[error("processes {pids:?} of {name} could not be frozen: they may belong to another user")]
    NotFrozen {
        /// The polecat's name.
        name: String,
        /// The processes.
        pids: Vec<i32>,
    },
    /// There is nothing to show.
    #[error("{name} has no session now")]
    NoSession {
        /// The polecat's name.
        name: String,
    },
}

impl Sessions {
    /// The sessions of a town.
    pub fn new(layout: Layout, town: SessionTown, children: Arc<Children>) -> Self {
        Self {
            layout,
            town,
            children,
            tmux_is_new_enough: Mutex::default(),
            withdrawing: Mutex::default(),
            scopes: Scopes::default(),
            gone: Mutex::default(),
        }
    }

    /// The state of a sandbox's session.
    pub fn look(&self, sandbox: &SandboxId) -> Result<Session, SessionError> {
        let path = self.layout.sandbox_lock(&sandbox.uid);
        let (holder, occupied) = {
            let _quiet = self.withdrawing.lock().unwrap_or_else(PoisonError::into_inner);
            let holder = self.holder(&sandbox.uid)?;
            let occupied = match &holder {
                Some(holder) => self.occupied(&sandbox.uid, holder)?,
                None => lock::held(&path)?,
            };
            (holder, occupied)
        };
        let Some(holder) = holder else {
            if !occupied {
                return Ok(Session::None);
            }
            let pids = lock::holders(&path)?;
            return Err(SessionError::Unknown { name: sandbox.name.clone(), pids });
        };
        if !occupied {
            let pids = self.left(&sandbox.uid, &holder)?;
            return Ok(if pids.is_empty() { Session::None } else { Session::Strays { pids } });
        }
        if self.exit(&holder)?.is_none() && occupants::works(&self.layout, &holder)? {
            return Ok(Session::Running { owner_uid: holder.owner_uid, attempt: holder.attempt });
        }
        let pids = self.strays(&sandbox.uid, &holder)?;
        // Only our own supervisor is left, on its way out.
        Ok(if pids.is_empty() { Session::None } else { Session::Strays { pids } })
    }

    /// What the agent of a session reported last; that it is starting, until it reports anything.
    pub fn activity(&self, session: &Session) -> Result<Option<Activity>, SessionError> {
        let Session::Running { owner_uid, attempt } = session else { return Ok(None) };
        if let Some(activity) = attempts::activity(&self.layout, owner_uid, *attempt) {
            return Ok(Some(activity));
        }
        attempts::starting(&self.layout, owner_uid, *attempt).map(Some)
    }

    /// The name of the Runtime that a session is of, if it runs and that is on record.
    pub fn runtime(&self, session: &Session) -> Result<Option<String>, SessionError> {
        let Session::Running { owner_uid, attempt } = session else { return Ok(None) };
        Ok(attempts::spec(&self.layout, owner_uid, *attempt)?.and_then(|spec| spec.runtime))
    }

    /// What sessions can be held to on this machine.
    pub fn limiting(&self) -> Result<Limiting, ExecError> {
        self.scopes.limiting(&self.town.path)
    }

    /// Whether the processes of a sandbox's session are frozen.
    pub fn look_frozen(&self, sandbox: &SandboxId) -> Result<Frozen, SessionError> {
        match self.holder(&sandbox.uid)? {
            Some(holder) => self.frozen(sandbox, &holder),
            None => Ok(Frozen::No),
        }
    }

    /// The attempts at a bead, ascending.
    pub fn attempts(&self, owner_uid: &str) -> Result<Vec<Attempt>, SessionError> {
        attempts::of(&self.layout, owner_uid)
    }

    /// The file with an attempt's output; its older half, if it was long, is beside it as `output.log.1`.
    pub fn attempt_log_path(&self, owner_uid: &str, attempt: u32) -> PathBuf {
        attempts::log_path(&self.layout, owner_uid, attempt)
    }

    fn occupied(&self, sandbox_uid: &str, holder: &Holder) -> Result<bool, SessionError> {
        occupants::occupied(&self.layout, sandbox_uid, holder)
    }

    fn strays(&self, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        occupants::strays(&self.layout, sandbox_uid, holder)
    }

    /// What a killed supervisor has left of an attempt. Looked for until there is nothing.
    fn left(&self, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        let gone = || self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone().get(sandbox_uid) == Some(holder) {
            return Ok(Vec::new());
        }
        let left = occupants::left(&self.layout, sandbox_uid, holder)?;
        if left.is_empty() && (self.exit(holder)?.is_some() || self.started(holder)?.is_some()) {
            gone().insert(sandbox_uid.to_owned(), holder.clone());
        }
        Ok(left)
    }

    fn agent(&self, holder: &Holder) -> Result<Option<ProcessId>, RecordError> {
        occupants::agent(&self.layout, holder)
    }

    fn holder(&self, sandbox_uid: &str) -> Result<Option<Holder>, RecordError> {
        occupants::holder(&self.layout, sandbox_uid)
    }

    fn attempt_dir(&self, holder: &Holder) -> PathBuf {
        self.layout.attempt(&holder.owner_uid, holder.attempt)
    }

    fn started(&self, holder: &Holder) -> Result<Option<Started>, RecordError> {
        occupants::started(&self.layout, holder)
    }

    fn exit(&self, holder: &Holder) -> Result<Option<Exit>, RecordError> {
        occupants::exit(&self.layout, holder)
    }
}
