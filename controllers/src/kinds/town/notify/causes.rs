//! What people are told of by the town's command: what needs one of them, and what became of convoys.
//!
//! What the town tries again by itself is told only once it has failed for a while, and what one cause does to many objects is told
//! of one. Invariant: nothing here depends on the time but how long a landed convoy is news.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_crds::bead::{AgentQuestion, BeadState};
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::kinds::Registered;
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::{Acts, Reason};
use gastown_crds::town::{Notification, NotifyEvent};
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, Source, Town};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::conditions::fitted;
use crate::kinds::bead::{GATE_FOR_PERSON, state};
use crate::kinds::runtime;
use crate::view::View;

/// Failures in a row that are not told: what fails twice and then works was busy, locked or out of reach.
const FAILURES_IGNORED: u32 = 2;

/// How long it is news that a convoy has landed: a town that was down for longer tells nobody.
const NEWS: Duration = Duration::from_hours(1);

/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Something that people are told of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cause {
    event: NotifyEvent,
    kind: &'static str,
    name: String,
    uid: String,
    reason: String,
    message: String,
    question: Option<AgentQuestion>,
    /// Since when, where that tells it from another.
    since: Option<Timestamp>,
    /// The command that answers it.
    next: String,
}

impl Cause {
    fn new<K: Registered>(object: &K, found: &Condition) -> Self {
        let kind = K::row();
        Self {
            event: NotifyEvent::NeedsPerson,
            kind: kind.name,
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            reason: found.reason.clone(),
            message: found.message.clone(),
            question: None,
            since: None,
            next: format!("gt describe {}", kind.named_object(&object.name_any())),
        }
    }

    /// Whether a message is about this.
    pub(super) fn is(&self, told: &Notification) -> bool {
        let question = self.question.as_ref().map(|question| &question.name);
        self.event == told.event
            && self.kind == told.kind
            && self.uid == told.uid
            && self.reason == told.reason
            && question == told.question.as_ref()
            && self.since.is_none_or(|since| since == told.since)
    }

    /// The message about it, to be sent.
    pub(super) fn message(&self, now: Timestamp) -> Notification {
        Notification {
            event: self.event,
            kind: self.kind.to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            reason: self.reason.clone(),
            question: self.question.as_ref().map(|question| question.name.clone()),
            since: self.since.unwrap_or(now),
            state: gastown_crds::town::NotificationState::Pending,
            gone: None,
        }
    }

    /// What the command gets on its standard input.
    pub(super) fn facts(&self, namespace: &str, since: Timestamp) -> String {
        let mut facts = json!({
            "event": self.event,
            "kind": self.kind,
            "namespace": namespace,
            "name": self.name,
            "uid": self.uid,
            "reason": self.reason,
            "message": fitted(&self.message, MESSAGE_BYTES_MAX),
            "since": since,
            "next": self.next,
        });
        if let (Some(asked), Value::Object(facts)) = (&self.question, &mut facts) {
            let more = json!({"question": asked.text, "options": asked.options, "by": asked.by});
            facts.extend(more.as_object().cloned().unwrap_or_default());
        }
        facts.to_string()
    }
}

/// All that there is to tell, of these events, and of convoys that ask for it themselves.
pub(super) fn all(view: &View<'_>, events: &[NotifyEvent]) -> Vec<Cause> {
    let objects = view.objects;
    let mut found: Vec<Cause> = Vec::new();
    if events.contains(&NotifyEvent::NeedsPerson) {
        found.extend(objects.open_beads().filter_map(|bead| of_bead(bead)));
        found.extend(objects.all::<Polecat>().filter_map(|polecat| of_polecat(polecat, view)));
        found.extend(of_runtimes(view));
        found.extend(objects.all::<Rig>().filter_map(|rig| of_rig(rig)));
        found.extend(objects.all::<Source>().filter_map(|source| of_source(source)));
        found.extend(objects.all::<MergeRequest>().filter_map(|request| of_request(request)));
        found.extend(objects.town().and_then(|town| of_town(town)));
    }
    let told = |convoy: &Convoy| {
        let asks = convoy.spec.notify == Some(true);
        of_convoy(convoy, view.now).filter(|cause| asks || events.contains(&cause.event))
    };
    found.extend(objects.all::<Convoy>().filter_map(|convoy| told(convoy)));
    found
}

