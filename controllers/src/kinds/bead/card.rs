//! Beads that nobody is dispatched to: epics, which are closed once all their parts are, and records of how things are.

use std::collections::BTreeSet;

use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, BeadType, CloseReason, GateType};
use gastown_crds::common::{condition, types};
use gastown_crds::reason::Reason;
use kube::ResourceExt;

use super::flow::Round;
use super::readiness::{blocked, is_wanted};
use super::{finish, flow, gate};
use crate::draft::Draft;
use crate::plan::Plan;
use crate::view::View;

/// Decides about one of them.
pub fn reconcile<'a>(bead: &'a Bead, view: &View<'_>) -> (Plan, Draft<'a, Bead>) {
    let mut plan = Plan::none();
    let mut draft = Draft::of(bead, view);
    if let Some(closed) = &bead.spec.closed {
        draft.status.state = BeadState::Closed;
        let message = closed.message.clone().unwrap_or_default();
        draft.conditions.set_bool(types::CLOSED, true, Reason::from(closed.reason), message);
        return (plan, draft);
    }
    draft.conditions.set_bool(types::CLOSED, false, Reason::Open, "");
    if bead.spec.type_.is_record() {
        // It is as it is: nothing is to be done about it.
        draft.status.state = BeadState::Backlog;
        return (plan, draft);
    }
    if let Some(why) = flow::left_out(bead, view) {
        plan.write(finish(bead, CloseReason::Skipped, why.clone(), view.now));
        draft.status.state = BeadState::Waiting;
        draft.conditions.set_bool(types::READY, false, CloseReason::Skipped.into(), why);
        return (plan, draft);
    }
    let is_gate = bead.spec.type_ == BeadType::Gate;
    let is_wanted = if is_gate { gate::holds_up_what_is_wanted(bead, view) } else { is_wanted(bead, view) };
    let why = blocked(bead, view, &mut |at| plan.again_at(at));
    if is_gate && why.is_none() {
        let type_ = bead.spec.gate.as_ref().map_or(GateType::Human, |gate| gate.type_);
        // A person is asked only about what somebody wants, and so is a program; what opens by itself does so in any case.
        let not_now = match type_ {
            GateType::Timer | GateType::Bead | GateType::Condition | GateType::Event => None,
            type_ if type_.asks_a_program() => gate::not_asked(bead, view),
            _ if is_wanted => None,
            _ => Some(gate::backlog()),
        };
        match not_now {
            None => gate::decide(bead, view, &mut plan, &mut draft),
            Some((state, reason, message)) => {
                draft.status.state = state;
                draft.conditions.set_bool(types::READY, false, reason, message);
            }
        }
        return (plan, draft);
    }
    let next = flow::next(bead);
    let parts = Parts::of(bead, next.as_ref(), view);
    let (state, reason, message) = match (why, next) {
        // A loop goes on whether it was asked for or worked through by hand.
        (None, Some(next)) if parts.are_closed() => {
            let (reason, message) = again(bead, &next, view, &mut plan);
            (BeadState::Waiting, reason, message)
        }
        (Some((reason, message)), _) if is_wanted => (BeadState::Waiting, reason, message),
        (Some((reason, message)), _) => (BeadState::Blocked, reason, message),
        // So is a molecule closed with its last part; an epic that nobody has asked for is closed by hand.
        (None, _) if !is_wanted && (bead.spec.type_ != BeadType::Molecule || !parts.are_closed()) => {
            (BeadState::Backlog, Reason::Backlog, super::nobody_has_asked(&bead.name_any()))
        }
        (None, _) => {
            if bead.spec.type_.asks_for_parts() && parts.are_closed() {
                plan.write(finish(bead, CloseReason::Done, parts.all_closed(), view.now));
            }
            let (reason, message) = parts.said();
            (BeadState::Waiting, reason, message)
        }
    };
    draft.status.state = state;
    draft.conditions.set_bool(types::READY, false, reason, message);
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::READY, failure);
    }
    (plan, draft)
}

/// What becomes of a loop, all parts of which are closed.
fn again(bead: &Bead, next: &flow::Next<'_>, view: &View<'_>, plan: &mut Plan) -> (Reason, String) {
    match flow::round(bead, next, view) {
        Round::Wrong(why) => (Reason::InvalidFormula, why),
        Round::Ended(why) => {
            plan.write(finish(bead, CloseReason::Done, why.clone(), view.now));
            (Reason::PartsOpen, why)
        }
        Round::Next(writes, why) => {
            for write in writes {
                plan.write(write);
            }
            (Reason::PartsOpen, why)
        }
    }
}

/// How many parts a bead has.
struct Parts {
    all: usize,
    closed: usize,
    /// Why nothing can be made of the output of one of them.
    wrong: Option<String>,
    /// Whether they are the iteration of a loop, which had some from its start.
    is_loop: bool,
}

impl Parts {
    /// Beads of the iteration that a loop is making do not count before it is there whole.
    fn of(bead: &Bead, next: Option<&flow::Next<'_>>, view: &View<'_>) -> Self {
        let mut parts = Self { all: 0, closed: 0, wrong: None, is_loop: next.is_some() };
        let coming: BTreeSet<&str> = next.into_iter().flat_map(flow::Next::names).collect();
        for part in view.objects.children_of(&bead.name_any()) {
            if coming.contains(&*part.name_any()) {
                continue;
            }
            parts.all += 1;
            parts.closed += usize::from(is_done(part, view));
            parts.wrong = parts.wrong.or_else(|| cannot_make(part));
        }
        parts
    }

    /// How far it is, for people.
    fn said(self) -> (Reason, String) {
        match (self.wrong, self.all) {
            (Some(wrong), _) => (Reason::InvalidFormula, wrong),
            (None, 0) if self.is_loop => (Reason::PartsOpen, "its parts were deleted: `bd close` ends it".to_owned()),
            (None, 0) => (Reason::PartsOpen, "it has no parts so far".to_owned()),
            (None, all) => (Reason::PartsOpen, format!("{} of {all} parts are closed", self.closed)),
        }
    }

    fn all_closed(&self) -> String {
        match self.all {
            1 => "its one part is closed".to_owned(),
            all => format!("all {all} parts are closed"),
        }
    }

    fn are_closed(&self) -> bool {
        self.all > 0 && self.closed == self.all
    }
}

/// Why nothing can be made of the output of a step, as its controller says.
fn cannot_make(part: &Bead) -> Option<String> {
    let status = part.status.as_ref().filter(|_| flow::is_making(part))?;
    let ready = condition(&status.conditions, types::READY).filter(|it| it.reason == Reason::InvalidFormula)?;
    let name = part.name_any();
    Some(format!("{name}: {}; `bd update {name} --metadata` puts it right", ready.message))
}

/// Whether a part is closed, and what was made of its output.
fn is_done(part: &Bead, view: &View<'_>) -> bool {
    let all_closed = || view.objects.children_of(&part.name_any()).all(|made| made.spec.closed.is_some());
    part.spec.closed.is_some() && !flow::may_make(part) && (!flow::makes(part) || all_closed())
}
