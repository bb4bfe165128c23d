//! A polecat's worktree: made ready for a bead, switched to the next one with its ignored files kept, removed.
//!
//! Here is in which order; the steps are [`rescue`], [`quarantine`], [`repository`], [`checkout`], [`setup`] and
//! [`hand_in`]; what is there is seen by [`worktree`], [`nested`] and [`status`].
//!
//! A record beside the worktree names the preparation that it is in. It is written after the worktree is so, and taken away
//! before the worktree is changed: a crash in between leaves a worktree that says nothing, which is rescued and prepared
//! again. Invariant: nothing is switched or removed while a session is in it, or when its owner is another.

mod checkout;
pub(super) mod environment;
mod hand_in;
mod kept;
mod locks;
mod nested;
pub(super) mod quarantine;
pub(super) mod repository;
pub(super) mod rescue;
pub(super) mod setup;
mod status;
mod submodules;
mod unclean;
mod worktree;

use std::path::{Path, PathBuf};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, Sandbox, SandboxId, SandboxSpec};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::{family, records};
use serde::{Deserialize, Serialize};

use self::repository::Borrower;
use self::rescue::Held;
use self::worktree::{Found, Home, State};
use super::clone::facts::holds;
use super::folders::{absent, is_empty};
use super::program::RepoLock;
use super::{Git, GitError, read_record, write_by_rename};
use crate::session;

pub use self::status::{commits_ahead, dirty, head};
pub use self::unclean::{made_and_changed, unchanged_by_agent};

/// The record of what a worktree was prepared for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The Polecat's name.
    pub polecat: String,
    /// The Polecat's uid.
    pub uid: String,
    /// The Rig's uid.
    pub rig_uid: String,
    /// The digest of the preparation.
    pub prepared: String,
    /// The branch it was prepared with.
    pub branch: String,
    /// The commit that the branch began at.
    pub base: Oid,
}

impl Git {
    /// The sandbox as it is; none if there is nothing. A worktree that is not whole is in no preparation, so it is made
    /// again, or rescued; but one that its agent made a repository of its own is left to it while it runs.
    pub fn sandbox(&self, id: &SandboxId) -> Result<Option<Sandbox>, GitError> {
        let looking = |source| looking(id, source);
        let (folder, file) = (self.layout.worktree(&id.uid), self.layout.sandbox_record(&id.uid));
        let is_there = !is_empty(&folder).map_err(looking)?;
        let Some(record) = self.recorded(id)? else {
            let made = is_there.then(|| records::written(&folder)).transpose().map_err(looking)?;
            let nothing =
                |made| Sandbox { prepared: String::new(), branch: String::new(), base: Oid(String::new()), made };
            return Ok(made.map(nothing));
        };
        // Its record is written once it is so.
        let made = records::written(&file).map_err(looking)?;
        let is_so = self.is_whole(id, &record)? || worktree::is_repository(&folder) && self.in_use(id)?;
        let Record { prepared, branch, base, .. } = record;
        Ok(Some(Sandbox { prepared: if is_so { prepared } else { String::new() }, branch, base, made }))
    }

    /// The record of a sandbox whose worktree is really there.
    pub fn record(&self, id: &SandboxId) -> Result<Option<Record>, GitError> {
        let Some(record) = self.recorded(id)? else { return Ok(None) };
        Ok(self.is_whole(id, &record)?.then_some(record))
    }

    fn recorded(&self, id: &SandboxId) -> Result<Option<Record>, GitError> {
        match read_record::<Record>(&self.layout.sandbox_record(&id.uid))? {
            Some(record) if record.uid != id.uid => Err(foreign(&id.name, &record.uid, &id.uid)),
            record => Ok(record),
        }
    }

    /// Whether the worktree is linked to a repository, and the commits are there that it borrows.
    fn is_whole(&self, id: &SandboxId, record: &Record) -> Result<bool, GitError> {
        let entry = worktree::named_entry(&self.layout.worktree(&id.uid)).map_err(|source| looking(id, source))?;
        let Some(entry) = entry.filter(|entry| entry.join("HEAD").is_file()) else { return Ok(false) };
        let repo = entry.ancestors().nth(2).and_then(|repo| git2::Repository::open_bare(repo).ok());
        Ok(repo.is_some_and(|repo| holds(&repo, &record.base)))
    }

