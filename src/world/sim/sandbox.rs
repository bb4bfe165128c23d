//! Sandboxes: worktrees, the sessions in them, and the attempts at beads.

use std::time::Duration;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{
    ActError, Attempt, AttemptEnd, AttemptState, Frozen, OutOfMemory, Owner, Sandbox, SandboxId, SandboxSpec, Session,
    SessionSpec,
};
use jiff::Timestamp;
use tokio::task::AbortHandle;

use super::commits::{Commit, Tree};
use super::freezable::Brake;
use super::{AgentHandle, SimWorld, State, refused};
use crate::git::GitError;
use crate::session::SessionError;
use gastown_controllers::world::WorldEvent;

/// The exit code of signal n is this plus n.
const SIGNALLED: i32 = 128;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// A worktree.
#[derive(Debug, Clone)]
pub(super) struct Worktree {
    pub(super) rig_uid: String,
    pub(super) prepared: String,
    pub(super) branch: String,
    pub(super) base: Oid,
    pub(super) made: Timestamp,
    /// The files, committed or not.
    pub(super) files: Tree,
    /// The commit that its branch is at, in its own repository.
    pub(super) tip: Oid,
}

/// A session that holds its sandbox's lock.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: String,
    pub(super) bead: String,
    pub(super) owner_uid: String,
    pub(super) attempt: u32,
    pub(super) runtime: Option<String>,
    /// The time at which the session started.
    pub(super) since: Timestamp,
    /// Its agent has begun to hand in, or to close its bead: from here on it may be ended.
    pub(super) may_end: bool,
    pub(super) agent: Option<AbortHandle>,
    /// Stops its agent, and lets it go on.
    pub(super) brake: Brake,
}

impl State {
    /// What is seen of a sandbox. Where the clone does not hold the commits that it borrows, it is in no preparation.
    pub(super) fn sandbox(&self, uid: &str) -> Option<Sandbox> {
        let worktree = self.worktrees.get(uid)?;
        let Worktree { rig_uid: _, prepared, branch, base, made, files: _, tip: _ } = worktree;
        let prepared = if self.is_whole(worktree) { prepared.clone() } else { String::new() };
        Some(Sandbox { prepared, branch: branch.clone(), base: base.clone(), made: *made })
    }

    pub(super) fn is_whole(&self, worktree: &Worktree) -> bool {
        self.clones.get(&worktree.rig_uid).is_some_and(|clone| clone.holds(&worktree.base))
    }

    pub(super) fn session(&self, sandbox_uid: &str) -> Session {
        match self.sessions.get(sandbox_uid) {
            Some(live) => Session::Running { owner_uid: live.owner_uid.clone(), attempt: live.attempt },
            None => Session::None,
        }
    }

    pub(super) fn runtime(&self, sandbox_uid: &str) -> Option<String> {
        self.sessions.get(sandbox_uid)?.runtime.clone()
    }

    pub(super) fn frozen(&self, sandbox_uid: &str) -> Frozen {
        match self.sessions.get(sandbox_uid) {
            Some(live) if live.brake.is_on() => Frozen::Wholly,
            _ => Frozen::No,
        }
    }

    pub(super) fn ensure_sandbox(
        &mut self,
        id: &SandboxId,
        spec: &SandboxSpec,
        now: Timestamp,
    ) -> Result<(), ActError> {
        if let Some(worktree) = self.worktrees.get(&id.uid) {
            if worktree.rig_uid != spec.owner.uid {
                let what = format!("the worktree of `{}`", id.name);
                let (owner, asked) = (worktree.rig_uid.clone(), spec.owner.uid.clone());
                return Err(GitError::Foreign { what, owner, asked }.into());
            }
            if worktree.prepared == spec.prepared && self.is_whole(worktree) {
                return Ok(());
            }
        }
        let (base, start) = spec.points(|oid| self.holds(&spec.owner, oid));
        self.find(&spec.owner, start)?;
        let (base, start) = (base.clone(), start.clone());
        self.refuse_if_in_use(&id.uid, &id.name)?;
        let SandboxSpec { owner: rig, prepared, branch, .. } = spec.clone();
        self.keep_tips(id, Some((&branch, &start)));
        self.rescue(id);
        if let Some(clone) = self.clones.get_mut(&rig.uid) {
            clone.heads.insert(branch.clone(), start.clone());
        }
        let files = self.commits.tree_of(&start);
        // Here no time need pass between two; where it does, their records differ.
        let made = self.made.map_or(now, |last| now.max(last + Duration::from_nanos(1)));
        self.made = Some(made);
        let worktree = Worktree { rig_uid: rig.uid, prepared, branch, base, made, files, tip: start };
        self.worktrees.insert(id.uid.clone(), worktree);
        self.check_heads(&format!("after {} was prepared", id.name));
        Ok(())
    }

