//! What has left a branch of the remote: commits that it held, or that the town pushed to it, and that a fetch no longer found.
//!
//! `refs/gt/left/<branch>/<tip>` keeps each tip that the branch was moved away from, until the branch holds it again. It is
//! written before a fetch moves the branch and taken back after it, so that a crash between them loses nothing.
//! `refs/gt/pushed/<branch>` is the tip of a push that no fetch has confirmed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gastown_controllers::seen::Oid;
use git2::Repository;

use super::facts::{TARGETS, oid};
use super::message::merge_request;
use crate::git::history::History;
use crate::git::{Git, GitError};

const LEFT: &str = "refs/gt/left/";
const PUSHED: &str = "refs/gt/pushed/";
/// The prefix of the town's own branches, which it moves as it likes.
const OWN_PREFIX: &str = "gastown/";

/// Commits of a move that are looked at, the newest first.
const COMMITS_MAX: usize = 1000;
/// Tips that are kept of a branch, the newest by their date: one that people rewrite all the time keeps a few.
const TIPS_MAX: usize = 20;

/// Tips by branch.
type Tips = BTreeMap<String, BTreeSet<git2::Oid>>;

/// The tips that a fetch may move branches away from.
pub(super) struct Before {
    /// Where the branches are, as last fetched, without the town's own.
    targets: BTreeMap<String, git2::Oid>,
    /// The same, with the town's own.
    there: BTreeMap<String, git2::Oid>,
    /// The tips of pushes that no fetch has confirmed yet.
    pushed: BTreeMap<String, git2::Oid>,
    /// The tags, as last fetched.
    tags: BTreeMap<String, git2::Oid>,
    /// Those, what was pushed, and what has left before.
    all: Tips,
}

/// Commits, with the merge request that each names.
type Commits = BTreeMap<Oid, Option<String>>;

/// What has left the target of each rig, with the target's tip and the tips that were looked at: worked out once for them.
pub(in crate::git) type Known = BTreeMap<String, (git2::Oid, BTreeSet<git2::Oid>, Commits)>;

/// The tips that a branch was moved away from.
pub(super) fn tips(repo: &Repository, branch: &str) -> Result<BTreeSet<git2::Oid>, git2::Error> {
    Ok(of(repo, LEFT)?.remove(branch).unwrap_or_default())
}

/// The commits of these tips that have left a branch.
pub(super) fn commits(repo: &Repository, tips: &BTreeSet<git2::Oid>, tip: git2::Oid) -> Result<Commits, git2::Error> {
    let mut found = BTreeMap::new();
    for left in tips {
        for id in since(repo, *left, [tip])? {
            let commit = repo.find_commit(id)?;
            found.insert(oid(id), merge_request(commit.message_raw_bytes()));
        }
    }
    Ok(found)
}

/// Reads them.
pub(super) fn before(repo: &Repository) -> Result<Before, git2::Error> {
    let (there, pushed) = (named(repo, TARGETS)?, named(repo, PUSHED)?);
    let mut targets = there.clone();
    targets.retain(|branch, _| !branch.starts_with(OWN_PREFIX));
    let mut all = of(repo, LEFT)?;
    for (branch, tip) in targets.iter().map(|(branch, tip)| (branch.clone(), *tip)).chain(pushed.clone()) {
        all.entry(branch).or_default().insert(tip);
    }
    Ok(Before { targets, there, pushed, tags: named(repo, "refs/tags/")?, all })
}

impl Before {
    /// How the refs change, if nothing has changed at the remote but what the town pushed there: then all of it is here.
    pub(super) fn only_pushed(&self, listed: &BTreeMap<&str, &str>, tags: &BTreeMap<&str, &str>) -> Option<String> {
        let is = |tips: &BTreeMap<String, git2::Oid>, branch: &str, at: &str| {
            tips.get(branch).is_some_and(|tip| tip.to_string() == at)
        };
        let moved: Vec<_> = listed.iter().filter(|(branch, at)| !is(&self.there, branch, at)).collect();
        let same_tags = self.tags.len() == tags.len() && tags.iter().all(|(tag, at)| is(&self.tags, tag, at));
        let none_is_gone = self.there.keys().all(|branch| listed.contains_key(branch.as_str()));
        let all_pushed = moved.iter().all(|(branch, at)| is(&self.pushed, branch, at));
        let line =
            |(branch, at): &&(&&str, &&str)| format!("update {TARGETS}{branch} {at}\ndelete {PUSHED}{branch} {at}\n");
        (same_tags && none_is_gone && all_pushed && !moved.is_empty())
            .then(|| moved.iter().map(|it| line(&it)).collect())
    }
}

