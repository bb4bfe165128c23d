//! The replay of what was handed in onto a commit: the same inputs give the same commits, on any machine, at any time.
//!
//! Each commit C is merged as `merge-tree` of C with a throw-away commit that holds our tree so far and has C's own
//! parent: the merge base is then that parent, as in a rebase (`--merge-base` would need git 2.40). Nothing that a user
//! has configured takes part; what the repository says in `.gitattributes` at `onto` does.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Owner, Replayed};
use gastown_crds::common::Person;
use git2::{Commit, Repository, Signature, TreeWalkMode, TreeWalkResult};
use serde::{Deserialize, Serialize};

use crate::git::clone::facts::{holds, oid};
use crate::git::clone::message::with_trailers;
use crate::git::history::History;
use crate::git::landing::squash;
use crate::git::program::Call;
use crate::git::{Git, GitError, read_record, write_by_rename};

/// Commits that one candidate may bring; a branch with more lands as one squashed commit, within the time of an act.
const COMMITS_MAX: usize = 50;

impl Git {
    /// The replay of `candidates` onto `onto` is recorded under `key`.
    pub fn replay(
        &self,
        rig: &Owner,
        key: &str,
        onto: &Oid,
        candidates: &[Candidate],
        committer: &Person,
    ) -> Result<(), GitError> {
        if self.replayed(key)?.is_some() {
            return Ok(());
        }
        let repo = self.open(rig)?;
        let clone = self.layout.bare_clone(&rig.uid);
        let onto = find(&repo, &onto.0).map_err(|source| reading("find the commit to replay onto", source))?;
        let attributes = attributes(&repo, &onto)?;
        let mut replay = Replay {
            git: self,
            repo: &repo,
            clone: &clone,
            attributes: attributes.path(),
            onto: onto.id(),
            tip: onto.id(),
            committer,
        };
        let results = candidates.iter().map(|candidate| replay.land(candidate)).collect::<Result<Vec<_>, _>>()?;
        write_by_rename(&self.layout.replay(key), &Record { rig: rig.clone(), results })
    }

    /// The results of a replay; none if it was not made yet, or if its commits went with the clone they were made in.
    pub fn replayed(&self, key: &str) -> Result<Option<Vec<Replayed>>, GitError> {
        let Some(Record { rig, results }) = read_record(&self.layout.replay(key))? else { return Ok(None) };
        let repo = match self.open(&rig) {
            Err(GitError::NotCloned { .. }) => return Ok(None),
            other => other?,
        };
        let is_there = |result: &Replayed| match result {
            Replayed::Clean { commit, .. } => holds(&repo, commit),
            _ => true,
        };
        Ok(results.iter().all(is_there).then_some(results))
    }
}

/// The record of a replay.
#[derive(Serialize, Deserialize)]
struct Record {
    rig: Owner,
    results: Vec<Replayed>,
}

/// A replay under way.
struct Replay<'a> {
    git: &'a Git,
    repo: &'a Repository,
    clone: &'a Path,
    attributes: &'a Path,
    onto: git2::Oid,
    tip: git2::Oid,
    committer: &'a Person,
}

/// The result of a merge.
enum Merged {
    Tree(git2::Oid),
    Conflict(Vec<String>),
}

impl<'a> Replay<'a> {
    /// Replays one candidate; the tip moves only if all of it applies.
    fn land(&mut self, candidate: &Candidate) -> Result<Replayed, GitError> {
        let read = |source| reading(&format!("read what {} hands in", candidate.merge_request), source);
        if !holds(self.repo, &candidate.head) || !holds(self.repo, &candidate.base) {
            return Ok(Replayed::Missing);
        }
        let head = find(self.repo, &candidate.head.0).map_err(read)?;
        let commits = self.commits(candidate, head.id()).map_err(read)?;
        let is_linear = commits.iter().all(|commit| commit.parent_count() == 1) && commits.len() <= COMMITS_MAX;
        let landed = if is_linear { self.each(candidate, &commits)? } else { self.squash(candidate, &commits, &head)? };
        let tip = match landed {
            Ok(tip) => tip,
            Err(files) => return Ok(Replayed::Conflict { files }),
        };
        if tip == self.tip {
            return Ok(Replayed::Empty);
        }
        self.tip = tip;
        let tree = self.tree_of(tip)?;
        Ok(Replayed::Clean { commit: oid(tip), tree: oid(tree) })
    }

