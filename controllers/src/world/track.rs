//! Tracks: jobs on one track run one after another, whatever their keys.
//!
//! A job's key is a digest of its inputs, and inputs move while it runs: a target moves, a branch is handed in, an
//! interval passes, a command is corrected. The key of what is wanted by then says nothing of what runs. The track does.

use gastown_crds::names;

use super::{Ask, Fact, Job, JobKey, Question};

/// What a job has to itself while it runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    /// The clone of the object with this uid: it is cloned and fetched, and its lease is moved.
    Clone(String),
    /// The sandbox with this uid: it is set up.
    Sandbox(String),
    /// The object with this uid: what is to land there is verified.
    Verification(String),
    /// A branch of a remote, for all objects of the town: it is pushed to.
    Branch {
        /// The remote's address, as somebody spells it.
        url: String,
        /// The branch.
        branch: String,
    },
    /// The town with this uid: people are told something, one message after another.
    Messages(String),
    /// The gate with this uid: what it waits for is looked at.
    Gate(String),
}

impl Job {
    /// The track that it runs on.
    pub fn track(&self) -> Track {
        match self {
            Self::Clone { owner, .. } | Self::Fetch { owner, .. } | Self::Lease { owner, .. } => {
                Track::Clone(owner.uid.clone())
            }
            Self::Setup { sandbox, .. } => Track::Sandbox(sandbox.uid.clone()),
            Self::Verify { owner, .. } => Track::Verification(owner.uid.clone()),
            Self::Push { url, branch, .. } | Self::RemoveBranch { url, branch, .. } => {
                Track::Branch { url: url.clone(), branch: branch.clone() }
            }
            Self::Notify { owner, .. } => Track::Messages(owner.uid.clone()),
            Self::Gate { owner, .. } => Track::Gate(owner.uid.clone()),
        }
    }
}

impl Track {
    /// Its name on disk. `remote` gives one name for a repository however its address is spelled.
    pub fn id(&self, remote: impl Fn(&str) -> String) -> String {
        match self {
            Self::Clone(uid) => names::digest(&["track", "clone", uid]),
            Self::Sandbox(uid) => names::digest(&["track", "sandbox", uid]),
            Self::Verification(uid) => names::digest(&["track", "verification", uid]),
            Self::Messages(uid) => names::digest(&["track", "messages", uid]),
            Self::Gate(uid) => names::digest(&["track", "gate", uid]),
            Self::Branch { url, branch } => names::digest(&["track", "branch", &remote(url), branch]),
        }
    }
}

/// Asks for the job that was begun last on a track.
impl Question for Track {
    type Answer = Option<JobKey>;

    fn ask(&self) -> Ask {
        Ask::Newest(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Newest(it) = fact { Some(it) } else { None }
    }
}
