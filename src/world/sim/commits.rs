//! Commits and trees as values: named by their content, merged by lines, replayed as the merge queue does.
//!
//! The same inputs give the same names, as in git; so a crash loses nothing and two runs can be compared.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Replayed};
use gastown_crds::common::Person;
use sha2::{Digest, Sha256};

/// Commits that the search for landed merge requests goes back, as in the real clone.
const LANDED_COMMITS_MAX: usize = 1000;

/// A tree: what each path holds.
pub type Tree = BTreeMap<String, String>;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its parent; none for the first one. There are no merges here.
    pub parent: Option<Oid>,
    /// Its tree's name.
    pub tree: Oid,
    /// What it says.
    pub message: String,
    /// Who wrote it.
    pub author: String,
    /// The trailers that the queue adds: the bead and the merge request.
    pub landed: Option<(String, String)>,
    /// Seconds since 1970: what tells two commits of the same content apart.
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

    /// Whether one is the other, or before it.
    pub fn is_before(&self, earlier: &Oid, later: &Oid) -> bool {
        self.history(later).any(|(name, _)| name == earlier)
    }

    /// Which commit each merge request became last, among those that lead to a target.
    pub fn landed(&self, target: &Oid) -> BTreeMap<String, Oid> {
        let mut landed = BTreeMap::new();
        for (name, commit) in self.history(target).take(LANDED_COMMITS_MAX) {
            if let Some((_, request)) = &commit.landed {
                landed.entry(request.clone()).or_insert_with(|| name.clone());
            }
        }
        landed
    }

    /// Replays candidates onto a commit, in order; `there` tells of each whether the clone holds its commits.
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

/// Merges two trees that come from one, or names the files where both changed the same.
pub fn merge(base: &Tree, ours: &Tree, theirs: &Tree) -> Result<Tree, Vec<String>> {
    let paths: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let (mut merged, mut conflicts) = (Tree::new(), Vec::new());
    for path in paths {
        match merge_file(base.get(path), ours.get(path), theirs.get(path)) {
            Ok(Some(text)) => {
                merged.insert(path.clone(), text);
            }
            Ok(None) => {}
            Err(()) => conflicts.push(path.clone()),
        }
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

fn merge_file(base: Option<&String>, ours: Option<&String>, theirs: Option<&String>) -> Result<Option<String>, ()> {
    if ours == theirs || theirs == base {
        return Ok(ours.cloned());
    }
    if ours == base {
        return Ok(theirs.cloned());
    }
    let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) else { return Err(()) };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let merged = merge_lines(&lines(base), &lines(ours), &lines(theirs)).ok_or(())?;
    Ok(Some(merged.iter().flat_map(|line| [line.as_str(), "\n"]).collect()))
}

/// Where the lines were only changed in place, each line is merged by itself; else the two changed stretches must be apart.
fn merge_lines(base: &[String], ours: &[String], theirs: &[String]) -> Option<Vec<String>> {
    if base.len() == ours.len() && base.len() == theirs.len() {
        let each = base.iter().zip(ours).zip(theirs);
        return each
            .map(|((base, ours), theirs)| match (ours == base, theirs == base) {
                (true, _) => Some(theirs.clone()),
                (_, true) => Some(ours.clone()),
                _ => (ours == theirs).then(|| ours.clone()),
            })
            .collect();
    }
    let (mine, other) = (stretch(base, ours), stretch(base, theirs));
    let (first, second) =
        if mine.start <= other.start { ((mine, ours), (other, theirs)) } else { ((other, theirs), (mine, ours)) };
    if first.0.end >= second.0.start {
        return None;
    }
    let new = |(stretch, text): &(std::ops::Range<usize>, &[String])| {
        text[stretch.start..text.len() - (base.len() - stretch.end)].to_vec()
    };
    let parts = [
        base[..first.0.start].to_vec(),
        new(&first),
        base[first.0.end..second.0.start].to_vec(),
        new(&second),
        base[second.0.end..].to_vec(),
    ];
    Some(parts.concat())
}

/// The lines of `base` that `new` replaces: what is left between the longest equal beginning and end.
fn stretch(base: &[String], new: &[String]) -> std::ops::Range<usize> {
    let start = base.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = base.len().min(new.len()) - start;
    let end = base.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    start..base.len() - end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::from([("a".to_owned(), text.to_owned())])
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Result<String, Vec<String>> {
        merge(&tree(base), &tree(ours), &tree(theirs)).map(|mut t| t.remove("a").unwrap_or_default())
    }

    #[test]
    fn changes_of_different_lines_merge_and_of_the_same_line_conflict() {
        assert_eq!(merged("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n").unwrap(), "one\n2\nthree\n");
        assert_eq!(merged("1\n2\n3\n", "one\n2\n3\n", "uno\n2\n3\n").unwrap_err(), ["a"]);
        assert_eq!(merged("1\n", "one\n", "one\n").unwrap(), "one\n");
    }

    #[test]
    fn lines_put_in_at_the_top_and_at_the_end_merge_and_at_one_place_conflict() {
        assert_eq!(merged("1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n").unwrap(), "0\n1\n2\n3\n4\n");
        assert_eq!(merged("1\n2\n", "1\n2\n3\n", "1\n2\n4\n5\n").unwrap_err(), ["a"]);
        assert_eq!(merged("1\n2\n3\n", "3\n", "1\n2\n3\n4\n").unwrap(), "3\n4\n");
    }

    #[test]
    fn a_file_taken_away_here_and_changed_there_conflicts() {
        assert_eq!(merge(&tree("1\n"), &Tree::new(), &tree("2\n")).unwrap_err(), ["a"]);
        assert_eq!(merge(&tree("1\n"), &Tree::new(), &tree("1\n")).unwrap(), Tree::new());
    }
}