    /// The commits that a candidate brings, oldest first: neither of its base nor of the target already.
    fn commits(&self, candidate: &Candidate, head: git2::Oid) -> Result<Vec<Commit<'a>>, git2::Error> {
        let base = find(self.repo, &candidate.base.0)?.id();
        let ids = History::of(self.repo)?.between(head, &[base, self.onto])?;
        ids.into_iter().map(|id| self.repo.find_commit(id)).collect()
    }

    /// Each commit in turn; those that change nothing any more are dropped.
    fn each(&self, candidate: &Candidate, commits: &[Commit]) -> Result<Result<git2::Oid, Vec<String>>, GitError> {
        let mut tip = self.tip;
        for commit in commits {
            let before = self.tree_of(tip)?;
            let parent = commit.parent_id(0).map_err(|source| reading("read a parent", source))?;
            let tree = if self.tree_of(parent)? == before {
                // Nothing of ours lies between: the merge is the commit's own tree.
                commit.tree_id()
            } else {
                let ours = self.throw_away(before, parent)?;
                match self.merge(&ours, commit.id())? {
                    Merged::Tree(tree) => tree,
                    Merged::Conflict(files) => return Ok(Err(files)),
                }
            };
            if tree != before {
                let encoding = commit.message_encoding().ok().flatten();
                tip = self.commit(candidate, tree, tip, commit, commit.message_raw_bytes(), encoding)?;
            }
        }
        Ok(Ok(tip))
    }

    /// A branch that holds merge commits, as one commit.
    fn squash(
        &self,
        candidate: &Candidate,
        commits: &[Commit],
        head: &Commit,
    ) -> Result<Result<git2::Oid, Vec<String>>, GitError> {
        let tree = match self.merge(&self.tip.to_string(), head.id())? {
            Merged::Tree(tree) => tree,
            Merged::Conflict(files) => return Ok(Err(files)),
        };
        if tree == self.tree_of(self.tip)? {
            return Ok(Ok(self.tip));
        }
        let message = squash::message(&candidate.title, commits, head);
        self.commit(candidate, tree, self.tip, head, message.as_bytes(), None).map(Ok)
    }

    /// A commit that holds our tree and has the other's parent, for the merge to find its base by.
    fn throw_away(&self, tree: git2::Oid, parent: git2::Oid) -> Result<String, GitError> {
        let call = self.call("make a throw-away commit").args(["commit-tree", &tree.to_string()]);
        let call = call.args(["-p", &parent.to_string(), "-m", "replay"]);
        let call = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"].iter().fold(call, |call, name| call.env(name, "replay"));
        let call =
            call.env("GIT_AUTHOR_EMAIL", "replay@town.invalid").env("GIT_COMMITTER_EMAIL", "replay@town.invalid");
        Ok(call.env("GIT_AUTHOR_DATE", "@0 +0000").env("GIT_COMMITTER_DATE", "@0 +0000").run()?.text())
    }

    fn merge(&self, ours: &str, theirs: git2::Oid) -> Result<Merged, GitError> {
        let doing = format!("merge {theirs}");
        let output = self
            .call(&doing)
            // Attributes are read from a work tree; a bare repository has none of its own.
            .env("GIT_DIR", self.clone)
            .env("GIT_WORK_TREE", self.attributes)
            .cwd(self.attributes)
            .args(["merge-tree", "--write-tree", "--allow-unrelated-histories", "-z", "--name-only", "--no-messages"])
            .args([ours, &theirs.to_string()])
            .output()?;
        // 0: clean; 1: conflicts; anything else: it could not run.
        if output.code > 1 {
            return Err(GitError::Refused { doing, code: output.code, complaint: output.complaint() });
        }
        let mut fields = output.stdout.split(|&b| b == 0).map(|field| String::from_utf8_lossy(field).into_owned());
        let tree = fields.next().unwrap_or_default();
        if output.code == 1 {
            let files: BTreeSet<String> = fields.filter(|file| !file.is_empty()).collect();
            return Ok(Merged::Conflict(files.into_iter().collect()));
        }
        parse(&tree).map(Merged::Tree)
    }

    /// Commits `tree` after `parent`, by the author of `of`.
    fn commit(
        &self,
        candidate: &Candidate,
        tree: git2::Oid,
        parent: git2::Oid,
        of: &Commit,
        message: &[u8],
        encoding: Option<&str>,
    ) -> Result<git2::Oid, GitError> {
        let author = of.author();
        let call = self
            .call(format!("commit what {} brings", candidate.merge_request))
            .arg("-c")
            .arg(format!("i18n.commitEncoding={}", encoding.unwrap_or("UTF-8")))
            .args(["commit-tree", &tree.to_string(), "-p", &parent.to_string(), "-F", "-"])
            .stdin(with_trailers(message, &candidate.bead, &candidate.merge_request))
            .env("GIT_AUTHOR_NAME", OsStr::from_bytes(name_of(&author)))
            .env("GIT_AUTHOR_EMAIL", OsStr::from_bytes(author.email_bytes()))
            .env("GIT_AUTHOR_DATE", date_of(&author))
            .env("GIT_COMMITTER_NAME", &self.committer.name)
            .env("GIT_COMMITTER_EMAIL", &self.committer.email)
            .env("GIT_COMMITTER_DATE", format!("@{} +0000", candidate.date.as_second().max(0)));
        parse(&call.run()?.text())
    }

    /// A call on the clone that no user's settings reach.
    fn call(&self, doing: impl Into<String>) -> Call<'_> {
        let call = self.git.call_in(self.clone, doing).isolated();
        call.args(["-c", "core.attributesFile=/dev/null", "-c", "merge.conflictStyle=merge"])
    }

    fn tree_of(&self, commit: git2::Oid) -> Result<git2::Oid, GitError> {
        self.repo.find_commit(commit).map(|c| c.tree_id()).map_err(|source| reading("read a commit", source))
    }
}

