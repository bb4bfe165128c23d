//! What an agent has started, wherever that went: found, and ended with it.
//!
//! The supervisor is the reaper of all of it (`PR_SET_CHILD_SUBREAPER`, prctl(2)): a process whose parent is gone becomes
//! its child, even one that leads a session of its own and has closed or changed all it inherited. So nothing gets away
//! while the supervisor lives. What it leaves when it is killed itself is found by its mark or its folder ([`left`]).
//!
//! Some of it is not the agent's: an agent may have started the town's controller, and that one other sessions. Those are
//! known by the town's other locks, which they hold.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpid, set_child_subreaper, wait};

use super::proc::{self, Stat};
use super::process::ProcessId;
use super::records::Started;
use super::signals::Signals;
use super::{cgroup, lock, watch};

/// The variable that marks all of a session's processes: the path of its worktree, which no two towns of a machine share.
pub const MARK: &str = "GT_SANDBOX";

/// The variable that marks what a sandbox's setup has started, such as a database: the path of its worktree.
pub const SETUP_MARK: &str = "GT_SETUP";

/// The variable that marks what the checks of a rig have started: the path of the worktree that they run in.
pub const VERIFY_MARK: &str = "GT_VERIFY";

/// How long whoever is asked to end has for it, before it is killed; of a session, unless its Runtime says otherwise.
pub const GRACE: Duration = Duration::from_secs(5);

/// The time that a round of killing waits for the processes to be gone.
const ROUND: Duration = Duration::from_millis(50);

/// How long those that are killed are waited for; only a process that hangs in the kernel takes as long.
const KILLED_MAX: Duration = Duration::from_secs(1);

/// Whether this process is a supervisor's: then whatever is below it was started for its agent or its job.
static ADOPTS: AtomicBool = AtomicBool::new(false);

/// From here on this process is the parent of those below it whose own is gone.
pub(super) fn adopt() -> io::Result<()> {
    set_child_subreaper(Some(getpid()))?;
    ADOPTS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Reaps the children that have ended; the status of `agent`, if it is among them. None of the rest is anybody's to know.
pub(super) fn reap(agent: Option<Pid>) -> io::Result<Reaped> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if Some(pid) == agent => ended = Some(ExitStatus::from_raw(status.as_raw())),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(Reaped { agent: ended, childless: false }),
            Err(Errno::CHILD) => return Ok(Reaped { agent: ended, childless: true }),
            Err(e) => return Err(e.into()),
        }
    }
}

/// What [`reap`] found.
pub(super) struct Reaped {
    /// How the agent ended.
    pub agent: Option<ExitStatus>,
    /// Whether no child is left.
    pub childless: bool,
}

/// Ends all that is below this process but the child `but`: asks, waits so long, kills. Returns when it is gone.
pub(super) fn end_all(own_lock: &Path, grace: Duration, but: Option<i32>, signals: &mut Signals) -> io::Result<()> {
    let mut ending = Ending::begin(grace);
    while !reap(None)?.childless {
        let all = all()?;
        let mut left = below(getpid().as_raw_nonzero().get(), &all);
        left.retain(|pid| Some(*pid) != but);
        let left = ours(left, &all, own_lock);
        if left.is_empty() {
            break;
        }
        ending.round(&left, &signals.descriptors().collect::<Vec<_>>())?;
        // Whoever asks us to end meanwhile asks for what is under way.
        signals.arrived();
    }
    Ok(())
}

