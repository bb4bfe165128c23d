//! The facts of a rig's repository: read by git2 from the bare clone, without a single subprocess.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{LandedBead, Owner, RepoFacts};
use git2::{Commit, ErrorCode, Repository};
use jiff::Timestamp;

use super::left;
use super::message::{bead, is_revert, merge_request};
use crate::git::history::History;
use crate::git::landing::own_branch;
use crate::git::{Git, GitError};

/// The ref namespace of the remote's branches, as last fetched.
pub(in crate::git) const TARGETS: &str = "refs/gt/target/";
/// The symbolic ref to the remote's HEAD branch.
pub(in crate::git) const HEAD: &str = "refs/gt/head";

/// The depth to which landed merge requests are searched for, in commits.
const LANDED_COMMITS_MAX: usize = 1000;

/// What landed on a target, per rig, with the tip it was found at.
pub(in crate::git) type Landed = BTreeMap<String, (git2::Oid, Found)>;

/// What landed on a target: the last commit of each merge request, and of each bead.
#[derive(Debug, Clone, Default)]
pub(in crate::git) struct Found {
    merge_requests: BTreeMap<String, Oid>,
    beads: BTreeMap<String, LandedBead>,
}

impl Git {
    /// The facts of a rig's repository and of its target branch; without one, of the remote's HEAD branch. A clone
    /// appears by a rename, so one that is there is whole.
    pub fn facts(&self, rig: &Owner, branch: Option<&str>) -> Result<RepoFacts, GitError> {
        if !self.layout.bare_clone(&rig.uid).exists() {
            return Ok(RepoFacts::default());
        }
        let repo = self.open(rig)?;
        self.read(&repo, rig, branch)
            .map_err(|source| GitError::Read { doing: format!("read the clone of rig `{}`", rig.name), source })
    }

    /// Opens a rig's clone for reading.
    pub(in crate::git) fn open(&self, rig: &Owner) -> Result<Repository, GitError> {
        let clone = self.layout.bare_clone(&rig.uid);
        if !clone.exists() {
            return Err(GitError::NotCloned { rig: rig.name.clone() });
        }
        Repository::open_bare(&clone)
            .map_err(|source| GitError::Read { doing: format!("open the clone of rig `{}`", rig.name), source })
    }

    fn read(&self, repo: &Repository, rig: &Owner, branch: Option<&str>) -> Result<RepoFacts, git2::Error> {
        let cloned = RepoFacts { cloned: true, own: own_branch::all(repo)?, ..RepoFacts::default() };
        let (branch, tip) = target(repo, branch)?;
        let (Some(name), Some(tip)) = (&branch, tip) else { return Ok(RepoFacts { branch, ..cloned }) };
        let Found { merge_requests: landed, beads } = self.landed(repo, rig, tip.id())?;
        Ok(RepoFacts {
            target: Some(oid(tip.id())),
            target_tree: Some(oid(tip.tree_id())),
            landed,
            beads,
            left: self.left(repo, rig, name, tip.id())?,
            branch,
            ..cloned
        })
    }

    /// What has left a branch, remembered for as long as neither the branch moves nor what it was moved away from.
    fn left(
        &self,
        repo: &Repository,
        rig: &Owner,
        branch: &str,
        tip: git2::Oid,
    ) -> Result<BTreeMap<Oid, Option<String>>, git2::Error> {
        let tips = left::tips(repo, branch)?;
        let mut known = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if tips.is_empty() {
            known.remove(&rig.uid);
            return Ok(BTreeMap::new());
        }
        if let Some((.., left)) = known.get(&rig.uid).filter(|(at, of, _)| *at == tip && *of == tips) {
            return Ok(left.clone());
        }
        let left = left::commits(repo, &tips, tip)?;
        known.insert(rig.uid.clone(), (tip, tips, left.clone()));
        Ok(left)
    }

    /// The merge requests and beads found behind a tip, remembered for as long as it stays the rig's tip.
    fn landed(&self, repo: &Repository, rig: &Owner, tip: git2::Oid) -> Result<Found, git2::Error> {
        // What a thread that panicked left there is still whole: it is only ever replaced.
        let mut known = self.landed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, landed)) = known.get(&rig.uid).filter(|(at, _)| *at == tip) {
            return Ok(landed.clone());
        }
        let landed = find_landed(repo, tip)?;
        known.insert(rig.uid.clone(), (tip, landed.clone()));
        Ok(landed)
    }
}

/// A branch of the remote and its tip, as last fetched; without a name, the remote's HEAD branch.
pub(in crate::git) fn target<'a>(
    repo: &'a Repository,
    branch: Option<&str>,
) -> Result<(Option<String>, Option<Commit<'a>>), git2::Error> {
    let branch = match branch {
        Some(branch) => Some(branch.to_owned()),
        None => head_branch(repo)?,
    };
    let Some(name) = &branch else { return Ok((None, None)) };
    match repo.find_reference(&format!("{TARGETS}{name}")) {
        Ok(reference) => Ok((branch, Some(reference.peel_to_commit()?))),
        Err(e) if e.code() == ErrorCode::NotFound => Ok((branch, None)),
        Err(e) => Err(e),
    }
}

/// The remote's HEAD branch, as last fetched.
fn head_branch(repo: &Repository) -> Result<Option<String>, git2::Error> {
    match repo.find_reference(HEAD) {
        Ok(head) => Ok(head.symbolic_target()?.and_then(|name| name.strip_prefix(TARGETS)).map(str::to_owned)),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn find_landed(repo: &Repository, tip: git2::Oid) -> Result<Found, git2::Error> {
    let mut found = Found::default();
    for id in History::of(repo)?.newest(tip, LANDED_COMMITS_MAX)? {
        let commit = repo.find_commit(id)?;
        let message = commit.message_raw_bytes();
        // Newest first: of several commits of one merge request, the last is what it became.
        if let Some(merge_request) = merge_request(message) {
            found.merge_requests.entry(merge_request).or_insert_with(|| oid(id));
        }
        if let Some(bead) = bead(message).filter(|_| !is_revert(message)) {
            let at = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
            found.beads.entry(bead).or_insert_with(|| LandedBead { commit: oid(id), at });
        }
    }
    Ok(found)
}

/// Whether a clone holds a commit. One that cannot be read is not taken for lost.
pub(in crate::git) fn holds(repo: &Repository, commit: &Oid) -> bool {
    let found = git2::Oid::from_str(&commit.0).and_then(|id| repo.find_commit(id).map(drop));
    found.is_ok() || found.is_err_and(|error| error.code() != git2::ErrorCode::NotFound)
}

pub(in crate::git) fn oid(id: git2::Oid) -> Oid {
    Oid(id.to_string())
}
