//! A simulated world's remotes as people use them, and what tests may read beside the adapter's answers.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, remote_id};

use super::SimWorld;
use super::commits::{Commit, Tree};
use super::merge::merge;
use super::repo::Remote;

impl SimWorld {
    /// A remote with one commit on its `main` branch.
    pub fn add_remote(&self, url: &str, tree: Tree) -> Oid {
        self.add_empty_remote(url);
        let mut state = self.state();
        let tree = state.commits.put_tree(tree);
        let message = "first".to_owned();
        let first = Commit { parent: None, tree, message, author: "somebody".to_owned(), landed: None, date: 0 };
        let first = state.commits.put(first);
        if let Some(remote) = state.remotes.get_mut(&remote_id(url)) {
            remote.branches.insert("main".to_owned(), first.clone());
        }
        first
    }

    /// A remote without a branch; its HEAD names `main`.
    pub fn add_empty_remote(&self, url: &str) {
        let remote = Remote { head: "main".to_owned(), ..Remote::default() };
        self.state().remotes.insert(remote_id(url), remote);
    }

    /// Somebody else pushes to a remote's branch; one that is not there begins where HEAD is.
    pub fn push_from_outside(&self, url: &str, branch: &str, edit: impl FnOnce(&mut Tree)) {
        let date = self.now().as_second();
        let mut state = self.state();
        let at = |branch: &str| state.remotes.get(&remote_id(url))?.branches.get(branch).cloned();
        let head = state.remotes.get(&remote_id(url)).map(|remote| remote.head.clone()).unwrap_or_default();
        let parent = at(branch).or_else(|| at(&head));
        let mut tree = parent.as_ref().map(|parent| state.commits.tree_of(parent)).unwrap_or_default();
        edit(&mut tree);
        let tree = state.commits.put_tree(tree);
        let message = "from outside".to_owned();
        let commit = Commit { parent, tree, message, author: "somebody".to_owned(), landed: None, date };
        let commit = state.commits.put(commit);
        if let Some(remote) = state.remotes.get_mut(&remote_id(url)) {
            remote.branches.insert(branch.to_owned(), commit);
        }
    }

    /// Somebody else takes a commit over onto a remote's branch, as `git cherry-pick` does, and may edit it. Without `names`
    /// its message is another, which does not say what it came from.
    pub fn pick_from_outside(&self, url: &str, branch: &str, picked: &Oid, names: bool, edit: impl FnOnce(&mut Tree)) {
        let Some(Commit { parent: Some(from), message, author, landed, .. }) = self.commit(picked) else { return };
        let message = if names { message } else { "picked".to_owned() };
        self.merge_from_outside(url, branch, (&from, picked), edit, |commit| Commit {
            message,
            author,
            landed: landed.filter(|_| names),
            ..commit
        });
    }

    /// Somebody else merges all that a commit has beyond a remote's branch as one commit, and may edit it. With `names` it
    /// says what it came from.
    pub fn squash_from_outside(
        &self,
        url: &str,
        branch: &str,
        squashed: &Oid,
        names: bool,
        edit: impl FnOnce(&mut Tree),
    ) {
        let from = {
            let state = self.state();
            let Some(tip) = state.remotes.get(&remote_id(url)).and_then(|remote| remote.branches.get(branch)) else {
                return;
            };
            let mut shared = state.commits.history(squashed).map(|(id, _)| id);
            let Some(from) = shared.find(|id| state.commits.is_before(id, tip)) else { return };
            from.clone()
        };
        let landed = self.commit(squashed).and_then(|commit| commit.landed).filter(|_| names);
        self.merge_from_outside(url, branch, (&from, squashed), edit, |commit| Commit { landed, ..commit });
    }

    fn merge_from_outside(
        &self,
        url: &str,
        branch: &str,
        (from, to): (&Oid, &Oid),
        edit: impl FnOnce(&mut Tree),
        said: impl FnOnce(Commit) -> Commit,
    ) {
        let date = self.now().as_second();
        let mut state = self.state();
        let Some(tip) = state.remotes.get(&remote_id(url)).and_then(|remote| remote.branches.get(branch)).cloned()
        else {
            return;
        };
        let commits = &mut state.commits;
        // Somebody who merges by hand ends every conflict somehow: here, by taking what is merged.
        let theirs = commits.tree_of(to);
        let mut tree = merge(&commits.tree_of(from), &commits.tree_of(&tip), &theirs).unwrap_or(theirs);
        edit(&mut tree);
        let tree = commits.put_tree(tree);
        let (message, author) = ("from outside".to_owned(), "somebody".to_owned());
        let commit = commits.put(said(Commit { parent: Some(tip), tree, message, author, landed: None, date }));
        if let Some(remote) = state.remotes.get_mut(&remote_id(url)) {
            remote.branches.insert(branch.to_owned(), commit);
        }
    }

