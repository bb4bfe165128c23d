//! Gates: beads that others wait for, and that are closed once a time has gone by, another bead is closed, an event is filed, a
//! program says so, or a person approves.
//!
//! A gate costs nothing while it waits: its controller looks again at the instant that it names, when the bead that it names changes,
//! when an event of the type that it names is filed, and when the program that it asks has answered.

mod look;

use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, BeadType, CloseReason, Gate, GateType, OnFailure, OnTimeout};
use gastown_crds::common::{condition, types};
use gastown_crds::reason::Reason;
use jiff::Timestamp;
use kube::ResourceExt;

use super::finish;
use super::flow::{self, OnSteps};
use super::readiness::{is_wanted, open_needs, parent, upward};
use crate::draft::Draft;
use crate::objects::created;
use crate::plan::Plan;
use crate::view::{NotSeen, View};
use crate::world::{Act, AskHappened, Happening, Job};

/// What has become of what a gate waits for.
enum Outcome {
    /// It has come about; why, for people. A reason and a message for as long as that is not written.
    Opens(String, (Reason, String)),
    /// It has failed.
    Failed(String),
    /// Neither so far: a reason and a message.
    Waits((Reason, String)),
}

/// Decides about an open gate that waits for nothing else.
pub fn decide(bead: &Bead, view: &View<'_>, plan: &mut Plan, draft: &mut Draft<'_, Bead>) {
    draft.status.state = BeadState::Waiting;
    if let Err(not_seen) = decide_seen(bead, view, plan, draft) {
        draft.conditions.unknown(types::READY, &not_seen);
    }
}

fn decide_seen(bead: &Bead, view: &View<'_>, plan: &mut Plan, draft: &mut Draft<'_, Bead>) -> Result<(), NotSeen> {
    let human = Gate::new(GateType::Human);
    let gate = bead.spec.gate.as_ref().unwrap_or(&human);
    let deadline = deadline(bead, gate);
    let is_over = deadline.is_some_and(|at| at <= view.now);
    if let Some(at) = deadline.filter(|_| !is_over) {
        plan.again_at(at);
    }
    let name = bead.name_any();
    let until = deadline.map(|at| format!(", until {at}")).unwrap_or_default();
    let by_hand = || format!("`gt gate approve {name}`, or `gt gate reject {name} --reason WHY`");
    let mut job = None;
    let outcome = match gate.type_ {
        GateType::Human => {
            Outcome::Waits((Reason::AwaitsApproval, format!("waits for a person{until}: {}", by_hand())))
        }
        GateType::Timer => {
            let said = (Reason::AwaitsTime, format!("opens by itself{until}"));
            if is_over { Outcome::Opens("its time has gone by".to_owned(), said) } else { Outcome::Waits(said) }
        }
        GateType::Bead => {
            let other = gate.await_id.as_deref().unwrap_or_default();
            let said = (Reason::AwaitsBead, format!("waits for {other} to be closed{until}"));
            if is_closed(gate, view) {
                Outcome::Opens(format!("{other} is closed"), said)
            } else {
                Outcome::Waits(said)
            }
        }
        GateType::Condition => {
            let condition = gate.condition.as_deref().unwrap_or_default();
            let said = (Reason::AwaitsCondition, format!("opens once {condition}{until}"));
            match flow::on_steps(bead, gate, view) {
                OnSteps::Holds => Outcome::Opens(format!("it holds: {condition}"), said),
                OnSteps::NotYet(more) => Outcome::Waits((said.0, said.1 + &more)),
                OnSteps::Never(why) => Outcome::Failed(why),
            }
        }
        GateType::Event => event(bead, gate, (&until, is_over), view)?,
        GateType::Run | GateType::GithubRun | GateType::GithubPullRequest => {
            let (outcome, due) = look::look((bead, gate), &until, view, plan, draft)?;
            job = due;
            outcome
        }
    };
    let overdue = || (Reason::GateOverdue, format!("it waits for longer than it should: {}", by_hand()));
    let (end, (reason, message)) = match outcome {
        Outcome::Opens(why, said) => {
            let is_late = is_over && gate.type_ != GateType::Timer;
            (Some((CloseReason::Done, why)), if is_late { overdue() } else { said })
        }
        Outcome::Failed(why) => {
            let fails = gate.on_failure.unwrap_or_default() == OnFailure::Fail;
            let end = fails.then(|| (CloseReason::Withdrawn, format!("failed: {why}")));
            (end, (Reason::GateFailed, format!("{why}: {}", by_hand())))
        }
        // It holds up nothing: nobody is asked about it.
        Outcome::Waits(said)
            if is_over
                && gate.on_timeout.unwrap_or_default() == OnTimeout::Escalate
                && view.objects.needed_by(&name).next().is_none() =>
        {
            (None, said)
        }
        Outcome::Waits(..) if is_over => {
            let end = match gate.on_timeout.unwrap_or_default() {
                OnTimeout::Escalate => None,
                OnTimeout::Open => Some((CloseReason::Done, "opened: its time has gone by".to_owned())),
                OnTimeout::Fail => Some((CloseReason::Withdrawn, "failed: its time has gone by".to_owned())),
            };
            (end, overdue())
        }
        Outcome::Waits(said) => (None, said),
    };
    match (end, job) {
        (Some((reason, message)), _) => {
            plan.write(finish(bead, reason, message, view.now));
        }
        (None, Some(job)) => ask(job, (reason, &message), view, plan, draft),
        (None, None) => {}
    }
    draft.conditions.set_bool(types::READY, false, reason, message);
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::READY, failure);
    }
    Ok(())
}

