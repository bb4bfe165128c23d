//! `gt __run`: the small process that stands between the town and an agent or a job. It takes the lock, runs what its
//! spec file says, and records how that ended.
//!
//! It holds no store and talks to no socket. The controller may die, be replaced by a later release, or never come
//! back: the records stay true, because this process and the kernel's lock make them.
//!
//! | form | what it runs |
//! |---|---|
//! | `gt __run <spec file>`, form `session` | an agent, as the pane command of a polecat: see [`agent`] |
//! | `gt __run <spec file>`, form `job` | the body of a job, in this process: see [`job`] |
//! | `gt __run --record <file>` | writes standard input to a bounded log: see [`log`] |

pub mod records;

pub mod lock;

pub mod process;

pub mod log;

pub mod watch;

pub mod agent;

pub mod job;

mod signals;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use gastown_controllers::world::Job;

use crate::world::layout::Layout;
use records::Spec;

/// The word that makes `gt` this process: its first argument.
pub const WORD: &str = "__run";

/// The argument that makes it a recorder.
pub const RECORD: &str = "--record";

/// The exit code of a process that may not run: its lock is held, or its attempt has been run or withdrawn.
pub const REFUSED: i32 = 75;

/// The exit code of a spec that cannot be read.
const UNREADABLE: i32 = 78;

/// What a job does: its output goes to the log, its result is one of `gastown_controllers::world::exit`.
pub type JobBody = fn(&Layout, &Job, &mut dyn Write) -> i32;

/// Runs what the arguments after [`WORD`] say, and returns the exit code.
pub fn main(mut args: impl Iterator<Item = OsString>, body: JobBody) -> i32 {
    let (first, second) = (args.next(), args.next());
    match (first, second) {
        (Some(flag), Some(path)) if flag == RECORD => log::record(&PathBuf::from(path)),
        (Some(path), None) => match records::read::<Spec>(&PathBuf::from(path)) {
            Ok(Some(Spec::Session(spec))) => agent::run(&spec),
            Ok(Some(Spec::Job(spec))) => job::run(&spec, body),
            Ok(None) => REFUSED,
            Err(error) => complain(&error.to_string(), UNREADABLE),
        },
        _ => complain("`gt __run` is started by `gt` itself; it takes a spec file", UNREADABLE),
    }
}

/// Says on the terminal or the log of this process what is wrong.
#[expect(clippy::print_stderr, reason = "this process has no other place to say it")]
fn complain(what: &str, code: i32) -> i32 {
    eprintln!("gt: {what}");
    code
}
