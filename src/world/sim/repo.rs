//! Repositories: remotes, the town's clones with what was last fetched, and the refs that keep work reachable.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{ActError, Candidate, Lease, OwnBranch, Owner, Replayed, RepoFacts, remote_id};
use gastown_crds::common::Person;

use super::State;
use super::sources::Tip;
use crate::git::GitError;

/// Somebody else's repository.
#[derive(Debug, Default, Clone)]
pub(super) struct Remote {
    /// The branch its HEAD names.
    pub(super) head: String,
    pub(super) branches: BTreeMap<String, Oid>,
    /// The branch that somebody works on in this very repository, and whether anything of it is uncommitted.
    pub(super) checked_out: Option<(String, bool)>,
    /// Somebody else has moved a branch back.
    pub(super) was_reset: bool,
}

/// The town's clone of it.
#[derive(Debug, Default)]
pub(super) struct Clone {
    pub(super) head: Option<String>,
    /// `refs/gt/target/*`: the remote's branches as last fetched.
    pub(super) targets: BTreeMap<String, Oid>,
    /// Polecats' branches, as they began, were handed in, or were left.
    pub(super) heads: BTreeMap<String, Oid>,
    /// `refs/gt/own/*`: what the town last pushed to branches of its own.
    pub(super) own: BTreeMap<String, Oid>,
    /// `refs/gt/pushed/*`: what was pushed to a branch and not found there by a fetch yet.
    pub(super) pushed: BTreeMap<String, Oid>,
    /// `refs/gt/left/*`: the tips that a branch was moved away from.
    left: BTreeMap<String, BTreeSet<Oid>>,
    /// What a source declares there, as last fetched: the address, with the commit and its tree.
    pub(super) declared: Option<(String, Tip)>,
    /// The lease of the source whose clone it is, as last fetched.
    pub(super) lease: Option<Lease>,
    /// `refs/gt/archive/*`.
    pub(super) archive: BTreeMap<String, Oid>,
    /// `refs/gt/rescue/*`, oldest first.
    pub(super) rescued: Vec<Oid>,
    /// Every commit that it ever got. Nothing is collected.
    holds: BTreeSet<Oid>,
}

impl Clone {
    /// Whether it holds a commit.
    pub(super) fn holds(&self, commit: &Oid) -> bool {
        self.holds.contains(commit)
    }

    /// A commit has left a branch.
    pub(super) fn miss(&mut self, branch: &str, tip: Oid) {
        self.left.entry(branch.to_owned()).or_default().insert(tip);
    }
}

impl State {
    pub(super) fn repo(&self, rig: &Owner, branch: Option<&str>) -> RepoFacts {
        let Some(clone) = self.clones.get(&rig.uid) else { return RepoFacts::default() };
        let branch = branch.map(str::to_owned).or_else(|| clone.head.clone());
        let target = branch.as_ref().and_then(|branch| clone.targets.get(branch)).cloned();
        RepoFacts {
            cloned: true,
            target_tree: target.as_ref().and_then(|target| self.commits.get(target)).map(|c| c.tree.clone()),
            landed: target.as_ref().map(|target| self.commits.landed(target)).unwrap_or_default(),
            beads: target.as_ref().map(|target| self.commits.landed_beads(target)).unwrap_or_default(),
            own: self.own(clone),
            left: self.left(clone, branch.as_ref()),
            branch,
            target,
        }
    }

    /// The branches of the town's own.
    fn own(&self, clone: &Clone) -> BTreeMap<String, OwnBranch> {
        let own = |(branch, pushed): (&String, &Oid)| {
            let of = self.commits.get(pushed).and_then(|commit| commit.landed.clone()).map(|(_, request)| request);
            let there = clone.targets.get(branch).cloned();
            (branch.clone(), OwnBranch { pushed: pushed.clone(), of, there })
        };
        clone.own.iter().map(own).collect()
    }

    /// The commits that have left a branch, with the merge request that each names.
    fn left(&self, clone: &Clone, branch: Option<&String>) -> BTreeMap<Oid, Option<String>> {
        let Some((branch, target)) = branch.and_then(|branch| Some((branch, clone.targets.get(branch)?))) else {
            return BTreeMap::new();
        };
        let tips = clone.left.get(branch).into_iter().flatten();
        let gone =
            tips.flat_map(|tip| self.commits.history(tip).take_while(|(id, _)| !self.commits.is_before(id, target)));
        gone.map(|(id, commit)| (id.clone(), commit.landed.as_ref().map(|(_, request)| request.clone()))).collect()
    }

    /// Notes after a fetch what its branches were moved away from: a branch that is gone is missed for what landed on it.
    fn note_left(&mut self, rig: &Owner, before: &BTreeMap<String, Oid>) {
        let Some(clone) = self.clones.get(&rig.uid) else { return };
        let mut all = clone.left.clone();
        for (branch, tip) in before.iter().chain(&clone.pushed) {
            if !branch.starts_with("gastown/") {
                all.entry(branch.clone()).or_default().insert(tip.clone());
            }
        }
        for (branch, tips) in &mut all {
            tips.retain(|tip| {
                if let Some(now) = clone.targets.get(branch) {
                    !self.commits.is_before(tip, now)
                } else {
                    let is_held = |id: &Oid| clone.targets.values().any(|other| self.commits.is_before(id, other));
                    let mut gone = self.commits.history(tip).take_while(|(id, _)| !is_held(id));
                    gone.any(|(_, commit)| commit.landed.is_some())
                }
            });
        }
        all.retain(|_, tips| !tips.is_empty());
        if let Some(clone) = self.clones.get_mut(&rig.uid) {
            clone.left = all;
            clone.pushed.clear();
        }
    }

