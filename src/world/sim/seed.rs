//! A world that begins as another is observed: its clones, worktrees, sessions, attempts and jobs.
//!
//! Of a repository only what controllers see is there: the target, what landed on it, what the town pushed, and what was
//! handed in. Its commits have their real names, and stand in a history that was made up to hold them.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{
    Attempt, Frozen, Job, JobKey, JobState, LandedBead, Machine, Owner, RepoFacts, Sandbox, SandboxFacts, SandboxId,
    Session, remote_id,
};
use jiff::Timestamp;

use super::commits::{Commit, Tree};
use super::freezable::Brake;
use super::jobs::Begun;
use super::sandbox::{Live, Worktree};
use super::{SimWorld, State};

/// The branch of a remote of which nothing is known.
const BRANCH: &str = "main";

/// A world as it is observed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// The machine.
    pub machine: Machine,
    /// The repositories.
    pub repositories: Vec<Repository>,
    /// The sandboxes, with the object whose repository each is of.
    pub sandboxes: Vec<(SandboxId, Owner, SandboxFacts)>,
    /// The attempts at objects, by uid.
    pub attempts: BTreeMap<String, Vec<Attempt>>,
    /// The jobs on record.
    pub jobs: Vec<(Job, JobState)>,
    /// The jobs among them that were begun last on their tracks.
    pub newest: BTreeSet<JobKey>,
}

/// A repository as it is observed.
#[derive(Debug, Clone)]
pub struct Repository {
    /// The object whose repository it is.
    pub owner: Owner,
    /// The address of its remote.
    pub url: String,
    /// The clone; nothing is cloned where it says so.
    pub facts: RepoFacts,
    /// The commits that branches began at.
    pub began: BTreeSet<Oid>,
    /// The tips that were handed in, and where each began.
    pub handed_in: Vec<(Oid, Oid)>,
}

/// The bead and the merge request that a commit is of.
type Landed = (String, String);

impl SimWorld {
    /// Puts in what is observed of another world. For one that is empty; must be called in a tokio runtime, as jobs that
    /// run go on.
    pub fn seed(&self, observed: Observed) {
        let Observed { machine, repositories, sandboxes, attempts, jobs, newest } = observed;
        let now = self.now();
        let mut running = Vec::new();
        {
            let mut state = self.state();
            state.machine = Some(machine);
            for repository in repositories {
                state.seed_repository(repository);
            }
            for (id, owner, facts) in sandboxes {
                state.seed_sandbox(&id, &owner, facts, now);
            }
            for (uid, attempts) in attempts {
                state.attempts.insert(uid, attempts.into_iter().map(|it| (it.attempt, it)).collect());
            }
            for (job, job_state) in jobs {
                let key = job.key();
                if newest.contains(&key) {
                    state.newest.insert(job.track().id(remote_id), key.clone());
                }
                if job_state == JobState::Running {
                    running.push((job.clone(), key.clone()));
                }
                state.jobs.insert(key, Begun { job, at: now, state: job_state });
            }
        }
        for (job, key) in running {
            self.goes_on(&job, key);
        }
    }

    /// There is a repository at an address, with this branch: the one that is there, else a copy of `like`, else a new one.
    pub fn ensure_remote(&self, url: &str, branch: Option<&str>, like: Option<&str>) {
        let mut state = self.state();
        let tree = state.commits.put_tree(Tree::new());
        let (message, author) = ("first".to_owned(), "somebody".to_owned());
        let first = state.commits.put(Commit { parent: None, tree, message, author, landed: None, date: 0 });
        let copy = like.and_then(|like| state.remotes.get(&remote_id(like))).cloned().unwrap_or_default();
        let remote = state.remotes.entry(remote_id(url)).or_insert(copy);
        if remote.head.is_empty() {
            branch.unwrap_or(BRANCH).clone_into(&mut remote.head);
        }
        let tip = remote.branches.get(&remote.head).cloned().unwrap_or(first);
        remote.branches.entry(branch.unwrap_or(&remote.head).to_owned()).or_insert(tip);
    }
}