/// The `.gitattributes` files of a commit, laid out as in a work tree.
fn attributes(repo: &Repository, commit: &Commit) -> Result<tempfile::TempDir, GitError> {
    let io = |source| GitError::Io { doing: "lay out the target's .gitattributes".to_owned(), source };
    let folder = tempfile::tempdir().map_err(io)?;
    let mut found = Vec::new();
    let walked = commit.tree().and_then(|tree| {
        tree.walk(TreeWalkMode::PreOrder, |parent, entry| {
            if entry.name_bytes() == b".gitattributes" && entry.filemode() & 0o170_000 == 0o100_000 {
                found.push((parent.to_owned(), entry.id()));
            }
            TreeWalkResult::Ok
        })
    });
    walked.map_err(|source| reading("walk the target's tree", source))?;
    for (parent, id) in found {
        let blob = repo.find_blob(id).map_err(|source| reading("read .gitattributes", source))?;
        let place = folder.path().join(parent);
        fs_err::create_dir_all(&place).map_err(io)?;
        fs_err::write(place.join(".gitattributes"), blob.content()).map_err(io)?;
    }
    Ok(folder)
}

/// An author's name; git refuses to commit for an empty one, which older tools have written.
fn name_of<'a>(author: &'a Signature) -> &'a [u8] {
    let name = author.name_bytes();
    if name.iter().any(u8::is_ascii_alphanumeric) || name.iter().any(|b| !b.is_ascii()) { name } else { b"unknown" }
}

fn date_of(author: &Signature) -> String {
    let (seconds, offset) = (author.when().seconds().max(0), author.when().offset_minutes());
    let sign = if offset < 0 { '-' } else { '+' };
    format!("@{seconds} {sign}{:02}{:02}", offset.abs() / 60, offset.abs() % 60)
}

fn find<'a>(repo: &'a Repository, id: &str) -> Result<Commit<'a>, git2::Error> {
    repo.find_commit(git2::Oid::from_str(id)?)
}

fn parse(id: &str) -> Result<git2::Oid, GitError> {
    git2::Oid::from_str(id).map_err(|source| reading("read what git answered", source))
}

fn reading(doing: &str, source: git2::Error) -> GitError {
    GitError::Read { doing: doing.to_owned(), source }
}
