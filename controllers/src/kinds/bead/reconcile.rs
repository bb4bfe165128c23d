//! The Bead controller: where a piece of work stands, its steps poured, its claim released, its end written.
//!
//! A bead's life: Waiting → Ready → Working → Landing → Closed; a branch that comes back makes it Ready again, with the
//! log attached; one whose polecat has to wait is Waiting, then Ready for that polecat alone; too many failures set it
//! aside for a person.

use std::sync::Arc;
use std::time::Duration;

use gastown_crds::bead::{BeadState, BeadStatus, BeadType, CloseReason, Handoff, Waiting};
use gastown_crds::common::{Condition, ConditionStatus, STATUS_TEXT_BYTES_MAX, condition, types};
use gastown_crds::kinds::polecat;
use gastown_crds::merge_request::MergeState;
use gastown_crds::quantity::Bytes;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, MergeRequest, PolecatStatus};
use kube::ResourceExt;

use super::changed::changed;
use super::readiness::{blocked, held_back, is_wanted, not_to_be_done, open_needs, readiness};
use super::wisp::{self, End};
use super::{
    card, failures, finish, flow, is_landing, is_refused, last_word, molecule, nobody_has_asked, release, requests,
    rework, round, starved, state,
};
use crate::conditions::{tail, times};
use crate::draft::Draft;
use crate::holds;
use crate::kinds::runtime;
use crate::plan::{Plan, Write};
use crate::view::{NotSeen, View};
use crate::world::{Attempt, AttemptState, Owner};

/// How long until a bead looks again at a session that ends; ending one takes at most 1.3 s.
const ENDING_DELAY: Duration = Duration::from_secs(2);

/// Longest message of a close, in characters, as its schema has it.
const CLOSE_CHARS_MAX: usize = 4096;

/// Decides about one bead.
pub fn reconcile(bead: &Bead, view: &View<'_>) -> Plan {
    if bead.metadata.deletion_timestamp.is_some() {
        return Plan::none();
    }
    let end = wisp::end(bead, view);
    if end == End::Now {
        let mut plan = Plan::none();
        plan.write(Write::delete(bead));
        return plan;
    }
    let result = match bead.spec.type_ {
        BeadType::Step => Ok(step(bead, view)),
        type_ if type_.is_dispatched() => work(bead, view),
        _ => Ok(card::reconcile(bead, view)),
    };
    let (mut plan, mut draft) = result.unwrap_or_else(|not_seen| (Plan::none(), unknown(bead, view, &not_seen)));
    if let Some((reason, message)) = flow::make(bead, view, &mut plan) {
        draft.conditions.set_bool(types::READY, false, reason, message);
    }
    if let End::NotBefore(at) = end {
        plan.again_at(at);
    }
    holds::expire(bead, view, &mut plan);
    plan.set_status(draft);
    plan
}

fn step<'a>(bead: &'a Bead, view: &View<'_>) -> (Plan, Draft<'a, Bead>) {
    let mut draft = Draft::of(bead, view);
    let open = open_needs(bead, view);
    if bead.spec.closed.is_some() {
        draft.status.state = BeadState::Closed;
        draft.conditions.set_bool(types::CLOSED, true, Reason::Closed, "");
        return (Plan::none(), draft);
    }
    let (state, reason, message) = if open.is_empty() {
        (BeadState::Ready, Reason::Ready, String::new())
    } else {
        (BeadState::Waiting, Reason::NeedsOpen, format!("waits for {}", open.join(", ")))
    };
    draft.conditions.set_bool(types::READY, state == BeadState::Ready, reason, message);
    draft.status.state = state;
    (Plan::none(), draft)
}

