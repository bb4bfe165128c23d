//! What is seen of a rig's repository: read by git2 from the bare clone, without a single subprocess.

use std::collections::BTreeMap;
use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{RepoFacts, RigId};
use git2::{ErrorCode, Repository};

use super::{Git, GitError};

/// The ref namespace of the remote's branches, as last fetched.
pub(super) const TARGETS: &str = "refs/gt/target/";
/// The symbolic ref to the remote's HEAD branch.
pub(super) const HEAD: &str = "refs/gt/head";

impl Git {
    /// What is there of a rig's repository. A clone appears by a rename, so one that is there is whole.
    pub fn facts(&self, rig: &RigId) -> Result<RepoFacts, GitError> {
        let clone = self.layout.clone(&rig.uid);
        if !clone.exists() {
            return Ok(RepoFacts::default());
        }
        read(&clone).map_err(|source| GitError::Read { doing: format!("read the clone of rig `{}`", rig.name), source })
    }

    /// Opens a rig's clone for reading.
    pub(super) fn open(&self, rig: &RigId) -> Result<Repository, GitError> {
        let clone = self.layout.clone(&rig.uid);
        if !clone.exists() {
            return Err(GitError::NotCloned { rig: rig.name.clone() });
        }
        Repository::open_bare(&clone)
            .map_err(|source| GitError::Read { doing: format!("open the clone of rig `{}`", rig.name), source })
    }
}

fn read(clone: &Path) -> Result<RepoFacts, git2::Error> {
    let repo = Repository::open_bare(clone)?;
    let (mut targets, mut target_trees) = (BTreeMap::new(), BTreeMap::new());
    for reference in repo.references_glob(&format!("{TARGETS}*"))? {
        let reference = reference?;
        // A branch whose name is not UTF-8 cannot be declared as a target either.
        let Some(branch) = reference.name().ok().and_then(|name| name.strip_prefix(TARGETS)) else { continue };
        let commit = reference.peel_to_commit()?;
        targets.insert(branch.to_owned(), Oid(commit.id().to_string()));
        target_trees.insert(branch.to_owned(), Oid(commit.tree_id().to_string()));
    }
    let head_branch = match repo.find_reference(HEAD) {
        Ok(head) => head.symbolic_target()?.and_then(|name| name.strip_prefix(TARGETS)).map(str::to_owned),
        Err(e) if e.code() == ErrorCode::NotFound => None,
        Err(e) => return Err(e),
    };
    Ok(RepoFacts { cloned: true, head_branch, targets, target_trees })
}
