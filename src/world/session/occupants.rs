//! The processes in a sandbox: its agent, the holders of its lock, and the supervisor that may be just leaving.
//!
//! Functions of the records alone, so that whoever works on a worktree asks the same as whoever looks at its session.

use gastown_controllers::world::SandboxId;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Exit, Holder, RecordError, Started};
use gastown_supervisor::{family, lock};

use super::SessionError;
use crate::layout::Layout;

/// Whether somebody works in a sandbox, or what is left of it; a look says so, too.
pub fn in_use(layout: &Layout, sandbox: &SandboxId) -> Result<bool, SessionError> {
    let Some(holder) = holder(layout, &sandbox.uid)? else {
        return Ok(lock::held(&layout.sandbox_lock(&sandbox.uid))?);
    };
    Ok(occupied(layout, &sandbox.uid, &holder)? && !leaving(layout, &sandbox.uid, &holder)?)
}

/// The attempt that a sandbox's lock is meant for.
pub(super) fn holder(layout: &Layout, sandbox_uid: &str) -> Result<Option<Holder>, RecordError> {
    records::read(&layout.sandbox_holder(sandbox_uid))
}

/// Whether this attempt, or what is left of it, has the sandbox: the lock is held, or the agent, which may have closed
/// the descriptor that it inherited, lives.
pub(super) fn occupied(layout: &Layout, sandbox_uid: &str, holder: &Holder) -> Result<bool, SessionError> {
    Ok(lock::held(&layout.sandbox_lock(sandbox_uid))? || agent(layout, holder)?.is_some())
}

/// Whether an attempt without a recorded end goes on: its supervisor or its agent lives, or it is just beginning. What else
/// holds its lock, such as a server that its agent had started, does not work on it.
pub(super) fn works(layout: &Layout, holder: &Holder) -> Result<bool, SessionError> {
    let Some(started) = started(layout, holder)? else { return Ok(true) };
    Ok(started.process.lives() || agent(layout, holder)?.is_some())
}

/// Whether only the supervisor of a recorded end is left: the lock is as good as free. One that is held though nobody is
/// seen to hold it is not: not every process may be looked into.
pub(super) fn leaving(layout: &Layout, sandbox_uid: &str, holder: &Holder) -> Result<bool, SessionError> {
    if exit(layout, holder)?.is_none() || !strays(layout, sandbox_uid, holder)?.is_empty() {
        return Ok(false);
    }
    let supervisor = started(layout, holder)?.is_some_and(|started| started.process.lives());
    Ok(supervisor || !lock::held(&layout.sandbox_lock(sandbox_uid))?)
}

/// The agent and the holders of the sandbox's lock, without the supervisor of this attempt.
pub(super) fn strays(layout: &Layout, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
    let supervisor = started(layout, holder)?.map(|started| started.process).filter(ProcessId::lives);
    let mut pids = lock::holders(&layout.sandbox_lock(sandbox_uid))?;
    pids.retain(|pid| supervisor.as_ref().is_none_or(|supervisor| supervisor.pid != *pid));
    pids.extend(agent(layout, holder)?.map(|agent| agent.pid));
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// What is left of this attempt, whose supervisor is gone, without holding its lock. A supervisor that recorded the end
/// has seen to it that there is nothing.
pub(super) fn left(layout: &Layout, sandbox_uid: &str, holder: &Holder) -> Result<Vec<i32>, SessionError> {
    let (Some(started), None) = (started(layout, holder)?, exit(layout, holder)?) else { return Ok(Vec::new()) };
    let (worktree, lock) = (layout.worktree(sandbox_uid), layout.sandbox_lock(sandbox_uid));
    Ok(family::left(&started, &worktree, &lock)?)
}

/// The agent of this attempt, if it lives.
pub(super) fn agent(layout: &Layout, holder: &Holder) -> Result<Option<ProcessId>, RecordError> {
    let agent = records::read::<ProcessId>(&layout.attempt(&holder.owner_uid, holder.attempt).join(records::AGENT))?;
    Ok(agent.filter(ProcessId::lives))
}

/// The record of this attempt's start, with its process.
pub(super) fn started(layout: &Layout, holder: &Holder) -> Result<Option<Started>, RecordError> {
    records::read(&layout.attempt(&holder.owner_uid, holder.attempt).join(records::STARTED))
}

/// The record of this attempt's end.
pub(super) fn exit(layout: &Layout, holder: &Holder) -> Result<Option<Exit>, RecordError> {
    records::read(&layout.attempt(&holder.owner_uid, holder.attempt).join(records::EXIT))
}
