//! Freezing a session: its processes are stopped where they are (SIGSTOP), and go on once it is thawed (SIGCONT).
//!
//! A mark in the attempt's folder says that they were meant to be: nobody lets go on what somebody else has stopped. Its
//! supervisor and what records its output go on, so that its end is recorded whatever becomes of it.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use gastown_controllers::world::{Frozen, SandboxId};
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

/// A process, as `/proc/<pid>/stat` has it.
struct Stat {
    state: char,
    /// It is to stop as soon as it leaves the kernel.
    stops: bool,
}

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
            let going: Vec<i32> = self
                .members(sandbox, &holder)?
                .into_iter()
                .filter(|(_, stat)| stat.goes())
                .map(|(pid, _)| pid)
                .collect();
            if going.is_empty() {
                return Ok(());
            }
            send(&going, Signal::STOP);
            std::thread::sleep(ROUND);
        }
        let pids = self.members(sandbox, &holder)?.into_iter().filter(|(_, stat)| stat.goes()).map(|(pid, _)| pid);
        Err(SessionError::NotFrozen { name: sandbox.name.clone(), pids: pids.collect() })
    }

    /// The processes of the session go on, if it was frozen.
    pub fn thaw(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        let Some(holder) = self.holder(&sandbox.uid)? else { return Ok(()) };
        let mark = self.attempt_dir(&holder).join(FROZEN);
        if !mark.exists() {
            return Ok(());
        }
        send(&self.members(sandbox, &holder)?.into_keys().collect::<Vec<_>>(), Signal::CONT);
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
        let goes = self.members(sandbox, holder)?.values().any(Stat::goes);
        Ok(if goes { Frozen::Partly } else { Frozen::Wholly })
    }

    /// The processes of a session that are no part of `gt`: its agent, the holders of its lock, and all that descends from
    /// its supervisor, but other parts of the town.
    fn members(&self, sandbox: &SandboxId, holder: &Holder) -> Result<BTreeMap<i32, Stat>, SessionError> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let members = self.everybody(&sandbox.uid, holder)?.into_iter();
        let members = members.filter(|pid| *pid != own && !records_output(*pid));
        // One that ends while we look is none.
        Ok(members.filter_map(|pid| Some((pid, Stat::of(pid)?))).collect())
    }
}

impl Stat {
    /// Whether it is neither stopped nor over.
    fn goes(&self) -> bool {
        !matches!(self.state, 'T' | 't' | 'Z' | 'X') && !self.stops
    }

    fn of(pid: i32) -> Option<Self> {
        let line = fs_err::read(format!("/proc/{pid}/stat")).ok()?;
        let mut stat = Self::parse(&String::from_utf8_lossy(&line))?;
        // Who waits for a child that was stopped between vfork(2) and exec(2) cannot stop, and does nothing either.
        if stat.state == 'D' {
            stat.stops = is_to_stop(&fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?);
        }
        Some(stat)
    }

    fn parse(line: &str) -> Option<Self> {
        // The second field is a name in parentheses that may hold anything.
        let (_, rest) = line.rsplit_once(") ")?;
        Some(Self { state: rest.chars().next()?, stops: false })
    }
}

/// Whether a SIGSTOP is pending, as `/proc/<pid>/status` has it.
fn is_to_stop(status: &str) -> bool {
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:"));
    let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    pending >> (Signal::STOP.as_raw() - 1) & 1 == 1
}

/// Whether it is the process that writes a session's output to its log.
fn records_output(pid: i32) -> bool {
    let words = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut words = words.split(|byte| *byte == 0).skip(1);
    words.next() == Some(WORD.as_bytes()) && words.next() == Some(RECORD.as_bytes())
}

fn send(pids: &[i32], signal: Signal) {
    for process in pids.iter().filter_map(|pid| ProcessId::of(*pid)) {
        process.signal(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = Stat::parse("7 (a) S (b)) T 3 7 7 0 -1 4194304").unwrap();
        assert_eq!((stat.state, stat.goes()), ('T', false));
    }

    #[test]
    fn a_stop_that_is_pending_is_seen() {
        assert!(is_to_stop("SigPnd:\t0000000000000000\nShdPnd:\t0000000000040000\n"));
        assert!(!is_to_stop("SigPnd:\t0000000000040000\nShdPnd:\t0000000000020000\n"));
    }
}
