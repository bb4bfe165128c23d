//! The settings of a rig as they are in effect: its spec, with the defaults of what it leaves out; and the jobs that
//! follow from them.

use std::time::Duration;

use gastown_crds::Rig;
use gastown_crds::common::Person;
use gastown_crds::rig::{Strategy, WhenCheckedOut, Workspace};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::world::{Check, Job, Oid, Owner, SandboxId};

/// The longest a check, and all setup commands together, may take.
const TIMEOUT_DEFAULT: Duration = Duration::from_mins(10);
/// How often a remote is asked while beads are open in its rig.
const INTERVAL_DEFAULT: Duration = Duration::from_mins(5);
/// Asking more often is rude to a remote.
const INTERVAL_MIN: Duration = Duration::from_mins(1);
/// Merge requests verified together.
const BATCH_DEFAULT: u32 = 16;

/// A rig's settings in effect. Made once per reconcile that needs them.
#[derive(Debug, Clone)]
pub struct RigSettings<'a> {
    /// The rig, as the owner of its repository and jobs.
    pub id: Owner,
    /// The address that its repository is cloned from.
    pub url: &'a str,
    /// The target branch; none: the remote's HEAD.
    pub branch: Option<&'a str>,
    /// How often the remote is asked for news while beads are open.
    pub interval: Duration,
    /// How fresh worktrees are made ready.
    pub workspace: &'a Workspace,
    /// How long all of the setup may take.
    pub setup_timeout: Duration,
    /// How a verified branch lands.
    pub strategy: Strategy,
    /// Whether a push updates a working copy that has the target checked out.
    pub update_checked_out: bool,
    /// How many merge requests are verified together at most.
    pub batch_max: usize,
    /// The checks that must pass before anything lands; empty: nothing is verified.
    pub checks: Vec<Check>,
    /// The committer of what lands.
    pub committer: Person,
    author: Option<&'a Person>,
}

impl<'a> RigSettings<'a> {
    /// A rig's settings.
    pub fn of(rig: &'a Rig) -> Self {
        let spec = &rig.spec;
        let committer = || Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() };
        let check = |check: &gastown_crds::rig::Check| Check {
            name: check.name.clone(),
            run: check.run.clone(),
            timeout_s: check.timeout.map_or(TIMEOUT_DEFAULT, Duration::from).as_secs(),
        };
        Self {
            id: Owner::of(rig),
            url: &spec.repo.url,
            branch: spec.repo.branch.as_deref(),
            interval: spec.repo.interval.map_or(INTERVAL_DEFAULT, Duration::from).max(INTERVAL_MIN),
            workspace: &spec.workspace,
            setup_timeout: spec.workspace.setup_timeout.map_or(TIMEOUT_DEFAULT, Duration::from),
            strategy: spec.merge.strategy,
            update_checked_out: spec.merge.when_checked_out == WhenCheckedOut::Update,
            batch_max: spec.merge.batch.unwrap_or(BATCH_DEFAULT) as usize,
            checks: spec.merge.verify.iter().map(check).collect(),
            committer: spec.identity.committer.clone().unwrap_or_else(committer),
            author: spec.identity.author.as_ref(),
        }
    }

    /// The author of the commits of one of its polecats.
    pub fn author(&self, polecat: &str) -> Person {
        let default = || Person { name: polecat.to_owned(), email: format!("{polecat}@town.invalid") };
        self.author.cloned().unwrap_or_else(default)
    }

    /// Clones the repository.
    pub fn clone_job(&self, round: u32) -> Job {
        Job::Clone { owner: self.id.clone(), url: self.url.to_owned(), secret: None, lease: None, round }
    }

    /// Fetches the target, once for each cause.
    pub fn fetch_job(&self, cause: &str, round: u32) -> Job {
        Job::Fetch {
            owner: self.id.clone(),
            url: self.url.to_owned(),
            secret: None,
            lease: None,
            cause: cause.to_owned(),
            round,
        }
    }

    /// Makes a worktree ready that was prepared under this name at this instant.
    pub fn setup_job(&self, sandbox: SandboxId, (prepared, made): (&str, Timestamp), round: u32) -> Job {
        Job::Setup {
            owner: self.id.clone(),
            sandbox,
            prepared: prepared.to_owned(),
            made,
            commands: self.workspace.setup.clone(),
            copy: self.workspace.copy.clone(),
            copy_from: self.workspace.copy_from.clone(),
            timeout_s: self.setup_timeout.as_secs(),
            round,
        }
    }

    /// Verifies a tree, checked out as a commit that has it.
    pub fn verify_job(&self, commit: &Oid, tree: &Oid, round: u32) -> Job {
        let (owner, checks) = (self.id.clone(), self.checks.clone());
        Job::Verify { owner, commit: commit.clone(), tree: tree.clone(), checks, round }
    }

    /// Removes a branch of the town's own from the remote, if it holds this.
    pub fn remove_job(&self, branch: &str, pushed: &Oid, round: u32) -> Job {
        let (owner, url) = (self.id.clone(), self.url.to_owned());
        Job::RemoveBranch { owner, url, branch: branch.to_owned(), pushed: pushed.clone(), round }
    }

    /// Moves a branch of the remote to a commit: from this one, or with `force` from wherever the town left it.
    pub fn push_job(&self, branch: &str, from: Option<&Oid>, to: &Oid, force: bool, round: u32) -> Job {
        Job::Push {
            owner: self.id.clone(),
            url: self.url.to_owned(),
            branch: branch.to_owned(),
            from: from.cloned(),
            to: to.clone(),
            force,
            update_checked_out: self.update_checked_out,
            round,
        }
    }
}

/// The prefix of the names of a rig's beads.
pub fn bead_prefix(rig: &Rig) -> String {
    rig.spec.prefix.clone().unwrap_or_else(|| rig.name_any())
}
