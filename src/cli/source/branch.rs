//! The branch that a source follows in a repository on this machine: where commands that change what it declares commit to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_controllers::objects::Objects;
use gastown_controllers::source::{Preview, preview};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::{At, Declared, Origin, Revision, Signature};
use gastown_crds::Source;
use gastown_crds::reason::Reason;
use gastown_crds::source::Verify;
use kube::ResourceExt;
use tempfile::TempDir;

use crate::cli::common;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::town::Town;
use crate::world::exec::Exec;
use crate::world::source::{pushed, repository_of};

/// How long git may take for one step: it writes an index, and checks out what differs.
const STEP_MAX: Duration = Duration::from_mins(2);

/// What applying a commit would do, or why nothing of it would be applied: a reason, and words for people.
pub type Would = Result<Preview, (Reason, String)>;

/// The branch of a source.
pub struct Branch {
    /// The folder of the repository's own files.
    pub repository: PathBuf,
    /// Where its files are checked out, unless it is bare.
    pub worktree: Option<PathBuf>,
    /// The branch.
    pub name: String,
    /// The folder that declares objects; empty: all of the repository.
    pub folder: String,
    /// The commit that the branch is at.
    pub tip: String,
}

/// The source of this name, or the only one. `what` is to be done with it, and `how` it is named, for messages.
pub fn chosen<'a>(name: Option<&str>, objects: &'a Objects, (what, how): (&str, &str)) -> Result<&'a Source, CliError> {
    let all: Vec<&Source> = objects.all::<Source>().map(AsRef::as_ref).collect();
    match (name, &all[..]) {
        (Some(name), all) => all.iter().find(|source| source.name_any() == *name).copied().ok_or_else(|| {
            CliError::new(Exit::NotFound, format!("no Source is named `{name}`")).hint("`gt get sources` lists them")
        }),
        (None, [one]) => Ok(*one),
        (None, []) => Err(CliError::new(Exit::Refused, format!("the town has no source to {what}"))),
        (None, _) => {
            let hint = format!("say which: {how}; `gt get sources` lists them");
            Err(CliError::new(Exit::Usage, "the town has several sources").hint(hint))
        }
    }
}

impl Branch {
    /// The branch of a source; `by_hand` is what to do where it lives, if that is elsewhere.
    pub fn of(source: &Source, town: &Town, by_hand: &str) -> Result<Self, CliError> {
        let elsewhere = |what: &str| {
            CliError::new(Exit::Refused, format!("source `{}` {what}", source.name_any())).hint(by_hand.to_owned())
        };
        let Some(Origin::Path { path, at, folder }) = Origin::of(&source.spec) else {
            return Err(elsewhere("is not read from a repository on this machine"));
        };
        let (repository, worktree) =
            repository_of(town, &path).ok_or_else(|| elsewhere("has no repository that can be read"))?;
        let name = match at {
            At::Head => git(&repository, &["symbolic-ref", "--short", "HEAD"])?,
            At::Branch(branch) => branch,
            At::Tag(_) | At::Commit(_) => return Err(elsewhere("follows no branch")),
        };
        let tip = git(&repository, &["rev-parse", &format!("refs/heads/{name}")])?;
        Ok(Self { repository, worktree, name, folder, tip })
    }

    /// What a commit declares, and what applying it would do.
    pub fn preview(
        &self,
        commit: &str,
        source: &Source,
        (gt, town, objects): (&Context, &Town, &Objects),
    ) -> Result<(Declared, Would), CliError> {
        // Whoever has signed it: what is signed is the commit that comes of this.
        let (found, declared) = self.read(commit, None, town)?;
        let facts = Facts::new();
        let would = preview(source, &found, &declared, &View::new(gt.now(), objects, &facts, None));
        Ok((declared, would))
    }

