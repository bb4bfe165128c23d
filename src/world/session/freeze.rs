//! Freezing a session: its processes are stopped where they are (SIGSTOP), and go on once it is thawed (SIGCONT).
//!
//! A mark in the attempt's folder says that they were meant to be: nobody lets go on what somebody else has stopped. Its
//! supervisor and what records its output go on, so that its end is recorded whatever becomes of it.

use std::io;
use std::time::{Duration, Instant};

use gastown_controllers::world::{Frozen, SandboxId};
use gastown_supervisor::proc;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Holder};
use gastown_supervisor::{RECORD, WORD};
use rustix::process::Signal;

use super::{SessionError, Sessions};

/// The mark in the folder of an attempt.
const FROZEN: &str = "frozen";

/// The longest time for rounds of stopping what is found: whoever forks in one of them is found by the next, and what is
/// stopped forks no more. One that waits for a disk is stopped once that has answered.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// The time that the kernel gets to stop what was signalled, between two rounds; it takes some microseconds.
const ROUND: Duration = Duration::from_millis(1);

impl Sessions {
    /// No process of the session does anything until it is thawed. Where none runs, nothing is done.
    pub fn freeze(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        let Some(holder) = self.holder(&sandbox.uid)? else { return Ok(()) };
        if !self.occupied(&sandbox.uid, &holder)? || self.exit(&holder)?.is_some() {
            return Ok(());
        }
        records::write_text(&self.attempt_dir(&holder).join(FROZEN), b"", false)?;
        let began = Instant::now();
        while began.elapsed() < STOPS_WITHIN {
            let going = self.going(sandbox, &holder)?;
            if going.is_empty() {
                return Ok(());
            }
            send(&going, Signal::STOP);
            std::thread::sleep(ROUND);
        }
        Err(SessionError::NotFrozen { name: sandbox.name.clone(), pids: self.going(sandbox, &holder)? })
    }

    /// The processes of the session go on, if it was frozen.
    pub fn thaw(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        let Some(holder) = self.holder(&sandbox.uid)? else { return Ok(()) };
        let mark = self.attempt_dir(&holder).join(FROZEN);
        if !mark.exists() {
            return Ok(());
        }
        send(&self.members(sandbox, &holder)?, Signal::CONT);
        // Last, so that one that is cut short is made up for.
        match fs_err::remove_file(&mark) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Whether the session of this attempt is frozen.
    pub(super) fn frozen(&self, sandbox: &SandboxId, holder: &Holder) -> Result<Frozen, SessionError> {
        if !self.attempt_dir(holder).join(FROZEN).exists() {
            return Ok(Frozen::No);
        }
        Ok(if self.going(sandbox, holder)?.is_empty() { Frozen::Wholly } else { Frozen::Partly })
    }

    /// The processes of a session that are no part of `gt`: its agent, the holders of its lock, and all that descends from
    /// its supervisor, but other parts of the town.
    fn members(&self, sandbox: &SandboxId, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut members = self.everybody(&sandbox.uid, holder)?;
        members.retain(|pid| *pid != own && !records_output(*pid));
        Ok(members)
    }

    /// Those of them that are not stopped.
    fn going(&self, sandbox: &SandboxId, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        let mut going = self.members(sandbox, holder)?;
        // One that ends while we look is none.
        going.retain(|pid| goes(*pid) == Some(true));
        Ok(going)
    }
}

/// Whether a process does anything: it is neither stopped nor over. None if it is gone.
fn goes(pid: i32) -> Option<bool> {
    Some(match proc::stat(pid)?.state {
        'T' | 't' | 'Z' | 'X' => false,
        // Who waits for a child that was stopped between vfork(2) and exec(2) cannot stop, and does nothing either.
        'D' => !proc::is_to_stop(pid)?,
        _ => true,
    })
}

/// Whether it is the process that writes a session's output to its log.
fn records_output(pid: i32) -> bool {
    matches!(&proc::words(pid)[..], [_, word, record, ..] if word == WORD && record == RECORD)
}

fn send(pids: &[i32], signal: Signal) {
    for process in pids.iter().filter_map(|pid| ProcessId::of(*pid)) {
        process.signal(signal);
    }
}