/// What each ref below a prefix names.
fn named(repo: &Repository, prefix: &str) -> Result<BTreeMap<String, git2::Oid>, git2::Error> {
    let mut found = BTreeMap::new();
    for reference in repo.references_glob(&format!("{prefix}*"))? {
        let reference = reference?;
        let (Ok(name), Some(tip)) = (reference.name(), reference.target()) else { continue };
        found.insert(name.strip_prefix(prefix).unwrap_or_default().to_owned(), tip);
    }
    Ok(found)
}

/// The refs below a prefix that end with the commit they name, by what stands between.
fn of(repo: &Repository, prefix: &str) -> Result<Tips, git2::Error> {
    let mut found = Tips::new();
    for reference in repo.references_glob(&format!("{prefix}*"))? {
        let reference = reference?;
        let (Ok(name), Some(tip)) = (reference.name(), reference.target()) else { continue };
        if let Some((branch, _)) = name.strip_prefix(prefix).and_then(|rest| rest.rsplit_once('/')) {
            found.entry(branch.to_owned()).or_default().insert(tip);
        }
    }
    Ok(found)
}

/// The newest commits of a tip that none of the others holds.
fn since(
    repo: &Repository,
    tip: git2::Oid,
    others: impl IntoIterator<Item = git2::Oid>,
) -> Result<Vec<git2::Oid>, git2::Error> {
    let others: Vec<_> = others.into_iter().collect();
    let all = History::of(repo)?.between(tip, &others)?;
    Ok(all.into_iter().rev().take(COMMITS_MAX).collect())
}

impl Git {
    /// Notes the tip of a push, until a fetch has found it.
    pub(in crate::git) fn note_pushed(&self, clone: &Path, branch: &str, to: &Oid) -> Result<(), GitError> {
        let call = self.call_in(clone, format!("note what was pushed to {branch}"));
        call.args(["update-ref", &format!("{PUSHED}{branch}"), &to.0]).run().map(drop)
    }

    /// Keeps the tips of all branches that the remote has elsewhere: `listed` is where it has them.
    pub(super) fn keep_tips(
        &self,
        repo: &Path,
        before: &Before,
        listed: &BTreeMap<&str, &str>,
    ) -> Result<(), GitError> {
        let is_there = |branch: &str, tip: git2::Oid| listed.get(branch).is_some_and(|at| *at == tip.to_string());
        let moved = before.targets.iter().filter(|(branch, tip)| !is_there(branch, **tip));
        let lines: Vec<_> = moved.map(|(branch, tip)| format!("update {LEFT}{branch}/{tip} {tip}\n")).collect();
        self.update_refs(repo, lines.concat())
    }

    /// Lets go of the tips that their branches hold after a fetch, and of those that nobody misses.
    pub(super) fn settle_tips(&self, repo: &Path, before: &Before) -> Result<(), GitError> {
        let read = |source| GitError::Read { doing: "see what has left the remote's branches".to_owned(), source };
        let lines = Self::settled(repo, before).map_err(read)?;
        self.update_refs(repo, lines)
    }

    fn settled(repo: &Path, before: &Before) -> Result<String, git2::Error> {
        let repo = Repository::open_bare(repo)?;
        let history = History::of(&repo)?;
        let (there, pushed) = (named(&repo, TARGETS)?, named(&repo, PUSHED)?);
        let (mut lines, kept) = (Vec::new(), of(&repo, LEFT)?);
        for (branch, tips) in &before.all {
            let mut left = Vec::new();
            for tip in tips {
                let stays = match there.get(branch) {
                    Some(now) => !history.reaches(*now, *tip)?,
                    // A branch that is gone is missed for what landed on it alone.
                    None => since(&repo, *tip, there.values().copied())?.iter().any(|id| names_one(&repo, *id)),
                };
                if stays {
                    left.push((repo.find_commit(*tip)?.time().seconds(), *tip));
                }
            }
            left.sort_unstable();
            let left: BTreeSet<_> = left.into_iter().rev().take(TIPS_MAX).map(|(_, tip)| tip).collect();
            let had = kept.get(branch).cloned().unwrap_or_default();
            lines.extend(left.difference(&had).map(|tip| format!("update {LEFT}{branch}/{tip} {tip}\n")));
            lines.extend(had.difference(&left).map(|tip| format!("delete {LEFT}{branch}/{tip}\n")));
            // One that was made since says nothing of this fetch yet.
            if pushed.get(branch).is_some_and(|tip| tips.contains(tip)) {
                lines.push(format!("delete {PUSHED}{branch}\n"));
            }
        }
        Ok(lines.concat())
    }

    pub(super) fn update_refs(&self, repo: &Path, lines: String) -> Result<(), GitError> {
        if lines.is_empty() {
            return Ok(());
        }
        self.call_in(repo, "note what leaves the remote's branches")
            .args(["update-ref", "--stdin"])
            .stdin(lines)
            .run()?;
        Ok(())
    }
}

fn names_one(repo: &Repository, commit: git2::Oid) -> bool {
    repo.find_commit(commit).is_ok_and(|commit| merge_request(commit.message_raw_bytes()).is_some())
}
