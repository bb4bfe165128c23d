//! How much of what was handed in a target holds, by the rules of the real adapter: see its `landing/merged.rs`.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{AskMerged, Merged};

use super::State;
use super::commits::{Commit, Tree};
use super::merge::{Edits, edits, merge};

/// A commit and its change.
struct Change<'a> {
    id: Oid,
    commit: &'a Commit,
    patch: BTreeMap<String, Edits>,
}

impl Change<'_> {
    /// What a rebase and an amend leave as it is.
    fn identity(&self) -> (&str, &str) {
        (&self.commit.author, self.commit.message.lines().next().unwrap_or_default())
    }
}

/// What became of a commit on the target.
enum Became {
    /// This commit.
    Commit(Oid),
    /// No commit of its own: it changes nothing there.
    Nothing,
    /// It is not there.
    Missing,
}

impl State {
    /// How much of a merge request the target holds, as last fetched.
    pub(super) fn merged(&self, asked: &AskMerged) -> Merged {
        let Some(clone) = self.clones.get(&asked.owner.uid) else { return Merged::No };
        let branch = asked.branch.as_ref().or(clone.head.as_ref());
        let Some(target) = branch.and_then(|branch| clone.targets.get(branch)) else { return Merged::No };
        let made = asked.made.as_ref().filter(|made| clone.holds(made));
        if let Some(made) = made.filter(|made| self.commits.is_before(made, target)) {
            return Merged::All { landed: Some(made.clone()) };
        }
        let is_of_it = |commit: &Commit| commit.landed.as_ref().is_some_and(|(_, name)| *name == asked.merge_request);
        let made = made.map(|made| self.changes(made, |_, commit| is_of_it(commit))).unwrap_or_default();
        let is_there = clone.holds(&asked.head) && clone.holds(&asked.base);
        let handed_in = if is_there { self.changes(&asked.head, |id, _| *id != asked.base) } else { Vec::new() };
        let since = self.changes(target, |id, _| !self.commits.is_before(id, &asked.base));
        let naming: Vec<&Change> = since.iter().rev().filter(|change| is_of_it(change.commit)).collect();
        let named = naming.first().map(|change| change.id.clone());
        let ours = self.commits.tree_of(target);
        let mut least: Option<(Vec<String>, usize)> = None;
        for version in [&made, &handed_in].into_iter().filter(|version| !version.is_empty()) {
            if let Some(squash) = self.squash_of(version, &since) {
                return Merged::All { landed: named.or(Some(squash)) };
            }
            let (mut missing, mut last) = (Vec::new(), None);
            for change in version {
                match self.became(change, version, &since, &naming, &ours) {
                    Became::Commit(commit) => last = Some(commit),
                    Became::Nothing => {}
                    Became::Missing => missing.push(change.identity().1.to_owned()),
                }
            }
            if missing.is_empty() {
                return Merged::All { landed: named.or(last) };
            }
            if self.changes_nothing_whole(version, &ours) {
                return Merged::All { landed: named };
            }
            if least.as_ref().is_none_or(|(fewer, _)| missing.len() < fewer.len()) {
                least = Some((missing, version.len()));
            }
        }
        if let Some((missing, of)) = least.filter(|_| !naming.is_empty()) {
            return Merged::Part { missing, of };
        }
        let left = if asked.made.is_some() { &[made, handed_in][..] } else { &[] };
        let like = left.iter().find_map(|version| self.edit_of(version, &since));
        like.map_or(Merged::No, |commit| Merged::Like { commit })
    }

    /// The commit that could be an edit of the whole change, though it names nothing that the town has made.
    fn edit_of(&self, version: &[Change], since: &[Change]) -> Option<Oid> {
        let (from, to) = self.ends(version)?;
        let whole = edits(&from, &to);
        let added = |patch: &BTreeMap<String, Edits>| -> BTreeSet<(String, String)> {
            let lines = patch.iter().flat_map(|(path, edits)| edits.iter().map(move |(_, new)| (path, new)));
            lines.flat_map(|(path, new)| new.iter().map(|line| (path.clone(), line.clone()))).collect()
        };
        let wanted = added(&whole);
        let is_it = |change: &&Change| {
            let covers = whole.keys().all(|path| change.patch.contains_key(path));
            let common = added(&change.patch).intersection(&wanted).count();
            change.commit.landed.is_none() && covers && !wanted.is_empty() && common * 2 >= wanted.len()
        };
        since.iter().rev().find(is_it).map(|change| change.id.clone())
    }

    /// The commits from a tip backwards for as long as they are taken, oldest first.
    fn changes(&self, tip: &Oid, takes: impl Fn(&Oid, &Commit) -> bool) -> Vec<Change<'_>> {
        let history = self.commits.history(tip).take_while(|(id, commit)| takes(id, commit));
        let found = history.map(|(id, commit)| {
            let patch = edits(&self.before(commit), &self.commits.tree_of(id));
            Change { id: id.clone(), commit, patch }
        });
        let mut found: Vec<_> = found.collect();
        found.reverse();
        found
    }

    fn before(&self, commit: &Commit) -> Tree {
        commit.parent.as_ref().map(|parent| self.commits.tree_of(parent)).unwrap_or_default()
    }

    /// The tree that a branch began from, and the one that it came to.
    fn ends(&self, version: &[Change]) -> Option<(Tree, Tree)> {
        Some((self.before(version.first()?.commit), self.commits.tree_of(&version.last()?.id)))
    }

    /// The commit that makes the whole change.
    fn squash_of(&self, version: &[Change], since: &[Change]) -> Option<Oid> {
        let (from, to) = self.ends(version)?;
        let whole = edits(&from, &to);
        since.iter().find(|change| !whole.is_empty() && change.patch == whole).map(|change| change.id.clone())
    }

    /// Whether the whole change, merged into the target, leaves it as it is.
    fn changes_nothing_whole(&self, version: &[Change], ours: &Tree) -> bool {
        let ends = self.ends(version).filter(|(from, to)| from != to);
        ends.is_some_and(|(from, to)| merge(&from, ours, &to).is_ok_and(|merged| merged == *ours))
    }

    /// What a commit of the branch became.
    fn became(&self, change: &Change, version: &[Change], since: &[Change], naming: &[&Change], ours: &Tree) -> Became {
        if change.patch.is_empty() {
            return Became::Nothing;
        }
        if let Some(same) = since.iter().find(|other| other.patch == change.patch) {
            return Became::Commit(same.id.clone());
        }
        if let Some(edit) = naming.iter().find(|edit| is_edit(edit, change, version)) {
            return Became::Commit(edit.id.clone());
        }
        let (from, to) = (self.before(change.commit), self.commits.tree_of(&change.id));
        let is_there = merge(&from, ours, &to).is_ok_and(|merged| merged == *ours);
        if is_there { Became::Nothing } else { Became::Missing }
    }
}

/// Whether a commit that names the merge request is an edit of one commit of it.
fn is_edit(edit: &Change, of: &Change, version: &[Change]) -> bool {
    let is_another = version.iter().any(|other| other.id != of.id && other.patch == edit.patch);
    let identity = edit.identity();
    let is_its_own = identity == of.identity() || version.iter().all(|other| other.identity() != identity);
    !is_another && is_its_own && of.patch.keys().all(|path| edit.patch.contains_key(path))
}
