//! Repositories: remotes, the town's clones with what was last fetched, and the refs that keep work reachable.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{ActError, Candidate, RepoFacts, RigId};
use gastown_crds::common::Person;

use super::commits::{Commit, Commits, Tree};
use super::{SimWorld, State, refused};

/// Somebody else's repository.
#[derive(Debug, Default)]
pub(super) struct Remote {
    /// The branch its HEAD names.
    pub(super) head: String,
    pub(super) branches: BTreeMap<String, Oid>,
}

/// The town's clone of it.
#[derive(Debug, Default)]
pub(super) struct Clone {
    pub(super) head: Option<String>,
    /// `refs/gt/target/*`: the remote's branches as last fetched.
    pub(super) targets: BTreeMap<String, Oid>,
    /// Polecats' branches.
    pub(super) heads: BTreeMap<String, Oid>,
    /// `refs/gt/archive/*`.
    pub(super) archive: BTreeMap<String, Oid>,
    /// What was rescued, oldest first.
    pub(super) rescued: Vec<Oid>,
}

impl SimWorld {
    /// A remote with one commit on its `main` branch.
    pub fn add_remote(&self, url: &str, tree: Tree) -> Oid {
        let mut state = self.state();
        let tree = state.commits.put_tree(tree);
        let message = "first".to_owned();
        let first = Commit { parent: None, tree, message, author: "somebody".to_owned(), landed: None, date: 0 };
        let first = state.commits.put(first);
        let branches = BTreeMap::from([("main".to_owned(), first.clone())]);
        state.remotes.insert(url.to_owned(), Remote { head: "main".to_owned(), branches });
        first
    }

    /// Somebody else pushes to a remote's branch.
    pub fn push_from_outside(&self, url: &str, branch: &str, edit: impl FnOnce(&mut Tree)) {
        let date = self.now().as_second();
        let mut state = self.state();
        let parent = state.remotes.get(url).and_then(|remote| remote.branches.get(branch)).cloned();
        let mut tree = parent.as_ref().map(|parent| state.commits.tree_of(parent)).unwrap_or_default();
        edit(&mut tree);
        let tree = state.commits.put_tree(tree);
        let message = "from outside".to_owned();
        let commit = Commit { parent, tree, message, author: "somebody".to_owned(), landed: None, date };
        let commit = state.commits.put(commit);
        if let Some(remote) = state.remotes.get_mut(url) {
            remote.branches.insert(branch.to_owned(), commit);
        }
    }

    /// What a remote's branch holds.
    pub fn remote_tree(&self, url: &str, branch: &str) -> Option<Tree> {
        let state = self.state();
        let tip = state.remotes.get(url)?.branches.get(branch)?;
        Some(state.commits.tree_of(tip))
    }

    /// The bead and the merge request of each commit that landed on a remote's branch, oldest first.
    pub fn landed(&self, url: &str, branch: &str) -> Vec<(String, String)> {
        let state = self.state();
        let tip = state.remotes.get(url).and_then(|remote| remote.branches.get(branch));
        let mut landed: Vec<_> =
            tip.into_iter().flat_map(|tip| state.commits.history(tip)).filter_map(|(_, c)| c.landed.clone()).collect();
        landed.reverse();
        landed
    }
}

impl State {
    pub(super) fn repo(&self, rig: &RigId, branch: Option<&str>) -> RepoFacts {
        let Some(clone) = self.clones.get(&rig.uid) else { return RepoFacts::default() };
        let branch = branch.map(str::to_owned).or_else(|| clone.head.clone());
        let target = branch.as_ref().and_then(|branch| clone.targets.get(branch)).cloned();
        RepoFacts {
            cloned: true,
            target_tree: target.as_ref().and_then(|target| self.commits.get(target)).map(|c| c.tree.clone()),
            landed: target.as_ref().map(|target| self.commits.landed(target)).unwrap_or_default(),
            branch,
            target,
        }
    }

    /// Takes in what a remote holds now.
    pub(super) fn fetch(&mut self, rig: &RigId, url: &str) {
        let Some(remote) = self.remotes.get(url) else { return };
        let (head, branches) = (remote.head.clone(), remote.branches.clone());
        let clone = self.clones.entry(rig.uid.clone()).or_default();
        let before = std::mem::replace(&mut clone.targets, branches.clone());
        clone.head = Some(head);
        for (branch, was) in before {
            // The town's own branches are rebuilt on a new target, and deleted by whoever merges them.
            let own = branch.starts_with("gastown/");
            if !own && !branches.get(&branch).is_some_and(|is| self.commits.is_before(&was, is)) {
                self.violated(format!("`{branch}` of {} did not move forward", rig.name));
            }
        }
    }

    pub(super) fn ensure_replay(
        &mut self,
        rig: &RigId,
        key: &str,
        onto: &Oid,
        candidates: &[Candidate],
        committer: &Person,
    ) -> Result<(), ActError> {
        if self.replays.contains_key(key) {
            return Ok(());
        }
        let clone = self.clones.get(&rig.uid).ok_or_else(|| refused("there is no clone"))?;
        if self.commits.get(onto).is_none() {
            return Err(refused("there is no such commit"));
        }
        let is_there = |commit: &Oid| clone.holds(&self.commits, commit);
        let there: Vec<bool> = candidates.iter().map(|c| is_there(&c.head) && is_there(&c.base)).collect();
        let results = self.commits.replay(onto, candidates, &there, committer);
        self.replays.insert(key.to_owned(), results);
        Ok(())
    }

    pub(super) fn archive(&mut self, rig: &RigId, name: &str, head: &Oid) -> Result<(), ActError> {
        let Some(clone) = self.clones.get_mut(&rig.uid) else { return Err(refused("there is no clone")) };
        if let Some(other) = clone.archive.insert(name.to_owned(), head.clone()).filter(|before| before != head) {
            self.violated(format!("archive {name} was moved from {}", other.short()));
        }
        Ok(())
    }

    /// Notes what was handed in and is no longer kept by any ref. A rescue does not count: it is for what was not handed in.
    pub(super) fn check_heads(&mut self, when: &str) {
        let lost: Vec<Oid> = self
            .handed_in
            .iter()
            .filter(|(rig, head)| !self.clones.get(rig).is_some_and(|clone| clone.holds(&self.commits, head)))
            .map(|(_, head)| head.clone())
            .collect();
        for head in lost {
            self.violated(format!("{} was handed in and is reachable no more, {when}", head.short()));
        }
    }
}

impl Clone {
    /// Whether a commit is reachable from a branch, an archived head or a target.
    fn holds(&self, commits: &Commits, commit: &Oid) -> bool {
        let mut refs = self.heads.values().chain(self.archive.values()).chain(self.targets.values());
        refs.any(|tip| commits.is_before(commit, tip))
    }
}
