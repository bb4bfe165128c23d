//! Ending a session: asked first, killed after, and not over before the lock is free.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use gastown_controllers::world::SandboxId;
use gastown_supervisor::family;
use gastown_supervisor::process::{self, ProcessId};
use gastown_supervisor::records::{self, Holder};
use gastown_supervisor::{lock, watch};
use rustix::process::{Pid, Signal, getpgid, kill_process_group};

use super::{SessionError, Sessions, attempts};

/// The longest time for killing. Each round kills all that is found; what forks meanwhile is found by the next.
pub(super) const KILL_MAX: Duration = Duration::from_millis(700);

/// The time that a round waits for the processes that it killed.
const ROUND: Duration = Duration::from_millis(50);

impl Sessions {
    /// No session of this sandbox runs, and none that was on its way will. Strays are ended too.
    pub fn end(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        self.children.reap();
        let Some(holder) = self.holder(&sandbox.uid)? else {
            // Nothing was ever meant to run here, or it was withdrawn; a lock that is held all the same is not ours to
            // break: `look` says so.
            return self.look(sandbox).map(drop);
        };
        if self.is_there(&sandbox.uid, &holder)? {
            if self.exit(&holder)?.is_none() {
                records::write_text(&self.attempt_dir(&holder).join(records::ENDING), b"", false)?;
            }
            // One that is frozen would hear of it only when it is too late.
            self.thaw(sandbox)?;
            self.terminate(sandbox, &holder)?;
        }
        self.withdraw(sandbox)?;
        let pane = self.started(&holder)?.and_then(|started| started.tmux);
        if let (Some(pane), Some(tmux)) = (pane, self.tmux()) {
            // What holds the terminal open without the lock goes with the terminal.
            tmux.kill(&pane, &sandbox.uid)?;
        }
        self.children.reap();
        Ok(())
    }

    /// Asks, waits, kills; until nobody holds the lock.
    fn terminate(&self, sandbox: &SandboxId, holder: &Holder) -> Result<(), SessionError> {
        let supervisor = self.started(holder)?.map(|started| started.process).filter(ProcessId::lives);
        // A supervisor hands it on to the agent's group; asking that one twice would make some agents skip their farewell.
        let signalled = supervisor.as_ref().and(self.agent(holder)?).map(|agent| agent.pid);
        if let Some(supervisor) = &supervisor {
            supervisor.signal(Signal::TERM);
        }
        let mut strays = self.strays(&sandbox.uid, holder)?;
        if supervisor.is_none() {
            strays.extend(self.left(&sandbox.uid, holder)?);
        }
        for signal in [Signal::TERM, Signal::CONT] {
            send(&strays, signalled, signal);
        }
        let (asked, grace) = (Instant::now(), self.grace(holder)?);
        while asked.elapsed() < grace && self.is_there(&sandbox.uid, holder)? {
            wait_for_one(&self.all(&sandbox.uid, holder)?, grace.saturating_sub(asked.elapsed()))?;
        }
        let killed = Instant::now();
        while self.is_there(&sandbox.uid, holder)? {
            let strays = self.everybody(&sandbox.uid, holder)?;
            if killed.elapsed() > KILL_MAX {
                return Err(SessionError::Stubborn { name: sandbox.name.clone(), pids: strays });
            }
            send(&strays, None, Signal::KILL);
            // The supervisor records the end and goes; one that does not, such as a stopped one, is killed last.
            if let Some(supervisor) = supervisor.as_ref().filter(|_| killed.elapsed() > KILL_MAX / 2) {
                supervisor.signal(Signal::KILL);
            }
            wait_for_one(&self.all(&sandbox.uid, holder)?, ROUND)?;
        }
        Ok(())
    }

    /// How long an attempt's session has to end, as its Runtime said when it was started.
    pub(super) fn grace(&self, holder: &Holder) -> Result<Duration, SessionError> {
        let spec = attempts::spec(&self.layout, &holder.owner_uid, holder.attempt)?;
        Ok(spec.map_or(family::GRACE, |spec| spec.grace()))
    }

    /// Whether the session, or what is left of it, is there.
    pub(super) fn is_there(&self, sandbox_uid: &str, holder: &Holder) -> Result<bool, SessionError> {
        Ok(self.occupied(sandbox_uid, holder)? || !self.left(sandbox_uid, holder)?.is_empty())
    }

    /// The strays, what is below the supervisor, and what it has left.
    pub(super) fn everybody(&self, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        let mut pids = self.strays(sandbox_uid, holder)?;
        match self.started(holder)?.map(|started| started.process).filter(ProcessId::lives) {
            Some(supervisor) => pids.extend(family::of(supervisor.pid, &self.layout.sandbox_lock(sandbox_uid))?),
            None => pids.extend(self.left(sandbox_uid, holder)?),
        }
        Ok(pids)
    }

    /// Everybody of a sandbox, its supervisor included.
    fn all(&self, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
        let mut pids = lock::holders(&self.layout.sandbox_lock(sandbox_uid))?;
        pids.extend(self.everybody(sandbox_uid, holder)?);
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Takes back what the lock is meant for, under the lock: a start that is still on its way finds itself unwanted.
    fn withdraw(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        let _quiet = self.withdrawing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.layout.sandbox_lock(&sandbox.uid);
        let Some(held) = lock::take(&path, lock::PATIENCE)? else {
            // It came just now. The next look sees it, and the next end finds it.
            return Err(SessionError::Busy { name: sandbox.name.clone() });
        };
        let removed = fs_err::remove_file(self.layout.sandbox_holder(&sandbox.uid));
        lock::release(&held);
        match removed {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// Signals the process groups of these processes, since agents start programs that have let go of the lock; all groups
/// but one. Whoever shares the group of this process, such as what a controller that an agent started is in, goes alone.
fn send(pids: &[i32], but: Option<i32>, signal: Signal) {
    let own = getpgid(None).ok();
    let mut groups = BTreeSet::new();
    for pid in pids {
        match getpgid(Pid::from_raw(*pid)) {
            Ok(group) if Some(group) == own => drop(ProcessId::of(*pid).map(|process| process.signal(signal))),
            Ok(group) if group != Pid::INIT => drop(groups.insert(group.as_raw_nonzero().get())),
            // Ended in between, or nobody's.
            _ => {}
        }
    }
    for group in groups.into_iter().filter(|group| Some(*group) != but).filter_map(Pid::from_raw) {
        // A group that has ended is what we want.
        let _ = kill_process_group(group, signal);
    }
}

/// Waits until one of these processes has ended, or the limit.
fn wait_for_one(pids: &[i32], limit: Duration) -> Result<(), SessionError> {
    let open: Vec<_> = pids.iter().filter_map(|pid| process::open(*pid)).collect();
    if open.len() == pids.len() && !pids.is_empty() {
        watch::readable(&open, Some(limit))?;
    } else {
        // Somebody ended while we looked: look again, but give the kernel time to free what it held.
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
