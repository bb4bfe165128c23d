//! A polecat's worktree: made ready for a bead, switched to the next one with its ignored files kept, removed.
//!
//! Here is in which order; the steps are [`checkout`], [`setup`], [`rescue`] and [`quarantine`]; what is there is seen by
//! [`worktree`], [`nested`] and [`status`].
//!
//! A record beside the worktree names the preparation that it is in. It is written after the worktree is so, and taken away
//! before the worktree is changed: a crash in between leaves a worktree that says nothing, which is rescued and prepared
//! again. Invariant: nothing is switched or removed while a session is in it, or when its owner is another.

mod checkout;
mod nested;
pub(super) mod quarantine;
pub(super) mod rescue;
pub(super) mod setup;
mod status;
pub(super) mod worktree;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, Sandbox, SandboxId, SandboxSpec};
use gastown_supervisor::records;
use serde::{Deserialize, Serialize};

use self::rescue::Held;
use self::worktree::Found;
use super::clone::facts::holds;
use super::clone::guard;
use super::folders::{absent, is_empty};
use super::{Git, GitError, read_record, write_by_rename};
use crate::session;

pub use self::status::{commits_ahead, dirty, head};

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
        let Some(Record { prepared, branch, base, .. }) = self.recorded(id)? else {
            let made = is_there.then(|| records::written(&folder)).transpose().map_err(looking)?;
            let nothing =
                |made| Sandbox { prepared: String::new(), branch: String::new(), base: Oid(String::new()), made };
            return Ok(made.map(nothing));
        };
        // Its record is written once it is so.
        let made = records::written(&file).map_err(looking)?;
        let is_so = self.is_whole(id)? || worktree::is_repository(&folder) && self.in_use(id)?;
        Ok(Some(Sandbox { prepared: if is_so { prepared } else { String::new() }, branch, base, made }))
    }

    /// The record of a sandbox whose worktree is really there.
    pub fn record(&self, id: &SandboxId) -> Result<Option<Record>, GitError> {
        let Some(record) = self.recorded(id)? else { return Ok(None) };
        Ok(self.is_whole(id)?.then_some(record))
    }

    fn recorded(&self, id: &SandboxId) -> Result<Option<Record>, GitError> {
        match read_record::<Record>(&self.layout.sandbox_record(&id.uid))? {
            Some(record) if record.uid != id.uid => Err(foreign(&id.name, &record.uid, &id.uid)),
            record => Ok(record),
        }
    }

    fn is_whole(&self, id: &SandboxId) -> Result<bool, GitError> {
        let entry = worktree::named_entry(&self.layout.worktree(&id.uid)).map_err(|source| looking(id, source))?;
        Ok(entry.is_some_and(|entry| entry.join("HEAD").is_file()))
    }

    /// The environment of a session or a command in this sandbox (see [`guard::env`]); none if it is not there.
    pub fn session_env(&self, id: &SandboxId) -> Result<Option<Vec<(String, String)>>, GitError> {
        Ok(self.record(id)?.map(|record| guard::env(&self.layout, Some(&record.branch))))
    }

    /// The worktree is there in this preparation. What it held before is rescued first.
    pub fn ensure_sandbox(&self, id: &SandboxId, spec: &SandboxSpec) -> Result<(), GitError> {
        if self.is_prepared(id, spec)? {
            return Ok(());
        }
        let repo = self.open(&spec.owner)?;
        let (base, start_at) = spec.points(|oid| holds(&repo, oid));
        let start = commit_of(&repo, start_at)?;
        guard::install(&self.layout)?;
        let repo_lock = self.repo_lock(&spec.owner.uid)?;
        // Another process may have been at it while this one waited.
        if self.is_prepared(id, spec)? {
            return Ok(());
        }
        self.refuse_if_in_use(id)?;
        let clone = self.layout.bare_clone(&spec.owner.uid);
        let held = Held { clone: &clone, repo_lock: &repo_lock };
        let path = self.layout.worktree(&id.uid);
        let moving = Some((spec.branch.as_str(), start));

        let kept = self.clear_the_way(&held, id, &path, moving)?;
        let entry = match kept {
            Some(entry) if self.switch(&held, id, &path, &entry, start_at)? => entry,
            Some(entry) => {
                quarantine::keep(&path, Some(&entry), id)?;
                self.add(&held, id, &path, start_at)?
            }
            None => self.add(&held, id, &path, start_at)?,
        };
        self.attach(&held, &path, &entry, &spec.branch, start_at)?;
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

    /// The sandbox is gone; what it held is rescued first. Its branches stay.
    pub fn remove_sandbox(&self, id: &SandboxId) -> Result<(), GitError> {
        let path = self.layout.worktree(&id.uid);
        let record = self.layout.sandbox_record(&id.uid);
        self.refuse_if_in_use(id)?;
        match self.rig_of(id, &path)? {
            Some(rig_uid) => {
                let (clone, repo_lock) = (self.layout.bare_clone(&rig_uid), self.repo_lock(&rig_uid)?);
                let held = Held { clone: &clone, repo_lock: &repo_lock };
                if let Some(entry) = self.clear_the_way(&held, id, &path, None)? {
                    quarantine::discard(&path, Some(&entry)).map_err(|source| removing(id, source))?;
                }
            }
            // Files, and no repository to rescue them to.
            None if path.exists() => quarantine::keep(&path, None, id)?,
            None => {}
        }
        quarantine::discard(&path, None).map_err(|source| removing(id, source))?;
        absent(fs_err::remove_file(record)).map_err(|source| removing(id, source))
    }

    /// The rig whose clone a worktree is of: by its record, or by what git wrote there; none if there is no such clone.
    fn rig_of(&self, id: &SandboxId, path: &Path) -> Result<Option<String>, GitError> {
        let rig_uid = if let Some(record) = self.recorded(id)? {
            Some(record.rig_uid)
        } else {
            let entry = worktree::named_entry(path).map_err(|source| looking(id, source))?;
            let clone = entry.as_deref().and_then(|entry| entry.ancestors().nth(2)).and_then(Path::file_stem);
            clone.map(|stem| stem.to_string_lossy().into_owned())
        };
        Ok(rig_uid.filter(|rig_uid| self.layout.bare_clone(rig_uid).exists()))
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

    /// Rescues what is at `path`, and takes the record away. Gives the entry of a worktree that can be switched; else
    /// nothing is left there.
    fn clear_the_way(
        &self,
        held: &Held,
        id: &SandboxId,
        path: &Path,
        moving: Option<(&str, git2::Oid)>,
    ) -> Result<Option<PathBuf>, GitError> {
        let looking = |source| looking(id, source);
        quarantine::sweep(path);
        let found = worktree::find(held.clone, path).map_err(looking)?;
        let entry = match &found {
            Found::Whole(entry) => Some(entry.clone()),
            Found::OfAnother(entry) => {
                return Err(foreign(&id.name, &entry.display().to_string(), &held.clone.display().to_string()));
            }
            Found::Nothing | Found::HalfMade | Found::Stray => worktree::entry_of(held.clone, path).map_err(looking)?,
        };
        let branch = read_record::<Record>(&self.layout.sandbox_record(&id.uid))?.map(|record| record.branch);
        self.keep_tips(held, id, entry.as_deref(), branch.as_deref(), moving)?;
        let rescued = match (&found, &entry) {
            (Found::Whole(_), Some(entry)) => match self.rescue(held, id, path, entry) {
                // What is switched keeps the repositories within it.
                Ok(tree) => moving.is_some() || !nested::any(held.clone, path, entry, &tree)?,
                // Such as a file that cannot be read, or some gigabytes: then the folder is kept as it is.
                Err(GitError::Refused { .. }) => false,
                Err(e) if e.is_late() => false,
                Err(e) => return Err(e),
            },
            (found, _) => *found != Found::Stray,
        };
        absent(fs_err::remove_file(self.layout.sandbox_record(&id.uid))).map_err(|source| removing(id, source))?;
        if !rescued {
            quarantine::keep(path, entry.as_deref(), id)?;
            return Ok(None);
        }
        if matches!(found, Found::Whole(_)) {
            return Ok(entry);
        }
        quarantine::discard(path, entry.as_deref()).map_err(|source| removing(id, source))?;
        Ok(None)
    }

    /// Keeps the commits that HEAD, the branch that was worked on, and the branch that is to be moved are at.
    fn keep_tips(
        &self,
        held: &Held,
        id: &SandboxId,
        entry: Option<&Path>,
        branch: Option<&str>,
        moving: Option<(&str, git2::Oid)>,
    ) -> Result<(), GitError> {
        let repo = git2::Repository::open_bare(held.clone)
            .map_err(|source| GitError::Read { doing: format!("open the clone of `{}`", id.name), source })?;
        let of_branch = |branch: &str| repo.refname_to_id(&format!("refs/heads/{branch}")).ok();
        let id_in = |file: &str| {
            let text = entry.and_then(|entry| fs_err::read_to_string(entry.join(file)).ok());
            text.and_then(|text| git2::Oid::from_str(text.trim()).ok())
        };
        // A detached HEAD is an id (on a branch it is a name, and the branch keeps it); a rebase under way began with a
        // tip that nothing else may reach.
        let ids = ["HEAD", "rebase-merge/orig-head", "rebase-apply/orig-head"].map(id_in);
        let branches = [branch.and_then(of_branch), moving.and_then(|(b, _)| of_branch(b))];
        let tips: BTreeSet<git2::Oid> =
            ids.into_iter().chain(branches).flatten().filter(|tip| repo.find_commit(*tip).is_ok()).collect();
        self.keep(held, id, &tips, moving)
    }
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
