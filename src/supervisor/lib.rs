//! The supervisor `gt __run`: the small process between the town and an agent or a job. It takes the lock, runs what its
//! spec file says, and records how that ended.
//!
//! It holds no store and talks to no socket, and this crate knows neither. The controller may die, be replaced by a
//! later release, or never come back: the records stay true, because this process and the kernel's lock make them.
//! Whoever reads the records, the locks and the logs does it with the functions here.
//!
//! | form | what it runs |
//! |---|---|
//! | `gt __run <spec file>`, form `session` | an agent, as the pane command of a polecat: see [`agent`] |
//! | `gt __run <spec file>`, form `job` | the body of a job, in this process: see [`job`] |
//! | `gt __run --record <file>` | writes standard input to a bounded log: see [`log`] |

pub mod records;

pub mod lock;

pub mod proc;

pub mod process;

pub mod log;

pub mod watch;

pub mod agent;

pub mod family;

pub mod cgroup;

pub mod handover;

pub mod job;

mod signals;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use records::{JobSpec, Spec};

/// The word that makes `gt` this process: its first argument.
pub const WORD: &str = "__run";

/// The argument that makes it a recorder.
pub const RECORD: &str = "--record";

/// The exit code of a process that may not run: its lock is held, or its attempt has been run or withdrawn.
pub const REFUSED: i32 = 75;

/// The exit code of a spec that cannot be read.
const UNREADABLE: i32 = 78;

/// The function that does a job: it writes to the log and returns the exit code.
pub type JobBody<J> = fn(&JobSpec<J>, &mut dyn Write) -> i32;

/// Runs what the arguments after [`WORD`] say. `J` is the caller's type of a job.
pub fn main<J: DeserializeOwned>(mut args: impl Iterator<Item = OsString>, body: JobBody<J>) -> ExitCode {
    let code = match (args.next(), args.next()) {
        (Some(flag), Some(path)) if flag == RECORD => log::record(&PathBuf::from(path)),
        (Some(path), None) => match records::read::<Spec<J>>(&PathBuf::from(path)) {
            Ok(Some(Spec::Session(spec))) => agent::run(&spec),
            Ok(Some(Spec::Job(spec))) => job::run(&spec, body),
            Ok(None) => REFUSED,
            Err(error) => complain(&error.to_string(), UNREADABLE),
        },
        _ => complain("`gt __run` is started by `gt` itself; it takes a spec file", UNREADABLE),
    };
    // 128 + n for signals: always a byte.
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Says on the terminal or the log of this process what is wrong.
fn complain(what: &str, code: i32) -> i32 {
    // The code says it too, where nobody reads this any more.
    let _unread = writeln!(std::io::stderr(), "gt: {what}");
    code
}

/// A program to be started.
#[expect(clippy::disallowed_methods, reason = "the one place of this crate that spawns")]
fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The time that a record carries.
#[expect(clippy::disallowed_methods, reason = "this process is never part of a simulation")]
fn now() -> Timestamp {
    Timestamp::now()
}
