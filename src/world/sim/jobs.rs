//! Jobs: started once for each key, over after their time, with an effect at their end.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Exited, Job, JobKey, JobState, exit};

use super::{SimWorld, State};
use crate::engine::Woke;

impl SimWorld {
    pub(super) fn ensure_job(&self, job: &Job) {
        let key = job.key();
        {
            let mut state = self.state();
            if state.jobs.contains_key(&key) {
                return;
            }
            state.jobs.insert(key.clone(), (job.clone(), JobState::Running));
        }
        let takes = self.inner.nature.takes(&format!("{}/{}", kind(job), key.0));
        let world = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(takes).await;
            world.finish(&key);
        });
    }

    fn finish(&self, key: &JobKey) {
        let at = self.now();
        {
            let mut state = self.state();
            let Some((job, JobState::Running)) = state.jobs.get(key).cloned() else { return };
            let (mut code, mut tail) = state.judge(&job);
            if code == exit::OK {
                let tree = match &job {
                    Job::Verify { tree, .. } => state.commits.tree(tree).cloned(),
                    Job::Setup { sandbox, .. } => state.worktrees.get(&sandbox.uid).map(|w| w.files.clone()),
                    Job::Clone { .. } | Job::Fetch { .. } | Job::Push { .. } => None,
                };
                (code, tail) = self.inner.nature.ends(&job, tree.as_ref());
            }
            if code == exit::OK {
                state.carry_out(&job);
            }
            state.jobs.insert(key.clone(), (job, JobState::Exited(Exited { code, at, tail })));
        }
        self.tell(Woke::Job(key.clone()));
    }
}

fn kind(job: &Job) -> &'static str {
    match job {
        Job::Clone { .. } => "clone",
        Job::Fetch { .. } => "fetch",
        Job::Setup { .. } => "setup",
        Job::Verify { .. } => "verify",
        Job::Push { .. } => "push",
    }
}

impl State {
    /// How a job ends by the state of the world.
    fn judge(&mut self, job: &Job) -> (i32, String) {
        let failed = |code, text: &str| (code, text.to_owned());
        match job {
            Job::Clone { url, .. } | Job::Fetch { url, .. } if !self.remotes.contains_key(url) => {
                failed(exit::FAILED, "there is no such repository")
            }
            Job::Fetch { rig, .. } | Job::Setup { rig, .. } | Job::Verify { rig, .. } | Job::Push { rig, .. }
                if !self.clones.contains_key(&rig.uid) =>
            {
                failed(exit::FAILED, "there is no clone")
            }
            Job::Setup { sandbox, prepared, made, .. } => match self.worktrees.get(&sandbox.uid) {
                Some(worktree) if worktree.prepared == *prepared && worktree.made == *made => failed(exit::OK, ""),
                _ => failed(exit::FAILED, "the worktree is not in this preparation"),
            },
            Job::Verify { tree, .. } if self.commits.tree(tree).is_none() => {
                failed(exit::ERROR, "there is no such tree")
            }
            Job::Push { rig, url, branch, from, to, force, .. } => {
                let (from, force) = (from.as_ref(), *force);
                if !from.is_none_or(|from| self.commits.is_before(from, to)) {
                    self.violated(format!("a push would not move `{branch}` of {} forward", rig.name));
                    return failed(exit::FAILED, "not a fast-forward: nothing was pushed");
                }
                let Some(remote) = self.remotes.get(url) else { return failed(exit::FAILED, "no such repository") };
                let is = remote.branches.get(branch);
                // The town's own branch moves from what was last seen there, if the town made that.
                let seen = self.clones.get(&rig.uid).and_then(|clone| clone.targets.get(branch));
                let ours = |oid: &Oid| self.commits.get(oid).is_some_and(|commit| commit.landed.is_some());
                if force && seen.is_some_and(|seen| seen != to && !ours(seen)) {
                    return failed(exit::PROTECTED, "somebody else has committed to it");
                }
                let lease = if force { seen } else { from };
                let free = is == lease || is == Some(to);
                if free { failed(exit::OK, "") } else { failed(exit::CONTENDED, "stale info") }
            }
            Job::Clone { .. } | Job::Fetch { .. } | Job::Verify { .. } => failed(exit::OK, ""),
        }
    }

    fn carry_out(&mut self, job: &Job) {
        match job {
            Job::Clone { rig, url, .. } | Job::Fetch { rig, url, .. } => self.fetch(rig, url),
            Job::Push { url, branch, to, .. } => {
                if let Some(remote) = self.remotes.get_mut(url) {
                    remote.branches.insert(branch.clone(), to.clone());
                }
            }
            Job::Setup { .. } | Job::Verify { .. } => {}
        }
    }
}
