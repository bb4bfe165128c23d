//! An agent as a process: takes the sandbox's lock, starts the agent in the worktree, and records how it ended.
//!
//! Invariants: an attempt is run at most once; two agents never share a sandbox; a killed supervisor frees nothing,
//! because the agent holds the lock too. An end is recorded once nothing is left of what the agent started.
//!
//! # Design notes
//! With a terminal, the agent is the foreground process group of the pane. It must not touch the terminal before it is,
//! or the kernel stops it, and only the supervisor can make it so. So it begins as a shell that waits for one line, and
//! then *becomes* the agent; a supervisor that dies before that line leaves no agent behind.
//! The last thing in the log is our own line about the end. Once it is there, everything the agent said is too.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group, setsid};
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr, tcsetpgrp};

use super::cgroup::{self, Killed, Kills};
use super::records::{self, AgentSpec, CODE_KILLED, Exit, Holder, Pane, RecordError, Started};
use super::signals::Signals;
use super::{REFUSED, command, complain, family, handover, lock, log, now, process, process::ProcessId, watch};

/// The script of the shell that becomes the agent: waits for the line, then takes its input from the terminal again.
const BECOME: &str = r#"read -r go || exit 75; exec "$@" <&1"#;

/// The same with its input from the file that is its first argument.
const BECOME_WITH_INPUT: &str = r#"read -r go || exit 75; exec <"$1"; shift; exec "$@""#;

/// The longest wait at the end for the log to hold all output. It takes a few milliseconds; tmux may be dead.
const LOG_LAG_MAX: Duration = Duration::from_millis(250);

/// The beginnings of variables that belong to whoever started us: another town, repository, bead or terminal.
const FOREIGN: [&str; 4] = ["GT_", "GIT_", "BD_", "TMUX"];

/// Runs the agent to its end and returns its exit code.
pub fn run(spec: &AgentSpec) -> i32 {
    // In a pane we lead a session already; without tmux we begin one, so that no terminal's end reaches us.
    let _ = setsid();
    match supervise(spec) {
        Ok(code) => code,
        Err(error) => complain(&error.to_string(), REFUSED),
    }
}

fn supervise(spec: &AgentSpec) -> Result<i32, RecordError> {
    // First of all, so that its descriptor is one that a shell can close (below 10).
    let Some(held) = lock::take(&spec.lock, lock::PATIENCE)? else { return Ok(REFUSED) };
    let meant = Holder { owner_uid: spec.owner_uid.clone(), attempt: spec.attempt };
    if records::read::<Holder>(&spec.holder)?.as_ref() != Some(&meant) {
        // Withdrawn, or another attempt was meant since: a start that comes late must not come at all.
        return Ok(REFUSED);
    }
    let started = spec.attempt_dir.join(records::STARTED);
    let began = records::read::<Started>(&started)?.is_some();
    let (false, Some(process)) = (began, ProcessId::own()) else { return Ok(REFUSED) };
    let variables = if spec.takes_variables { handover::take(&spec.attempt_dir)? } else { Some(Vec::new()) };
    let Some(variables) = variables else {
        return Ok(complain("the controller that started this is gone, and its variables with it", REFUSED));
    };
    let mut signals = Signals::catch()?;
    let cgroup = spec.cgroup.as_deref().and_then(cgroup::own);
    let kills = Kills::begin(cgroup.as_deref(), spec.memory_limit);
    records::write(&started, &Started { process, tmux: pane(), cgroup }, false)?;

    let output = spec.attempt_dir.join(records::OUTPUT);
    family::adopt()?;
    let Begun { agent, mut terminal, recorder } = start(spec, &variables, &held, &output)?;
    let ended = match agent {
        Ok(agent) => {
            if let Some(process) = ProcessId::of(agent.id().cast_signed()) {
                records::write(&spec.attempt_dir.join(records::AGENT), &process, false)?;
            }
            let ended = wait(Pid::from_child(&agent), &mut signals)?;
            family::end_all(&spec.lock, spec.grace(), recorder, &mut signals)?;
            ended
        }
        Err(error) => not_started(&spec.command, &error),
    };
    let (code, asked, why) = ended;
    let own = !asked && !spec.attempt_dir.join(records::ENDING).exists();
    // Others are killed on this machine, too.
    let killed = kills.since().filter(|_| kills.are_its_own() || code == CODE_KILLED);
    let also = killed.as_ref().map(said_of_killed).unwrap_or_default();
    let last = format!("gt: {} ended with {code}{why}{also}", spec.command.first().map_or("agent", String::as_str));
    // Said before it is recorded, and only where somebody still listens: not to a terminal that is held with Ctrl-S.
    if let Ok(flags) = fcntl_getfl(&terminal) {
        let _ = fcntl_setfl(&terminal, flags | OFlags::NONBLOCK);
    }
    if terminal.write_all(format!("\n{last}\n").as_bytes()).is_ok() {
        drop(terminal);
        let said = || log::plain(&log::last_bytes(&output, 1024)).trim_end().ends_with(&last);
        watch::until(&spec.attempt_dir, LOG_LAG_MAX, said)?;
    }
    records::write(&spec.attempt_dir.join(records::EXIT), &Exit { code, own, at: now(), killed }, true)?;
    Ok(code)
}

