//! The merge queue of one rig: what was handed in lands, comes back, or waits; `landing::next` decides, this carries it out.
//!
//! Invariants: only this moves a target branch, forward only, by one push at a time; `Merged` means found on the freshly
//! fetched target; a head that comes back, or is withdrawn, is archived before its merge request says so; a push that was
//! begun is seen to its end.

use gastown_crds::bead::CloseReason;
use gastown_crds::common::{ConditionStatus, STATUS_TEXT_BYTES_MAX, condition, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::rig::Strategy;
use gastown_crds::{Bead, MergeRequest, Rig};
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::landing::{self, Flaky, Queue, Rejection, Step};
use super::people::{own_branch, remove_over};
use crate::conditions::{tail, times};
use crate::draft::Draft;
use crate::holds::{Hold, PartOf};
use crate::kinds::rig::RigSettings;
use crate::objects::created;
use crate::plan::Plan;
use crate::seen::Oid;
use crate::tries::{Tried, round_past, tried};
use crate::view::{NotSeen, View};
use crate::world::{Act, Candidate, Exited, Job, JobKey, JobState, Owner, Replay, RepoFacts, exit, replay_key};

/// Tries of one verification that are looked at. All but a few of so many could not run, for a reason of this machine's;
/// past them, one is made in each longest delay, for as long as it takes.
const TRIES_MAX: u32 = 200;
/// A red target is verified again after the first of these, doubling to the second: its checks may be red for a reason
/// elsewhere.
const RED_TARGET_DELAY: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));
/// The message about a branch that nobody wants any more.
pub(super) const WITHDRAWN: &str = "its bead was closed otherwise";

/// Decides about the queue of the rig of this name.
pub fn reconcile(name: &str, view: &View<'_>) -> Plan {
    match view.objects.get::<Rig>(name).filter(|rig| rig.metadata.deletion_timestamp.is_none()) {
        Some(rig) => land(rig, view),
        None => end(name, view),
    }
}

/// Nothing lands in a rig that is gone: its clone is its own, and a namesake does not inherit it. Whoever waits for a branch
/// of it would wait for ever.
fn end(rig: &str, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    for request in view.objects.queue(rig) {
        let (state, reason, message) = if is_wanted(request, view) {
            let message = format!("its rig `{rig}` is gone: its bead is worked again if that is applied once more");
            (MergeState::Rejected, Reason::HeadMissing, message)
        } else {
            (MergeState::Withdrawn, Reason::Withdrawn, WITHDRAWN.to_owned())
        };
        let mut draft = Draft::of(request.as_ref(), view);
        draft.related = bead_of(request, view);
        draft.conditions.set_bool(types::MERGED, false, reason, message);
        draft.status.state = state;
        plan.set_status(draft);
    }
    plan
}

fn land(rig: &Rig, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let requests: Vec<&Arc<MergeRequest>> = view.objects.queue(&rig.name_any()).collect();
    let settings = &RigSettings::of(rig);
    let hold = PartOf { rig: Some(rig), ..PartOf::default() }.in_town(view).hold(view.now);
    let held = hold.filter(|hold| !hold.mode.may_land());
    let mut queue = Landing { rig: settings, view, held, outcomes: Vec::new() };
    let mut landed = Vec::new();
    match queue.run(&requests, &mut plan) {
        Ok(looked_at) => landed = looked_at,
        Err(not_seen) => {
            plan = Plan::none();
            queue.outcomes.clear();
            for request in &requests {
                queue.waits(request, Reason::Unknown, &not_seen.message());
            }
        }
    }
    for request in requests.into_iter().chain(&landed) {
        plan.set_status(queue.status(request));
    }
    plan
}

/// The bead that it is about, as long as that exists.
fn bead_of(request: &MergeRequest, view: &View<'_>) -> Option<Owner> {
    view.objects.get::<Bead>(&request.spec.bead).map(|bead| Owner::of(bead.as_ref()))
}

