//! `View`: the World of one reconcile. Objects that are known, facts that were seen, and the time.
//!
//! A controller asks for facts as it needs them. What was not looked at yet is noted, and the engine looks and runs the
//! controller again; so a reconcile stays a pure function, and costs only the looks that it needs. What could not be
//! seen stops it: `?` on a look ends the reconcile with the condition `Unknown`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::objects::{Objects, Watched};
use crate::plan::Plan;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::world::{Ask, Fact, JobKey, JobState, Machine, Replayed, RepoFacts, RigId, Run, SandboxFacts, SandboxId};

/// Facts by the question they answer.
pub type Facts = BTreeMap<Ask, Seen<Fact>>;

/// The last failed effect of this key, if its back-off is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A reason for the condition.
    pub reason: &'static str,
    /// What went wrong.
    pub message: String,
    /// How often in a row.
    pub count: u32,
    /// When it is tried again.
    pub until: Timestamp,
}

/// Why a fact is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSeen {
    /// For people.
    pub why: String,
    /// Since when; none if it simply was not looked at yet.
    pub since: Option<Timestamp>,
}

/// What one reconcile may know.
#[derive(Debug)]
pub struct View<'a> {
    /// The present.
    pub now: Timestamp,
    /// Every object.
    pub objects: &'a Objects,
    /// The town's settings, defaults filled in.
    pub settings: Settings,
    /// What failed last, if it is still held back.
    pub failed: Option<&'a Failure>,
    facts: &'a Facts,
    missing: RefCell<BTreeSet<Ask>>,
}

impl<'a> View<'a> {
    /// A view of these.
    pub fn new(now: Timestamp, objects: &'a Objects, facts: &'a Facts, failed: Option<&'a Failure>) -> Self {
        Self { now, objects, settings: Settings::of(objects), failed, facts, missing: RefCell::default() }
    }

    /// The plan for the object of this name; one that is gone wants nothing.
    pub fn with<K: Watched>(&self, name: &str, reconcile: fn(&K, &Self) -> Plan) -> Plan {
        self.objects.get::<K>(name).map(|object| reconcile(object, self)).unwrap_or_default()
    }

    /// Until when to wait if a delay begins with an end; none: the wait is over. An end that lies in the future was written
    /// by another clock: nobody waits for it.
    pub fn wait_after(&self, over: Timestamp, delay: Duration) -> Option<Timestamp> {
        let due = over + delay;
        (over <= self.now && due > self.now).then_some(due)
    }

    /// What was asked for and not looked at yet. While this is not empty, the plan means nothing.
    pub fn missing(self) -> BTreeSet<Ask> {
        self.missing.into_inner()
    }

    fn ask(&self, ask: Ask) -> Result<&'a Fact, NotSeen> {
        match self.facts.get(&ask) {
            Some(Seen::Known(fact)) => Ok(fact),
            Some(Seen::Unknown { why, since }) => Err(NotSeen { why: why.clone(), since: Some(*since) }),
            None => {
                self.missing.borrow_mut().insert(ask);
                Err(NotSeen { why: "not looked at yet".into(), since: None })
            }
        }
    }

    /// A rig's repository and target branch.
    pub fn repo(&self, rig: &RigId, branch: Option<&str>) -> Result<&'a RepoFacts, NotSeen> {
        match self.ask(Ask::Repo { rig: rig.clone(), branch: branch.map(str::to_owned) })? {
            Fact::Repo(repo) => Ok(repo),
            other => Err(mismatch(other)),
        }
    }

    /// A sandbox and its session.
    pub fn sandbox(&self, sandbox: &SandboxId) -> Result<&'a SandboxFacts, NotSeen> {
        match self.ask(Ask::Sandbox(sandbox.clone()))? {
            Fact::Sandbox(sandbox) => Ok(sandbox),
            other => Err(mismatch(other)),
        }
    }

    /// The attempts at a bead.
    pub fn runs(&self, bead_uid: &str) -> Result<&'a [Run], NotSeen> {
        match self.ask(Ask::Runs(bead_uid.to_owned()))? {
            Fact::Runs(runs) => Ok(runs),
            other => Err(mismatch(other)),
        }
    }

    /// A job.
    pub fn job(&self, key: JobKey) -> Result<&'a JobState, NotSeen> {
        match self.ask(Ask::Job(key))? {
            Fact::Job(job) => Ok(job),
            other => Err(mismatch(other)),
        }
    }

    /// A replay's record.
    pub fn replay(&self, key: String) -> Result<Option<&'a [Replayed]>, NotSeen> {
        match self.ask(Ask::Replay(key))? {
            Fact::Replay(replay) => Ok(replay.as_deref()),
            other => Err(mismatch(other)),
        }
    }

    /// Whether a program would start.
    pub fn program(&self, name: &str) -> Result<bool, NotSeen> {
        match self.ask(Ask::Program(name.to_owned()))? {
            Fact::Program(there) => Ok(*there),
            other => Err(mismatch(other)),
        }
    }

    /// This machine.
    pub fn machine(&self) -> Result<&'a Machine, NotSeen> {
        match self.ask(Ask::Machine)? {
            Fact::Machine(machine) => Ok(machine),
            other => Err(mismatch(other)),
        }
    }
}

/// An adapter that answers another question than was asked is a bug there; here it is a fact we do not have.
fn mismatch(fact: &Fact) -> NotSeen {
    NotSeen { why: format!("the answer was to another question: {fact:?}"), since: Some(Timestamp::UNIX_EPOCH) }
}