fn work<'a>(bead: &'a Bead, view: &View<'_>) -> Result<(Plan, Draft<'a, Bead>), NotSeen> {
    let mut plan = Plan::none();
    let mut draft = Draft::of(bead, view);
    let requests = requests(bead, view);
    draft.related = match &bead.spec.assignee {
        Some(assignee) => {
            Some(Owner { kind: polecat::KIND.name.into(), name: assignee.polecat.clone(), uid: assignee.uid.clone() })
        }
        None => requests.last().map(|request| Owner::of(request.as_ref())),
    };
    let (status, conditions) = (&mut draft.status, &mut draft.conditions);
    if let Some(assignee) = &bead.spec.assignee {
        status.last_polecat = Some(assignee.polecat.clone());
    }
    if let Some(closed) = &bead.spec.closed {
        status.state = BeadState::Closed;
        status.rework = None;
        let message = closed.message.clone().unwrap_or_default();
        // `Ready` is not said any more: `False` would read as if something were wrong.
        conditions.set_bool(types::CLOSED, true, Reason::from(closed.reason), message);
        if let Some(left) = requests.last().and_then(|request| has_left(request)) {
            conditions.set_bool(types::LEFT_TARGET, true, Reason::LeftTarget, &left.message);
        }
        for step in view.objects.steps_of(&bead.name_any()).filter(|step| step.spec.closed.is_none()) {
            plan.write(finish(step, CloseReason::Withdrawn, "its bead is closed", view.now));
        }
        return Ok((plan, draft));
    }

    // A bead that nobody ever had has no attempts to look at.
    let touched = bead.spec.assignee.is_some() || status.last_polecat.is_some() || !requests.is_empty();
    let attempts = if touched { view.attempts(&bead.uid().unwrap_or_default())? } else { &[] };
    status.attempts = attempts.last().map_or(0, |r| r.attempt);
    let polecat = bead.spec.assignee.as_ref().map(|it| &it.polecat).or(status.last_polecat.as_ref());
    let next = runtime::name_of(bead, polecat.map(String::as_str), view);
    status.failures = failures(&bead.spec, attempts, &requests, next);
    status.rework = rework(&requests);
    let newest = requests.last();

    if let Some(request) = newest.filter(|r| state(r) == MergeState::Merged) {
        let landed = request.status.as_ref().and_then(|s| s.landed.clone());
        let message = landed.map_or_else(|| "the target holds it already".to_owned(), |oid| format!("landed as {oid}"));
        plan.write(finish(bead, CloseReason::Merged, message, view.now));
        status.state = BeadState::Landing;
        conditions.set_bool(types::READY, false, Reason::Landing, "merged; being closed");
    } else if let Some(request) = newest.filter(|r| is_landing(r)) {
        // Handing in cleared the hook: the polecat is free for other work while the queue lands this.
        if bead.spec.assignee.is_some() {
            plan.write(release(bead));
        }
        status.state = BeadState::Landing;
        if let Some(left) = has_left(request) {
            conditions.set_bool(types::LEFT_TARGET, true, Reason::LeftTarget, &left.message);
            conditions.set_bool(types::READY, false, Reason::LeftTarget, &left.message);
        } else {
            let message = format!("handed in as {}", request.name_any());
            conditions.set_bool(types::READY, false, Reason::Landing, message);
        }
    } else if let Some(request) = newest.filter(|r| is_refused(r, &bead.spec, attempts)) {
        if bead.spec.assignee.is_some() {
            plan.write(release(bead));
        }
        status.state = BeadState::SetAside;
        let said = request.status.as_ref().and_then(|status| condition(&status.conditions, types::MERGED));
        let message = said.map_or("its branch was deleted", |merged| &merged.message);
        conditions.set_bool(types::SET_ASIDE, true, Reason::BranchDeleted, message);
        conditions.set_bool(types::READY, false, Reason::BranchDeleted, "set aside for a person");
    } else if let Some((reason, message)) = set_aside(bead, status, attempts, &requests, view) {
        let is_soft = flow::fails_softly(bead);
        let ended = attempts.last().is_none_or(|r| r.state != AttemptState::Running);
        if bead.spec.assignee.is_some() && ended {
            plan.write(release(bead));
        } else if is_soft && ended {
            // Once its polecat has let go of it; what needs it goes on.
            plan.write(finish(bead, CloseReason::Withdrawn, cut(format!("failed: {message}")), view.now));
        }
        status.state = BeadState::SetAside;
        conditions.set_bool(types::SET_ASIDE, true, reason, message);
        conditions.set_bool(types::READY, false, reason, "set aside for a person");
    } else if let Some(assignee) = &bead.spec.assignee {
        let polecat = view.objects.polecat_by_uid(&assignee.polecat, &assignee.uid);
        if polecat.is_none() {
            // Its polecat is gone for good: a polecat goes only when its sandbox has been rescued and removed.
            plan.write(release(bead));
        }
        let of_bead = polecat.and_then(|p| p.status.as_ref()).filter(|s| s.bead.as_deref() == Some(&*bead.name_any()));
        let (state, reason, message) = match assignee.waiting {
            None => {
                let works = || (Reason::Claimed, format!("{} works on it", assignee.polecat));
                let (reason, message) = of_bead.and_then(stands_still).unwrap_or_else(works);
                (BeadState::Working, reason, message)
            }
            Some(Waiting::Slot) => match held_back(bead, view, &mut |at| plan.again_at(at)) {
                None => (BeadState::Ready, Reason::Ready, String::new()),
                Some((reason, message)) => (BeadState::Waiting, reason, message),
            },
            Some(Waiting::Bead | Waiting::Rig) => {
                conditions.fails(of_bead.map_or(0, |status| status.consecutive_failures));
                let waits = waits(of_bead);
                if waits.0 == BeadState::SetAside {
                    conditions.set_bool(types::SET_ASIDE, true, waits.1, waits.2.clone());
                }
                waits
            }
        };
        status.state = state;
        conditions.set_bool(types::READY, state == BeadState::Ready, reason, message);
        // Steps are not pulled from under an agent that is at work on them.
        if attempts.last().is_none_or(|r| r.state != AttemptState::Running) {
            molecule::pour(&mut draft, round(&requests), view, &mut plan);
        } else if !molecule::is_poured(bead, round(&requests), view) {
            // The session of an earlier claim is just ending, in another polecat's sandbox: nothing wakes this bead then.
            plan.again_at(view.now + ENDING_DELAY);
        }
    } else if let Some((end, why)) = not_to_be_done(bead, view) {
        plan.write(finish(bead, end, why.clone(), view.now));
        status.state = BeadState::Waiting;
        conditions.set_bool(types::READY, false, end.into(), why);
    } else if is_wanted(bead, view) {
        let (reason, message) = readiness(bead, view, &mut |at| plan.again_at(at));
        status.state = if reason == Reason::Ready { BeadState::Ready } else { BeadState::Waiting };
        conditions.set_bool(types::READY, reason == Reason::Ready, reason, message);
    } else {
        let (state, (reason, message)) = match blocked(bead, view, &mut |at| plan.again_at(at)) {
            Some(why) => (BeadState::Blocked, why),
            None => (BeadState::Backlog, (Reason::Backlog, nobody_has_asked(&bead.name_any()))),
        };
        status.state = state;
        conditions.set_bool(types::READY, false, reason, message);
    }
    draft.conditions.set_bool(types::CLOSED, false, Reason::Open, "");
    if let Some((reason, message)) = changed(bead, view) {
        draft.conditions.set_bool(types::BEAD_CHANGED, true, reason, message);
    }
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::READY, failure);
    }
    Ok((plan, draft))
}

