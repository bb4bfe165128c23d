//! Sandboxes: worktrees, the sessions in them, and the attempts at beads.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{
    ActError, Run, RunEnd, RunState, Sandbox, SandboxId, SandboxSpec, Session, SessionSpec,
};
use jiff::Timestamp;
use tokio::task::AbortHandle;

use super::commits::{Commit, Tree};
use super::{Desk, SimWorld, State, refused};
use crate::engine::Woke;

/// What a signal's exit codes start from.
const SIGNALLED: i32 = 128;
const SIGTERM: i32 = 15;

/// A worktree.
#[derive(Debug, Clone)]
pub(super) struct Worktree {
    pub(super) rig_uid: String,
    pub(super) prepared: String,
    pub(super) branch: String,
    pub(super) base: Oid,
    pub(super) made: Timestamp,
    /// What its files hold, committed or not.
    pub(super) files: Tree,
}

impl Worktree {
    pub(super) fn facts(&self) -> Sandbox {
        let Self { rig_uid: _, prepared, branch, base, made, files: _ } = self;
        Sandbox { prepared: prepared.clone(), branch: branch.clone(), base: base.clone(), made: *made }
    }
}

/// A session that holds its sandbox's lock.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: String,
    pub(super) bead: String,
    pub(super) bead_uid: String,
    pub(super) attempt: u32,
    /// Its agent has begun to hand in, or to close its bead: from here on it may be ended.
    pub(super) may_end: bool,
    pub(super) agent: Option<AbortHandle>,
}

impl State {
    pub(super) fn session(&self, sandbox_uid: &str) -> Session {
        match self.sessions.get(sandbox_uid) {
            Some(live) => Session::Running { bead_uid: live.bead_uid.clone(), attempt: live.attempt },
            None => Session::None,
        }
    }

    pub(super) fn ensure_sandbox(
        &mut self,
        id: &SandboxId,
        spec: &SandboxSpec,
        made: Timestamp,
    ) -> Result<(), ActError> {
        if self.worktrees.get(&id.uid).is_some_and(|worktree| worktree.prepared == spec.prepared) {
            return Ok(());
        }
        self.refuse_if_in_use(id)?;
        if self.commits.get(&spec.start).is_none() || !self.clones.contains_key(&spec.rig.uid) {
            return Err(refused("there is no such commit"));
        }
        self.rescue(id);
        let files = self.commits.tree_of(&spec.start);
        let clone = self.clones.entry(spec.rig.uid.clone()).or_default();
        if let Some(moved) = clone.heads.insert(spec.branch.clone(), spec.start.clone()) {
            clone.rescued.push(moved);
        }
        let SandboxSpec { rig, prepared, branch, base, start: _ } = spec.clone();
        self.worktrees.insert(id.uid.clone(), Worktree { rig_uid: rig.uid, prepared, branch, base, made, files });
        self.check_heads(&format!("after {} was prepared", id.name));
        Ok(())
    }

    pub(super) fn remove_sandbox(&mut self, id: &SandboxId) -> Result<(), ActError> {
        self.refuse_if_in_use(id)?;
        self.rescue(id);
        self.worktrees.remove(&id.uid);
        self.check_heads(&format!("after {} was removed", id.name));
        Ok(())
    }

    fn refuse_if_in_use(&mut self, id: &SandboxId) -> Result<(), ActError> {
        if !self.sessions.contains_key(&id.uid) {
            return Ok(());
        }
        self.violated(format!("{} was to be prepared or removed while its session runs", id.name));
        Err(refused("a session runs in it"))
    }

    /// Commits what is uncommitted, and keeps it.
    fn rescue(&mut self, id: &SandboxId) {
        let Some(worktree) = self.worktrees.get(&id.uid).cloned() else { return };
        let Some(tip) = self.tip(&worktree) else { return };
        if self.commits.tree_of(&tip) == worktree.files {
            return;
        }
        let tree = self.commits.put_tree(worktree.files);
        let message = "rescued".to_owned();
        let commit = Commit { parent: Some(tip), tree, message, author: id.name.clone(), landed: None, date: 0 };
        let commit = self.commits.put(commit);
        if let Some(clone) = self.clones.get_mut(&worktree.rig_uid) {
            clone.rescued.push(commit);
        }
    }

    /// The commit that a worktree's branch is at.
    pub(super) fn tip(&self, worktree: &Worktree) -> Option<Oid> {
        self.clones.get(&worktree.rig_uid)?.heads.get(&worktree.branch).cloned()
    }

