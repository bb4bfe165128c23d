//! Commits and trees as values: named by their content, merged by lines, replayed as the merge queue does.
//!
//! The same inputs give the same names, as in git; so a crash loses nothing and two runs can be compared.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, LandedBead, Replayed};
use gastown_crds::common::Person;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::merge::merge;

/// Commits that the search for landed merge requests goes back, as in the real clone.
const LANDED_COMMITS_MAX: usize = 1000;

/// A tree: what each path holds.
pub type Tree = BTreeMap<String, String>;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its parent; none for the first one. There are no merges here.
    pub parent: Option<Oid>,
    /// The name of its tree.
    pub tree: Oid,
    /// The message.
    pub message: String,
    /// The author's name.
    pub author: String,
    /// The trailers that the queue adds: the bead and the merge request.
    pub landed: Option<(String, String)>,
    /// Seconds since 1970: two commits of the same content differ in it.
    pub date: i64,
}

/// Every commit and tree there ever was.
#[derive(Debug, Default)]
pub struct Commits {
    commits: BTreeMap<Oid, Commit>,
    trees: BTreeMap<Oid, Tree>,
}

/// The name of a content: 40 hex characters.
fn oid(kind: &str, content: &str) -> Oid {
    let digest = Sha256::new().chain_update(kind).chain_update([0]).chain_update(content).finalize();
    Oid(data_encoding::HEXLOWER.encode(&digest[..20]))
}

impl Commits {
    /// Keeps a tree.
    pub fn put_tree(&mut self, tree: Tree) -> Oid {
        let name = oid("tree", &format!("{tree:?}"));
        self.trees.insert(name.clone(), tree);
        name
    }

    /// Keeps a commit.
    pub fn put(&mut self, commit: Commit) -> Oid {
        let name = oid("commit", &format!("{commit:?}"));
        self.commits.insert(name.clone(), commit);
        name
    }

    /// Keeps a commit under the name that it has elsewhere.
    pub fn put_as(&mut self, name: Oid, commit: Commit) {
        self.commits.insert(name, commit);
    }

    /// Keeps the tree of a commit under the name that it has elsewhere.
    pub fn name_tree_of(&mut self, commit: &Oid, name: Oid, tree: Tree) {
        if let Some(commit) = self.commits.get_mut(commit) {
            commit.tree = name.clone();
            self.trees.insert(name, tree);
        }
    }

    /// A commit; none if there never was one of this name.
    pub fn get(&self, commit: &Oid) -> Option<&Commit> {
        self.commits.get(commit)
    }

    /// The tree of a commit; empty if there is no such commit.
    pub fn tree_of(&self, commit: &Oid) -> Tree {
        self.commits.get(commit).and_then(|c| self.trees.get(&c.tree)).cloned().unwrap_or_default()
    }

    /// The tree of this name.
    pub fn tree(&self, tree: &Oid) -> Option<&Tree> {
        self.trees.get(tree)
    }

    /// A commit and all before it, newest first.
    pub fn history<'a>(&'a self, from: &Oid) -> impl Iterator<Item = (&'a Oid, &'a Commit)> {
        let first = self.commits.get_key_value(from);
        std::iter::successors(first, |(_, commit)| self.commits.get_key_value(commit.parent.as_ref()?))
    }

    /// Whether `earlier` is `later`, or an ancestor of it.
    pub fn is_before(&self, earlier: &Oid, later: &Oid) -> bool {
        self.history(later).any(|(name, _)| name == earlier)
    }

    /// The last commit of each merge request, among those that lead to a target.
    pub fn landed(&self, target: &Oid) -> BTreeMap<String, Oid> {
        let mut landed = BTreeMap::new();
        for (name, commit) in self.history(target).take(LANDED_COMMITS_MAX) {
            if let Some((_, request)) = &commit.landed {
                landed.entry(request.clone()).or_insert_with(|| name.clone());
            }
        }
        landed
    }

    /// The last commit of each bead, among the same.
    pub fn landed_beads(&self, target: &Oid) -> BTreeMap<String, LandedBead> {
        let mut landed = BTreeMap::new();
        for (name, commit) in self.history(target).take(LANDED_COMMITS_MAX) {
            if let Some((bead, _)) = &commit.landed {
                let at = Timestamp::from_second(commit.date).unwrap_or(Timestamp::UNIX_EPOCH);
                landed.entry(bead.clone()).or_insert_with(|| LandedBead { commit: name.clone(), at });
            }
        }
        landed
    }

    /// Replays candidates onto a commit, in order; `there` says for each whether the clone holds its commits.
    pub fn replay(
        &mut self,
        onto: &Oid,
        candidates: &[Candidate],
        there: &[bool],
        committer: &Person,
    ) -> Vec<Replayed> {
        let mut tip = onto.clone();
        let mut results = Vec::new();
        for (candidate, there) in candidates.iter().zip(there) {
            if !there {
                results.push(Replayed::Missing);
                continue;
            }
            let before = tip.clone();
            results.push(match self.land(onto, &before, candidate, committer) {
                Ok(new) if new == before => Replayed::Empty,
                Ok(new) => {
                    tip.clone_from(&new);
                    let tree = self.commits.get(&new).map(|c| c.tree.clone());
                    tree.map_or(Replayed::Empty, |tree| Replayed::Clean { commit: new, tree })
                }
                Err(files) => Replayed::Conflict { files },
            });
        }
        results
    }

    fn land(&mut self, onto: &Oid, tip: &Oid, candidate: &Candidate, committer: &Person) -> Result<Oid, Vec<String>> {
        let hidden: BTreeSet<&Oid> =
            self.history(&candidate.base).chain(self.history(onto)).map(|(name, _)| name).collect();
        let mut own: Vec<Commit> = self
            .history(&candidate.head)
            .take_while(|(name, _)| !hidden.contains(name))
            .map(|(_, commit)| commit.clone())
            .collect();
        own.reverse();
        let mut tip = tip.clone();
        for commit in own {
            let parent = commit.parent.as_ref().map(|p| self.tree_of(p)).unwrap_or_default();
            let theirs = self.trees.get(&commit.tree).cloned().unwrap_or_default();
            let ours = self.tree_of(&tip);
            let merged = merge(&parent, &ours, &theirs)?;
            if merged == ours {
                continue;
            }
            let tree = self.put_tree(merged);
            tip = self.put(Commit {
                parent: Some(tip),
                tree,
                message: format!("{}\n\ncommitted by {} <{}>", commit.message, committer.name, committer.email),
                author: commit.author,
                landed: Some((candidate.bead.clone(), candidate.merge_request.clone())),
                date: candidate.date.as_second(),
            });
        }
        Ok(tip)
    }
}