    /// The environment of a session or a command in this sandbox (see [`environment::of`]); none if it is not there.
    pub fn session_env(&self, id: &SandboxId) -> Result<Option<Vec<(String, String)>>, GitError> {
        Ok(self.record(id)?.map(|record| environment::of(Some(&record.branch))))
    }

    /// The worktree is there in this preparation. What it held before is rescued first.
    pub fn ensure_sandbox(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<(), GitError> {
        if self.is_prepared(id, spec)? {
            return Ok(());
        }
        let repo = self.open(&spec.owner)?;
        let (base, start_at) = spec.points(|oid| holds(&repo, oid));
        let start = commit_of(&repo, start_at)?;
        let lock = self.sandbox_lock(id)?;
        // Another process may have been at it while this one waited.
        if self.is_prepared(id, spec)? {
            return Ok(());
        }
        self.refuse_if_in_use(id)?;
        self.end_setup(id)?;
        let clone = self.layout.bare_clone(&spec.owner.uid);
        self.configure(&clone, &clone, None)?;
        let kept = {
            let repo_lock = self.repo_lock(&spec.owner.uid)?;
            let held = Held { clone: &clone, repo_lock: &repo_lock };
            let kept = self.keep_work(&held, id, Some((spec.branch.as_str(), start)))?;
            // The base stays reachable, whatever becomes of the remote's branches.
            self.set_ref(&held, &format!("refs/heads/{}", spec.branch), &start_at.0)?;
            kept
        };
        if !self.prepare(&lock, id, &clone, &spec.branch, start_at, &kept)? {
            let path = self.layout.worktree(&id.uid);
            let home = self.find(id, &clone)?.home;
            quarantine::keep(&path, home.as_ref(), Some(&clone), id)?;
            if !self.prepare(&lock, id, &clone, &spec.branch, start_at, &Kept::default())? {
                let source = std::io::Error::other("git leaves files in it that it has not checked out");
                return Err(GitError::Io { doing: format!("make the worktree of `{}`", id.name), source });
            }
        }
        let record = Record {
            polecat: id.name.clone(),
            uid: id.uid.clone(),
            rig_uid: spec.owner.uid.clone(),
            prepared: spec.prepared.clone(),
            branch: spec.branch.clone(),
            base: base.clone(),
        };
        write_by_rename(&self.layout.sandbox_record(&id.uid), &record)
    }

    /// Makes or renews the repository, and brings the worktree to `start`. False if something of the old work stays in it.
    fn prepare(
        &self,
        lock: &RepoLock,
        id: &SandboxId,
        clone: &Path,
        branch: &str,
        start: &Oid,
        kept: &Kept,
    ) -> Result<bool, GitError> {
        let looking = |source| looking(id, source);
        let worktree = self.layout.worktree(&id.uid);
        let own = kept.home.as_ref().filter(|home| home.repo != clone);
        let repo = match own {
            Some(home) => home.repo.clone(),
            None => worktree::free_repository(&self.layout, &id.uid).map_err(looking)?,
        };
        let new = Borrower { repo: &repo, clone, worktree: &worktree, branch: Some(branch), start: &start.0 };
        let entry = self.borrow_repository(&new)?;
        if let Some(old) = kept.home.as_ref().filter(|home| home.repo == clone) {
            quarantine::discard(&old.entry, None).map_err(looking)?;
        }
        if let Some(index) = &kept.index {
            fs_err::rename(index, entry.join("index")).map_err(looking)?;
        }
        if !self.check_out(lock, &worktree, &id.name, start)? {
            return Ok(false);
        }
        let settled = match self.settle_submodules(lock, &worktree) {
            // Such as one in the middle of a merge.
            Err(GitError::Refused { .. }) => false,
            other => other?,
        };
        if settled {
            self.note_unclean(&worktree)?;
            repository::made(&entry).map_err(looking)?;
        }
        Ok(settled)
    }

    /// The sandbox is gone; what it held is rescued first. Its branches stay.
    pub fn remove_sandbox(&self, id: &SandboxId) -> Result<(), GitError> {
        let path = self.layout.worktree(&id.uid);
        let record = self.layout.sandbox_record(&id.uid);
        self.refuse_if_in_use(id)?;
        self.end_setup(id)?;
        let _lock = self.sandbox_lock(id)?;
        match self.rig_of(id, &path)? {
            Some(rig_uid) => {
                let (clone, repo_lock) = (self.layout.bare_clone(&rig_uid), self.repo_lock(&rig_uid)?);
                let held = Held { clone: &clone, repo_lock: &repo_lock };
                let kept = self.keep_work(&held, id, None)?;
                if let Some(index) = &kept.index {
                    absent(fs_err::remove_file(index)).map_err(|source| removing(id, source))?;
                }
                if let Some(Home { repo, entry }) = kept.home {
                    let goes = if repo == clone { entry } else { repo };
                    quarantine::discard(&path, Some(&goes)).map_err(|source| removing(id, source))?;
                }
            }
            // Files, and no repository to rescue them to.
            None if path.exists() => quarantine::keep(&path, None, None, id)?,
            None => {}
        }
        quarantine::discard(&path, None).map_err(|source| removing(id, source))?;
        absent(fs_err::remove_file(record)).map_err(|source| removing(id, source))
    }

    /// The rig whose clone a sandbox borrows from: by its record, or by what its repository says; none if there is no such
    /// clone.
    fn rig_of(&self, id: &SandboxId, path: &Path) -> Result<Option<String>, GitError> {
        if let Some(record) = self.recorded(id)? {
            return Ok(Some(record.rig_uid).filter(|rig_uid| self.layout.bare_clone(rig_uid).exists()));
        }
        let entry = worktree::named_entry(path).map_err(|source| looking(id, source))?;
        let named = entry.as_deref().and_then(|entry| entry.ancestors().nth(2)).map(Path::to_owned);
        let known = || worktree::repositories(&self.layout, &id.uid).next();
        Ok(named.or_else(known).and_then(|repo| self.lender(&repo)))
    }

    /// The uid of the rig whose clone a repository is, or borrows from; none if there is no such clone.
    fn lender(&self, repo: &Path) -> Option<String> {
        let alternates = fs_err::read_to_string(repo.join("objects/info/alternates")).ok();
        let objects = alternates.as_deref().and_then(|text| text.lines().next()).map(Path::new);
        let clone = objects.and_then(Path::parent).unwrap_or(repo);
        let uid = clone.file_stem()?.to_string_lossy().into_owned();
        self.layout.bare_clone(&uid).exists().then_some(uid)
    }

    fn is_prepared(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<bool, GitError> {
        self.check_owner(id, &spec.owner)?;
        Ok(self.record(id)?.is_some_and(|record| record.prepared == spec.prepared))
    }

    fn check_owner(&self, id: &SandboxId, rig: &Owner) -> Result<(), GitError> {
        match self.recorded(id)? {
            Some(record) if record.rig_uid != rig.uid => Err(foreign(&id.name, &record.rig_uid, &rig.uid)),
            _ => Ok(()),
        }
    }

    fn in_use(&self, id: &SandboxId) -> Result<bool, GitError> {
        session::in_use(&self.layout, id).map_err(|e| GitError::Io {
            doing: format!("see who works in the worktree of `{}`", id.name),
            source: std::io::Error::other(e),
        })
    }

    fn refuse_if_in_use(&self, id: &SandboxId) -> Result<(), GitError> {
        if self.in_use(id)? { Err(GitError::InUse { sandbox: id.name.clone() }) } else { Ok(()) }
    }

    /// What a setup of this sandbox has started is gone.
    fn end_setup(&self, id: &SandboxId) -> Result<(), GitError> {
        let (worktree, lock) = (self.layout.worktree(&id.uid), self.layout.sandbox_lock(&id.uid));
        let noted = records::read::<Vec<ProcessId>>(&self.layout.setup_record(&id.uid)).ok().flatten();
        let ended = family::end_marked(family::SETUP_MARK, &worktree, &noted.unwrap_or_default(), &lock);
        if !ended.map_err(|source| looking(id, source))? {
            return Err(GitError::InUse { sandbox: id.name.clone() });
        }
        absent(fs_err::remove_file(self.layout.setup_record(&id.uid))).map_err(|source| looking(id, source))
    }

    /// Notes what a setup has left running, for [`Self::end_setup`].
    fn note_setup(&self, id: &SandboxId) -> Result<(), GitError> {
        let left = family::left_by_job(&self.layout.sandbox_lock(&id.uid)).map_err(|source| looking(id, source))?;
        if left.is_empty() {
            return Ok(());
        }
        let written = records::write(&self.layout.setup_record(&id.uid), &left, false);
        written.map_err(|source| looking(id, std::io::Error::other(source)))
    }

    fn find(&self, id: &SandboxId, clone: &Path) -> Result<Found, GitError> {
        let found = worktree::find(&self.layout, &id.uid, clone).map_err(|source| looking(id, source))?;
        found.map_err(|entry| foreign(&id.name, &entry.display().to_string(), &clone.display().to_string()))
    }

    /// Rescues what the sandbox holds, and takes its record away. What git cannot rescue goes into quarantine; what is left
    /// can be used again, or removed.
    fn keep_work(&self, held: &Held, id: &SandboxId, moving: Option<(&str, git2::Oid)>) -> Result<Kept, GitError> {
        let path = self.layout.worktree(&id.uid);
        quarantine::sweep(&path);
        let Found { state, home } = self.find(id, held.clone)?;
        let branch = read_record::<Record>(&self.layout.sandbox_record(&id.uid))?.map(|record| record.branch);
        // What is being made was empty, or has been rescued, before that began.
        let worked_in = home.as_ref().filter(|home| !repository::is_being_made(&home.entry));
        let mut rescued = match self.keep_commits(held, id, worked_in, branch.as_deref(), moving) {
            // Such as a repository whose refs an agent has broken: it is kept as it is.
            Err(error @ GitError::Read { .. }) if home.is_some() => {
                tracing::warn!(sandbox = id.name, error = error.message(), "commits of a sandbox cannot be read");
                false
            }
            other => other.map(|()| true)?,
        };
        if let (State::Whole, Some(home)) = (&state, &home) {
            unclean::discard_made(&path, &home.entry).map_err(|source| looking(id, source))?;
        }
        let mut index = None;
        let modules = |home: &Home| nested::keeps_submodules(&home.entry).map_err(|source| looking(id, source));
        match (&state, &home) {
            (State::Whole, Some(home)) if rescued => {
                let place = self.layout.sandboxes().join(format!("{}.index", id.uid));
                fs_err::create_dir_all(self.layout.sandboxes()).map_err(|source| looking(id, source))?;
                let others =
                    if home.repo == held.clone { Ok(()) } else { self.rescue_others(held, id, &path, home, &place) };
                rescued = match others.and_then(|()| self.rescue(held, id, &path, home, &place)) {
                    // What is used again keeps the repositories within it, but those in an entry of the clone.
                    Ok(_) if moving.is_some() => home.repo != held.clone || !modules(home)?,
                    Ok(tree) => !nested::any(held.clone, &path, &home.entry, &tree)?,
                    // Such as a file that cannot be read, or some gigabytes: then the folder is kept as it is.
                    Err(GitError::Refused { .. }) => false,
                    Err(e) if e.is_late() => false,
                    Err(e) => return Err(e),
                };
                index = Some(place);
            }
            (State::Stray, _) => rescued = false,
            (_, Some(home)) if moving.is_none() => rescued &= !modules(home)?,
            _ => {}
        }
        absent(fs_err::remove_file(self.layout.sandbox_record(&id.uid))).map_err(|source| removing(id, source))?;
        if rescued {
            return Ok(Kept { home, index });
        }
        quarantine::keep(&path, home.as_ref(), Some(held.clone), id)?;
        if let Some(index) = index {
            absent(fs_err::remove_file(index)).map_err(|source| removing(id, source))?;
        }
        Ok(Kept::default())
    }
}

/// What is left of a sandbox whose work is rescued.
#[derive(Debug, Default)]
struct Kept {
    /// The repository that its worktree is linked to.
    home: Option<Home>,
    /// An index of all that is in the worktree.
    index: Option<PathBuf>,
}

/// A commit that the clone must hold.
fn commit_of(repo: &git2::Repository, commit: &Oid) -> Result<git2::Oid, GitError> {
    let found = git2::Oid::from_str(&commit.0).and_then(|id| repo.find_commit(id).map(|c| c.id()));
    found.map_err(|source| GitError::Read { doing: format!("find commit {}", commit.short()), source })
}

fn foreign(name: &str, owner: &str, asked: &str) -> GitError {
    GitError::Foreign {
        what: format!("the worktree of `{name}`"),
        owner: format!("`{owner}`"),
        asked: format!("`{asked}`"),
    }
}

fn looking(id: &SandboxId, source: std::io::Error) -> GitError {
    GitError::Io { doing: format!("look at the worktree of `{}`", id.name), source }
}

fn removing(id: &SandboxId, source: std::io::Error) -> GitError {
    GitError::Io { doing: format!("clear the worktree of `{}`", id.name), source }
}