    pub(super) fn remove_sandbox(&mut self, id: &SandboxId) -> Result<(), ActError> {
        self.refuse_if_in_use(&id.uid, &id.name)?;
        self.keep_tips(id, None);
        self.rescue(id);
        self.worktrees.remove(&id.uid);
        self.check_heads(&format!("after {} was removed", id.name));
        Ok(())
    }

    fn refuse_if_in_use(&mut self, uid: &str, name: &str) -> Result<(), ActError> {
        if !self.sessions.contains_key(uid) {
            return Ok(());
        }
        self.violated(format!("{name} was to be prepared or removed while its session runs"));
        Err(GitError::InUse { sandbox: name.to_owned() }.into())
    }

    /// Brings the commit that a worktree is at to the clone, as its branch if that moves forward, and keeps what was there.
    fn keep_tips(&mut self, id: &SandboxId, moving: Option<(&str, &Oid)>) {
        let Some(worktree) = self.worktrees.get(&id.uid).filter(|worktree| self.is_whole(worktree)).cloned() else {
            return;
        };
        let Worktree { rig_uid, branch, tip, .. } = worktree;
        self.take_in(&rig_uid, &tip);
        let of_branch = |clones: &Self, branch: &str| clones.clones.get(&rig_uid)?.heads.get(branch).cloned();
        let tips =
            [of_branch(self, &branch), moving.and_then(|(moving, _)| of_branch(self, moving)), Some(tip.clone())];
        if moving.is_none_or(|(moving, _)| moving != branch)
            && of_branch(self, &branch).is_none_or(|there| self.commits.is_before(&there, &tip))
            && let Some(clone) = self.clones.get_mut(&rig_uid)
        {
            clone.heads.insert(branch, tip);
        }
        for tip in tips.into_iter().flatten() {
            self.keep(&rig_uid, &tip, moving);
        }
    }

    /// Commits what is uncommitted, and keeps it.
    fn rescue(&mut self, id: &SandboxId) {
        let Some(worktree) = self.worktrees.get(&id.uid).cloned() else { return };
        // Where its commits cannot be read, all that it holds is uncommitted.
        let parent = self.is_whole(&worktree).then_some(worktree.tip);
        if !self.clones.contains_key(&worktree.rig_uid)
            || parent.as_ref().is_some_and(|tip| self.commits.tree_of(tip) == worktree.files)
        {
            return;
        }
        let tree = self.commits.put_tree(worktree.files);
        let message = format!("rescue: what was uncommitted in the worktree of {}", id.name);
        let commit = Commit { parent, tree, message, author: id.name.clone(), landed: None, date: 0 };
        let commit = self.commits.put(commit);
        self.rescued(&worktree.rig_uid, commit);
    }

    /// Brings the commit that a worktree is at to the clone, as it is handed in. None if it cannot be read.
    pub(super) fn hand_in(&mut self, sandbox_uid: &str) -> Option<Oid> {
        let worktree = self.worktrees.get(sandbox_uid).filter(|worktree| self.is_whole(worktree))?;
        let Worktree { rig_uid, branch, tip, .. } = worktree.clone();
        self.take_in(&rig_uid, &tip);
        let before = self.clones.get_mut(&rig_uid)?.heads.insert(branch, tip.clone());
        if let Some(before) = before {
            self.keep(&rig_uid, &before, None);
        }
        Some(tip)
    }

    /// Whether an attempt was ever started.
    fn has_run(&self, spec: &SessionSpec) -> bool {
        let run = self.attempts.get(&spec.owner.uid).and_then(|all| all.get(&spec.attempt));
        run.is_some_and(|run| run.state != AttemptState::Intended)
    }

    /// The attempt's folder is there.
    fn intend(&mut self, spec: &SessionSpec) {
        let runs = self.attempts.entry(spec.owner.uid.clone()).or_default();
        if runs.contains_key(&spec.attempt) {
            return;
        }
        let last = runs.keys().next_back().copied().unwrap_or(0);
        runs.insert(
            spec.attempt,
            Attempt {
                attempt: spec.attempt,
                work: spec.work.clone(),
                runtime: Some(spec.runtime.name.clone()),
                state: AttemptState::Intended,
                conversation: None,
            },
        );
        if spec.attempt != last + 1 {
            self.violated(format!("attempt {} at {} follows {last}", spec.attempt, spec.owner.name));
        }
    }
}

impl SimWorld {
    /// Leaves what a crash in the middle of a start leaves: the attempt's folder, and nothing started.
    pub fn intend_session(&self, spec: &SessionSpec) {
        self.state().intend(spec);
    }