impl State {
    fn seed_repository(&mut self, repository: Repository) {
        let Repository { owner, url, facts, began, handed_in } = repository;
        let RepoFacts { cloned, branch, target, target_tree, landed, beads, own, left } = facts;
        if !cloned {
            return;
        }
        let of = |request: &str| (String::new(), request.to_owned());
        let mut branches = BTreeMap::new();
        let clone = self.clones.entry(owner.uid.clone()).or_default();
        clone.head.clone_from(&branch);
        if let (Some(branch), Some(target)) = (&branch, &target) {
            let mut seeded: BTreeMap<Oid, (Landed, i64)> =
                landed.iter().map(|(request, oid)| (oid.clone(), (of(request), 0))).collect();
            for (bead, LandedBead { commit, at }) in beads {
                let ((of, _), date) = seeded.entry(commit).or_default();
                (*of, *date) = (bead, at.as_second());
            }
            self.seed_history(began, &seeded, target, target_tree);
            branches.insert(branch.clone(), target.clone());
        }
        for (head, base) in handed_in {
            let mut files = self.commits.tree_of(&base);
            files.insert(format!("handed-in/{head}"), String::new());
            self.seed_commit(&head, Some(base), files, None);
            self.take_in(&owner.uid, &head);
        }
        for (name, own) in own {
            self.seed_commit(&own.pushed, target.clone(), Tree::new(), own.of.as_deref().map(|it| (of(it), 0)));
            self.take_in(&owner.uid, &own.pushed);
            if let Some(there) = own.there {
                self.seed_commit(&there, target.clone(), Tree::new(), None);
                branches.insert(name.clone(), there);
            }
            if let Some(clone) = self.clones.get_mut(&owner.uid) {
                clone.own.insert(name, own.pushed);
            }
        }
        for (oid, request) in left {
            self.seed_commit(&oid, None, Tree::new(), request.as_deref().map(|it| (of(it), 0)));
            self.take_in(&owner.uid, &oid);
            if let (Some(clone), Some(branch)) = (self.clones.get_mut(&owner.uid), &branch) {
                clone.miss(branch, oid);
            }
        }
        for tip in branches.values() {
            self.take_in(&owner.uid, tip);
        }
        if let Some(clone) = self.clones.get_mut(&owner.uid) {
            clone.targets.clone_from(&branches);
        }
        // Two rigs may have one remote.
        let remote = self.remotes.entry(remote_id(&url)).or_default();
        if remote.head.is_empty() {
            remote.head = branch.unwrap_or_else(|| BRANCH.to_owned());
        }
        remote.branches.extend(branches);
    }

    /// A line of commits that leads to a target: first where branches began, then what has landed.
    fn seed_history(
        &mut self,
        began: BTreeSet<Oid>,
        landed: &BTreeMap<Oid, (Landed, i64)>,
        target: &Oid,
        tree: Option<Oid>,
    ) {
        let mut line: Vec<Oid> = began.into_iter().filter(|oid| !landed.contains_key(oid) && oid != target).collect();
        line.extend(landed.keys().filter(|oid| *oid != target).cloned());
        line.push(target.clone());
        let (mut parent, mut files) = (None, Tree::new());
        for oid in line {
            // A commit that changes nothing would be one that is merged already, whatever it is.
            files = Tree::from([("at".to_owned(), oid.0.clone())]);
            self.seed_commit(&oid, parent, files.clone(), landed.get(&oid).cloned());
            parent = Some(oid);
        }
        if let Some(tree) = tree {
            self.commits.name_tree_of(target, tree, files);
        }
    }

    /// There is a commit of this name; of what landed, with its date in seconds since 1970.
    fn seed_commit(&mut self, name: &Oid, parent: Option<Oid>, files: Tree, landed: Option<(Landed, i64)>) {
        if self.commits.get(name).is_none() {
            let tree = self.commits.put_tree(files);
            let (message, author) = ("observed".to_owned(), "somebody".to_owned());
            let parent = parent.filter(|parent| parent != name);
            let (landed, date) = landed.unzip();
            let date = date.unwrap_or_default();
            self.commits.put_as(name.clone(), Commit { parent, tree, message, author, landed, date });
        }
    }

    fn seed_sandbox(&mut self, id: &SandboxId, owner: &Owner, facts: SandboxFacts, now: Timestamp) {
        let SandboxFacts { sandbox, session, runtime, frozen, activity: _ } = facts;
        if let Some(Sandbox { prepared, branch, base, made }) = sandbox {
            let files = self.commits.tree_of(&base);
            let (rig_uid, tip) = (owner.uid.clone(), base.clone());
            self.take_in(&owner.uid, &base);
            self.worktrees.insert(id.uid.clone(), Worktree { rig_uid, prepared, branch, base, made, files, tip });
        }
        if let Session::Running { owner_uid, attempt } = session {
            let brake = Brake::default();
            brake.set(frozen != Frozen::No);
            let (name, bead) = (id.name.clone(), owner_uid.clone());
            let live = Live { name, bead, owner_uid, attempt, runtime, since: now, may_end: false, agent: None, brake };
            self.sessions.insert(id.uid.clone(), live);
        }
    }
}