/// The condition that says that a merge request has left its target.
fn has_left(request: &MergeRequest) -> Option<&Condition> {
    let left = condition(&request.status.as_ref()?.conditions, types::LEFT_TARGET)?;
    (left.status == ConditionStatus::True).then_some(left)
}

/// Why the agent of a polecat that has a slot does nothing, if its reports say so.
fn stands_still(status: &PolecatStatus) -> Option<(Reason, String)> {
    let ready = condition(&status.conditions, types::READY).filter(|ready| ready.status == ConditionStatus::False)?;
    let reason = Reason::parse(&ready.reason)?;
    let still =
        [Reason::Asking, Reason::Stuck, Reason::DialogOpen, Reason::TurnEnded, Reason::LoginRequired, Reason::Limited];
    still.contains(&reason).then(|| (reason, ready.message.clone()))
}

/// The state of a bead whose polecat has left its slot, with the reason and the message that the polecat gives.
fn waits(status: Option<&PolecatStatus>) -> (BeadState, Reason, String) {
    let ready = status.and_then(|s| condition(&s.conditions, types::READY));
    let reason = ready.and_then(|ready| Reason::parse(&ready.reason)).unwrap_or(Reason::BackOff);
    let message = ready.map_or("its polecat waits with it", |ready| &ready.message);
    let state =
        if matches!(reason, Reason::WouldFailAgain | Reason::Stuck) { BeadState::SetAside } else { BeadState::Waiting };
    (state, reason, message.to_owned())
}