    pub(super) fn start_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError> {
        let brake = Brake::default();
        {
            let mut state = self.state();
            if state.worktrees.get(&id.uid).is_none_or(|worktree| !state.is_whole(worktree)) {
                return Err(refused(format!("{} has no worktree", id.name)));
            }
            if state.has_run(spec) {
                return Ok(());
            }
            if state.sessions.contains_key(&id.uid) {
                state.violated(format!("{} was to get a second session", id.name));
                return Err(refused(SessionError::Busy { name: id.name.clone() }.to_string()));
            }
            state.intend(spec);
            if let Some(other) = state.sessions.values().find(|live| live.owner_uid == spec.owner.uid) {
                let message = format!("{} has two workers: {} and {}", spec.owner.name, other.name, id.name);
                state.violated(message);
            }
            let (Owner { name: bead, uid: owner_uid, .. }, attempt) = (spec.owner.clone(), spec.attempt);
            let since = self.now();
            let brake = brake.clone();
            let name = id.name.clone();
            let runtime = Some(spec.runtime.name.clone());
            let live = Live { name, bead, owner_uid, attempt, runtime, since, may_end: false, agent: None, brake };
            state.sessions.insert(id.uid.clone(), live);
            let at_work = state.sessions.values().filter(|live| !live.may_end).count();
            state.busiest = state.busiest.max(at_work);
            state.set_run(spec, AttemptState::Running);
        }
        let handle = AgentHandle::new(self.clone(), id.clone(), spec.clone());
        let agent = brake.on(self.inner.behavior.agent(handle));
        let (world, id, attempt) = (self.clone(), id.clone(), (spec.owner.uid.clone(), spec.attempt));
        let uid = id.uid.clone();
        let needs = self.inner.behavior.memory_of(&spec.owner.name);
        let task = match spec.limits.memory.filter(|limit| *limit < needs) {
            Some(limit) => tokio::spawn(async move {
                world.killed_for_memory(&id.uid, &attempt, OutOfMemory::Limit(limit));
            }),
            None => tokio::spawn(async move {
                let code = agent.await;
                world.over(&id.uid, &attempt, code, true);
            }),
        };
        if let Some(live) = self.state().sessions.get_mut(&uid) {
            live.agent = Some(task.abort_handle());
        }
        Ok(())
    }

    pub(super) fn stop_session(&self, id: &SandboxId) {
        let Some((attempt, healthy)) = self
            .state()
            .sessions
            .get(&id.uid)
            .map(|l| ((l.owner_uid.clone(), l.attempt), (!l.may_end).then(|| l.bead.clone())))
        else {
            return;
        };
        if let Some(bead) = healthy.filter(|_| !self.state().may_end) {
            self.state().violated(format!("{} was ended while it worked on {bead}", id.name));
        }
        self.over(&id.uid, &attempt, SIGNALLED + SIGTERM, false);
    }

    /// A session is frozen, or goes on.
    pub(super) fn set_frozen(&self, id: &SandboxId, frozen: bool) {
        if let Some(live) = self.state().sessions.get(&id.uid) {
            live.brake.set(frozen);
        }
    }

    /// A session is over: its attempt has its end, and its sandbox is free.
    pub(super) fn over(&self, sandbox_uid: &str, attempt: &(String, u32), code: i32, own: bool) {
        let tail = format!("it ended with {code}");
        let end = AttemptEnd { code, own, at: self.now(), tail, out_of_memory: None, activity: None };
        self.free(sandbox_uid, attempt, AttemptState::Ended(end));
    }

    /// An agent is killed because this memory is used up.
    fn killed_for_memory(&self, sandbox_uid: &str, attempt: &(String, u32), of: OutOfMemory) {
        let (code, tail) = (SIGNALLED + SIGKILL, String::new());
        let end = AttemptEnd { code, own: true, at: self.now(), tail, out_of_memory: Some(of), activity: None };
        self.free(sandbox_uid, attempt, AttemptState::Ended(end));
    }

    pub(super) fn free(&self, sandbox_uid: &str, (owner_uid, attempt): &(String, u32), state_then: AttemptState) {
        {
            let mut state = self.state();
            let is_it = |live: &Live| live.owner_uid == *owner_uid && live.attempt == *attempt;
            if !state.sessions.get(sandbox_uid).is_some_and(is_it) {
                return;
            }
            if let Some(agent) = state.sessions.remove(sandbox_uid).and_then(|live| live.agent) {
                agent.abort();
            }
            if let Some(run) = state.attempts.get_mut(owner_uid).and_then(|all| all.get_mut(attempt)) {
                run.state = state_then;
            }
        }
        self.notify(WorldEvent::Sandbox(sandbox_uid.to_owned()));
    }
}

impl State {
    fn set_run(&mut self, spec: &SessionSpec, to: AttemptState) {
        if let Some(run) = self.attempts.get_mut(&spec.owner.uid).and_then(|all| all.get_mut(&spec.attempt)) {
            run.state = to;
        }
    }
}
