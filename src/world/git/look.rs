//! A look into a repository of somebody's, by the git program: whatever git itself can read can be seen here.
//!
//! libgit2 refuses what it does not know, such as a partial clone. What it will have to read is the town's own clone, which
//! has git's oldest formats; only the hash of a repository's objects is everywhere the same.

use std::path::{Path, PathBuf};

use gastown_base::causes::in_a_line;

use super::program::Call;
use super::{Git, GitError};
use crate::layout::Layout;

/// Digits of a commit's name where objects are named by SHA-1.
const SHA1_DIGITS: usize = 40;

/// What people can do about another hash.
pub const HASH_HINT: &str = "copy it into one: git init --bare --object-format=sha1 NEW && git -C OLD fast-export --all | git -C NEW fast-import";

/// Why a repository is not looked into.
#[derive(Debug, thiserror::Error)]
pub enum NoLook {
    /// There is none.
    #[error("no git repository")]
    NoRepository,
    /// It is a folder of one.
    #[error("inside a repository, not its root")]
    Inside,
    /// Its objects are named by another hash.
    #[error("its objects are named by {0}, and a town reads those named by SHA-1 only")]
    Hash(String),
    /// Git refuses to look.
    #[error(transparent)]
    Refused(#[from] GitError),
}

impl NoLook {
    /// The error and its causes in one line.
    pub fn message(&self) -> String {
        in_a_line(self)
    }
}

/// A repository that is looked into.
#[derive(Debug)]
pub struct Look {
    git: Git,
    dir: PathBuf,
    /// Whether it has no worktree.
    pub is_bare: bool,
    /// Its worktree.
    pub worktree: Option<PathBuf>,
}

impl Look {
    /// Looks into the repository whose root is here.
    pub fn into(dir: &Path) -> Result<Self, NoLook> {
        // No path of the layout is used; a call needs only the environment.
        let mut look = Self { git: Git::new(Layout::below(dir)), dir: dir.to_owned(), is_bare: false, worktree: None };
        let asked = ["rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--show-object-format"];
        let out = look.call("look").args(asked).args(["--git-dir", "--show-prefix"]).output()?;
        if !out.ok() {
            let complaint = out.complaint();
            if complaint.contains("not a git repository") {
                return Err(NoLook::NoRepository);
            }
            let doing = format!("look into `{}`", dir.display());
            return Err(GitError::Refused { doing, code: out.code, complaint }.into());
        }
        let text = out.text();
        let mut lines = text.lines();
        let mut next = || lines.next().unwrap_or_default();
        let (is_bare, is_in_worktree, hash, folder, prefix) =
            (next() == "true", next() == "true", next(), next(), next());
        if !prefix.is_empty() || (!is_in_worktree && folder != ".") {
            return Err(NoLook::Inside);
        }
        if hash != "sha1" {
            return Err(NoLook::Hash(hash.to_uppercase().replace("SHA", "SHA-")));
        }
        look.is_bare = is_bare;
        look.worktree = match (is_bare, is_in_worktree) {
            (true, _) => None,
            (false, true) => Some(dir.to_owned()),
            // The folder `.git` of one.
            (false, false) => dir.parent().map(Path::to_owned),
        };
        Ok(look)
    }

    /// The branch that is checked out; `HEAD` where none is.
    pub fn head(&self) -> Result<String, GitError> {
        let head = self.line("read HEAD", &["symbolic-ref", "--quiet", "HEAD"])?;
        Ok(head.map_or_else(|| "HEAD".to_owned(), |head| head.trim_start_matches("refs/heads/").to_owned()))
    }

    /// A branch that it has; none if it has no commit.
    pub fn any_branch(&self) -> Result<Option<String>, GitError> {
        let args = ["for-each-ref", "--count=1", "--format=%(refname:short)", "refs/heads"];
        self.line("list the branches", &args)
    }

    /// Where its `origin` is.
    pub fn origin(&self) -> Result<Option<String>, GitError> {
        let is_there = self.line("look for an origin", &["config", "--get", "remote.origin.url"])?.is_some();
        // As `url.….insteadOf` says.
        if is_there { self.line("read the origin", &["remote", "get-url", "origin"]) } else { Ok(None) }
    }

    /// The branch that its `origin` has for its own, as last seen.
    pub fn origin_head(&self) -> Result<Option<String>, GitError> {
        let head = self.line("read the origin's HEAD", &["symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"])?;
        Ok(head.and_then(|head| head.strip_prefix("refs/remotes/origin/").map(str::to_owned)))
    }

    /// The tree of a commit: a ref by its whole name, or `HEAD`.
    pub fn tree(&self, of: &str) -> Result<Option<Tree<'_>>, GitError> {
        let asked = format!("{of}^{{tree}}");
        let id = self.line("find a commit", &["rev-parse", "--verify", "--quiet", "--end-of-options", &asked])?;
        let Some(id) = id else { return Ok(None) };
        let names = self.call("list its files").args(["ls-tree", "--name-only", "-z", &id]).run()?;
        let names = names.stdout.split(|b| *b == 0).filter_map(|name| String::from_utf8(name.to_vec()).ok());
        Ok(Some(Tree { look: self, names: names.collect(), id }))
    }

    /// A setting of the user or the repository.
    pub fn setting(&self, name: &str) -> Result<Option<String>, GitError> {
        self.line("read a setting", &["config", "--get", name])
    }

    /// Whether git holds a file at its root.
    pub fn holds(&self, name: &str) -> Result<bool, GitError> {
        Ok(self.line("look for a file", &["ls-files", "--", &format!(":(top,literal){name}")])?.is_some())
    }

    fn call(&self, doing: &str) -> Call<'_> {
        // Bare repositories are read where they are named, whatever the user's git would find by itself.
        self.git.call_in(&self.dir, format!("{doing} in `{}`", self.dir.display()))
    }

    /// The first line of the answer; none where git has none.
    fn line(&self, doing: &str, args: &[&str]) -> Result<Option<String>, GitError> {
        let out = self.call(doing).args(args).output()?;
        let line = out.text().lines().next().map(str::to_owned);
        Ok(line.filter(|line| out.ok() && !line.is_empty()))
    }
}

/// The files at the root of a commit.
#[derive(Debug)]
pub struct Tree<'a> {
    look: &'a Look,
    id: String,
    names: Vec<String>,
}

impl Tree<'_> {
    /// The text of a file, if it is there and is text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.names.iter().find(|it| *it == name)?;
        let out = self.look.call("read a file").args(["cat-file", "blob"]).arg(format!("{}:{name}", self.id)).run();
        String::from_utf8(out.ok()?.stdout).ok()
    }
}

/// The hash that names of commits are of, where a remote's list of branches shows that it is not ours.
pub(super) fn foreign_hash(listed: &str) -> Option<&'static str> {
    let id =
        listed.lines().find_map(|line| line.split_once('\t').map(|(id, _)| id).filter(|id| !id.starts_with("ref:")))?;
    (id.len() != SHA1_DIGITS).then_some("SHA-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_shows_its_hash_by_the_length_of_its_ids() {
        let listed = |id: &str| format!("ref: refs/heads/main\tHEAD\n{id}\tHEAD\n{id}\trefs/heads/main");
        assert_eq!(foreign_hash(&listed(&"a".repeat(40))), None);
        assert_eq!(foreign_hash(&listed(&"a".repeat(64))), Some("SHA-256"));
        assert_eq!(foreign_hash(""), None);
    }
}
