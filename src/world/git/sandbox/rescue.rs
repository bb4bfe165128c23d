//! Nothing is lost: what a worktree holds uncommitted becomes a commit, and a tip that nothing else reaches gets a ref.
//!
//! Both are named by their content, so that a crash and a second try leave no second copy. A rescue changes nothing in the
//! worktree or its repository, and needs neither its index nor its settings: locks that a killed git left do not matter.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, SandboxId};

use super::repository::adopt;
use super::unclean;
use super::worktree::Home;
use crate::git::folders::{absent, list, remove};
use crate::git::history::History;
use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

/// A clone at work: its rig's repository, its lock held.
pub(in crate::git) struct Held<'a> {
    pub clone: &'a Path,
    pub repo_lock: &'a RepoLock,
}

/// The author and committer of a rescue.
pub(super) const IDENTITY: [(&str, &str); 4] = [
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
    /// `refs/gt/rescue/<polecat>/<commit>`, if there is anything; gives the tree of all that it holds, and leaves its index
    /// at `index`.
    ///
    /// It is seen with the clone's settings and an index of its own: whatever the agent told its git (to skip a file, to
    /// take it for unchanged, to ignore it), what is there is found. But filters are those of the sandbox: without the one
    /// that a setup has set, a file would be kept in clear that is encrypted when it is committed.
    pub(super) fn rescue(
        &self,
        held: &Held,
        id: &SandboxId,
        worktree: &Path,
        home: &Home,
        index: &Path,
    ) -> Result<Oid, GitError> {
        let doing = |what: &str| format!("{what} the worktree of `{}`", id.name);
        let repo = git2::Repository::open_bare(held.clone)
            .map_err(|source| GitError::Read { doing: doing("rescue"), source })?;
        // No commit yet (an orphan branch) is no reason to lose files.
        let tip = tip(home).and_then(|tip| repo.find_commit(tip).ok());
        let tidy = |source| GitError::Io { doing: doing("tidy up in"), source };
        for left in [index.to_owned(), index.with_extension("lock")] {
            absent(fs_err::remove_file(left)).map_err(tidy)?;
        }
        let filters = filters(&home.repo);
        let call = |what: &str| {
            let call = filters.iter().fold(self.call_in(worktree, doing(what)), |call, it| call.arg("-c").arg(it));
            call.env("GIT_DIR", held.clone)
                .env("GIT_WORK_TREE", worktree)
                .env("GIT_INDEX_FILE", index)
                .repo_lock(held.repo_lock)
        };
        let start = tip.as_ref().map_or_else(|| "--empty".to_owned(), |tip| tip.id().to_string());
        call("read the tip of").args(["read-tree", &start]).run()?;
        let mut left_out = self.left_out(worktree);
        for path in unclean::unchanged(worktree, &home.entry) {
            left_out.extend(path);
            left_out.push(0);
        }
        if !left_out.is_empty() {
            let args = ["update-index", "-z", "--skip-worktree", "--stdin"];
            // What the index does not have is refused, and then nothing was left out of it.
            call("leave what nobody has changed in").args(args).stdin(left_out.clone()).output()?;
        }
        call("rescue").limit(self.limits.rescue).args(["add", "--all"]).run()?;
        let tree = call("rescue").arg("write-tree").run()?.text();
        if !left_out.is_empty() {
            // From here on the index says what is there.
            let args = ["update-index", "-z", "--force-remove", "--stdin"];
            call("take what nobody has changed from").args(args).stdin(left_out).output()?;
        }
        let before = tip.as_ref().map(|tip| tip.tree_id().to_string());
        let is_new = |tree: &str| before.as_ref().map_or_else(|| !is_empty_tree(tree), |before| before != tree);
        let mut parents: Vec<String> = tip.iter().map(|tip| tip.id().to_string()).collect();
        let when = tip.as_ref().map_or(0, |tip| tip.committer().when().seconds());
        let staged = self.staged(held, home, index)?.filter(|staged| *staged != tree && is_new(staged));
        let mut rescued = None;
        if let Some(staged) = staged {
            let commit = self.commit_rescued(held, id, (&staged, "staged"), &parents, when)?;
            // As a stash has it.
            parents.push(commit.clone());
            rescued = Some(commit);
        }
        if is_new(&tree) {
            rescued = Some(self.commit_rescued(held, id, (&tree, "uncommitted"), &parents, when)?);
        }
        if let Some(commit) = rescued {
            self.set_ref(held, &rescue_ref(id, &commit), &commit)?;
        }
        Ok(Oid(tree))
    }

    /// The tree of what is staged in a worktree, if its index can be read: it may be in no file any more, or be ignored there.
    fn staged(&self, held: &Held, home: &Home, index: &Path) -> Result<Option<String>, GitError> {
        let copy = index.with_extension("staged");
        let doing = || "see what is staged".to_owned();
        // Its own is not touched, nor waited for.
        match fs_err::copy(home.entry.join("index"), &copy) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => drop(other.map_err(|source| GitError::Io { doing: doing(), source })?),
        }
        let call = self.call_in(held.clone, doing()).env("GIT_DIR", held.clone).env("GIT_INDEX_FILE", &copy);
        let tree = call.repo_lock(held.repo_lock).arg("write-tree").output();
        absent(fs_err::remove_file(copy)).map_err(|source| GitError::Io { doing: doing(), source })?;
        // One in the middle of a merge is no tree.
        let tree = tree?;
        Ok(tree.ok().then(|| tree.text()))
    }

    /// A commit of a tree that is rescued.
    fn commit_rescued(
        &self,
        held: &Held,
        id: &SandboxId,
        (tree, what): (&str, &str),
        parents: &[String],
        when: i64,
    ) -> Result<String, GitError> {
        let mut commit = self.call_in(held.clone, format!("rescue what is {what} of `{}`", id.name));
        commit = commit.repo_lock(held.repo_lock).args(["commit-tree", tree, "-m"]);
        commit = commit.arg(format!("rescue: what was {what} in the worktree of {}", id.name));
        commit = parents.iter().fold(commit, |commit, parent| commit.args(["-p", parent]));
        // The date of the tip, so that the same content gives the same commit.
        let date = format!("@{when} +0000");
        let commit = IDENTITY.iter().fold(commit, |commit, (name, value)| commit.env(name, value));
        Ok(commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date).run()?.text())
    }

    /// Rescues what the other worktrees of a sandbox's repository hold, which its agent made for helpers of its own. Those in
    /// the sandbox's worktree are removed then: the next agent could not use them.
    pub(super) fn rescue_others(
        &self,
        held: &Held,
        id: &SandboxId,
        worktree: &Path,
        home: &Home,
        index: &Path,
    ) -> Result<(), GitError> {
        let doing = || format!("look for worktrees of `{}`", id.name);
        let looking = |source| GitError::Io { doing: doing(), source };
        let clone = git2::Repository::open_bare(held.clone);
        let clone = clone.map_err(|source| GitError::Read { doing: doing(), source })?;
        for entry in list(&home.repo.join("worktrees")).map_err(looking)?.into_iter().filter(|it| *it != home.entry) {
            let other = Home { repo: home.repo.clone(), entry };
            let tips = tip(&other).into_iter().chain(unnamed(&other.entry));
            self.keep(held, id, &tips.filter(|tip| clone.find_commit(*tip).is_ok()).collect(), None)?;
            let Ok(text) = fs_err::read_to_string(other.entry.join("gitdir")) else { continue };
            let Some(path) = Path::new(text.trim_end_matches('\n')).parent().filter(|path| path.is_dir()) else {
                continue;
            };
            self.rescue(held, id, path, &other, index)?;
            if path.starts_with(worktree) {
                remove(path).map_err(looking)?;
            }
        }
        Ok(())
    }

    /// The files that a sparse checkout leaves out of a worktree, as their names with a NUL after each: they are not there,
    /// and were not deleted.
    fn left_out(&self, worktree: &Path) -> Vec<u8> {
        let listed = self
            .call_in(worktree, "list what is not checked out")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(["ls-files", "-t", "-z"])
            .output();
        // An index that cannot be read has nothing to say.
        let Ok(listed) = listed.map(|listed| listed.stdout) else { return Vec::new() };
        let mut left_out = Vec::new();
        for line in listed.split(|byte| *byte == 0) {
            let Some(name) = line.strip_prefix(b"S ") else { continue };
            if worktree.join(OsStr::from_bytes(name)).symlink_metadata().is_err() {
                left_out.extend_from_slice(name);
                left_out.push(0);
            }
        }
        left_out
    }

    /// Brings what a sandbox's repository holds to the clone: its objects, its branch, and every commit that would be
    /// reached by nothing else once `moving` is at its start.
    pub(super) fn keep_commits(
        &self,
        held: &Held,
        id: &SandboxId,
        home: Option<&Home>,
        branch: Option<&str>,
        moving: Option<(&str, git2::Oid)>,
    ) -> Result<(), GitError> {
        let doing = || format!("keep the commits of `{}`", id.name);
        let own = home.filter(|home| home.repo != held.clone);
        if let Some(own) = own {
            adopt(&own.repo, held.clone).map_err(|source| GitError::Io { doing: doing(), source })?;
        }
        let open =
            |path: &Path| git2::Repository::open_bare(path).map_err(|source| GitError::Read { doing: doing(), source });
        let clone = open(held.clone)?;
        let of_branch =
            |repo: &git2::Repository, branch: &str| repo.refname_to_id(&format!("refs/heads/{branch}")).ok();
        let mut tips: BTreeSet<git2::Oid> = [branch, moving.map(|(branch, _)| branch)]
            .into_iter()
            .flatten()
            .filter_map(|branch| of_branch(&clone, branch))
            .collect();
        tips.extend(home.map(|home| unnamed(&home.entry)).into_iter().flatten());
        if let Some(own) = own {
            let own = open(&own.repo)?;
            tips.extend(named(&own, &clone).map_err(|source| GitError::Read { doing: doing(), source })?);
            // Its branch stays where it was last, unless a namesake's is there by now.
            let is_over = branch.filter(|branch| moving.is_none_or(|(moving, _)| moving != *branch));
            if let Some((branch, tip)) = is_over.and_then(|branch| Some((branch, of_branch(&own, branch)?)))
                && clone.find_commit(tip).is_ok()
                && of_branch(&clone, branch).is_none_or(|at| reaches(&clone, tip, at))
            {
                self.set_ref(held, &format!("refs/heads/{branch}"), &tip.to_string())?;
            }
        }
        tips.retain(|tip| clone.find_commit(*tip).is_ok());
        self.keep(held, id, &tips, moving)
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
            if moving.is_some_and(|(_, start)| reaches(&repo, start, *tip)) {
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

/// The filters that are set in a repository, as git takes settings on its command line.
fn filters(repo: &Path) -> Vec<String> {
    let Ok(config) = git2::Config::open(&repo.join("config")) else { return Vec::new() };
    let Ok(mut entries) = config.entries(Some("^filter\\.")) else { return Vec::new() };
    let mut found = Vec::new();
    while let Some(Ok(entry)) = entries.next() {
        if let (Ok(name), Ok(value)) = (entry.name(), entry.value()) {
            found.push(format!("{name}={value}"));
        }
    }
    found
}

/// The commit that a worktree is at, as far as it can be read.
fn tip(home: &Home) -> Option<git2::Oid> {
    let head = fs_err::read_to_string(home.entry.join("HEAD")).ok()?;
    match head.trim().strip_prefix("ref: ") {
        Some(name) => git2::Repository::open_bare(&home.repo).ok()?.refname_to_id(name).ok(),
        None => git2::Oid::from_str(head.trim()).ok(),
    }
}

/// What no ref of a worktree's repository names, but git or its user may want back: a detached HEAD, what a rebase under way
/// began with, what was put aside for a merge or a rebase, and refs of the worktree alone.
fn unnamed(entry: &Path) -> impl Iterator<Item = git2::Oid> {
    const FILES: [&str; 7] = [
        "HEAD",
        "ORIG_HEAD",
        "MERGE_AUTOSTASH",
        "rebase-merge/orig-head",
        "rebase-merge/autostash",
        "rebase-apply/orig-head",
        "rebase-apply/autostash",
    ];
    let mut files: Vec<_> = FILES.iter().map(|file| entry.join(file)).collect();
    let mut folders = vec![entry.join("refs")];
    while let Some(folder) = folders.pop() {
        for path in list(&folder).unwrap_or_default() {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.into_iter().filter_map(|file| git2::Oid::from_str(fs_err::read_to_string(file).ok()?.trim()).ok())
}

/// The commits that refs of a sandbox's repository name, each entry of the stash included; those that came with it are none
/// of its own.
fn named(own: &git2::Repository, clone: &git2::Repository) -> Result<BTreeSet<git2::Oid>, git2::Error> {
    let mut tips = BTreeSet::new();
    for reference in own.references()? {
        let reference = reference?;
        let Ok(name) = reference.name() else { continue };
        if name.starts_with("refs/remotes/") || reference.target() == clone.refname_to_id(name).ok() {
            continue;
        }
        tips.extend(reference.peel_to_commit().map(|commit| commit.id()));
    }
    if own.find_reference("refs/stash").is_ok() {
        tips.extend(own.reflog("refs/stash")?.iter().map(|entry| entry.id_new()));
    }
    Ok(tips)
}

fn rescue_ref(id: &SandboxId, commit: &str) -> String {
    format!("refs/gt/rescue/{}/{}", id.name, commit.get(..12).unwrap_or(commit))
}

/// The empty tree, in SHA-1 and in SHA-256.
fn is_empty_tree(tree: &str) -> bool {
    tree.starts_with("4b825dc642cb6eb9a060e54bf8d69288fbee4904") || tree.starts_with("6ef19b41225c5369f1c104d45d8d85ef")
}

/// Whether one commit is another, or its descendant. One that cannot be read reaches nothing: then all is kept.
fn reaches(repo: &git2::Repository, from: git2::Oid, to: git2::Oid) -> bool {
    History::of(repo).and_then(|history| history.reaches(from, to)).unwrap_or(false)
}