    /// Takes in what a remote holds now.
    pub(super) fn fetch(&mut self, rig: &Owner, url: &str) {
        if let Some(tip) = self.declared_tip(url) {
            self.clones.entry(rig.uid.clone()).or_default().declared = Some((url.to_owned(), tip));
        }
        let Some(remote) = self.remotes.get(&remote_id(url)) else { return };
        let (head, branches, was_reset) = (remote.head.clone(), remote.branches.clone(), remote.was_reset);
        let clone = self.clones.entry(rig.uid.clone()).or_default();
        let before = std::mem::replace(&mut clone.targets, branches.clone());
        clone.head = Some(head).filter(|head| branches.contains_key(head));
        for (branch, is) in branches {
            // The town's own branches are rebuilt on a new target; and one that is gone was deleted by people.
            let own = branch.starts_with("gastown/");
            if !own && !was_reset && before.get(&branch).is_some_and(|was| !self.commits.is_before(was, &is)) {
                self.violated(format!("`{branch}` of {} did not move forward", rig.name));
            }
            self.take_in(&rig.uid, &is);
        }
        self.note_left(rig, &before);
    }

    /// From now on a rig's clone holds a commit and all before it.
    pub(super) fn take_in(&mut self, rig_uid: &str, tip: &Oid) {
        let Some(clone) = self.clones.get_mut(rig_uid) else { return };
        for (name, _) in self.commits.history(tip) {
            if !clone.holds.insert(name.clone()) {
                break;
            }
        }
    }

    /// Whether a rig's clone holds a commit.
    pub(super) fn holds(&self, rig: &Owner, commit: &Oid) -> bool {
        self.clones.get(&rig.uid).is_some_and(|clone| clone.holds(commit))
    }

    /// Refuses, as git does, what is to be read from a clone that is not there or does not hold it.
    pub(super) fn find(&self, rig: &Owner, commit: &Oid) -> Result<(), GitError> {
        if !self.clones.contains_key(&rig.uid) {
            return Err(GitError::NotCloned { rig: rig.name.clone() });
        }
        if self.holds(rig, commit) {
            return Ok(());
        }
        let source = git2::Error::from_str("there is no such commit");
        Err(GitError::Read { doing: format!("find commit {}", commit.short()), source })
    }

    pub(super) fn ensure_replay(
        &mut self,
        rig: &Owner,
        key: &str,
        onto: &Oid,
        candidates: &[Candidate],
        committer: &Person,
    ) -> Result<(), ActError> {
        if self.replays.contains_key(key) {
            return Ok(());
        }
        self.find(rig, onto)?;
        let there = |candidate: &Candidate| self.holds(rig, &candidate.head) && self.holds(rig, &candidate.base);
        let there: Vec<bool> = candidates.iter().map(there).collect();
        let results = self.commits.replay(onto, candidates, &there, committer);
        for result in &results {
            if let Replayed::Clean { commit, tree: _ } = result {
                self.take_in(&rig.uid, commit);
            }
        }
        self.replays.insert(key.to_owned(), (rig.uid.clone(), results));
        Ok(())
    }

    pub(super) fn archive(&mut self, rig: &Owner, name: &str, head: &Oid) -> Result<(), ActError> {
        match self.find(rig, head) {
            // Here it is a ref that is to be set, which git itself refuses.
            Err(GitError::Read { doing, source }) => {
                return Err(GitError::Refused { doing, code: 128, complaint: source.to_string() }.into());
            }
            other => other?,
        }
        let Some(clone) = self.clones.get_mut(&rig.uid) else { return Ok(()) };
        if let Some(other) = clone.archive.insert(name.to_owned(), head.clone()).filter(|before| before != head) {
            self.violated(format!("archive {name} was moved from {}", other.short()));
        }
        Ok(())
    }

    /// Rescues a tip that nothing would reach any more once a branch has moved to `start`.
    pub(super) fn keep(&mut self, rig_uid: &str, tip: &Oid, moving: Option<(&str, &Oid)>) {
        let Some(clone) = self.clones.get(rig_uid) else { return };
        let stays = clone.heads.iter().filter(|(branch, _)| moving.is_none_or(|(moves, _)| moves != *branch));
        let mut refs = stays.map(|(_, oid)| oid).chain(moving.map(|(_, start)| start));
        let mut more = clone.targets.values().chain(clone.archive.values()).chain(&clone.rescued);
        let reaches = |from: &Oid| self.commits.is_before(tip, from);
        if !refs.any(reaches) && !more.any(reaches) {
            self.rescued(rig_uid, tip.clone());
        }
    }

    /// A commit has a rescue ref from now on.
    pub(super) fn rescued(&mut self, rig_uid: &str, commit: Oid) {
        self.take_in(rig_uid, &commit);
        if let Some(clone) = self.clones.get_mut(rig_uid)
            && !clone.rescued.contains(&commit)
        {
            clone.rescued.push(commit);
        }
    }

    /// Notes what was handed in and is no longer kept by any ref. A rescue does not count: it is for what was not handed in.
    pub(super) fn check_heads(&mut self, when: &str) {
        let lost: Vec<Oid> = self
            .handed_in
            .iter()
            .filter(|(rig, head)| !self.clones.get(rig).is_some_and(|clone| self.is_kept(clone, head)))
            .map(|(_, head)| head.clone())
            .collect();
        for head in lost {
            self.violated(format!("{} was handed in and is reachable no more, {when}", head.short()));
        }
    }

    fn is_kept(&self, clone: &Clone, head: &Oid) -> bool {
        let mut refs = clone.heads.values().chain(clone.archive.values()).chain(clone.targets.values());
        refs.any(|tip| self.commits.is_before(head, tip))
    }
}
