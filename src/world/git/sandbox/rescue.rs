//! Nothing is lost: what a worktree holds uncommitted becomes a commit, and a tip that nothing else reaches gets a ref.
//!
//! Both are named by their content, so that a crash and a second try leave no second copy. The index is worked on as a
//! copy: a lock that a killed git left behind does not matter, and a rescue changes nothing in the worktree.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, SandboxId};

use crate::git::folders::absent;
use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

/// A clone at work: its rig's repository, its lock held.
pub(in crate::git) struct Held<'a> {
    pub clone: &'a Path,
    pub repo_lock: &'a RepoLock,
}

/// The author and committer of a rescue.
const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "Gas Town"),
    ("GIT_AUTHOR_EMAIL", "rescue@town.invalid"),
    ("GIT_COMMITTER_NAME", "Gas Town"),
    ("GIT_COMMITTER_EMAIL", "rescue@town.invalid"),
];

impl Git {
    /// The commit stays reachable as `refs/gt/archive/<name>`.
    pub fn archive(&self, rig: &Owner, name: &str, head: &Oid) -> Result<(), GitError> {
        let repo = self.open(rig)?;
        let reference = format!("refs/gt/archive/{name}");
        if repo.refname_to_id(&reference).is_ok_and(|id| id.to_string() == head.0) {
            return Ok(());
        }
        let repo_lock = self.repo_lock(&rig.uid)?;
        self.set_ref(&Held { clone: &self.layout.bare_clone(&rig.uid), repo_lock: &repo_lock }, &reference, &head.0)
    }

    /// Commits what is uncommitted in a worktree (files that are neither tracked nor ignored included) to
    /// `refs/gt/rescue/<polecat>/<commit>`, if there is anything; gives the tree of all that it holds.
    pub(super) fn rescue(&self, held: &Held, id: &SandboxId, worktree: &Path, entry: &Path) -> Result<Oid, GitError> {
        let doing = |what: &str| format!("{what} the worktree of `{}`", id.name);
        let tip = self
            .call_in(worktree, doing("read the tip of"))
            .args(["show", "--no-patch", "--format=%H %T %ct", "HEAD"])
            .output()?;
        // No commit yet (an orphan branch) is no reason to lose files.
        let tip = if tip.ok() { tip.text() } else { String::new() };
        let mut tip = tip.split(' ');
        let (parent, before, date) = (tip.next(), tip.next(), tip.next().unwrap_or("0"));

        let index = entry.join("gt-rescue-index");
        copy_index(&entry.join("index"), &index)
            .map_err(|source| GitError::Io { doing: doing("copy the index of"), source })?;
        let call =
            |what: &str| self.call_in(worktree, doing(what)).env("GIT_INDEX_FILE", &index).repo_lock(held.repo_lock);
        call("rescue").limit(self.limits.rescue).args(["add", "--all"]).run()?;
        let tree = call("rescue").arg("write-tree").run()?.text();
        absent(fs_err::remove_file(&index)).map_err(|source| GitError::Io { doing: doing("tidy up"), source })?;
        if before.map_or_else(|| is_empty_tree(&tree), |before| before == tree) {
            return Ok(Oid(tree));
        }
        let mut commit = call("rescue").args(["commit-tree", &tree, "-m"]);
        commit = commit.arg(format!("rescue: what was uncommitted in the worktree of {}", id.name));
        if let Some(parent) = parent.filter(|parent| !parent.is_empty()) {
            commit = commit.args(["-p", parent]);
        }
        // The date of the tip, so that the same content gives the same commit.
        let date = format!("@{date} +0000");
        let commit = IDENTITY.iter().fold(commit, |commit, (name, value)| commit.env(name, value));
        let commit = commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).run()?.text();
        self.set_ref(held, &rescue_ref(id, &commit), &commit)?;
        Ok(Oid(tree))
    }

    /// Gives a rescue ref to each of the tips that would be reached by nothing else once `moving` is at `start`.
    pub(super) fn keep(
        &self,
        held: &Held,
        id: &SandboxId,
        tips: &BTreeSet<git2::Oid>,
        moving: Option<(&str, git2::Oid)>,
    ) -> Result<(), GitError> {
        let repo = git2::Repository::open_bare(held.clone)
            .map_err(|source| GitError::Read { doing: format!("open the clone of `{}`", id.name), source })?;
        for tip in tips {
            let reaches = |start| start == *tip || repo.graph_descendant_of(start, *tip).unwrap_or(false);
            if moving.is_some_and(|(_, start)| reaches(start)) {
                continue;
            }
            let tip = tip.to_string();
            let refs = self
                .call_in(held.clone, format!("look for refs that reach {tip}"))
                .args(["for-each-ref", "--format=%(refname)", "--contains", &tip, "refs/gt", "refs/heads"])
                .run()?
                .text();
            let moved = moving.map(|(branch, _)| format!("refs/heads/{branch}"));
            if refs.lines().all(|name| Some(name) == moved.as_deref()) {
                self.set_ref(held, &rescue_ref(id, &tip), &tip)?;
            }
        }
        Ok(())
    }

    /// Points a ref of the clone at a commit.
    pub(super) fn set_ref(&self, held: &Held, name: &str, commit: &str) -> Result<(), GitError> {
        self.call_in(held.clone, format!("set {name}"))
            .repo_lock(held.repo_lock)
            .args(["update-ref", name, commit])
            .run()?;
        Ok(())
    }
}

fn rescue_ref(id: &SandboxId, commit: &str) -> String {
    format!("refs/gt/rescue/{}/{}", id.name, commit.get(..12).unwrap_or(commit))
}

/// The empty tree, in SHA-1 and in SHA-256.
fn is_empty_tree(tree: &str) -> bool {
    tree.starts_with("4b825dc642cb6eb9a060e54bf8d69288fbee4904") || tree.starts_with("6ef19b41225c5369f1c104d45d8d85ef")
}

/// Copies an index with its time: git looks again at files that are as young as the index, and a younger copy would
/// hide a change made in the same instant.
fn copy_index(from: &Path, to: &Path) -> io::Result<()> {
    absent(fs_err::remove_file(to))?;
    absent(fs_err::remove_file(to.with_extension("lock")))?;
    if !from.exists() {
        return Ok(());
    }
    fs_err::copy(from, to)?;
    let modified = fs_err::metadata(from)?.modified()?;
    std::fs::File::options().write(true).open(to)?.set_modified(modified)
}
