//! `AgentHandle`: a session as its agent sees it: the worktree, the branch, and its spec.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{SandboxId, SessionSpec};

use super::SimWorld;
use super::commits::{Commit, Tree};

/// A handle for an agent at work. It is of no use once the session is over: nothing is written any more.
pub struct AgentHandle {
    world: SimWorld,
    sandbox: SandboxId,
    /// The spec that the session was started with.
    pub spec: SessionSpec,
}

impl AgentHandle {
    pub(super) fn new(world: SimWorld, sandbox: SandboxId, spec: SessionSpec) -> Self {
        Self { world, sandbox, spec }
    }

    /// The polecat's object name.
    pub fn polecat(&self) -> &str {
        &self.sandbox.name
    }

    /// Changes files, without committing.
    pub fn edit(&self, change: impl FnOnce(&mut Tree)) {
        if let Some(worktree) = self.world.state().worktrees.get_mut(&self.sandbox.uid) {
            change(&mut worktree.files);
        }
    }

    /// Commits what was changed, if anything was.
    pub fn commit(&self, message: &str) {
        let date = self.world.now().as_second();
        let mut state = self.world.state();
        let Some(worktree) = state.worktrees.get(&self.sandbox.uid).cloned() else { return };
        if !state.is_whole(&worktree) {
            return;
        }
        let tip = worktree.tip;
        if state.commits.tree_of(&tip) == worktree.files {
            return;
        }
        let tree = state.commits.put_tree(worktree.files);
        let author = self.spec.variable("GIT_AUTHOR_NAME").unwrap_or_default().to_owned();
        let commit = Commit { parent: Some(tip), tree, message: message.to_owned(), author, landed: None, date };
        let commit = state.commits.put(commit);
        if let Some(worktree) = state.worktrees.get_mut(&self.sandbox.uid) {
            worktree.tip = commit;
        }
    }

    /// The commit that the branch is at.
    pub fn head(&self) -> Option<Oid> {
        let state = self.world.state();
        let worktree = state.worktrees.get(&self.sandbox.uid)?;
        state.is_whole(worktree).then(|| worktree.tip.clone())
    }

    /// Brings the head to the clone and says that it is about to be handed in; from here on the session may be ended.
    pub fn hand_in(&self) {
        let mut state = self.world.state();
        if let Some(head) = state.hand_in(&self.sandbox.uid) {
            let owner = state.worktrees.get(&self.sandbox.uid).map(|worktree| worktree.rig_uid.clone());
            state.handed_in.extend(owner.map(|owner| (owner, head)));
        }
        drop(state);
        self.give_up();
    }

    /// Says that the bead is about to be closed otherwise; from here on the session may be ended.
    pub fn give_up(&self) {
        if let Some(live) = self.world.state().sessions.get_mut(&self.sandbox.uid) {
            live.may_end = true;
        }
    }
}