/// Whether its bead is open, or was closed by it; and nothing else was handed in after its branch was deleted.
pub(super) fn is_wanted(request: &MergeRequest, view: &View<'_>) -> bool {
    let newest = || view.objects.requests_of(&request.spec.bead).last().map(|newest| newest.name_any());
    if crate::bead::state(request) == MergeState::BranchDeleted && newest() != Some(request.name_any()) {
        return false;
    }
    let bead = view.objects.get::<Bead>(&request.spec.bead);
    bead.is_some_and(|bead| bead.spec.closed.as_ref().is_none_or(|closed| closed.reason == CloseReason::Merged))
}

/// Whether a push, as it stands, may have moved its branch, or found it moved.
pub(super) fn may_have_moved(state: &JobState) -> bool {
    match state {
        JobState::Exited(exited) => exited.code == exit::OK || exited.code == exit::CONTENDED,
        JobState::Lost { .. } => true,
        JobState::Absent | JobState::Running => false,
    }
}

/// The tries of one tree's verification: rounds from 1, without gaps.
pub fn tries(rig: &RigSettings<'_>, commit: &Oid, tree: &Oid, view: &View<'_>) -> Result<Vec<JobState>, NotSeen> {
    let mut tries = Vec::new();
    for round in 1..=TRIES_MAX {
        match view.job(&rig.verify_job(commit, tree, round).key())? {
            JobState::Absent => break,
            state => tries.push(state.clone()),
        }
    }
    if tries.len() >= TRIES_MAX as usize {
        let (round, _) = round_past(TRIES_MAX, view);
        tries.extend(
            Some(view.job(&rig.verify_job(commit, tree, round).key())?.clone()).filter(|it| *it != JobState::Absent),
        );
    }
    Ok(tries)
}

/// How long until a red target's tree is verified for the given round; the first two found it red.
fn red_target_delay(round: u32) -> Duration {
    let (first, longest) = RED_TARGET_DELAY;
    let doubled = 2_u32.checked_pow(round.saturating_sub(3)).and_then(|factor| first.checked_mul(factor));
    doubled.unwrap_or(longest).min(longest)
}

/// Where the push that the queue wants stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Pushed {
    /// It is under way, or its result is being fetched.
    Running,
    /// The remote refused it; it is tried again later.
    Refused(Exited),
}

/// The state of the rig's newest push, unless it went through. The merge requests say which push is wanted.
pub fn pushed(rig: &RigSettings<'_>, facts: &RepoFacts, view: &View<'_>) -> Result<Option<Pushed>, NotSeen> {
    let (Some(from), Some(branch)) = (&facts.target, &facts.branch) else { return Ok(None) };
    // The push carries the batch's tip: the last of it.
    let wanted =
        view.objects.queue(&rig.id.name).filter_map(|r| r.status.as_ref()).filter_map(|s| s.landed.clone()).last();
    let Some(to) = wanted.filter(|_| rig.strategy == Strategy::Push) else { return Ok(None) };
    let job = |round| rig.push_job(branch, Some(from), &Oid(to.clone()), false, round);
    Ok(match tried(view, job)? {
        Tried::Waiting { last: Some(last), .. } => Some(Pushed::Refused(last)),
        Tried::Running => Some(Pushed::Running),
        _ => None,
    })
}

/// The new state of one merge request, as this reconcile finds it.
struct Outcome {
    name: String,
    state: MergeState,
    reason: Reason,
    message: String,
    landed: Option<Oid>,
    log: Option<String>,
    job: Option<String>,
    /// How often in a row it has failed.
    failures: u32,
}

/// What a fetch because of a push came to.
pub(super) enum Looked {
    Done,
    NotYet,
    Failed { failures: u32, tail: String },
}

pub(super) struct Landing<'a> {
    pub(super) rig: &'a RigSettings<'a>,
    pub(super) view: &'a View<'a>,
    /// What keeps all of the rig from landing.
    pub(super) held: Option<Hold>,
    outcomes: Vec<Outcome>,
}

