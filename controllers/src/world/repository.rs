//! The port of repositories: a rig's clone and target branch, and what becomes of branches when they are replayed onto it.

use std::collections::BTreeMap;

use gastown_crds::common::Person;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActError, Ask, Fact, Oid, Owner, Question, Seen};

/// Repositories, as git has them.
pub trait Repositories {
    /// The state of an object's repository and of its target branch.
    fn repo(&self, asked: &AskRepo) -> Seen<RepoFacts>;
    /// How much of what was handed in the target holds.
    fn merged(&self, asked: &AskMerged) -> Seen<Merged>;
    /// The recorded result of a replay: see [`Replays`].
    fn replays(&self, asked: &AskReplay) -> Seen<Replays>;
    /// Records the replay of candidates onto a commit.
    fn replay(&self, replay: &Replay) -> Result<(), ActError>;
    /// Keeps a commit reachable as `refs/gt/archive/<name>`.
    fn archive(&self, owner: &Owner, name: &str, head: &Oid) -> Result<(), ActError>;
}

/// Asks for the state of an object's repository and of its target branch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskRepo {
    /// The object whose repository it is.
    pub owner: Owner,
    /// The branch; none: the remote's HEAD.
    pub branch: Option<String>,
}

impl Question for AskRepo {
    type Answer = RepoFacts;

    fn ask(&self) -> Ask {
        Ask::Repo(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Repo(it) = fact { Some(it) } else { None }
    }
}

/// Asks how much of what was handed in the target holds, as last fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskMerged {
    /// The object whose repository it is.
    pub owner: Owner,
    /// The target branch; none: the remote's HEAD.
    pub branch: Option<String>,
    /// The merge request's name: the trailer of what the town made of it.
    pub merge_request: String,
    /// The tip handed in.
    pub head: Oid,
    /// Where its branch began.
    pub base: Oid,
    /// The tip of what the town last made of it, to be pushed or left as a branch.
    pub made: Option<Oid>,
}

impl Question for AskMerged {
    type Answer = Merged;

    fn ask(&self) -> Ask {
        Ask::Merged(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Merged(it) = fact { Some(it) } else { None }
    }
}

/// How much of what was handed in a target holds. A change is there by its patch, by its tree (it changes nothing there any
/// more), or as a commit that names the merge request, changes the same files, and is an edit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// Nothing says that anybody has merged it.
    No,
    /// A commit names the merge request, and not all of it is there.
    Part {
        /// The first lines of the commits that are missing, oldest first.
        missing: Vec<String>,
        /// How many commits it has.
        of: usize,
    },
    /// A commit of somebody's names nothing that the town made, and could be an edit of it: people know.
    Like {
        /// The commit.
        commit: Oid,
    },
    /// All of it.
    All {
        /// The commit that it became last; none: no single one.
        landed: Option<Oid>,
    },
}

/// A branch of the remote that the town made: `gastown/<bead>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBranch {
    /// The commit that the town last pushed there.
    pub pushed: Oid,
    /// The merge request that the commit names.
    pub of: Option<String>,
    /// The commit that it holds, as last seen; none: it is not there.
    pub there: Option<Oid>,
}

/// Asks for the result of the replay with this key (see [`replay_key`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AskReplay(pub String);

impl Question for AskReplay {
    type Answer = Replays;

    fn ask(&self) -> Ask {
        Ask::Replay(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Replay(it) = fact { Some(it) } else { None }
    }
}

/// The result of a replay: none if it was not made yet; else one for each candidate, in order.
pub type Replays = Option<Vec<Replayed>>;

/// A replay of candidates onto a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The object whose repository it is.
    pub owner: Owner,
    /// The record's name: see [`replay_key`].
    pub key: String,
    /// Onto which commit.
    pub onto: Oid,
    /// The commits to replay, in order.
    pub candidates: Vec<Candidate>,
    /// The committer of the new commits.
    pub committer: Person,
}

/// The state of a repository on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepoFacts {
    /// The bare clone exists, whole.
    pub cloned: bool,
    /// The branch asked for, or the remote's HEAD as last fetched.
    pub branch: Option<String>,
    /// The commit at its tip as last fetched: `refs/gt/target/<branch>`.
    pub target: Option<Oid>,
    /// That commit's tree.
    pub target_tree: Option<Oid>,
    /// Merge requests found on it by their `Gastown-MR` trailer, within the newest 1000 commits: which commit each became last.
    pub landed: BTreeMap<String, Oid>,
    /// Beads found on it by their `Gastown-Bead` trailer, within the same commits, and the last commit of each; a commit that reverts
    /// another names none.
    pub beads: BTreeMap<String, LandedBead>,
    /// The branches that the town made on the remote, by name, until it has removed them.
    pub own: BTreeMap<String, OwnBranch>,
    /// Commits that the target held, or that the town pushed to it, and that have left it, of each move the newest 1000; with
    /// the merge request that a commit names.
    pub left: BTreeMap<Oid, Option<String>>,
}

/// The last commit on a target that names a bead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedBead {
    /// The commit.
    pub commit: Oid,
    /// When it was handed in: its committer date.
    pub at: Timestamp,
}

/// A commit handed in, as replay needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The merge request's name: a trailer.
    pub merge_request: String,
    /// The bead's name: a trailer.
    pub bead: String,
    /// The tip handed in.
    pub head: Oid,
    /// Where its branch began.
    pub base: Oid,
    /// The committer date of what lands: the merge request's creation.
    pub date: Timestamp,
    /// The title, for a branch with merge commits that lands as one.
    pub title: String,
}

/// The result for one candidate when a list of them is replayed onto a commit, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "replayed", rename_all = "camelCase")]
pub enum Replayed {
    /// It applies: the commit it becomes, and that commit's tree.
    Clean {
        /// The new tip.
        commit: Oid,
        /// Its tree.
        tree: Oid,
    },
    /// It does not apply onto what stands before it; it was left out and the replay went on.
    Conflict {
        /// The files.
        files: Vec<String>,
    },
    /// It changes nothing there: already applied.
    Empty,
    /// The clone does not hold its commits: the rig was deleted and made anew, or its folder was.
    Missing,
}

/// The name of a replay's record: the same inputs give the same commits, so the record is good for ever.
pub fn replay_key(owner: &Owner, onto: &Oid, candidates: &[Candidate], committer: &Person) -> String {
    let inputs = serde_json::json!([owner.uid, onto, candidates, committer]);
    gastown_crds::names::digest(&["replay", &inputs.to_string()])
}