    /// The attempt's folder; whether anything was started in it already.
    fn intend(&mut self, spec: &SessionSpec) -> bool {
        let runs = self.runs.entry(spec.bead_uid.clone()).or_default();
        if let Some(run) = runs.get(&spec.attempt) {
            return run.state != RunState::Intended;
        }
        let last = runs.keys().next_back().copied().unwrap_or(0);
        runs.insert(spec.attempt, Run { attempt: spec.attempt, work: spec.work.clone(), state: RunState::Intended });
        if spec.attempt != last + 1 {
            self.violated(format!("attempt {} at {} follows {last}", spec.attempt, spec.bead));
        }
        false
    }
}

impl SimWorld {
    /// What a crash in the middle of a start leaves behind: the attempt's folder, and nothing started.
    pub fn intend_session(&self, spec: &SessionSpec) {
        self.state().intend(spec);
    }

    pub(super) fn ensure_session(&self, id: &SandboxId, spec: &SessionSpec) -> Result<(), ActError> {
        {
            let mut state = self.state();
            if !state.worktrees.contains_key(&id.uid) {
                return Err(refused("there is no worktree"));
            }
            if let Some(live) = state.sessions.get(&id.uid) {
                if live.bead_uid == spec.bead_uid && live.attempt == spec.attempt {
                    return Ok(());
                }
                let message = format!("{} was to get a second session", id.name);
                state.violated(message);
                return Err(refused("another session runs in it"));
            }
            if state.intend(spec) {
                return Ok(());
            }
            if let Some(other) = state.sessions.values().find(|live| live.bead_uid == spec.bead_uid) {
                let message = format!("{} has two workers: {} and {}", spec.bead, other.name, id.name);
                state.violated(message);
            }
            let SessionSpec { bead, bead_uid, attempt, .. } = spec.clone();
            let live = Live { name: id.name.clone(), bead, bead_uid, attempt, may_end: false, agent: None };
            state.sessions.insert(id.uid.clone(), live);
            state.set_run(spec, RunState::Running);
        }
        let desk = Desk::new(self.clone(), id.clone(), spec.clone());
        let agent = self.inner.nature.agent(desk);
        let (world, id, attempt) = (self.clone(), id.clone(), (spec.bead_uid.clone(), spec.attempt));
        let uid = id.uid.clone();
        let task = tokio::spawn(async move {
            let code = agent.await;
            world.over(&id.uid, &attempt, code, true);
        });
        if let Some(live) = self.state().sessions.get_mut(&uid) {
            live.agent = Some(task.abort_handle());
        }
        Ok(())
    }

    pub(super) fn end_session(&self, id: &SandboxId) {
        let Some((attempt, healthy)) = self
            .state()
            .sessions
            .get(&id.uid)
            .map(|l| ((l.bead_uid.clone(), l.attempt), (!l.may_end).then(|| l.bead.clone())))
        else {
            return;
        };
        if let Some(bead) = healthy {
            self.state().violated(format!("{} was ended while it worked on {bead}", id.name));
        }
        self.over(&id.uid, &attempt, SIGNALLED + SIGTERM, false);
    }

    /// A session is over: its attempt has its end, and its sandbox is free.
    pub(super) fn over(&self, sandbox_uid: &str, attempt: &(String, u32), code: i32, own: bool) {
        let tail = format!("it ended with {code}");
        let end = RunEnd { code, own, at: self.now(), tail };
        self.free(sandbox_uid, attempt, RunState::Ended(end));
    }

    pub(super) fn free(&self, sandbox_uid: &str, (bead_uid, attempt): &(String, u32), state_then: RunState) {
        {
            let mut state = self.state();
            let is_it = |live: &Live| live.bead_uid == *bead_uid && live.attempt == *attempt;
            if !state.sessions.get(sandbox_uid).is_some_and(is_it) {
                return;
            }
            if let Some(agent) = state.sessions.remove(sandbox_uid).and_then(|live| live.agent) {
                agent.abort();
            }
            if let Some(run) = state.runs.get_mut(bead_uid).and_then(|runs| runs.get_mut(attempt)) {
                run.state = state_then;
            }
        }
        self.tell(Woke::Sandbox(sandbox_uid.to_owned()));
    }
}

impl State {
    fn set_run(&mut self, spec: &SessionSpec, to: RunState) {
        if let Some(run) = self.runs.get_mut(&spec.bead_uid).and_then(|runs| runs.get_mut(&spec.attempt)) {
            run.state = to;
        }
    }
}