/// An agent that was started, or why it could not be.
struct Begun {
    agent: io::Result<Child>,
    /// Where its last line is said.
    terminal: File,
    /// The process that records what it says, if that is a child of this one.
    recorder: Option<i32>,
}

/// Starts the agent, with these variables before those of its spec.
fn start(spec: &AgentSpec, variables: &[(String, String)], held: &File, output: &Path) -> io::Result<Begun> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let terminal = File::from(stdin.as_fd().try_clone_to_owned()?);
        return Ok(Begun { agent: start_in_terminal(spec, variables, held, stdin.as_fd()), terminal, recorder: None });
    }
    let (read, write) = io::pipe()?;
    // The recorder is started before the lock is bequeathed: it is nobody's agent.
    let mut recorder = command(&spec.gt);
    recorder.arg(super::WORD).arg(super::RECORD).arg(output).stdin(read).stdout(Stdio::null());
    let recorder = recorder.process_group(0).spawn()?.id().cast_signed();
    let terminal = File::from(std::os::fd::OwnedFd::from(write.try_clone()?));
    let mut agent = environment(command(program(spec)), spec, variables);
    agent.args(spec.command.iter().skip(1)).stdout(write.try_clone()?).stderr(write).process_group(0);
    agent.stdin(match &spec.stdin {
        Some(file) => fs_err::File::open(file)?.into_file().into(),
        None => Stdio::null(),
    });
    let agent = lock::bequeath(held).and_then(|()| agent.spawn());
    Ok(Begun { agent, terminal, recorder: Some(recorder) })
}

fn start_in_terminal(
    spec: &AgentSpec,
    variables: &[(String, String)],
    held: &File,
    terminal: BorrowedFd<'_>,
) -> io::Result<Child> {
    let mut shell = environment(command("/bin/sh"), spec, variables);
    let script = if spec.stdin.is_some() { BECOME_WITH_INPUT } else { BECOME };
    shell.args(["-c", script, "sh"]).args(&spec.stdin).args(&spec.command).stdin(Stdio::piped()).process_group(0);
    lock::bequeath(held)?;
    let mut agent = shell.spawn()?;
    // Nobody could bring an agent back that somebody who is attached suspends with Ctrl-Z.
    if let Ok(mut modes) = tcgetattr(terminal) {
        modes.special_codes[SpecialCodeIndex::VSUSP] = 0;
        let _ = tcsetattr(terminal, OptionalActions::Now, &modes);
    }
    tcsetpgrp(terminal, Pid::from_child(&agent))?;
    if let Some(mut go) = agent.stdin.take() {
        // A shell that is gone already is seen by waiting for it.
        drop(go.write_all(b"\n"));
    }
    Ok(agent)
}

