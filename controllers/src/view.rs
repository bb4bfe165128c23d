//! `View`: the World of one reconcile. Objects that are known, facts that were seen, and the time.
//!
//! A controller asks for facts as it needs them. What was not looked at yet is noted, and the engine looks and runs the
//! controller again; so a reconcile stays a pure function, and costs only the looks that it needs. What could not be
//! seen stops it: `?` on a look ends the reconcile with the condition `Unknown`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gastown_crds::reason::Reason;
use jiff::Timestamp;

use crate::kinds::rig::RigSettings;
use crate::kinds::town::TownSettings;
use crate::objects::{Objects, Watched};
use crate::plan::Plan;
use crate::seen::Seen;
use crate::world::{
    Ask, AskAttempts, AskDeclared, AskFree, AskHappened, AskLease, AskLimiting, AskMachine, AskMerged, AskProgram,
    AskReplay, AskRepo, AskRevision, Attempt, Declared, Fact, Found, Free, Happening, JobKey, JobState, Lease,
    Limiting, Machine, Merged, Question, Replayed, RepoFacts, SandboxFacts, SandboxId, Track,
};

/// Facts by the question they answer.
pub type Facts = BTreeMap<Ask, Seen<Fact>>;

/// The last failed effect of this key, if its back-off is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A reason for the condition.
    pub reason: Reason,
    /// The message of the error.
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

impl NotSeen {
    /// The message of a condition about it.
    pub fn message(&self) -> String {
        format!("{}; waiting until it can be observed", self.why)
    }
}

/// All that one reconcile may know.
#[derive(Debug)]
pub struct View<'a> {
    /// The present.
    pub now: Timestamp,
    /// Every object.
    pub objects: &'a Objects,
    /// The town's settings, defaults filled in.
    pub settings: TownSettings,
    /// The last failure, if its back-off is not over.
    pub failed: Option<&'a Failure>,
    facts: &'a Facts,
    missing: RefCell<BTreeSet<Ask>>,
}

impl<'a> View<'a> {
    /// A view of these.
    pub fn new(now: Timestamp, objects: &'a Objects, facts: &'a Facts, failed: Option<&'a Failure>) -> Self {
        Self { now, objects, settings: TownSettings::of(objects), failed, facts, missing: RefCell::default() }
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

    /// Whether an effect of this key has failed, and what it wants is held back for now.
    pub fn is_put_off(&self) -> bool {
        self.failed.is_some_and(|failure| failure.until > self.now)
    }

    /// The number of the present interval since an instant, and when the next begins.
    pub fn interval(&self, since: Timestamp, interval: Duration) -> (i64, Timestamp) {
        let interval = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX).max(1);
        let since = since.as_second();
        let number = (self.now.as_second() - since).div_euclid(interval);
        let next = since.saturating_add((number + 1).saturating_mul(interval));
        (number, Timestamp::from_second(next).unwrap_or(Timestamp::MAX))
    }

    /// The questions that were asked and not looked at yet. While there are any, the plan means nothing.
    pub fn missing(self) -> BTreeSet<Ask> {
        self.missing.into_inner()
    }

    /// The answer to a question. What was not looked at yet is noted, for the engine to look.
    fn ask<Q: Question>(&self, question: &Q) -> Result<&'a Q::Answer, NotSeen> {
        let ask = question.ask();
        match self.facts.get(&ask) {
            Some(Seen::Known(fact)) => Q::answer(fact).ok_or_else(|| NotSeen {
                // Only a test can put it there: an adapter's port answers its own questions.
                why: format!("the answer was to another question: {fact:?}"),
                since: Some(Timestamp::UNIX_EPOCH),
            }),
            Some(Seen::Unknown { why, since }) => Err(NotSeen { why: why.clone(), since: Some(*since) }),
            None => {
                self.missing.borrow_mut().insert(ask);
                Err(NotSeen { why: "not looked at yet".into(), since: None })
            }
        }
    }

    /// A rig's repository and target branch.
    pub fn repo(&self, rig: &RigSettings<'_>) -> Result<&'a RepoFacts, NotSeen> {
        self.ask(&AskRepo { owner: rig.id.clone(), branch: rig.branch.map(str::to_owned) })
    }

    /// Any object's repository.
    pub fn repository(&self, asked: &AskRepo) -> Result<&'a RepoFacts, NotSeen> {
        self.ask(asked)
    }

    /// How much of a merge request its target holds.
    pub fn merged(&self, asked: &AskMerged) -> Result<&'a Merged, NotSeen> {
        self.ask(asked)
    }

    /// A sandbox and its session.
    pub fn sandbox(&self, sandbox: &SandboxId) -> Result<&'a SandboxFacts, NotSeen> {
        self.ask(sandbox)
    }

    /// The attempts at a bead.
    pub fn attempts(&self, bead_uid: &str) -> Result<&'a [Attempt], NotSeen> {
        self.ask(&AskAttempts(bead_uid.to_owned())).map(Vec::as_slice)
    }

    /// A job.
    pub fn job(&self, key: &JobKey) -> Result<&'a JobState, NotSeen> {
        self.ask(key)
    }

    /// The job that was begun last on a track, and its state; none if none is on record.
    pub fn newest(&self, track: &Track) -> Result<Option<(&'a JobKey, &'a JobState)>, NotSeen> {
        let Some(key) = self.ask(track)? else { return Ok(None) };
        Ok(Some((key, self.job(key)?)))
    }

    /// Whether nothing runs on a track. Whoever asks is woken when what runs there ends.
    pub fn is_free(&self, track: &Track) -> Result<bool, NotSeen> {
        Ok(self.newest(track)?.is_none_or(|(_, state)| *state != JobState::Running))
    }

    /// A replay's record.
    pub fn replay(&self, key: String) -> Result<Option<&'a [Replayed]>, NotSeen> {
        self.ask(&AskReplay(key)).map(Option::as_deref)
    }

    /// Whether a program would start.
    pub fn program(&self, name: &str) -> Result<bool, NotSeen> {
        self.ask(&AskProgram(name.to_owned())).copied()
    }

    /// The event by which something has happened; none if it has not.
    pub fn happened(&self, asked: &AskHappened) -> Result<Option<&'a Happening>, NotSeen> {
        self.ask(asked).map(Option::as_ref)
    }

    /// What sessions can be held to on this machine.
    pub fn limiting(&self) -> Result<&'a Limiting, NotSeen> {
        self.ask(&AskLimiting)
    }

    /// What is free on this machine.
    pub fn free(&self) -> Result<&'a Free, NotSeen> {
        self.ask(&AskFree)
    }

    /// The revision that a source is at.
    pub fn revision(&self, asked: &AskRevision) -> Result<&'a Found, NotSeen> {
        self.ask(asked)
    }

    /// What a tree of a source declares; none if it cannot be read any more.
    pub fn declared(&self, asked: &AskDeclared) -> Result<Option<&'a Declared>, NotSeen> {
        self.ask(asked).map(Option::as_deref)
    }

    /// Who holds the lease of a source; none: nobody.
    pub fn lease(&self, asked: &AskLease) -> Result<Option<&'a Lease>, NotSeen> {
        self.ask(asked).map(Option::as_ref)
    }

    /// This machine.
    pub fn machine(&self) -> Result<&'a Machine, NotSeen> {
        self.ask(&AskMachine)
    }
}
