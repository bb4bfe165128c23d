//! The port of jobs: what may take longer than a second, run as supervised children and named by their inputs.

use std::fmt;

use gastown_crds::source::SecretRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ActError, Ask, Fact, Oid, Owner, Question, SandboxId, Seen, Track, path_of};

/// Jobs.
pub trait Jobs {
    /// How a job is.
    fn job(&self, key: &JobKey) -> Seen<JobState>;
    /// The job that was begun last on a track; none if none is on record.
    fn newest(&self, track: &Track) -> Seen<Option<JobKey>>;
    /// The job of this name, as it was begun; none if that is not on record.
    fn begun(&self, key: &JobKey) -> Option<Job>;
    /// The job runs, or has run. From then on it is the newest of its track.
    fn ensure_job(&self, job: &Job) -> Result<(), ActError>;
}

/// A job's name: a digest of its inputs, 32 hex characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(pub String);

impl Question for JobKey {
    type Answer = JobState;

    fn ask(&self) -> Ask {
        Ask::Job(self.clone())
    }

    fn answer(fact: &Fact) -> Option<&Self::Answer> {
        if let Fact::Job(it) = fact { Some(it) } else { None }
    }
}

/// Work that may take longer than a second. The adapter runs it as a supervised child; its name is a digest of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Job {
    /// Makes the town's bare clone, guards included. Idempotent: a whole clone is made beside and renamed.
    Clone {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The address to clone from.
        url: String,
        /// What the remote asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretRef>,
        /// The ref of a lease that is brought along (see [`Job::Lease`]).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
        /// Counts up with every try.
        round: u32,
    },
    /// Brings `refs/gt/target/*` up to date with the remote.
    Fetch {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The remote, in case the declared url has changed.
        url: String,
        /// What it asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretRef>,
        /// The ref of a lease that is brought along.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<String>,
        /// The cause, such as a push's key: one fetch is made for each.
        cause: String,
        /// Counts up with every try.
        round: u32,
    },
    /// Copies the declared files in and runs `workspace.setup` in the worktree.
    Setup {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The sandbox whose worktree it is.
        sandbox: SandboxId,
        /// The preparation of the worktree (see [`Sandbox::prepared`]).
        prepared: String,
        /// When it was made (see [`Sandbox::made`]).
        made: Timestamp,
        /// The commands.
        commands: Vec<String>,
        /// Files to copy in, relative.
        copy: Vec<String>,
        /// Where they are copied from.
        copy_from: Option<String>,
        /// Seconds that all commands may take.
        timeout_s: u64,
        /// Counts up with every try.
        round: u32,
    },
    /// Runs the rig's checks on a commit in a clean worktree. The result speaks of its tree.
    Verify {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The commit to check out.
        commit: Oid,
        /// Its tree: what the verdict is filed under.
        tree: Oid,
        /// The commands.
        checks: Vec<Check>,
        /// Counts up: a red verdict is confirmed by a second try.
        round: u32,
    },
    /// Fast-forwards a branch of the remote, with a lease on its present value.
    Push {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The remote.
        url: String,
        /// The branch.
        branch: String,
        /// The commit that the remote must hold; none: the branch must not exist. Ignored with `force`.
        from: Option<Oid>,
        /// The commit that it shall hold.
        to: Oid,
        /// Moves the branch anywhere, from what the town itself last made of it: only for `gastown/<bead>` branches, which
        /// are the town's own.
        force: bool,
        /// Update a working copy that has the branch checked out (`updateInstead`).
        update_checked_out: bool,
        /// The fetch round that `from` was seen in.
        round: u32,
    },
    /// Removes a branch that the town made from the remote, with a lease on what the town pushed there.
    RemoveBranch {
        /// The object whose repository it is.
        #[serde(rename = "rig")]
        owner: Owner,
        /// The remote.
        url: String,
        /// The branch: one of the town's own.
        branch: String,
        /// The commit that the town pushed there.
        pushed: Oid,
        /// Counts up with every try.
        round: u32,
    },
    /// Takes, renews or gives up the lease of a source: a ref of its remote, which names who applies the source (see [`Lease`](super::Lease)).
    /// However it ends, the clone's copy of the ref is what the remote has by then, if that answers.
    Lease {
        /// The source; its uid is who holds the lease.
        owner: Owner,
        /// The remote.
        url: String,
        /// What it asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<SecretRef>,
        /// The ref.
        reference: String,
        /// The commit that it must be at; none: it must not be there.
        from: Option<Oid>,
        /// The name of this machine; none: the lease is given up.
        machine: Option<String>,
        /// The cause, such as an interval: the lease is moved once for each.
        cause: String,
        /// Counts up with every try.
        round: u32,
    },
    /// Tells people that something needs them, by the town's own command.
    Notify {
        /// The town.
        owner: Owner,
        /// The program and its arguments.
        command: Vec<String>,
        /// Seconds that it may take.
        timeout_s: u64,
        /// The cause: one message is sent for each.
        cause: String,
        /// What the program gets on standard input: one JSON object.
        facts: String,
        /// Counts up with every try.
        round: u32,
    },
    /// Looks once whether a gate may open, by a program.
    Gate {
        /// The gate.
        owner: Owner,
        /// The rig that it is for, if it says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rig: Option<Owner>,
        /// The address of that rig's repository.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// What is looked at.
        question: GateQuestion,
        /// Seconds that it may take.
        timeout_s: u64,
        /// What is different each time that somebody asks for a look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<String>,
        /// Counts up with every look.
        round: u32,
    },
}

