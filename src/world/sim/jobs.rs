//! Jobs: started once for each key, over after their time, with an effect at their end.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{ActError, Exited, Job, JobKey, JobState, Lease, Owner, Track, exit, remote_id};
use gastown_crds::reason::Reason;
use jiff::Timestamp;

use super::{SimWorld, State};
use gastown_controllers::world::WorldEvent;

/// A job that has begun.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) job: Job,
    pub(super) at: Timestamp,
    pub(super) state: JobState,
}

impl SimWorld {
    pub(super) fn start_job(&self, job: &Job) -> Result<(), ActError> {
        let (key, at) = (job.key(), self.now());
        {
            let mut state = self.state();
            if state.jobs.contains_key(&key) {
                return Ok(());
            }
            state.take_track(job)?;
            state.jobs.insert(key.clone(), Begun { job: job.clone(), at, state: JobState::Running });
            let running = state.jobs.values().filter(|begun| begun.state == JobState::Running).count();
            state.most_jobs = state.most_jobs.max(running);
        }
        self.goes_on(job, key);
        Ok(())
    }

    /// A job that runs comes to its end.
    pub(super) fn goes_on(&self, job: &Job, key: JobKey) {
        let hangs = job.url().is_some_and(|url| self.state().hanging.contains(&remote_id(url)));
        let takes = self.inner.behavior.takes(&format!("{}/{}", kind(job), key.0));
        let takes = if hangs { std::time::Duration::MAX } else { takes };
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
            let running = state.jobs.get(key).filter(|begun| begun.state == JobState::Running);
            let Some(job) = running.map(|begun| begun.job.clone()) else { return };
            let (mut code, mut tail) = state.judge(&job);
            if code == exit::OK {
                let tree = match &job {
                    Job::Verify { tree, .. } => state.commits.tree(tree).cloned(),
                    Job::Setup { sandbox, .. } => state.worktrees.get(&sandbox.uid).map(|w| w.files.clone()),
                    Job::Clone { .. }
                    | Job::Fetch { .. }
                    | Job::Push { .. }
                    | Job::RemoveBranch { .. }
                    | Job::Lease { .. }
                    | Job::Notify { .. }
                    | Job::Gate { .. } => None,
                };
                (code, tail) = self.inner.behavior.ends(&job, tree.as_ref());
            }
            if code == exit::OK {
                let began = state.jobs.get(key).map_or(at, |begun| begun.at);
                state.carry_out(&job, began);
            }
            if let Some(begun) = state.jobs.get_mut(key) {
                begun.state = JobState::Exited(Exited { code, at, tail });
            }
        }
        self.notify(WorldEvent::Job(key.clone()));
    }
}

fn kind(job: &Job) -> &'static str {
    match job {
        Job::Clone { .. } => "clone",
        Job::Fetch { .. } => "fetch",
        Job::Setup { .. } => "setup",
        Job::Verify { .. } => "verify",
        Job::Push { .. } => "push",
        Job::RemoveBranch { .. } => "remove",
        Job::Lease { .. } => "lease",
        Job::Notify { .. } => "notify",
        Job::Gate { .. } => "gate",
    }
}

impl State {
    /// A job, as it was begun.
    pub(super) fn job_begun(&self, key: &JobKey) -> Option<Job> {
        self.jobs.get(key).map(|begun| begun.job.clone())
    }

    /// From now on a job is the newest of its track, unless another runs there.
    fn take_track(&mut self, job: &Job) -> Result<(), ActError> {
        let track = job.track();
        let id = track.id(remote_id);
        let newest = self.newest.get(&id).and_then(|key| self.jobs.get(key));
        if let Some(other) = newest.filter(|begun| begun.state == JobState::Running) {
            let message = format!("{} runs, and {job} waits for it", other.job);
            // Two controllers may fetch for a rig, and two rigs push to one branch. Otherwise one key decides.
            if other.job.owner() == job.owner() && !matches!(track, Track::Clone(_)) {
                self.violated(message.clone());
            }
            return Err(ActError { message, reason: Reason::RepoBusy });
        }
        self.newest.insert(id, job.key());
        Ok(())
    }