    /// The tree of the tip with changes in its index. The index is one of its own: nobody's is touched.
    pub fn changed_tree(&self, change: impl FnOnce(&Index<'_>) -> Result<(), CliError>) -> Result<String, CliError> {
        let dir = TempDir::new().map_err(|error| CliError::from_error(Exit::Failed, &error))?;
        let index = Index { repository: &self.repository, file: dir.path().join("index") };
        index.git(&["read-tree", &self.tip])?;
        change(&index)?;
        index.git(&["write-tree"])
    }

    fn read(&self, commit: &str, verify: Option<&Verify>, town: &Town) -> Result<(Revision, Declared), CliError> {
        let worktree = self.worktree.as_deref();
        let read = pushed(town, &self.repository, (&self.name, commit), &self.folder, worktree, verify);
        let read = read.map_err(|why| CliError::new(Exit::Failed, "could not read that revision").because_of(why))?;
        read.map_err(|missing| CliError::new(Exit::NotFound, missing))
    }

    /// A commit of this tree after the tip; none if the tip has it already. Git signs it where the source or the user wants that,
    /// and one that the source would refuse for its signature is an error.
    pub fn commit(
        &self,
        tree: &str,
        message: &str,
        (source, town): (&Source, &Town),
    ) -> Result<Option<String>, CliError> {
        if tree == git(&self.repository, &["rev-parse", &format!("{}^{{tree}}", self.tip)])? {
            return Ok(None);
        }
        let verify = source.spec.git.as_ref().and_then(|git| git.verify.as_ref());
        let wants = || git(&self.repository, &["config", "--type=bool", "commit.gpgSign"]);
        let mut args = vec!["commit-tree", tree, "-p", &self.tip, "-m", message];
        if verify.is_none() && !wants().is_ok_and(|it| it == "true") {
            return git(&self.repository, &args).map(Some);
        }
        // It does not ask for `commit.gpgSign` by itself.
        args.push("-S");
        let new = git(&self.repository, &args)
            .map_err(|error| error.hint("git signs it as for `git commit -S`: see that this works by hand"))?;
        if let Signature::Refused(why) | Signature::Unchecked(why) = self.read(&new, verify, town)?.0.signature {
            let message = format!("source `{}` would refuse the commit that git has signed for you", source.name_any());
            return Err(CliError::new(Exit::Refused, message).because_of(why).hint(
                "have git sign with a key that `spec.git.verify` names: `user.signingKey` and `gpg.format` of its settings",
            ));
        }
        Ok(Some(new))
    }

    /// Where the branch is checked out.
    pub fn checked_out(&self) -> Option<&Path> {
        let head = git(&self.repository, &["symbolic-ref", "--short", "-q", "HEAD"]);
        self.worktree.as_deref().filter(|_| head.is_ok_and(|head| head == self.name))
    }

    /// Moves the branch to a commit after its tip; where it is checked out, the files that this changes too. Others stay as they
    /// are, and one that is both is in the way.
    pub fn move_to(&self, new: &str, why: &str) -> Result<(), CliError> {
        let Some(worktree) = self.checked_out() else {
            let args = ["update-ref", "-m", why, &format!("refs/heads/{}", self.name), new, &self.tip];
            return git(&self.repository, &args).map(drop);
        };
        git(worktree, &["merge", "--ff-only", "--quiet", new]).map(drop).map_err(|error| {
            let message = format!("uncommitted changes are in the way in {}", worktree.display());
            CliError::new(Exit::Refused, message).caused_by(error).hint("commit or stash them, and try again")
        })
    }
}

/// An index that is nobody else's.
pub struct Index<'a> {
    repository: &'a Path,
    file: PathBuf,
}

impl Index<'_> {
    /// Runs git with it.
    pub fn git(&self, args: &[&str]) -> Result<String, CliError> {
        common::git::git(self.step(), self.repository, args)
    }

    /// The same, with something on standard input.
    pub fn git_with(&self, args: &[&str], stdin: &str) -> Result<String, CliError> {
        common::git::git(self.step().stdin(stdin), self.repository, args)
    }

    fn step(&self) -> Exec {
        step().env("GIT_INDEX_FILE", &self.file)
    }
}

/// Runs git in a folder.
pub fn git(dir: &Path, args: &[&str]) -> Result<String, CliError> {
    common::git::git(step(), dir, args)
}

fn step() -> Exec {
    Exec::new("git").limit(STEP_MAX)
}