    /// Somebody else moves a remote's branch to any commit.
    pub fn reset_from_outside(&self, url: &str, branch: &str, to: &Oid) {
        if let Some(remote) = self.state().remotes.get_mut(&remote_id(url)) {
            remote.was_reset = true;
            remote.branches.insert(branch.to_owned(), to.clone());
        }
    }

    /// A remote never answers: jobs that ask it do not end.
    pub fn hang_remote(&self, url: &str) {
        self.state().hanging.insert(remote_id(url));
    }

    /// Somebody else deletes a remote's branch.
    pub fn delete_from_outside(&self, url: &str, branch: &str) {
        if let Some(remote) = self.state().remotes.get_mut(&remote_id(url)) {
            remote.branches.remove(branch);
        }
    }

    /// Somebody has a remote's branch checked out in that very repository; `dirty`: with changes to it.
    pub fn check_out_outside(&self, url: &str, branch: &str, dirty: bool) {
        if let Some(remote) = self.state().remotes.get_mut(&remote_id(url)) {
            remote.checked_out = Some((branch.to_owned(), dirty));
        }
    }

    /// The commit that a remote's branch is at.
    pub fn remote_tip(&self, url: &str, branch: &str) -> Option<Oid> {
        self.state().remotes.get(&remote_id(url))?.branches.get(branch).cloned()
    }

    /// A remote's branches, and the commits that they are at.
    pub fn branches(&self, url: &str) -> BTreeMap<String, Oid> {
        self.state().remotes.get(&remote_id(url)).map(|remote| remote.branches.clone()).unwrap_or_default()
    }

    /// The tree of a remote's branch.
    pub fn remote_tree(&self, url: &str, branch: &str) -> Option<Tree> {
        let state = self.state();
        let tip = state.remotes.get(&remote_id(url))?.branches.get(branch)?;
        Some(state.commits.tree_of(tip))
    }

    /// The bead and the merge request of each commit that landed on a remote's branch, oldest first.
    pub fn landed(&self, url: &str, branch: &str) -> Vec<(String, String)> {
        let state = self.state();
        let tip = state.remotes.get(&remote_id(url)).and_then(|remote| remote.branches.get(branch));
        let mut landed: Vec<_> =
            tip.into_iter().flat_map(|tip| state.commits.history(tip)).filter_map(|(_, c)| c.landed.clone()).collect();
        landed.reverse();
        landed
    }

    /// The refs that keep commits reachable in a rig's clone, beside what was fetched: `heads/…`, `archive/…`, `rescue/…`.
    pub fn refs(&self, rig: &Owner) -> BTreeMap<String, Oid> {
        let state = self.state();
        let Some(clone) = state.clones.get(&rig.uid) else { return BTreeMap::new() };
        let named = |kind: &'static str| move |(name, oid): (&String, &Oid)| (format!("{kind}/{name}"), oid.clone());
        let rescued = clone.rescued.iter().map(|oid| (format!("rescue/{oid}"), oid.clone()));
        clone
            .heads
            .iter()
            .map(named("heads"))
            .chain(clone.archive.iter().map(named("archive")))
            .chain(rescued)
            .collect()
    }

    /// A sandbox's commit is handed in: the clone has it, as its branch. None if there is none.
    pub fn hand_in(&self, sandbox_uid: &str) -> Option<Oid> {
        self.state().hand_in(sandbox_uid)
    }

    /// A commit, wherever it is.
    pub fn commit(&self, commit: &Oid) -> Option<Commit> {
        self.state().commits.get(commit).cloned()
    }

    /// A tree, wherever it is.
    pub fn tree(&self, tree: &Oid) -> Option<Tree> {
        self.state().commits.tree(tree).cloned()
    }
}
