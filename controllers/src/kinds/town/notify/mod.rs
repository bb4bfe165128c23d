//! Telling people what needs them, by the town's own command: one message for each object and cause.
//!
//! What is to be told is written into the town's status first, and sent by a job of its own then. So it is sent once, however often
//! the town is started; only a machine that dies in the middle may send it twice. A controller of its own begins the jobs: what
//! waits for a job's slot writes no status meanwhile.

mod causes;

use std::time::Duration;

use gastown_crds::Town;
use gastown_crds::common::{types, whole_second};
use gastown_crds::reason::Reason;
use gastown_crds::town::{NOTIFICATIONS_MAX, Notification, NotificationState, Notify};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::conditions::{tail, times};
use crate::draft::Draft;
use crate::plan::Plan;
use crate::view::{NotSeen, View};
use crate::world::{Act, Exited, Job, JobState, Owner, exit};
use causes::Cause;

/// How long a cause is remembered that is gone: one that comes and goes is told once.
const FORGET: Duration = Duration::from_mins(10);

/// How often a message is tried. At the default delays, the last try comes eight minutes after the first.
const ROUNDS_MAX: u32 = 10;

/// How much of what a command printed stands in the condition, in bytes.
const SAID_BYTES_MAX: usize = 500;

/// How far a message has come.
enum Sending {
    /// The command took it.
    Sent,
    /// It is being sent, or another is.
    Running,
    /// This round is to be started.
    Due(Box<Job>),
    /// The last round failed; the next is due then.
    Waiting { failures: u32, last: Option<Exited>, due: Timestamp },
    /// It is not tried any more.
    GivenUp { last: Option<Exited> },
}

/// Writes down what there is to tell, what was sent, and whether that fails.
pub(super) fn record(town: &Town, view: &View<'_>, draft: &mut Draft<'_, Town>, plan: &mut Plan) {
    let Some(notify) = &town.spec.notify else {
        draft.status.notifications.clear();
        return;
    };
    let found = causes::all(view, &notify.events);
    let is_new_spec = draft.status.observed_generation != town.metadata.generation;
    let messages = &mut draft.status.notifications;
    keep(messages, &found, view.now, plan);
    for cause in &found {
        if messages.len() < NOTIFICATIONS_MAX && !messages.iter().any(|told| cause.is(told)) {
            messages.push(cause.message(whole_second(view.now)));
        }
    }
    let sender = Sender { town, notify, view };
    let mut failed = Ok(None);
    sender.look_at(messages, &found);
    for told in messages.iter_mut() {
        if told.state == NotificationState::Failed && is_new_spec {
            told.state = NotificationState::Pending;
        }
        let Some(cause) = found.iter().find(|cause| cause.is(told)) else { continue };
        let words = |tries: u32, last: Option<Exited>| {
            let said = last.map(|last| tail(last.tail.trim(), SAID_BYTES_MAX).to_owned()).unwrap_or_default();
            format!("telling people of {} `{}` failed {}: {said}", told.kind, told.name, times(tries))
        };
        match (told.state, sender.sending(told, cause)) {
            (NotificationState::Sent, _) | (_, Ok(Sending::Running | Sending::Due(_))) => {}
            (_, Ok(Sending::Sent)) => told.state = NotificationState::Sent,
            (_, Ok(Sending::GivenUp { last })) => {
                failed = failed.map(|before: Option<String>| before.or_else(|| Some(words(ROUNDS_MAX, last))));
                told.state = NotificationState::Failed;
            }
            (_, Ok(Sending::Waiting { failures, last, due: _ })) => {
                failed = failed.map(|before| before.or_else(|| Some(words(failures, last))));
            }
            (_, Err(not_seen)) => failed = failed.and(Err(not_seen)),
        }
    }
    match failed {
        Ok(None) => draft.conditions.set_bool(types::NOTIFY_FAILED, false, Reason::Ok, ""),
        Ok(Some(message)) => draft.conditions.set_bool(types::NOTIFY_FAILED, true, Reason::NotifyFailed, message),
        Err(not_seen) => draft.conditions.unknown(types::NOTIFY_FAILED, &not_seen),
    }
}

