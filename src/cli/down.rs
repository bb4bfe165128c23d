//! `gt down`: stops the controller. Agents go on, and `gt up` adopts them; or they are ended too.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use gastown_supervisor::{proc, watch};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::api;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::{controller, enforce};
use crate::cli::stop::ended_words;
use crate::cli::up::STOP_MAX;
use crate::connect::StoreLock;
use crate::town::Town;

/// A stop that takes longer says what it waits for: most take a few milliseconds.
const QUIET_MAX: Duration = Duration::from_secs(2);

/// Stop the controller; agents and jobs go on, unless agents are to stop too.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// End every agent's session too, once the controller is down. `gt up` starts them again on what they left.
    #[arg(long)]
    stop_agents: bool,
}

/// Runs the command.
pub fn run(context: &Context, args: &DownArgs) -> Result<ExitCode, CliError> {
    let town = context.town()?;
    let was_up = stop(context, &town)?;
    let agents = if args.stop_agents {
        ended_words(enforce::end_every(&town)?)
    } else {
        "agents that are at work go on".to_owned()
    };
    let already = if was_up { "" } else { " already" };
    if was_up || args.stop_agents {
        context.out.talk(&format!("town `{}` is down{already}; {agents}", town.name));
    } else {
        context.out.talk(&format!("town `{}` is down already", town.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// Stops the controller; whether one ran.
fn stop(context: &Context, town: &Town) -> Result<bool, CliError> {
    let Some(pid) = running(town)? else { return Ok(false) };
    let holder = pid.as_raw_nonzero();
    let unclear = || CliError::new(Exit::Failed, format!("the controller (process {holder}) cannot be told to stop"));
    // The descriptor is of this very process; that it is still the controller is looked at after, so no namesake is hit.
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return Err(unclear().hint("look again: it may have stopped just now"));
    };
    if running(town)? != Some(pid) {
        return Err(unclear().hint("another process is the controller now: look again"));
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
    Ok(true)
}

/// The town's controller: who listens at the socket, else who holds the lock. Either may be lost, and another shell may have
/// other folders; then it is looked for among all processes.
fn running(town: &Town) -> Result<Option<Pid>, CliError> {
    if let Ok(Some(pid)) = api::connect(&town.layout.api_socket()).and_then(|stream| api::listener_of(&stream)) {
        return Ok(Some(pid));
    }
    let path = town.layout.store_lock();
    let failed = |e: std::io::Error| CliError::new(Exit::Failed, "could not look at the store's lock").because(&e);
    // A command has the store for a moment, and is not to be told to stop: it is waited for.
    for take in [StoreLock::try_take, StoreLock::take] {
        let is_held = take(&path).map_err(failed)?.is_none();
        let holder = StoreLock::holder(&path).parse().ok().and_then(Pid::from_raw);
        if is_held && holder.is_some_and(is_up) {
            return Ok(holder);
        }
    }
    Ok(controller::of(town).and_then(Pid::from_raw))
}

/// Whether this process was started as `gt up`.
fn is_up(pid: Pid) -> bool {
    proc::words(pid.as_raw_nonzero().get()).iter().any(|word| word == "up")
}