impl Landing<'_> {
    /// Answers with what had landed before, and was looked at again.
    fn run(&mut self, requests: &[&Arc<MergeRequest>], plan: &mut Plan) -> Result<Vec<Arc<MergeRequest>>, NotSeen> {
        let facts = self.view.repo(self.rig)?;
        if self.held.is_none() {
            remove_over(self.rig, facts, self.view, plan)?;
        }
        let (Some(target), Some(tree)) = (&facts.target, &facts.target_tree) else {
            for request in requests {
                self.waits(request, Reason::Queued, "waits for its rig's clone");
            }
            return Ok(Vec::new());
        };
        let landed = self.look_back(facts)?;
        let (mut candidates, mut stays) = (Vec::new(), Vec::new());
        for request in requests {
            if self.is_dealt_with(request, facts, plan)? {
                continue;
            }
            match self.stays(request) {
                None => candidates.push(self.candidate(request)),
                Some(why) => stays.push((self.candidate(request), why)),
            }
        }
        if self.finish(&candidates, &stays, facts, plan)? {
            return Ok(landed);
        }
        for (candidate, why) in stays {
            self.stay(&candidate, why, plan);
        }
        match self.rig.strategy {
            Strategy::Push => {
                self.step(&candidates, target, tree, facts, plan)?;
            }
            // Each is a queue of its own: people merge them in whatever order they like.
            Strategy::Branch => {
                for candidate in &candidates {
                    let busy = self.step(std::slice::from_ref(candidate), target, tree, facts, plan)?;
                    if busy {
                        break;
                    }
                }
            }
        }
        Ok(landed)
    }

    fn candidate(&self, request: &MergeRequest) -> Candidate {
        let title = self.view.objects.get::<Bead>(&request.spec.bead).map(|b| b.spec.title.clone());
        Candidate {
            merge_request: request.name_any(),
            bead: request.spec.bead.clone(),
            head: Oid(request.spec.head.clone()),
            base: Oid(request.spec.base.clone()),
            date: created(request),
            title: title.unwrap_or_else(|| request.spec.bead.clone()),
        }
    }

    /// One step of a queue. Answers whether it keeps the rig's one verification busy.
    fn step(
        &mut self,
        candidates: &[Candidate],
        target: &Oid,
        tree: &Oid,
        facts: &RepoFacts,
        plan: &mut Plan,
    ) -> Result<bool, NotSeen> {
        let rig = self.rig;
        let view = self.view;
        let not_seen = std::cell::RefCell::new(None);
        let note = |error: NotSeen| {
            not_seen.borrow_mut().get_or_insert(error);
        };
        let replays = |list: &[Candidate]| {
            let key = replay_key(&rig.id, target, list, &rig.committer);
            match view.replay(key) {
                Ok(recorded) => recorded.map(<[_]>::to_vec),
                Err(error) => {
                    note(error);
                    None
                }
            }
        };
        // The commands decide the verdict; any commit that carries the tree names the same job.
        let tries = |of: &Oid| {
            tries(rig, target, of, view).unwrap_or_else(|e| {
                note(e);
                Vec::new()
            })
        };
        let decision = landing::next(&Queue {
            target,
            target_tree: tree,
            candidates,
            batch_max: rig.batch_max,
            verified: !rig.checks.is_empty(),
            replays: &replays,
            tries: &tries,
        });
        if let Some(error) = not_seen.into_inner() {
            return Err(error);
        }
        let mut busy = false;
        let flaky = decision.flaky;
        match decision.step {
            Step::Idle => {}
            Step::Replay { candidates: list } => {
                let key = replay_key(&rig.id, target, &list, &rig.committer);
                let (onto, committer) = (target.clone(), rig.committer.clone());
                plan.act(Act::EnsureReplay(Replay { owner: rig.id.clone(), key, onto, candidates: list, committer }));
                self.all_wait(candidates, Reason::Queued, "");
            }
            Step::Verify { commit, tree, round } => {
                busy = true;
                self.start(&commit, &tree, round, plan)?;
                self.all_wait(candidates, Reason::Verifying, "");
            }
            Step::Running { .. } => {
                busy = true;
                self.all_wait(candidates, Reason::Verifying, "");
            }
            Step::RetryVerify { commit, tree, round, errors, last } => {
                busy = self.start_after(last.at, self.view.settings.delay(errors, &tree.0), plan);
                if busy {
                    self.start(&commit, &tree, round, plan)?;
                }
                let tail = last.tail;
                let message = format!("a verification could not run {}; see the rig's checks:\n{tail}", times(errors));
                self.all_wait(candidates, Reason::VerifyError, &message);
                self.fails(candidates.iter().map(|candidate| &candidate.merge_request), errors);
            }
            Step::Land { commit, merge_requests } => {
                self.all_wait(candidates, Reason::Queued, "");
                self.land(&commit, &merge_requests, target, facts, plan)?;
            }
            Step::Reject { merge_request, why } => {
                self.reject(candidates, &merge_request, why, plan);
                // Its status says so once its head is kept, before anything else is begun.
                busy = true;
            }
            Step::AlreadyApplied { merge_request } => {
                self.all_wait(candidates, Reason::Queued, "");
                let message = "the target already holds its changes";
                self.set(&merge_request, MergeState::Merged, Reason::AlreadyApplied, message, None);
            }
            Step::BaseRed { round, over } => {
                busy = self.start_after(over, red_target_delay(round), plan);
                if busy {
                    self.start(target, tree, round, plan)?;
                }
                let message = "the target itself fails verification: see the rig";
                self.all_wait(candidates, Reason::BaseRed, message);
            }
        }
        for Flaky { tree, round, merge_request } in flaky {
            let outcome = self.outcomes.iter_mut().find(|o| Some(&o.name) == merge_request.as_ref() && o.job.is_none());
            if let Some(outcome) = outcome {
                outcome.job = Some(rig.verify_job(target, &tree, round).key().0);
            }
        }
        Ok(busy)
    }

    /// Whether a delay since the try before is over; else the queue is looked at again then.
    fn start_after(&self, over: Timestamp, delay: Duration, plan: &mut Plan) -> bool {
        let Some(due) = self.view.wait_after(over, delay) else { return true };
        plan.again_at(due);
        false
    }

    /// Starts a verification.
    fn start(&self, commit: &Oid, tree: &Oid, round: u32, plan: &mut Plan) -> Result<(), NotSeen> {
        // What is verified moves with the target; the verification of what it was ends first.
        if !self.view.is_free(&self.rig.verify_job(commit, tree, round).track())? {
            return Ok(());
        }
        if round <= TRIES_MAX {
            plan.act(Act::EnsureJob(self.rig.verify_job(commit, tree, round)));
            return Ok(());
        }
        let (round, next) = round_past(TRIES_MAX, self.view);
        let job = self.rig.verify_job(commit, tree, round);
        match self.view.job(&job.key())? {
            JobState::Absent => plan.act(Act::EnsureJob(job)),
            _ => plan.again_at(next),
        }
        Ok(())
    }

    fn land(
        &mut self,
        commit: &Oid,
        landing: &[(String, Oid)],
        target: &Oid,
        facts: &RepoFacts,
        plan: &mut Plan,
    ) -> Result<(), NotSeen> {
        let rig = self.rig;
        let own = rig.strategy == Strategy::Branch;
        let Some(branch) = self.branch(landing, facts) else { return Ok(()) };
        let from = (!own).then_some(target);
        let job = |round| rig.push_job(&branch, from, commit, own, round);
        self.set_all(landing, MergeState::Queued, Reason::Pushing, "verified");
        match tried(self.view, job)? {
            Tried::Running => {}
            Tried::Due(job) if own => plan.act(Act::EnsureJob(job)),
            // Said before it is begun: whoever withdraws a bead must know that its branch is on its way.
            Tried::Due(_) if !self.is_said(landing) => {}
            Tried::Due(job) => match self.knows_the_newest(&job, plan)? {
                Looked::Done => plan.act(Act::EnsureJob(job)),
                looked => self.not_seen(landing, "an earlier push", looked),
            },
            Tried::Done(_) if own => {
                let message = format!("merge `{branch}`: it is verified on the present target");
                self.set_all(landing, MergeState::BranchReady, Reason::BranchReady, &message);
            }
            // The remote has it, or somebody else was faster: a fresh look decides. `Merged` is never taken on trust.
            Tried::Done(push) => match self.look_again(&push.key(), plan)? {
                Looked::Done => {
                    let message = format!("was pushed, and `{branch}` does not hold it: was the branch moved back?");
                    self.set_all(landing, MergeState::Queued, Reason::Pushing, &message);
                }
                looked => self.not_seen(landing, "its push", looked),
            },
            Tried::Waiting { last, due, failures } => {
                plan.again_at(due);
                let Some(last) = last else { return Ok(()) };
                // A refused push to the target is the rig's trouble, and its status says so.
                let (reason, see) = if own { (Reason::PushRefused, "") } else { (Reason::Pushing, "; see the rig") };
                let message = format!("the push was refused {}{see}:\n{}", times(failures), last.tail);
                self.set_all(landing, MergeState::Queued, reason, &message);
                self.fails(landing.iter().map(|(name, _)| name), failures);
                if last.code == exit::CONTENDED {
                    self.look_again(&job(failures).key(), plan)?;
                }
            }
        }
        Ok(())
    }

    /// Whether their statuses say that they are being pushed, as these commits. Where the push cannot be begun, they say that.
    fn is_said(&self, landing: &[(String, Oid)]) -> bool {
        let is_said = |(name, oid): &(String, Oid)| {
            let status = self.view.objects.get::<MergeRequest>(name).and_then(|request| request.status.as_ref());
            status.is_some_and(|status| {
                let merged = condition(&status.conditions, types::MERGED);
                status.landed.as_ref() == Some(&oid.0) && merged.is_some_and(|merged| merged.reason == Reason::Pushing)
            })
        };
        self.view.failed.is_some() || landing.iter().all(is_said)
    }

    /// The branch that these are pushed to: the target, or one of the town's own for the bead.
    fn branch(&self, landing: &[(String, Oid)], facts: &RepoFacts) -> Option<String> {
        if self.rig.strategy == Strategy::Push {
            return facts.branch.clone();
        }
        let (first, _) = landing.first()?;
        let request = self.view.objects.queue(&self.rig.id.name).find(|request| request.name_any() == *first)?;
        Some(own_branch(request))
    }

    /// Whether what the newest push to this branch came to, by whichever rig, is known here: a push from where the branch
    /// was before would be refused, or worse. If not, it is fetched.
    fn knows_the_newest(&self, wanted: &Job, plan: &mut Plan) -> Result<Looked, NotSeen> {
        match self.view.newest(&wanted.track())? {
            Some((push, state)) if may_have_moved(state) => self.look_again(push, plan),
            _ => Ok(Looked::Done),
        }
    }

    /// Fetches because of a push; named by it, so it is done once for it.
    pub(super) fn look_again(&self, push: &JobKey, plan: &mut Plan) -> Result<Looked, NotSeen> {
        let cause = &push.0;
        match tried(self.view, |round| self.rig.fetch_job(cause, round))? {
            Tried::Due(job) => plan.act(Act::EnsureJob(job)),
            Tried::Waiting { due, last, failures } => {
                plan.again_at(due);
                return Ok(Looked::Failed { failures, tail: last.map(|last| last.tail).unwrap_or_default() });
            }
            Tried::Running => {}
            Tried::Done(_) => return Ok(Looked::Done),
        }
        Ok(Looked::NotYet)
    }

    /// Says that what a push came to could not be seen, if it was tried.
    pub(super) fn not_seen(&mut self, landing: &[(String, Oid)], push: &str, looked: Looked) {
        let Looked::Failed { failures, tail } = looked else { return };
        let message = format!("the fetch after {push} failed {}; see the rig:\n{tail}", times(failures));
        self.set_all(landing, MergeState::Queued, Reason::FetchFailed, &message);
        self.fails(landing.iter().map(|(name, _)| name), failures);
    }

    fn reject(&mut self, candidates: &[Candidate], name: &str, why: Rejection, plan: &mut Plan) {
        self.all_wait(candidates, Reason::Queued, "");
        let Some(candidate) = candidates.iter().find(|c| c.merge_request == name) else { return };
        let (reason, message, log, job) = match why {
            Rejection::Missing => {
                let message = "the clone does not hold its commits (was the rig made anew?): its bead is worked again";
                self.set(name, MergeState::Rejected, Reason::HeadMissing, message, None);
                return;
            }
            Rejection::Conflict { files } => {
                let message = format!("conflicts with the target in {}", files.join(", "));
                (Reason::Conflict, message, files.join("\n"), None)
            }
            Rejection::Red(red) => {
                // The key speaks of the tree and the commands, whatever commit carried the tree.
                let key = self.rig.verify_job(&candidate.head, &red.tree, red.round).key().0;
                (Reason::Red, "makes a green target red".to_owned(), red.tail, Some(key))
            }
        };
        plan.act(Act::Archive { owner: self.rig.id.clone(), name: name.to_owned(), head: candidate.head.clone() });
        // Said only once the head is kept: a polecat that saw it come back would start over, and lose the branch.
        if self.view.failed.is_some() {
            return;
        }
        self.set(name, MergeState::Rejected, reason, &message, None);
        if let Some(outcome) = self.outcomes.iter_mut().find(|o| o.name == name) {
            outcome.log = Some(tail(&log, STATUS_TEXT_BYTES_MAX).to_owned());
            outcome.job = job;
        }
    }

    fn all_wait(&mut self, candidates: &[Candidate], reason: Reason, message: &str) {
        for candidate in candidates {
            self.set(&candidate.merge_request, MergeState::Queued, reason, message, None);
        }
    }

    pub(super) fn waits(&mut self, request: &MergeRequest, reason: Reason, message: &str) {
        let state = crate::bead::state(request);
        let landed = request.status.as_ref().and_then(|s| s.landed.clone()).map(Oid);
        self.set(&request.name_any(), state, reason, message, landed);
    }

    /// Sets the state of all that land together, each as a commit of its own.
    pub(super) fn set_all(&mut self, landing: &[(String, Oid)], state: MergeState, reason: Reason, message: &str) {
        for (name, oid) in landing {
            self.set(name, state, reason, message, Some(oid.clone()));
        }
    }

    pub(super) fn set(&mut self, name: &str, state: MergeState, reason: Reason, message: &str, landed: Option<Oid>) {
        self.outcomes.retain(|o| o.name != name);
        self.outcomes.push(Outcome {
            name: name.to_owned(),
            state,
            reason,
            message: message.to_owned(),
            landed,
            log: None,
            job: None,
            failures: 0,
        });
    }

    /// Notes how often in a row has failed what these wait for.
    fn fails<'n>(&mut self, names: impl Iterator<Item = &'n String>, failures: u32) {
        for name in names {
            if let Some(outcome) = self.outcomes.iter_mut().find(|outcome| outcome.name == *name) {
                outcome.failures = failures;
            }
        }
    }

    fn status<'r>(&self, request: &'r MergeRequest) -> Draft<'r, MergeRequest> {
        let mut draft = Draft::of(request, self.view);
        draft.related = bead_of(request, self.view);
        let Some(outcome) = self.outcomes.iter().find(|o| o.name == request.name_any()) else {
            draft.keep_conditions();
            return draft;
        };
        let (status, conditions) = (&mut draft.status, &mut draft.conditions);
        let held = match (outcome.state, outcome.reason) {
            (_, Reason::LeftTarget) => ConditionStatus::False,
            (MergeState::Merged, _) => ConditionStatus::True,
            (_, Reason::Unknown) => ConditionStatus::Unknown,
            _ => ConditionStatus::False,
        };
        if let Some(failure) = self.view.failed.filter(|_| !outcome.state.is_final()) {
            conditions.failed(types::MERGED, failure);
        } else {
            conditions.set(types::MERGED, held, outcome.reason, outcome.message.clone());
            conditions.fails(outcome.failures);
        }
        if outcome.reason == Reason::LeftTarget {
            conditions.set(types::LEFT_TARGET, ConditionStatus::True, outcome.reason, outcome.message.clone());
        }
        status.state = outcome.state;
        status.landed = outcome.landed.as_ref().map(|oid| oid.0.clone());
        status.log.clone_from(&outcome.log);
        // A red that was refuted stays on record, unless it came back for something else.
        let kept = status.job.take().filter(|_| outcome.state != MergeState::Rejected);
        status.job = outcome.job.clone().or(kept);
        draft
    }
}
