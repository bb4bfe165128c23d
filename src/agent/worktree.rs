//! The worktree as it stands: which branch, how far ahead, what is not committed.
//!
//! git2 reads refs and ancestry; what is uncommitted is asked of the git program, which alone knows filters and sparse
//! checkouts.

use std::path::Path;
use std::time::Duration;

use gastown_world::exec::Exec;
use gastown_world::git::{History, made_and_changed, unchanged_by_agent};
use git2::{FileMode, Oid, Repository, RepositoryState};

use super::error::Error;

/// `git status` looks at every file: a minute is enough for a million of them on a cold disk.
const STATUS_LIMIT: Duration = Duration::from_mins(1);
/// Uncommitted files that a message lists.
const LISTED_MAX: usize = 20;

/// What was seen of a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// The branch; none when HEAD is detached.
    pub branch: Option<String>,
    /// What git is in the middle of, such as a rebase.
    pub unfinished: Option<&'static str>,
    /// The commit.
    pub head: String,
    /// How many commits it has that the base has not.
    pub ahead: usize,
    /// What is not committed, as `git status --short` lists it.
    pub dirty: Vec<String>,
    /// Repositories within this one that were committed as links which lead nowhere: no submodules.
    pub loose_links: Vec<String>,
}

impl Worktree {
    /// Looks at the worktree that holds `dir`, against the commit its branch began at.
    pub fn look(dir: &Path, base: &str) -> Result<Self, Error> {
        let repository = Repository::discover(dir).map_err(git("find the root"))?;
        let reference = repository.head().map_err(git("read HEAD"))?;
        let head = reference.peel_to_commit().map_err(git("read HEAD"))?.id();
        let branch = reference.is_branch().then(|| reference.shorthand().ok().map(str::to_owned)).flatten();
        let base = Oid::from_str(base).map_err(git("read GT_BASE"))?;
        let history = History::of(&repository).and_then(|history| history.ahead(head, base));
        let ahead = history.map_err(git("compare HEAD with GT_BASE"))?;
        let unfinished = unfinished(repository.state());
        let loose_links = loose_links(&repository, base, head).map_err(git("read the links"))?;
        Ok(Self { branch, unfinished, head: head.to_string(), ahead, dirty: dirty(dir)?, loose_links })
    }

    /// Refuses what is not all committed on the bead's own branch.
    pub fn check_committed(&self, branch: &str) -> Result<(), Error> {
        if let Some(what) = self.unfinished {
            let hint = format!("finish it with `git {what} --continue`, or drop it with `git {what} --abort`");
            return Err(Error::refused(format!("a {what} is unfinished in this worktree"), hint));
        }
        match &self.branch {
            Some(here) if here == branch => {}
            Some(here) => {
                let hint = format!("bring your commits onto `{branch}` and go there: `git switch {branch}`");
                return Err(Error::refused(format!("this worktree is on `{here}`, not on `{branch}`"), hint));
            }
            None => {
                let hint = format!("keep your commits with `git switch {branch} && git merge --ff-only {}`", self.head);
                return Err(Error::refused(format!("HEAD is detached, not on `{branch}`"), hint));
            }
        }
        if self.dirty.is_empty() {
            return self.check_links();
        }
        let mut message = format!("{} files are not committed:", self.dirty.len());
        if self.dirty.len() == 1 {
            "1 file is not committed:".clone_into(&mut message);
        }
        for file in self.dirty.iter().take(LISTED_MAX) {
            message.push_str("\n  ");
            message.push_str(file);
        }
        if self.dirty.len() > LISTED_MAX {
            message.push_str("\n  …");
        }
        Err(Error::refused(message, "commit them, or remove what does not belong in the repository"))
    }

    /// Refuses a commit of a repository within this one: nobody else could check it out.
    fn check_links(&self) -> Result<(), Error> {
        let Some(link) = self.loose_links.first() else { return Ok(()) };
        let message =
            format!("`{link}` is a repository of its own: only a link to it is committed, and that leads nowhere");
        let hint = format!(
            "to bring its files, move `{link}/.git` out of this worktree, then \
             `git rm -q --cached {link} && git add {link} && git commit`; if it is to be a submodule, \
             `git rm -q --cached {link}`, then `git submodule add URL {link}` and commit"
        );
        Err(Error::refused(message, hint))
    }
}

/// The commit that a worktree is at; none where that cannot be read.
pub fn head_of(worktree: &Path) -> Option<String> {
    Repository::open(worktree).ok()?.head().ok()?.target().map(|id| id.to_string())
}

/// The branch that a worktree is on; none where there is none, or it cannot be read.
pub fn branch_of(worktree: &Path) -> Option<String> {
    let repository = Repository::open(worktree).ok()?;
    let head = repository.head().ok().filter(git2::Reference::is_branch)?;
    head.shorthand().ok().map(str::to_owned)
}

