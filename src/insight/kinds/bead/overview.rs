//! Beads in the overview of a town: which of them need a person, what the open ones wait for, and which have landed.

use std::cmp::Reverse;

use gastown_controllers::kinds::bead::GATE_FOR_PERSON;
use gastown_controllers::runtime::Named;
use gastown_crds::bead::{AgentQuestion, BeadState, CloseReason};
use gastown_crds::common::{ConditionStatus, condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Rig, Town};
use kube::ResourceExt;

use super::{explained, failures, related, state};
use crate::attention::{Need, once_each};
use crate::kinds::{rig, town};
use crate::overview::{BeadLine, Landed, NOT_SEEN};
use crate::text::{cut, plain};
use crate::{OpenBead, Snapshot, conditions, overrides};

/// Beads that failed too often.
pub fn failed_too_often(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let needs_answer = |bead: &Bead| bead.spec.open_question().is_some();
    let failed = snapshot.work().filter(|bead| state(bead) == BeadState::SetAside && !needs_answer(bead));
    failed.map(|bead| Need::new(format!("bead/{}", bead.name_any()), failures(bead))).collect()
}

/// Gates that a person has to open.
pub fn gates(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let waiting = snapshot.work().filter(|bead| state(bead) == BeadState::Waiting);
    let need = |bead: &Bead| {
        conditions::refused(&bead.status.as_ref()?.conditions, &GATE_FOR_PERSON)?;
        let name = bead.name_any();
        let what = format!("waits for you: {}", cut(&plain(&bead.spec.title), QUESTION_CHARS_MAX));
        Some(Need {
            next: format!("gt gate approve {name}, or gt gate reject {name} --reason WHY"),
            object: format!("bead/{name}"),
            what,
        })
    };
    waiting.filter_map(need).collect()
}

/// Beads whose agent has asked a person, or is stuck.
pub fn asked(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let open = snapshot.work().filter(|bead| bead.spec.closed.is_none());
    let asked = open.filter_map(|bead| Some((bead.name_any(), bead.spec.open_question()?)));
    let need = |(bead, question): (String, &AgentQuestion)| Need {
        next: format!("gt answer {bead} \"...\""),
        object: format!("bead/{bead}"),
        what: asked_words(question),
    };
    asked.map(need).collect()
}

/// Longest question that is shown in a line, in characters; `gt answer BEAD` has all of it.
const QUESTION_CHARS_MAX: usize = 200;

/// What an agent has asked, in a line.
pub fn asked_words(question: &AgentQuestion) -> String {
    let how = if question.stuck { "is stuck" } else { "asks" };
    format!("{how}: {}", cut(&plain(&question.text), QUESTION_CHARS_MAX))
}

/// Beads that cannot be worked until somebody declares something otherwise; what many lack is said of one.
pub fn not_as_declared(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let lacking = snapshot.work().filter(|bead| state(bead) == BeadState::Waiting).filter_map(|bead| {
        let ready = conditions::refused(&bead.status.as_ref()?.conditions, &[Reason::InvalidFormula])?;
        Some((ready.message.as_str(), format!("bead/{}", bead.name_any()), ready))
    });
    once_each(lacking, "")
}

/// The beads in these states, in the order of the states; within one, the most urgent first.
pub fn lines(snapshot: &Snapshot, states: &[BeadState]) -> Vec<BeadLine> {
    let mut found: Vec<&Bead> = snapshot.work().filter(|bead| states.contains(&state(bead))).collect();
    found.sort_by_key(|bead| (states.iter().position(|it| *it == state(bead)), bead.spec.priority, bead.name_any()));
    let line =
        |bead: &&Bead| BeadLine { bead: bead.name_any(), why: why(bead, snapshot), title: plain(&bead.spec.title) };
    found.iter().map(line).collect()
}

/// An open bead, its state and the reason for it.
pub fn open(bead: &Bead, snapshot: &Snapshot) -> OpenBead {
    let conditions = bead.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    let message = condition(conditions, types::READY).map(|ready| ready.message.as_str()).unwrap_or_default();
    OpenBead { bead: bead.name_any(), state: state(bead), why: explained(bead, message, snapshot) }
}

/// The reason for the state of an open bead.
fn why(bead: &Bead, snapshot: &Snapshot) -> String {
    let conditions = bead.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    match condition(conditions, types::READY) {
        Some(ready) if ready.status == ConditionStatus::True => waits_for(bead, snapshot),
        Some(ready) if !ready.message.is_empty() => explained(bead, &ready.message, snapshot),
        Some(ready) => ready.reason.clone(),
        None => NOT_SEEN.to_owned(),
    }
}

/// The reason why a ready bead is not worked on yet: no free slot, nothing free on the machine, or its rig.
fn waits_for(bead: &Bead, snapshot: &Snapshot) -> String {
    let short = town::short_of(snapshot).map(|short| format!("ready: {short}"));
    if bead.spec.assignee.is_some() {
        return short.unwrap_or_else(|| "goes on as soon as a slot is free".to_owned());
    }
    if let Some(why) = overrides::town_holds(snapshot) {
        return why;
    }
    let (rig, whole) = (snapshot.get::<Rig>(&bead.spec.rig), snapshot.all::<Town>().next());
    let (runtime, _) = Named::of(related::next_step(bead, snapshot), &bead.spec, None, rig, whole).smallest();
    if let Some(why) = town::refused(runtime, snapshot) {
        return format!("ready: {why}");
    }
    let name = &bead.spec.rig;
    let why = snapshot.get::<Rig>(name).map_or_else(|| Some("there is none".to_owned()), rig::not_ready);
    let free = || short.unwrap_or_else(|| "ready: waits for a free slot".to_owned());
    why.map_or_else(free, |why| format!("waits for rig `{name}`: {why}"))
}

/// Beads that have landed, or had nothing to land, the latest first.
pub fn landed(snapshot: &Snapshot) -> Vec<Landed> {
    let is_landed = |reason| matches!(reason, CloseReason::Merged | CloseReason::NoChanges);
    let closed = snapshot.work().filter_map(|bead| {
        let closed = bead.spec.closed.as_ref().filter(|closed| is_landed(closed.reason))?;
        let (bead, title) = (bead.name_any(), plain(&bead.spec.title));
        Some(Landed { bead, how: closed.reason, at: closed.at, title })
    });
    let mut found: Vec<Landed> = closed.collect();
    found.sort_by_key(|landed| (Reverse(landed.at), landed.bead.clone()));
    found
}