/// Whether the event has been filed that a gate waits for.
fn event(bead: &Bead, gate: &Gate, (until, is_over): (&str, bool), view: &View<'_>) -> Result<Outcome, NotSeen> {
    let event_type = gate.await_id.clone().unwrap_or_default();
    let of_target = gate.target.as_ref().map(|target| format!(" of {target}")).unwrap_or_default();
    let said = (Reason::AwaitsEvent, format!("opens once an event {event_type}{of_target} is filed{until}"));
    let asked = AskHappened { event_type, target: gate.target.clone(), since: created(bead) };
    Ok(match view.happened(&asked) {
        Ok(Some(Happening { name, actor, .. })) => {
            let by = actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
            Outcome::Opens(format!("{} has happened{by}: event {name}", asked.event_type), said)
        }
        // What is not listed yet may have happened: it waits, and looks again once that is known. Its time is not up before.
        Err(not_seen) if is_over => return Err(not_seen),
        Ok(None) | Err(_) => Outcome::Waits(said),
    })
}

/// Has a program asked, once the status says how things stand: what waits for a slot writes none meanwhile.
fn ask(job: Job, said: (Reason, &str), view: &View<'_>, plan: &mut Plan, draft: &Draft<'_, Bead>) {
    let status = draft.object.status.as_ref();
    let ready = status.and_then(|status| condition(&status.conditions, types::READY));
    let is_said = ready.is_some_and(|ready| ready.reason == said.0 && ready.message == said.1);
    if view.failed.is_some() || (is_said && status.is_some_and(|status| status.gate == draft.status.gate)) {
        plan.act(Act::EnsureJob(job));
    } else {
        plan.keeps_failure = true;
    }
}

/// Reasons by which a gate says that it waits for a person.
pub const GATE_FOR_PERSON: [Reason; 3] = [Reason::AwaitsApproval, Reason::GateOverdue, Reason::GateFailed];

/// Whether somebody has asked for what a gate holds up.
pub fn holds_up_what_is_wanted(bead: &Bead, view: &View<'_>) -> bool {
    is_wanted(bead, view) || view.objects.needed_by(&bead.name_any()).any(|waiting| is_wanted(waiting, view))
}

/// What keeps the program of a gate from being asked: nobody goes on once it opens. None if somebody does, or asks for it himself.
/// Other gates do not count: each would wait for the other.
pub fn not_asked(bead: &Bead, view: &View<'_>) -> Option<(BeadState, Reason, String)> {
    if look::asked(bead).is_some() || is_wanted(bead, view) {
        return None;
    }
    let name = bead.name_any();
    let mut first = None;
    for waiting in view.objects.needed_by(&name).filter(|it| is_wanted(it, view) || is_taken_up(it, view)) {
        match open_needs(waiting, view).into_iter().find(|need| !is_gate(need, view)) {
            None => return None,
            Some(other) => first = first.or_else(|| Some((waiting.name_any(), other))),
        }
    }
    Some(match first {
        Some((waiting, other)) => {
            let type_ = bead.spec.gate.as_ref().map_or(GateType::Run, |gate| gate.type_);
            let message = format!("looked at once {waiting} waits for nothing else; it waits for {other}");
            (BeadState::Waiting, look::reason(type_), message)
        }
        None => backlog(),
    })
}

fn is_gate(name: &str, view: &View<'_>) -> bool {
    view.objects.get::<Bead>(name).is_some_and(|bead| bead.spec.type_ == BeadType::Gate)
}

/// What is said of a gate while nobody wants what waits for it.
pub fn backlog() -> (BeadState, Reason, String) {
    (BeadState::Backlog, Reason::Backlog, "nobody has asked for what waits for it so far".to_owned())
}

/// Whether somebody who is no polecat is at work on a bead, or on what it is a part of.
fn is_taken_up(bead: &Bead, view: &View<'_>) -> bool {
    let at_work = |bead: &Bead| {
        bead.spec.assigned_to.is_some() || matches!(bead.spec.held.as_deref(), Some("in_progress" | "hooked"))
    };
    upward(bead, |bead| parent(bead, view.objects)).any(at_work)
}

/// Why a bead is not to be done any more: a gate that it needs was rejected, or has failed.
pub fn rejected(bead: &Bead, view: &View<'_>) -> Option<String> {
    let rejected = |need: &String| {
        let gate = view.objects.get::<Bead>(need).filter(|it| it.spec.type_ == BeadType::Gate)?;
        let closed = gate.spec.closed.as_ref().filter(|closed| closed.reason == CloseReason::Withdrawn)?;
        let why = closed.message.as_deref().unwrap_or("rejected");
        Some(format!("gate {need} was closed by {}: {why}", closed.by))
    };
    bead.spec.needs.iter().find_map(rejected)
}

fn deadline(bead: &Bead, gate: &Gate) -> Option<Timestamp> {
    let timeout = gate.timeout.map(std::time::Duration::from)?;
    created(bead).checked_add(timeout).ok()
}

fn is_closed(gate: &Gate, view: &View<'_>) -> bool {
    let other = gate.await_id.as_deref().and_then(|name| view.objects.get::<Bead>(name));
    other.is_some_and(|bead| bead.spec.closed.is_some())
}