/// What a gate looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum GateQuestion {
    /// How a command ends: 0 opens, [`exit::CONFIG`] fails, all else says "not yet".
    Command {
        /// Shell text.
        run: String,
    },
    /// How a run of GitHub Actions ended.
    GithubRun {
        /// The run's number; or the name of a workflow, whose newest run counts.
        id: String,
        /// Runs of the workflow that are older do not count.
        since: Timestamp,
    },
    /// Whether a pull request on GitHub is merged.
    GithubPullRequest {
        /// Its number, or its address.
        id: String,
    },
}

/// What holds a job up: this machine, or others. What waits for others must not keep this machine from its own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pool {
    /// Setups, verifications, and whatever is done with a repository on this machine.
    Local,
    /// Clones, fetches and pushes over the network.
    Network,
    /// What gates look at: there may be many, each looks time and again, and none is to keep work from going on.
    Gates,
}

/// One verification command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name in logs.
    pub name: String,
    /// Shell text.
    pub run: String,
    /// Seconds it may take.
    pub timeout_s: u64,
}

impl Job {
    /// The job's name: the same inputs give the same name, so "ensure" is idempotent.
    pub fn key(&self) -> JobKey {
        let inputs = match self {
            // A verdict belongs to the tree and the commands, whatever commit carried the tree.
            Self::Verify { owner, tree, checks, round, .. } => {
                serde_json::json!(["verify", owner.uid, tree, checks, round])
            }
            // The words of a message may change while it is tried again.
            Self::Notify { owner, command, timeout_s, cause, facts: _, round } => {
                serde_json::json!(["notify", owner.uid, command, timeout_s, cause, round])
            }
            other => serde_json::json!(other),
        };
        JobKey(gastown_crds::names::digest(&["job", &inputs.to_string()]))
    }

    /// What holds it up.
    pub fn pool(&self) -> Pool {
        match self {
            // It mostly waits for others, such as a mail server.
            Self::Notify { .. } => Pool::Network,
            Self::Gate { .. } => Pool::Gates,
            _ if self.url().is_some_and(|url| path_of(url).is_none()) => Pool::Network,
            _ => Pool::Local,
        }
    }