/// The reason and the message of a bead that is set aside; none if it is not.
fn set_aside(
    bead: &Bead,
    status: &BeadStatus,
    attempts: &[Attempt],
    requests: &[&Arc<MergeRequest>],
    view: &View<'_>,
) -> Option<(Reason, String)> {
    if let Some((attempt, end)) = last_word(&bead.spec, attempts, requests) {
        let output = tail(end.output(), STATUS_TEXT_BYTES_MAX - 512);
        let message = format!(
            "attempt {attempt} ended with {}: another would end the same way; fix the cause, then `gt sling {}` or change \
             its text to try again. Its output:\n{output}",
            end.code,
            bead.name_any()
        );
        return Some((Reason::WouldFailAgain, message));
    }
    let runtime = runtime::runtime_of(bead, status.last_polecat.as_deref(), view);
    let limit = runtime.and_then(|runtime| runtime::limits(runtime).memory);
    if let (Some((attempt, reached)), Some(runtime)) = (starved(&bead.spec, attempts, requests, limit), runtime) {
        let message = format!(
            "attempt {attempt} was killed at its memory limit of {} as the one before it; raise resources.limits.memory of \
             Runtime `{}`, or `gt sling {}` to try again with the same",
            Bytes(reached),
            runtime.name_any(),
            bead.name_any()
        );
        return Some((Reason::OutOfMemory, message));
    }
    let limit = flow::attempts_max(bead, &view.settings);
    let is_over = status.failures >= limit;
    is_over.then(|| (Reason::TooManyAttempts, failed_too_often(bead, status, attempts)))
}

/// As much of a message as a close can say.
fn cut(message: String) -> String {
    if message.chars().count() <= CLOSE_CHARS_MAX { message } else { message.chars().take(CLOSE_CHARS_MAX).collect() }
}

fn failed_too_often(bead: &Bead, status: &BeadStatus, attempts: &[Attempt]) -> String {
    let last = attempts.iter().rev().find_map(|r| match &r.state {
        AttemptState::Ended(end) => Some((r.attempt, end)),
        _ => None,
    });
    let output = match (&status.rework, last) {
        (Some(rework), _) => format!("it came back {}:\n{}", rework.kind, rework.log),
        (None, Some((attempt, end))) => match bead.spec.handoff_of(attempt) {
            Some(Handoff { subject, .. }) => {
                format!("attempt {attempt} handed off without a commit or a closed step, as those before it: {subject}")
            }
            None => format!("attempt {attempt} ended with {}:\n{}", end.code, end.output()),
        },
        (None, None) => String::new(),
    };
    let output = tail(&output, STATUS_TEXT_BYTES_MAX - 512).to_owned();
    let (failed, name) = (times(status.failures), bead.name_any());
    format!("failed {failed}; fix the cause, then `gt sling {name}` or change its text to try again. Last, {output}")
}

fn unknown<'a>(bead: &'a Bead, view: &View<'_>, not_seen: &NotSeen) -> Draft<'a, Bead> {
    let mut draft = Draft::of(bead, view);
    draft.conditions.unknown(types::READY, not_seen);
    // What has failed has not worked since.
    draft.conditions.fails(draft.status.consecutive_failures);
    if draft.status.state == BeadState::Ready {
        draft.status.state = BeadState::Waiting;
    }
    draft
}
