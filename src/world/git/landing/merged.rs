//! How much of what was handed in a target holds, whoever merged it and in whichever way.
//!
//! All of it is there if the commit that the town made is an ancestor of the target; if one commit makes the whole change (a
//! squash); if the whole change, or each of its commits, changes nothing there any more; or if each commit is there by its
//! patch or as an edit. An edit is a commit that names the merge request and touches the same files: of the commit that it
//! shares author, date and title with, as after a rebase or an amend; else, as after a squash, of all. A name alone proves
//! nothing: one commit of two may have been picked.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{AskMerged, Merged};
use git2::{Commit, Repository, Tree};

use super::patch::{Patch, before};
use crate::git::clone::facts::{holds, oid, target};
use crate::git::clone::message::{mentions, mentions_any, merge_request};
use crate::git::history::History;
use crate::git::{Git, GitError};

/// Commits of a target that are looked through, the newest first.
const SINCE_COMMITS_MAX: usize = 1000;
/// Commits of a branch that are looked for one by one; as many as are replayed one by one.
const BRANCH_COMMITS_MAX: usize = 50;
/// Answers that are remembered.
const KNOWN_MAX: usize = 1000;

/// Answers, by the question and the target's tip: asked again at each look, they are worked out once.
pub(in crate::git) type Known = BTreeMap<AskMerged, (git2::Oid, Merged)>;

impl Git {
    /// How much of a merge request the target holds, as last fetched.
    pub fn merged(&self, asked: &AskMerged) -> Result<Merged, GitError> {
        if !self.layout.bare_clone(&asked.owner.uid).exists() {
            return Ok(Merged::No);
        }
        let repo = self.open(&asked.owner)?;
        let doing = || format!("look for {} on the target of rig `{}`", asked.merge_request, asked.owner.name);
        self.find_merged(&repo, asked).map_err(|source| GitError::Read { doing: doing(), source })
    }

    fn find_merged(&self, repo: &Repository, asked: &AskMerged) -> Result<Merged, git2::Error> {
        let (_, Some(tip)) = target(repo, asked.branch.as_deref())? else { return Ok(Merged::No) };
        // What a thread that panicked left there is still whole: it is only ever replaced.
        let known = || self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, merged)) = known().get(asked).filter(|(at, _)| *at == tip.id()) {
            return Ok(merged.clone());
        }
        let at = tip.id();
        let merged = Search { git: self, repo, asked, tip }.run()?;
        let mut known = known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(asked.clone(), (at, merged.clone()));
        Ok(merged)
    }
}

/// A search on one target.
struct Search<'a> {
    git: &'a Git,
    repo: &'a Repository,
    asked: &'a AskMerged,
    tip: Commit<'a>,
}

/// A commit and its change.
struct Change<'a> {
    commit: Commit<'a>,
    patch: Arc<Patch>,
}