    /// The exit code and log of a job, by the state of the world.
    fn judge(&mut self, job: &Job) -> (i32, String) {
        let failed = |code, text: &str| (code, text.to_owned());
        let cloned = self.clones.contains_key(&job.owner().uid);
        match job {
            Job::Notify { .. } | Job::Gate { .. } => failed(exit::OK, ""),
            Job::Clone { .. } if cloned => failed(exit::OK, "it is there already"),
            Job::Clone { url, .. } => self.reach(url),
            // Whatever needs the clone could not run: that says nothing about the work.
            _ if !cloned => failed(exit::ERROR, "there is no clone"),
            Job::Fetch { url, .. } => self.reach(url),
            Job::Setup { sandbox, prepared, made, .. } => match self.worktrees.get(&sandbox.uid) {
                Some(w) if w.prepared == *prepared && w.made == *made && self.is_whole(w) => failed(exit::OK, ""),
                _ => failed(exit::ERROR, "the worktree is not in this preparation"),
            },
            Job::Verify { owner: rig, commit, tree, .. } => {
                let is_its_tree = self.commits.get(commit).is_some_and(|commit| commit.tree == *tree);
                let can_run = self.holds(rig, commit) && is_its_tree;
                if can_run { failed(exit::OK, "") } else { failed(exit::ERROR, "there is no such commit and tree") }
            }
            Job::Push { owner: rig, url, branch, from, to, force, update_checked_out, round: _ } => {
                let from = from.as_ref().filter(|_| !force);
                if !from.into_iter().chain([to]).all(|commit| self.holds(rig, commit)) {
                    return failed(exit::ERROR, "there is no such commit");
                }
                if !from.is_none_or(|from| self.commits.is_before(from, to)) {
                    self.violated(format!("a push would not move `{branch}` of {} forward", rig.name));
                    return failed(exit::FAILED, "not a fast-forward: nothing was pushed");
                }
                // The town's own branch moves from what was last seen there, if the town made that.
                let seen = self.clones.get(&rig.uid).and_then(|clone| clone.targets.get(branch));
                let ours = |oid: &Oid| self.commits.get(oid).is_some_and(|commit| commit.landed.is_some());
                if *force && seen.is_some_and(|seen| seen != to && !ours(seen)) {
                    return failed(exit::PROTECTED, "somebody else has committed to it");
                }
                let Some(remote) = self.remotes.get(&remote_id(url)) else {
                    return failed(exit::FAILED, "no such repository");
                };
                let is = remote.branches.get(branch);
                if is == Some(to) {
                    return failed(exit::OK, "it is there already");
                }
                if is != if *force { seen } else { from } {
                    return failed(exit::CONTENDED, "stale info");
                }
                match &remote.checked_out {
                    Some((name, dirty)) if name == branch && (*dirty || !update_checked_out) => {
                        failed(exit::CHECKED_OUT, "somebody works there")
                    }
                    _ => failed(exit::OK, ""),
                }
            }
            Job::RemoveBranch { owner: rig, url, branch, pushed, round: _ } => {
                let seen = self.clones.get(&rig.uid).and_then(|clone| clone.targets.get(branch));
                let is = self.remotes.get(&remote_id(url)).map(|remote| remote.branches.get(branch));
                match (seen, is) {
                    (None, _) | (_, Some(None)) => failed(exit::OK, "it is gone already"),
                    (Some(seen), _) if seen != pushed => failed(exit::PROTECTED, "somebody else has committed to it"),
                    (_, None) => failed(exit::FAILED, "no such repository"),
                    (_, Some(Some(is))) if is != pushed => failed(exit::CONTENDED, "stale info"),
                    _ => failed(exit::OK, ""),
                }
            }
            Job::Lease { owner: source, url, reference, from, .. } => {
                let is = self.leases.get(&(remote_id(url), reference.clone())).cloned();
                if is.as_ref().map(|lease| &lease.id) == from.as_ref() {
                    return failed(exit::OK, "");
                }
                self.bring_lease(source, url, reference);
                failed(exit::CONTENDED, "stale info")
            }
        }
    }

    /// The result of asking a remote for its branches.
    fn reach(&self, url: &str) -> (i32, String) {
        match self.remotes.get(&remote_id(url)) {
            None if self.declared_tip(url).is_some() => (exit::OK, String::new()),
            None => (exit::FAILED, "there is no such repository".to_owned()),
            Some(remote) if remote.branches.is_empty() => (exit::NO_BRANCH, "it has no branch yet".to_owned()),
            Some(_) => (exit::OK, String::new()),
        }
    }

    /// The clone's copy of a lease is as the remote has it.
    fn bring_lease(&mut self, source: &Owner, url: &str, reference: &str) {
        let there = self.leases.get(&(remote_id(url), reference.to_owned())).cloned();
        if let Some(clone) = self.clones.get_mut(&source.uid) {
            clone.lease = there;
        }
    }

    fn carry_out(&mut self, job: &Job, at: Timestamp) {
        match job {
            // What is there already is left as it was fetched.
            Job::Clone { owner: rig, .. } if self.clones.contains_key(&rig.uid) => {}
            Job::Clone { owner, url, lease, .. } | Job::Fetch { owner, url, lease, .. } => {
                self.fetch(owner, url);
                if let Some(reference) = lease {
                    self.bring_lease(owner, url, reference);
                }
            }
            Job::Lease { owner, url, reference, machine, .. } => {
                let place = (remote_id(url), reference.clone());
                match machine {
                    Some(machine) => {
                        let id = Oid(format!("{:040x}", self.jobs.len()));
                        let lease = Lease { id, holder: owner.uid.clone(), machine: machine.clone(), at };
                        self.leases.insert(place, lease);
                    }
                    None => drop(self.leases.remove(&place)),
                }
                self.bring_lease(owner, url, reference);
            }
            Job::Push { owner: rig, url, branch, to, force, .. } => {
                if let Some(remote) = self.remotes.get_mut(&remote_id(url)) {
                    remote.branches.insert(branch.clone(), to.clone());
                }
                if let Some(clone) = self.clones.get_mut(&rig.uid) {
                    if *force {
                        clone.own.insert(branch.clone(), to.clone());
                        clone.targets.insert(branch.clone(), to.clone());
                    } else {
                        clone.pushed.insert(branch.clone(), to.clone());
                    }
                }
            }
            Job::RemoveBranch { owner: rig, url, branch, pushed, .. } => {
                let Some(clone) = self.clones.get_mut(&rig.uid) else { return };
                let is_ours = clone.own.remove(branch).as_ref() == Some(pushed);
                clone.targets.remove(branch);
                if !is_ours {
                    self.violated(format!("{branch} was removed, and the town had not made it"));
                }
                if let Some(remote) = self.remotes.get_mut(&remote_id(url)) {
                    remote.branches.remove(branch);
                }
            }
            Job::Setup { .. } | Job::Verify { .. } | Job::Notify { .. } | Job::Gate { .. } => {}
        }
    }
}