/// The processes below this one, if it is a job's supervisor: what the job has left.
pub fn left_by_job(own_lock: &Path) -> io::Result<Vec<ProcessId>> {
    if !ADOPTS.load(Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    reap(None)?;
    let all = all()?;
    let left = ours(below(getpid().as_raw_nonzero().get(), &all), &all, own_lock);
    Ok(left.into_iter().filter_map(ProcessId::of).collect())
}

/// Ends the processes that began with this mark of a worktree, and `others` with what is below them: asks, waits for
/// [`GRACE`], kills. False if some do not end.
pub fn end_marked(name: &str, worktree: &Path, others: &[ProcessId], own_lock: &Path) -> io::Result<bool> {
    let mut ending = Ending::begin(GRACE);
    loop {
        let all = all()?;
        let me = getpid().as_raw_nonzero().get();
        let mut found: Vec<_> =
            all.keys().copied().filter(|pid| *pid != me && is_marked(*pid, name, worktree)).collect();
        for other in others.iter().filter(|other| other.lives()) {
            found.push(other.pid);
            found.extend(below(other.pid, &all));
        }
        found.sort_unstable();
        found.dedup();
        let left = ours(found, &all, own_lock);
        if left.is_empty() || ending.is_late() {
            return Ok(left.is_empty());
        }
        ending.round(&left, &[])?;
    }
}

/// Processes that are being ended.
struct Ending {
    began: Instant,
    grace: Duration,
    asked: Vec<ProcessId>,
}

impl Ending {
    fn begin(grace: Duration) -> Self {
        Self { began: Instant::now(), grace, asked: Vec::new() }
    }

    fn is_late(&self) -> bool {
        self.began.elapsed() > self.grace + KILLED_MAX
    }

    /// Asks those that were not asked yet, or kills all; and waits until one of them has ended, or something else wakes it.
    fn round(&mut self, left: &[i32], others: &[BorrowedFd<'_>]) -> io::Result<()> {
        let rest = self.grace.saturating_sub(self.began.elapsed());
        let left: Vec<_> = left.iter().copied().filter_map(ProcessId::of).collect();
        for process in &left {
            if rest.is_zero() {
                process.signal(Signal::KILL);
            } else if !self.asked.contains(process) {
                process.signal(Signal::TERM);
                // One that is stopped would not hear it.
                process.signal(Signal::CONT);
                self.asked.push(process.clone());
            }
        }
        let open: Vec<_> = left.iter().filter_map(ProcessId::open).collect();
        // One that ended while we looked: look again.
        if open.len() == left.len() {
            let watched: Vec<_> = open.iter().map(AsFd::as_fd).chain(others.iter().copied()).collect();
            watch::readable(&watched, Some(if rest.is_zero() { ROUND } else { rest }))?;
        }
        Ok(())
    }
}

/// Whatever is below a process, such as a supervisor that lives, but other parts of the town.
pub fn of(supervisor: i32, own_lock: &Path) -> io::Result<Vec<i32>> {
    let all = all()?;
    Ok(ours(below(supervisor, &all), &all, own_lock))
}

/// What a supervisor that was killed has left of a session: processes in its cgroup, if it had one of its own; those with its
/// mark; and those that began no earlier than the supervisor, are somewhere in the worktree and have no terminal, which a
/// person's shell would have.
pub fn left(started: &Started, worktree: &Path, own_lock: &Path) -> io::Result<Vec<i32>> {
    let supervisor = &started.process;
    if !supervisor.is_of_this_boot() {
        return Ok(Vec::new());
    }
    let members = started.cgroup.as_deref().map_or(Ok(Vec::new()), cgroup::pids)?;
    let folder = &fs_err::canonicalize(worktree).unwrap_or_else(|_| worktree.to_owned());
    let (all, own) = (all()?, getpid().as_raw_nonzero().get());
    let is_left = |pid: i32, stat: &Stat| {
        let is_there = || stat.terminal == 0 && stat.start >= supervisor.start && is_in(pid, folder);
        pid != own && (members.contains(&pid) || is_marked(pid, MARK, worktree) || is_there())
    };
    let found = all.iter().filter(|(pid, stat)| is_left(**pid, stat)).map(|(pid, _)| *pid).collect();
    Ok(ours(found, &all, own_lock))
}

/// All processes of this machine that can be looked at.
fn all() -> io::Result<BTreeMap<i32, Stat>> {
    Ok(proc::pids()?.into_iter().filter_map(|pid| Some((pid, proc::stat(pid)?))).collect())
}

/// The processes below one.
fn below(root: i32, all: &BTreeMap<i32, Stat>) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(pid, stat)| stat.parent == parent && **pid != root).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

/// Those of the processes that belong to the agent and to us: without what runs as another user, and without other parts of
/// the town, which are those of them that hold another of its locks, what is below those, and the tmux server that they are in.
fn ours(mut pids: Vec<i32>, all: &BTreeMap<i32, Stat>, own_lock: &Path) -> Vec<i32> {
    let me = rustix::process::geteuid().as_raw();
    pids.retain(|pid| proc::user(*pid) == Some(me));
    // The usual answer, a hundred times cheaper than looking at what each process holds.
    if pids.is_empty() {
        return pids;
    }
    let Some(folder) = own_lock.parent().and_then(|folder| fs_err::canonicalize(folder).ok()) else { return pids };
    let own = folder.join(own_lock.file_name().unwrap_or_default());
    let mut others = Vec::new();
    // Of these alone: the controller that has started a supervisor is above it, and holds a lock too.
    for pid in &pids {
        let held = lock::held_by(*pid, &folder);
        if held.iter().any(|lock| *lock != own) {
            others.extend(below(*pid, all));
            others.push(*pid);
            // A verb holds the store for an instant, and whoever runs it is no part of the town.
            if held.iter().any(|lock| *lock != own && !lock.ends_with("store")) {
                others.extend(all.get(pid).map(|stat| stat.parent));
            }
        }
    }
    pids.retain(|pid| !others.contains(pid));
    pids
}

fn is_marked(pid: i32, name: &str, worktree: &Path) -> bool {
    proc::variable(pid, name).is_some_and(|mark| mark == worktree)
}

fn is_in(pid: i32, folder: &Path) -> bool {
    proc::folder(pid).is_some_and(|it| it.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_found_at_any_depth() {
        let stat = |parent| Stat { state: 'S', parent, terminal: 0, start: 0 };
        let all = BTreeMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(3)), (5, stat(1)), (6, stat(2))]);
        assert_eq!(below(2, &all), [3, 6, 4]);
        assert!(below(5, &all).is_empty());
    }
}