fn is_false(found: &Condition) -> bool {
    found.status == ConditionStatus::False
}

fn of_bead(bead: &Bead) -> Option<Cause> {
    let status = bead.status.as_ref()?;
    if let Some(question) = bead.spec.open_question() {
        let ready = condition(&status.conditions, types::READY)?;
        let reason = if question.stuck { Reason::Stuck } else { Reason::Asking };
        return Some(Cause {
            reason: reason.to_string(),
            message: question.text.clone(),
            since: Some(question.at),
            next: format!("gt answer {} \"...\"", bead.name_any()),
            question: Some(question.clone()),
            ..Cause::new(bead, ready)
        });
    }
    // One that was stuck and is answered says so until it is looked at again.
    let set_aside = condition(&status.conditions, types::SET_ASIDE)
        .filter(|found| status.state == BeadState::SetAside && found.reason != Reason::Stuck);
    let ready = condition(&status.conditions, types::READY);
    let no_steps = ready.filter(|it| it.reason == Reason::InvalidFormula);
    let gate = ready.filter(|it| GATE_FOR_PERSON.iter().any(|reason| it.reason == *reason));
    let approve = || format!("gt gate approve {}", bead.name_any());
    let gate = gate.map(|found| Cause { next: approve(), ..Cause::new(bead, found) });
    set_aside.or(no_steps).map(|found| Cause::new(bead, found)).or(gate)
}

/// Why a polecat is not at its work.
fn not_ready(polecat: &Polecat) -> Option<&Condition> {
    condition(&polecat.status.as_ref()?.conditions, types::READY).filter(|ready| is_false(ready))
}

fn bead_of<'a>(polecat: &Polecat, view: &View<'a>) -> Option<&'a Bead> {
    view.objects.get::<Bead>(polecat.status.as_ref()?.bead.as_deref()?).map(AsRef::as_ref)
}

fn of_polecat(polecat: &Polecat, view: &View<'_>) -> Option<Cause> {
    const ON_SCREEN: [Reason; 3] = [Reason::Asking, Reason::DialogOpen, Reason::TurnEnded];
    const OTHERS: [Reason; 2] = [Reason::NotTrusted, Reason::RefNotFound];
    let ready = not_ready(polecat)?;
    // What its bead is asked about is told of the bead. The polecat says so a moment longer than that is not answered.
    let is_asked = bead_of(polecat, view).is_some_and(|bead| {
        let was_asked = |it: &AgentQuestion| it.answer.is_none() || it.text.starts_with(&ready.message);
        bead.spec.questions.iter().any(was_asked)
    });
    if ON_SCREEN.iter().any(|reason| ready.reason == *reason) && !is_asked {
        return Some(Cause { next: format!("gt attach {}", polecat.name_any()), ..Cause::new(polecat, ready) });
    }
    let failures = polecat.status.as_ref().map_or(0, |status| status.consecutive_failures);
    let is_stuck = OTHERS.iter().any(|reason| ready.reason == *reason) || failures > FAILURES_IGNORED;
    is_stuck.then(|| Cause::new(polecat, ready))
}