fn program(spec: &AgentSpec) -> &OsStr {
    spec.command.first().map_or(OsStr::new(""), OsStr::new)
}

/// The beginning of the variables that describe the terminal: those are the pane's own.
const TERMINAL: &str = "TERM";

/// Sets the agent's environment: the inherited one without what is foreign, then those variables, then the spec's, then PATH with
/// the town's programs first.
fn environment(mut agent: Command, spec: &AgentSpec, variables: &[(String, String)]) -> Command {
    for (name, _) in std::env::vars_os() {
        let word = name.to_string_lossy();
        let inherits = |names: &Vec<String>| names.iter().any(|name| *name == word);
        let ours = spec.inherits.as_ref().is_none_or(inherits) || word.starts_with(TERMINAL);
        let unset = |name: &String| name.strip_suffix('*').map_or(*name == word, |begin| word.starts_with(begin));
        if !ours || FOREIGN.iter().any(|begin| word.starts_with(begin)) || spec.unset.iter().any(unset) {
            agent.env_remove(&name);
        }
    }
    let declared = variables.iter().chain(&spec.env);
    for (name, value) in declared.clone() {
        agent.env(name, value);
    }
    let declared = declared.rev().find(|(name, _)| name == "PATH").map(|(_, path)| OsString::from(path));
    let mut path = OsString::from(&spec.path_first);
    if let Some(rest) = declared.or_else(|| std::env::var_os("PATH")) {
        path.push(":");
        path.push(rest);
    }
    agent.env("PATH", path).current_dir(&spec.cwd);
    agent
}

/// Waits for the agent and hands signals on to it. Gives its exit code, and whether a signal asked it to end.
fn wait(agent: Pid, signals: &mut Signals) -> io::Result<(i32, bool, String)> {
    let mut asked = false;
    loop {
        // Looked at before the wait: its end may have been told already.
        let ended = family::reap(Some(agent))?.agent;
        if ended.is_none() {
            let watched: Vec<_> = signals.descriptors().collect();
            watch::readable(&watched, None)?;
        }
        // Signals first: a terminal that goes away signals us before the agent can notice.
        for signal in signals.arrived() {
            asked = true;
            if ended.is_none() {
                // One that is stopped would not hear it.
                let _ = kill_process_group(agent, signal);
                let _ = kill_process_group(agent, Signal::CONT);
            }
        }
        if let Some(status) = ended {
            return Ok((process::exit_code(status), asked, String::new()));
        }
    }
}

/// A shell's codes for a program that could not be started.
fn not_started(command: &[String], error: &io::Error) -> (i32, bool, String) {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    (code, false, format!(": could not start `{}`: {error}", command.join(" ")))
}

/// What was killed for memory, as the end of a line about the agent's end.
fn said_of_killed(killed: &Killed) -> String {
    let Killed { processes, limit } = killed;
    let processes = if *processes == 1 { "1 process was".to_owned() } else { format!("{processes} processes were") };
    match limit {
        Some(_) => format!("; {processes} killed for reaching the session's memory limit"),
        None => format!("; {processes} killed because the machine was out of memory"),
    }
}

/// The tmux pane that we are in, from the variables that tmux sets there: `TMUX=<socket>,<server>,<session>` and `TMUX_PANE`.
fn pane() -> Option<Pane> {
    let (tmux, pane) = (std::env::var("TMUX").ok()?, std::env::var("TMUX_PANE").ok()?);
    let mut fields = tmux.rsplitn(3, ',');
    let (session, server) = (fields.next()?, fields.next()?.parse().ok()?);
    Some(Pane { server: ProcessId::of(server)?, session: format!("${session}"), pane })
}