/// The links to commits that the branch brings and that `.gitmodules` does not explain.
fn loose_links(repository: &Repository, base: Oid, head: Oid) -> Result<Vec<String>, git2::Error> {
    let tree = |commit: Oid| repository.find_commit(commit)?.tree();
    let (old, new) = (tree(base)?, tree(head)?);
    let modules = new.get_name(".gitmodules").and_then(|entry| entry.to_object(repository).ok()?.into_blob().ok());
    let modules = modules.map(|blob| String::from_utf8_lossy(blob.content()).into_owned()).unwrap_or_default();
    let path_of = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "path").then(|| value.trim().trim_matches('"').to_owned())
    };
    let submodules: Vec<String> = modules.lines().filter_map(path_of).collect();
    let diff = repository.diff_tree_to_tree(Some(&old), Some(&new), None)?;
    let links = diff.deltas().filter(|delta| delta.new_file().mode() == FileMode::Commit);
    let paths = links.filter_map(|delta| Some(delta.new_file().path()?.to_string_lossy().into_owned()));
    Ok(paths.filter(|path| !submodules.contains(path)).collect())
}

fn git(what: &'static str) -> impl FnOnce(git2::Error) -> Error {
    move |source| Error::Git { what, source }
}

fn unfinished(state: RepositoryState) -> Option<&'static str> {
    match state {
        RepositoryState::Merge => Some("merge"),
        RepositoryState::Revert | RepositoryState::RevertSequence => Some("revert"),
        RepositoryState::CherryPick | RepositoryState::CherryPickSequence => Some("cherry-pick"),
        RepositoryState::Rebase | RepositoryState::RebaseInteractive | RepositoryState::RebaseMerge => Some("rebase"),
        RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => Some("am"),
        RepositoryState::Clean | RepositoryState::Bisect => None,
    }
}

/// What is not committed. It writes nothing: an index refreshed by us could collide with the agent's own git.
fn dirty(dir: &Path) -> Result<Vec<String>, Error> {
    let args = ["--no-optional-locks", "status", "--porcelain=v1", "-z", "--untracked-files=normal", "--no-renames"];
    let output = Exec::new("git").args(args).cwd(dir).env("GIT_TERMINAL_PROMPT", "0").limit(STATUS_LIMIT).run()?;
    if !output.ok() {
        let message = format!("`git status` ended with exit code {}: {}", output.code, output.complaint());
        return Err(Error::refused(message, "run it in the worktree that the session started in"));
    }
    let mut entries: Vec<Vec<u8>> =
        output.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec).collect();
    if !entries.is_empty() {
        // What git called changed before the agent began is not for the agent to commit.
        let as_it_was: Vec<_> = unchanged_by_agent(dir).iter().map(|path| [b" M ", path.as_slice()].concat()).collect();
        entries.retain(|entry| !as_it_was.contains(entry));
    }
    // What a setup has made is ignored, until somebody has changed it.
    entries.extend(made_and_changed(dir).iter().map(|path| [b"?? ", path.as_slice()].concat()));
    // A file's name may hold anything; what is printed must not move the cursor.
    let printable = |c: char| if c.is_control() { '?' } else { c };
    Ok(entries.iter().map(|entry| String::from_utf8_lossy(entry).chars().map(printable).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean() -> Worktree {
        let branch = Some("polecat/nux/b".into());
        Worktree { branch, unfinished: None, head: "1".into(), ahead: 1, dirty: vec![], loose_links: vec![] }
    }

    fn refusal(worktree: &Worktree) -> String {
        worktree.check_committed("polecat/nux/b").unwrap_err().text()
    }

    #[test]
    fn all_committed_on_its_branch_passes() {
        clean().check_committed("polecat/nux/b").unwrap();
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        insta::assert_snapshot!(refusal(&Worktree { unfinished: Some("rebase"), branch: None, ..clean() }), @"
        error: a rebase is unfinished in this worktree
        hint: finish it with `git rebase --continue`, or drop it with `git rebase --abort`
        ");
        insta::assert_snapshot!(refusal(&Worktree { branch: Some("main".into()), ..clean() }), @"
        error: this worktree is on `main`, not on `polecat/nux/b`
        hint: bring your commits onto `polecat/nux/b` and go there: `git switch polecat/nux/b`
        ");
        insta::assert_snapshot!(refusal(&Worktree { branch: None, ..clean() }), @"
        error: HEAD is detached, not on `polecat/nux/b`
        hint: keep your commits with `git switch polecat/nux/b && git merge --ff-only 1`
        ");
        insta::assert_snapshot!(refusal(&Worktree { dirty: vec![" M a".into(), "?? b".into()], ..clean() }), @"
        error: 2 files are not committed:
           M a
          ?? b
        hint: commit them, or remove what does not belong in the repository
        ");
        insta::assert_snapshot!(refusal(&Worktree { loose_links: vec!["lib".into()], ..clean() }), @"
        error: `lib` is a repository of its own: only a link to it is committed, and that leads nowhere
        hint: to bring its files, move `lib/.git` out of this worktree, then `git rm -q --cached lib && git add lib && git commit`; if it is to be a submodule, `git rm -q --cached lib`, then `git submodule add URL lib` and commit
        ");
    }
}
