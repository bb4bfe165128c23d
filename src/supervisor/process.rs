//! The identity of a process: its pid with the time and boot in which it began, since pids are used again.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::{proc, watch};

/// The identity of a process; no later process with the same pid has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessId {
    /// The process id.
    pub pid: i32,
    /// The start of the process, in clock ticks since the machine started.
    pub start: u64,
    /// The id of that start of the machine (`boot_id`).
    pub boot: String,
}

impl ProcessId {
    /// The process that has this number now; none if there is none, or only its corpse.
    pub fn of(pid: i32) -> Option<Self> {
        let start = proc::stat(pid)?.start;
        let boot = boot()?;
        // Its state would say Z while threads of it still run; the descriptor waits for the last of them.
        let ended = watch::readable(&[open(pid)?], Some(Duration::ZERO)).ok()?;
        (ended == [false]).then_some(Self { pid, start, boot })
    }

    /// This process.
    pub fn own() -> Option<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// Whether the process lives.
    pub fn lives(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Whether it began since the machine started.
    pub fn is_of_this_boot(&self) -> bool {
        boot().as_ref() == Some(&self.boot)
    }

    /// A descriptor that becomes readable when it ends; none if it has ended.
    pub fn open(&self) -> Option<OwnedFd> {
        let pidfd = open(self.pid)?;
        // Checked after opening: from here on the descriptor means this process, whoever has its number later.
        self.lives().then_some(pidfd)
    }

    /// Sends it a signal, and no other process.
    pub fn signal(&self, signal: Signal) {
        if let Some(pidfd) = self.open() {
            // Ended in between is fine: there is nobody left to signal.
            let _ = pidfd_send_signal(pidfd, signal);
        }
    }
}

fn boot() -> Option<String> {
    Some(fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// A descriptor for whoever has this number now.
pub fn open(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// An exit status as one number, as a shell gives it: 128 + n for signal n.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    #[test]
    fn a_process_is_known_while_it_lives_and_only_with_its_start() {
        let mut child = command("sleep").arg("600").spawn().unwrap();
        let id = ProcessId::of(child.id().cast_signed()).unwrap();
        assert!(id.lives() && id.open().is_some());
        assert!(!ProcessId { start: id.start + 1, ..id.clone() }.lives());
        id.signal(Signal::KILL);
        child.wait().unwrap();
        assert!(!id.lives());
    }
}