impl Change<'_> {
    /// What a rebase and an amend leave as it is.
    fn identity(&self) -> (Vec<u8>, Vec<u8>, i64, Option<Vec<u8>>) {
        let author = self.commit.author();
        let title = self.commit.summary_bytes().map(<[u8]>::to_vec);
        (author.name_bytes().to_vec(), author.email_bytes().to_vec(), author.when().seconds(), title)
    }

    fn id(&self) -> Oid {
        oid(self.commit.id())
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

impl<'a> Search<'a> {
    fn run(&self) -> Result<Merged, git2::Error> {
        if let Some(made) = self.asked.made.as_ref().filter(|made| holds(self.repo, made)) {
            let id = git2::Oid::from_str(&made.0)?;
            if History::of(self.repo)?.reaches(self.tip.id(), id)? {
                return Ok(Merged::All { landed: Some(made.clone()) });
            }
        }
        let versions = [self.made()?, self.handed_in()?];
        let since = self.since()?;
        let mentioned = |change: &&Change| mentions(change.commit.message_raw_bytes(), &self.asked.merge_request);
        let naming: Vec<&Change> = since.iter().filter(mentioned).collect();
        let named = naming.first().map(|change| change.id());
        let mut least: Option<(Vec<String>, usize)> = None;
        for version in versions.iter().filter(|version| !version.is_empty()) {
            if let Some(squash) = self.squash_of(version, &since)? {
                return Ok(Merged::All { landed: named.or(Some(squash)) });
            }
            let mut missing = Vec::new();
            let mut last = None;
            for change in version {
                match self.became(change, version, &since, &naming)? {
                    Became::Commit(commit) => last = Some(commit),
                    Became::Nothing => {}
                    Became::Missing => missing.push(title(&change.commit)),
                }
            }
            if missing.is_empty() {
                return Ok(Merged::All { landed: named.or(last) });
            }
            if self.changes_nothing_whole(version)? {
                return Ok(Merged::All { landed: named });
            }
            if least.as_ref().is_none_or(|(fewer, _)| missing.len() < fewer.len()) {
                least = Some((missing, version.len()));
            }
        }
        if let Some((missing, of)) = least.filter(|_| !naming.is_empty()) {
            return Ok(Merged::Part { missing, of });
        }
        // Only what was left for people can have been edited by them.
        let left = if self.asked.made.is_some() { &versions[..] } else { &[] };
        for version in left {
            if let Some(commit) = self.edit_of(version, &since)? {
                return Ok(Merged::Like { commit });
            }
        }
        Ok(Merged::No)
    }

    /// The commit that could be an edit of the whole change, though it names nothing that the town has made.
    fn edit_of(&self, version: &[Change], since: &[Change]) -> Result<Option<Oid>, git2::Error> {
        let (Some(first), Some(last)) = (version.first(), version.last()) else { return Ok(None) };
        let whole = Patch::between(self.repo, before(&first.commit)?.as_ref(), &last.commit.tree()?)?;
        let is_it = |change: &&Change| !mentions_any(change.commit.message_raw_bytes()) && change.patch.is_like(&whole);
        Ok(since.iter().find(is_it).map(Change::id))
    }

    /// The commits that the town last made of it, oldest first: those before the tip that name the merge request.
    fn made(&self) -> Result<Vec<Change<'a>>, git2::Error> {
        let Some(made) = self.asked.made.as_ref().filter(|made| holds(self.repo, made)) else { return Ok(Vec::new()) };
        let mut next = Some(self.repo.find_commit(git2::Oid::from_str(&made.0)?)?);
        let mut found = Vec::new();
        let is_of_it =
            |commit: &Commit| merge_request(commit.message_raw_bytes()).as_ref() == Some(&self.asked.merge_request);
        while let Some(commit) = next.filter(|commit| found.len() < BRANCH_COMMITS_MAX && is_of_it(commit)) {
            next = if commit.parent_count() == 1 { Some(commit.parent(0)?) } else { None };
            found.push(self.change(commit)?);
        }
        found.reverse();
        Ok(found)
    }

    /// The commits that were handed in, oldest first; none if they land as one.
    fn handed_in(&self) -> Result<Vec<Change<'a>>, git2::Error> {
        if !holds(self.repo, &self.asked.head) || !holds(self.repo, &self.asked.base) {
            return Ok(Vec::new());
        }
        let [head, base] = [&self.asked.head, &self.asked.base].map(|oid| git2::Oid::from_str(&oid.0));
        let all = History::of(self.repo)?.between(head?, &[base?])?;
        if all.len() > BRANCH_COMMITS_MAX {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for id in all {
            let commit = self.repo.find_commit(id)?;
            if commit.parent_count() != 1 {
                return Ok(Vec::new());
            }
            found.push(self.change(commit)?);
        }
        Ok(found)
    }

    /// The commits of the target since the branch began, newest first.
    fn since(&self) -> Result<Vec<Change<'a>>, git2::Error> {
        let history = History::of(self.repo)?;
        let newest = if holds(self.repo, &self.asked.base) {
            let all = history.between(self.tip.id(), &[git2::Oid::from_str(&self.asked.base.0)?])?;
            all.into_iter().rev().take(SINCE_COMMITS_MAX).collect()
        } else {
            history.newest(self.tip.id(), SINCE_COMMITS_MAX)?
        };
        newest.into_iter().map(|id| self.change(self.repo.find_commit(id)?)).collect()
    }

    fn change(&self, commit: Commit<'a>) -> Result<Change<'a>, git2::Error> {
        let patch = self.git.patches.of(self.repo, &commit)?;
        Ok(Change { commit, patch })
    }

    /// The commit that makes the whole change.
    fn squash_of(&self, version: &[Change], since: &[Change]) -> Result<Option<Oid>, git2::Error> {
        let (Some(first), Some(last)) = (version.first(), version.last()) else { return Ok(None) };
        let whole = Patch::between(self.repo, before(&first.commit)?.as_ref(), &last.commit.tree()?)?;
        // Commits that undo each other change nothing together, and are nowhere for that.
        let is_it = |change: &&Change| !whole.is_empty() && *change.patch == whole;
        Ok(since.iter().find(is_it).map(Change::id))
    }

    /// Whether the whole change, merged into the target, leaves it as it is.
    fn changes_nothing_whole(&self, version: &[Change]) -> Result<bool, git2::Error> {
        let (Some(first), Some(last)) = (version.first(), version.last()) else { return Ok(false) };
        let (from, to) = (before(&first.commit)?, last.commit.tree()?);
        let is_change = from.as_ref().is_some_and(|from| from.id() != to.id());
        Ok(is_change && self.changes_nothing(from.as_ref(), &to)?)
    }

    /// What a commit of the branch became.
    fn became(
        &self,
        change: &Change,
        version: &[Change],
        since: &[Change],
        naming: &[&Change],
    ) -> Result<Became, git2::Error> {
        if change.patch.is_empty() {
            return Ok(Became::Nothing);
        }
        if let Some(same) = since.iter().find(|other| other.patch == change.patch) {
            return Ok(Became::Commit(same.id()));
        }
        if let Some(edit) = naming.iter().find(|edit| is_edit(edit, change, version)) {
            return Ok(Became::Commit(edit.id()));
        }
        let is_there = self.changes_nothing(before(&change.commit)?.as_ref(), &change.commit.tree()?)?;
        Ok(if is_there { Became::Nothing } else { Became::Missing })
    }

    /// Whether a change, merged into the target, leaves it as it is.
    fn changes_nothing(&self, from: Option<&Tree>, to: &Tree) -> Result<bool, git2::Error> {
        let Some(from) = from else { return Ok(false) };
        let ours = self.tip.tree()?;
        let merged = self.repo.merge_trees(from, &ours, to, None)?;
        if merged.has_conflicts() {
            return Ok(false);
        }
        Ok(self.repo.diff_tree_to_index(Some(&ours), Some(&merged), None)?.deltas().len() == 0)
    }
}

/// Whether a commit that names the merge request is an edit of one commit of it.
fn is_edit(edit: &Change, of: &Change, version: &[Change]) -> bool {
    let is_another = version.iter().any(|other| other.commit.id() != of.commit.id() && other.patch == edit.patch);
    let identity = edit.identity();
    let is_its_own = identity == of.identity() || version.iter().all(|other| other.identity() != identity);
    !is_another && is_its_own && of.patch.paths.is_subset(&edit.patch.paths)
}

fn title(commit: &Commit) -> String {
    String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned()
}