/// What keeps a program from being started: each of its polecats says so, and it is told once.
fn of_runtimes(view: &View<'_>) -> Vec<Cause> {
    const OF_PROGRAM: [Reason; 3] = [Reason::LoginRequired, Reason::NotStarted, Reason::CommandNotFound];
    let mut found = BTreeMap::new();
    for polecat in view.objects.all::<Polecat>() {
        let Some(ready) = not_ready(polecat) else { continue };
        let name = Some(&*polecat.name_any());
        let runtime: Option<&Runtime> = bead_of(polecat, view).and_then(|bead| runtime::runtime_of(bead, name, view));
        if let Some(runtime) = runtime.filter(|_| OF_PROGRAM.iter().any(|reason| ready.reason == *reason)) {
            let cause =
                || Cause { next: format!("gt describe polecat/{}", polecat.name_any()), ..Cause::new(runtime, ready) };
            found.entry((runtime.name_any(), ready.reason.as_str())).or_insert_with(cause);
        }
    }
    found.into_values().collect()
}

fn of_rig(rig: &Rig) -> Option<Cause> {
    // A person has to act although the town tries it again.
    const SETTLED: [Reason; 4] =
        [Reason::AuthRequired, Reason::BranchNotFound, Reason::TargetCheckedOut, Reason::TargetProtected];
    let status = rig.status.as_ref()?;
    let ready = condition(&status.conditions, types::READY).filter(|ready| is_false(ready));
    let is_stuck = |it: &&Condition| {
        let reason = Reason::parse(&it.reason);
        let needs_person = reason.is_some_and(|it| it.acts() == Acts::Person && it.warns());
        needs_person
            || SETTLED.iter().any(|settled| it.reason == *settled)
            || status.consecutive_failures > FAILURES_IGNORED
    };
    let red = condition(&status.conditions, types::BASE_RED).filter(|red| red.status == ConditionStatus::True);
    ready.filter(is_stuck).or(red).map(|found| Cause::new(rig, found))
}

fn of_source(source: &Source) -> Option<Cause> {
    let status = source.status.as_ref()?;
    let stalled = condition(&status.conditions, types::STALLED).filter(|it| it.status == ConditionStatus::True);
    let ready = condition(&status.conditions, types::READY);
    let fails = ready.filter(|it| is_false(it) && status.consecutive_failures > FAILURES_IGNORED);
    let mut cause = Cause::new(source, stalled.or(fails)?);
    if cause.reason == Reason::PruneHeld.as_str() {
        cause.next = format!("gt source approve {}", source.name_any());
    }
    Some(cause)
}

fn of_request(request: &MergeRequest) -> Option<Cause> {
    let conditions = &request.status.as_ref()?.conditions;
    let left = condition(conditions, types::LEFT_TARGET).filter(|it| it.status == ConditionStatus::True);
    let is_left_to_people = state(request) == MergeState::BranchReady;
    let merged = condition(conditions, types::MERGED).filter(|_| is_left_to_people);
    left.or(merged).map(|found| Cause::new(request, found))
}

fn of_town(town: &Town) -> Option<Cause> {
    let conditions = &town.status.as_ref()?.conditions;
    let short = [types::MEMORY_PRESSURE, types::DISK_PRESSURE].into_iter().filter_map(|it| condition(conditions, it));
    short.filter(|it| it.reason == Reason::Unsatisfiable).map(|found| Cause::new(town, found)).next()
}

fn of_convoy(convoy: &Convoy, now: Timestamp) -> Option<Cause> {
    const FAILED: [Reason; 3] = [Reason::NeedsYou, Reason::RefNotFound, Reason::LeftTarget];
    let landed = condition(&convoy.status.as_ref()?.conditions, types::LANDED)?;
    let at = landed.last_transition_time;
    match landed.status {
        ConditionStatus::True if now.duration_since(at) <= jiff::SignedDuration::try_from(NEWS).ok()? => {
            Some(Cause { event: NotifyEvent::ConvoyLanded, since: Some(at), ..Cause::new(convoy, landed) })
        }
        ConditionStatus::False if FAILED.iter().any(|reason| landed.reason == *reason) => {
            Some(Cause { event: NotifyEvent::ConvoyFailed, ..Cause::new(convoy, landed) })
        }
        _ => None,
    }
}
