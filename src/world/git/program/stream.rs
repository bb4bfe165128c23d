//! Runs a program whose output is wanted while it runs, or whose standard input has to be a lock.
//!
//! Beside [`Exec::run`] it does three things: it gives output on as it comes, it does not wait for strays that keep the
//! pipes open (an ssh master, a server that a check left behind), and it can end those strays.

use std::io::{self, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use gastown_supervisor::process::exit_code;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::exec::{Exec, ExecError};

/// The longest wait for output after the program has ended: it is in the pipe already, only strays are slower.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// Pieces of output on their way, of at most 16 KiB each; a slow reader holds the program back.
const PIECES_MAX: usize = 16;

/// A program to run, with its input and limits.
pub(super) struct Run<'a> {
    /// The program.
    pub exec: &'a Exec,
    /// The program's name, for errors.
    pub name: &'a str,
    /// The standard input.
    pub stdin: Stdio,
    /// Whether both outputs are one, as at a terminal: what was written first comes first. All of it is then `Stdout`.
    pub as_one: bool,
    /// The longest time it may take.
    pub limit: Duration,
    /// Whether to kill what it left behind in its process group.
    pub end_strays: bool,
}

/// The stream that output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Stdout,
    Stderr,
}

enum Event {
    Said(From, Vec<u8>),
    Closed,
    Ended,
}

impl Run<'_> {
    /// Runs it to its end and gives its exit code. At the limit its process group is killed whole.
    pub(super) fn run(self, said: &mut dyn FnMut(From, &[u8])) -> Result<i32, ExecError> {
        let program = self.name.to_owned();
        let not_started = |source| ExecError::Spawn { program: program.clone(), source };
        let mut command = self.exec.command();
        command.stdin(self.stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut both = None;
        if self.as_one {
            let (reader, writer) = io::pipe().map_err(not_started)?;
            command.stdout(writer.try_clone().map_err(not_started)?).stderr(writer);
            both = Some(reader);
        }
        let mut child = command.spawn().map_err(not_started)?;
        // The command holds its own copies of the lock that is the child's input and of the pipe that both outputs are; they
        // must not outlive the child.
        drop(command);
        let events = listen(&mut child, both);
        let deadline = Instant::now() + self.limit;
        let in_time = relay(&events, deadline, said);
        if !in_time || self.end_strays {
            // Before the child is reaped: until then its id, and so its group's, cannot be given away.
            // Already gone is what we want.
            kill_process_group(Pid::from_child(&child), Signal::KILL).ok();
        }
        let status = child.wait().map_err(|source| ExecError::Wait { program: program.clone(), source })?;
        drain(&events, said);
        if in_time { Ok(exit_code(status)) } else { Err(ExecError::TimedOut { program, limit: self.limit }) }
    }
}

/// Gives output on until the program ends; false if it did not by the deadline.
fn relay(events: &Receiver<Event>, deadline: Instant, said: &mut dyn FnMut(From, &[u8])) -> bool {
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Said(from, piece)) => said(from, &piece),
            Ok(Event::Closed) => {}
            Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// Gives on what is still in the pipes.
fn drain(events: &Receiver<Event>, said: &mut dyn FnMut(From, &[u8])) {
    let deadline = Instant::now() + DRAIN_MAX;
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Event::Said(from, piece) = event {
            said(from, &piece);
        }
    }
}

/// A listener for each pipe, and one for the end. When the last of them is gone, so is the channel.
fn listen(child: &mut Child, both: Option<PipeReader>) -> Receiver<Event> {
    let (events, receiver) = sync_channel(PIECES_MAX);
    if let Some(pipe) = both {
        read(pipe, From::Stdout, events.clone());
    }
    if let Some(pipe) = child.stdout.take() {
        read(pipe, From::Stdout, events.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        read(pipe, From::Stderr, events.clone());
    }
    let pid = Pid::from_child(child);
    std::thread::spawn(move || {
        // NOWAIT leaves the child to be reaped by its owner, after its group was dealt with.
        while matches!(
            waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT),
            Err(rustix::io::Errno::INTR)
        ) {}
        drop(events.send(Event::Ended));
    });
    receiver
}

fn read(mut pipe: impl Read + Send + 'static, from: From, events: SyncSender<Event>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                // Nobody listens any more: the program has ended, and this is a stray's.
                Ok(n) if events.send(Event::Said(from, buffer[..n].to_vec())).is_err() => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(events.send(Event::Closed));
    });
}

#[cfg(test)]
mod tests {
    use gastown_supervisor::proc;

    use super::*;

    fn sh(script: &str, limit: Duration) -> (Result<i32, ExecError>, String) {
        let exec = Exec::new("sh").args(["-c", script]);
        let mut text = Vec::new();
        let run = Run { exec: &exec, name: "sh", stdin: Stdio::null(), as_one: true, limit, end_strays: true };
        let code = run.run(&mut |_, piece| text.extend_from_slice(piece));
        (code, String::from_utf8(text).unwrap())
    }

    #[test]
    fn output_and_code_come_back() {
        let (code, text) = sh("echo a; exit 3", Duration::from_mins(1));
        assert_eq!((code.unwrap(), text.as_str()), (3, "a\n"));
    }

    #[test]
    fn both_outputs_come_in_the_order_in_which_they_were_written() {
        let (_, text) = sh("for n in $(seq 300); do echo $n; echo $n >&2; done", Duration::from_mins(1));
        let written: Vec<String> = (1..=300).flat_map(|n| [n.to_string(), n.to_string()]).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), written);
    }

    #[test]
    fn a_stray_that_holds_the_pipe_is_not_waited_for() {
        let (code, text) = sh("sleep 600 & echo $!", Duration::from_mins(1));
        assert_eq!(code.unwrap(), 0);
        let pid = text.trim().parse().unwrap();
        let gone = || proc::stat(pid).is_none_or(|stat| stat.state == 'Z');
        assert!(
            (0..500).any(|_| gone() || {
                std::thread::sleep(Duration::from_millis(10));
                false
            }),
            "still there"
        );
    }

    #[test]
    fn the_limit_ends_it() {
        let (code, _) = sh("sleep 600", Duration::from_millis(50));
        assert!(matches!(code, Err(ExecError::TimedOut { .. })), "{code:?}");
    }
}