    /// The address of the remote that it asks.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Clone { url, .. }
            | Self::Fetch { url, .. }
            | Self::Push { url, .. }
            | Self::RemoveBranch { url, .. }
            | Self::Lease { url, .. } => Some(url),
            Self::Setup { .. } | Self::Verify { .. } | Self::Notify { .. } | Self::Gate { .. } => None,
        }
    }

    /// The object that it works for.
    pub fn owner(&self) -> &Owner {
        match self {
            Self::Clone { owner, .. }
            | Self::Fetch { owner, .. }
            | Self::Setup { owner, .. }
            | Self::Verify { owner, .. }
            | Self::Push { owner, .. }
            | Self::RemoveBranch { owner, .. }
            | Self::Lease { owner, .. }
            | Self::Notify { owner, .. }
            | Self::Gate { owner, .. } => owner,
        }
    }
}

/// How a job ended, as a number: the exit code of its process. One table for all jobs.
pub mod exit {
    /// It did what it is for; a verification: green; a gate: it opens.
    pub const OK: i32 = 0;
    /// A verification: red. A gate: not yet. Anything else: it failed and may be tried again.
    pub const FAILED: i32 = 1;
    /// A push: the target is checked out in a working copy that refuses.
    pub const CHECKED_OUT: i32 = 10;
    /// A push: the remote refuses this branch. A lease: the remote can be read, and not be written.
    pub const PROTECTED: i32 = 11;
    /// A push or a lease: the remote no longer holds what it was to be moved from.
    pub const CONTENDED: i32 = 12;
    /// A clone or fetch: the remote has no such branch, or is empty.
    pub const NO_BRANCH: i32 = 13;
    /// A verification: a check could not run, or did not end in time. Neither pass nor red, unless it stays so. A gate: what it
    /// waits for could not be looked at.
    pub const UNABLE: i32 = 14;
    /// It could not run, for a reason of this machine's, such as no space. Neither pass nor red.
    pub const ERROR: i32 = 75;
    /// The remote asks for a password or key.
    pub const AUTH: i32 = 77;
    /// A setup, and an agent: another attempt would end the same way (`EX_CONFIG` of `sysexits.h`). None is made. A gate: what it
    /// waits for has failed.
    pub const CONFIG: i32 = 78;
    /// An agent: it was killed, as shells say it.
    pub const KILLED: i32 = 128 + 9;
}

/// The state of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Never started.
    Absent,
    /// Its process holds its lock.
    Running,
    /// It ended.
    Exited(Exited),
    /// It began, holds no lock, and left no result: its machine or supervisor died. It may run again under the next round.
    Lost {
        /// When it had begun.
        at: Timestamp,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exited {
    /// The exit code; see [`exit`].
    pub code: i32,
    /// The instant of its end.
    pub at: Timestamp,
    /// The tail of its log, at most 4096 bytes.
    pub tail: String,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, round) = match self {
            Self::Clone { round, .. } => ("clone", round),
            Self::Fetch { round, .. } => ("fetch", round),
            Self::Setup { round, .. } => ("setup", round),
            Self::Verify { round, .. } => ("verify", round),
            Self::Push { round, .. } => ("push", round),
            Self::RemoveBranch { round, .. } => ("remove", round),
            Self::Lease { round, .. } => ("lease", round),
            Self::Notify { round, .. } => ("notify", round),
            Self::Gate { round, .. } => ("gate", round),
        };
        write!(f, "{what} for {}, round {round}", self.owner().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_job_is_the_same_in_every_release() {
        // Golden: a name that changes would do again what was done, and lose its log.
        let rig = || Owner::rig("shop", "rig-1");
        let fetch = Job::Fetch {
            owner: rig(),
            url: "/repos/shop.git".into(),
            secret: None,
            lease: None,
            cause: "url".into(),
            round: 1,
        };
        insta::assert_snapshot!(fetch.key().0, @"4dd6625cf8160818ae1a4438e277c013");
        let (commit, tree) = (Oid("c".repeat(40)), Oid("d".repeat(40)));
        let verify = Job::Verify { owner: rig(), commit, tree, checks: Vec::new(), round: 1 };
        insta::assert_snapshot!(verify.key().0, @"ec56012c1d7aeed4dada178159ba0248");
    }
}
