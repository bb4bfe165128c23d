//! `gt down`: stops the controller. Agents go on; `gt up` adopts them.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use gastown_supervisor::watch;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::up::STOP_MAX;
use crate::connect::StoreLock;

/// A stop that takes longer says what it waits for: most take a few milliseconds.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// Stop the controller; agents and jobs go on.
#[derive(Debug, Args)]
pub struct DownArgs {}

/// Runs the command.
pub fn run(context: &Context, _args: &DownArgs) -> Result<ExitCode, CliError> {
    let town = context.town()?;
    let path = town.layout.store_lock();
    // A command has the store for a moment, and is not to be told to stop. The socket may be lost; the lock is not.
    let serves = std::os::unix::net::UnixStream::connect(town.layout.api_socket()).is_ok();
    let lock = if serves { StoreLock::try_take(&path) } else { StoreLock::take(&path) }
        .map_err(|e| CliError::new(Exit::Failed, "could not look at the store's lock").because(&e))?;
    let holder = StoreLock::holder(&path);
    if lock.is_some() || !(serves || is_controller(&holder)) {
        context.out.talk(&format!("town `{}` is down already", town.name));
        return Ok(ExitCode::SUCCESS);
    }
    let unclear =
        || CliError::new(Exit::Failed, format!("process `{holder}` holds the store, and cannot be told to stop"));
    let pid = holder.parse().ok().and_then(Pid::from_raw).ok_or_else(unclear)?;
    // The descriptor is of this very process; that it still holds the lock is looked at after, so no namesake is hit.
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Err(unclear().hint("look again: it may have stopped just now"));
    };
    if StoreLock::holder(&path) != holder {
        return Err(unclear().hint("another process has the store now: look again"));
    }
    pidfd_send_signal(&pidfd, Signal::TERM).map_err(|_| unclear())?;
    let began = Instant::now();
    let has_ended_by = |limit: Duration| loop {
        let left = limit.saturating_sub(began.elapsed());
        match watch::readable(&[&pidfd], Some(left)) {
            Ok(ended) if ended == [true] => return Ok(true),
            Ok(_) if left.is_zero() => return Ok(false),
            Ok(_) => {}
            Err(e) => return Err(CliError::new(Exit::Failed, "could not wait for the controller").because(&e)),
        }
    };
    if !has_ended_by(QUIET_MAX)? {
        context.out.talk(&format!(
            "waiting for what the controller (process {holder}) has begun to end, such as a worktree that git makes; \
             at most {} minutes, and it stops even if nobody waits",
            STOP_MAX.as_secs().div_ceil(60)
        ));
        if !has_ended_by(STOP_MAX)? {
            let what = format!("the controller (process {holder}) did not stop within {STOP_MAX:?}");
            return Err(CliError::new(Exit::Failed, what).hint(format!("see its log: {}", town.layout.log().display())));
        }
    }
    context.out.talk(&format!("town `{}` is down; agents that are at work go on", town.name));
    Ok(ExitCode::SUCCESS)
}

/// Whether this process was started as `gt up`.
fn is_controller(pid: &str) -> bool {
    let words = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"up")
}