/// Notes which causes are gone, and forgets those that have been for a while, and what was never sent.
fn keep(messages: &mut Vec<Notification>, found: &[Cause], now: Timestamp, plan: &mut Plan) {
    messages.retain_mut(|told| {
        if found.iter().any(|cause| cause.is(told)) {
            told.gone = None;
            return true;
        }
        let gone = *told.gone.get_or_insert_with(|| whole_second(now));
        let is_remembered = told.state == NotificationState::Sent && now < gone + FORGET;
        if is_remembered {
            plan.again_at(gone + FORGET);
        }
        is_remembered
    });
}

/// Begins the jobs that send what is written down: one after another.
pub(super) fn reconcile(view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let Some(town) = view.objects.town() else { return plan };
    let (Some(notify), Some(status)) = (&town.spec.notify, &town.status) else { return plan };
    let found = causes::all(view, &notify.events);
    let sender = Sender { town, notify, view };
    sender.look_at(&status.notifications, &found);
    for told in status.notifications.iter().filter(|told| told.state == NotificationState::Pending) {
        let Some(cause) = found.iter().find(|cause| cause.is(told)) else { continue };
        match sender.sending(told, cause) {
            Ok(Sending::Due(job)) => {
                plan.act(Act::EnsureJob(*job));
                break;
            }
            Ok(Sending::Waiting { due, .. }) => plan.again_at(due),
            // Its end wakes this key.
            Ok(Sending::Running) | Err(_) => break,
            Ok(Sending::Sent | Sending::GivenUp { .. }) => {}
        }
    }
    plan
}

/// A town and the command that it tells people by.
struct Sender<'a, 'v> {
    town: &'a Town,
    notify: &'a Notify,
    view: &'a View<'v>,
}

impl Sender<'_, '_> {
    /// Asks for the first job of each message at once: a look for each would go there and back a hundred times.
    fn look_at(&self, messages: &[Notification], found: &[Cause]) {
        for told in messages.iter().filter(|told| told.state == NotificationState::Pending) {
            if let Some(cause) = found.iter().find(|cause| cause.is(told)) {
                // Whether it is seen is of no interest yet: it is asked for.
                let _ = self.view.job(&self.job(told, cause, 1).key());
            }
        }
    }

    fn sending(&self, told: &Notification, cause: &Cause) -> Result<Sending, NotSeen> {
        if told.state == NotificationState::Sent {
            return Ok(Sending::Sent);
        }
        let mut last: Option<Exited> = None;
        let mut over = None;
        for round in 1..=ROUNDS_MAX {
            let job = self.job(told, cause, round);
            let key = job.key();
            match self.view.job(&key)? {
                JobState::Running => return Ok(Sending::Running),
                JobState::Exited(exited) if exited.code == exit::OK => return Ok(Sending::Sent),
                JobState::Exited(exited) => (over, last) = (Some(exited.at), Some(exited.clone())),
                JobState::Lost { at } => (over, last) = (Some(*at), None),
                JobState::Absent => {
                    let failures = round - 1;
                    let delay = self.view.settings.delay(failures, &key.0);
                    let due = over.and_then(|over| self.view.wait_after(over, delay));
                    return Ok(match due {
                        Some(due) => Sending::Waiting { failures, last, due },
                        None if self.view.is_free(&job.track())? => Sending::Due(Box::new(job)),
                        None => Sending::Running,
                    });
                }
            }
        }
        Ok(Sending::GivenUp { last })
    }

    fn job(&self, told: &Notification, cause: &Cause, round: u32) -> Job {
        let question = told.question.as_deref().unwrap_or_default();
        Job::Notify {
            owner: Owner::of(self.town),
            command: self.notify.command.clone(),
            timeout_s: self.notify.timeout_seconds.into(),
            cause: format!("{}/{}/{question}/{}", told.uid, told.reason, told.since),
            facts: cause.facts(&self.town.namespace().unwrap_or_default(), told.since),
            round,
        }
    }
}
