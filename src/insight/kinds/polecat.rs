//! `Polecat`: the session of a bead, and why it does not start.

use std::collections::BTreeSet;

use gastown_crds::bead::AgentQuestion;
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Polecat};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, bead, rig, typed};
use crate::attention::{Need, once_each};
use crate::conditions::{self, keeps_failing};
use crate::open_work::SESSIONS;
use crate::overview::Working;
use crate::related::{Columns, Section};
use crate::text::plain;
use crate::{Blocker, LogOf, Snapshot, Subject};

/// The kind's row.
pub const KIND: KindInsight =
    KindInsight { name: "Polecat", reads: &["Bead"], log_reads: Some(&["Bead"]), read: typed::<Polecat>, ..ANY };

impl Subject for Polecat {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        let bead = self.status.as_ref().and_then(|status| snapshot.get::<Bead>(status.bead.as_deref()?));
        vec![bead::beads("Bead", bead.into_iter())]
    }

    fn log(&self, snapshot: &Snapshot) -> Option<LogOf> {
        let name = self.name_any();
        let bead = match self.status.as_ref().and_then(|status| status.bead.as_ref()) {
            Some(bead) => snapshot.get::<Bead>(bead),
            None => bead::last_of(&name, snapshot),
        };
        let none = || LogOf::NotYet(format!("polecat {name} has not worked on anything yet"));
        Some(bead.map_or_else(none, LogOf::bead))
    }

    fn open_work(&self, _: &Snapshot) -> Option<String> {
        let (object, bead) = (self.reference(), self.status.as_ref()?.bead.as_ref()?);
        Some(format!("{object} works on bead/{bead}: {SESSIONS}; the bead is given to another polecat"))
    }

    fn next_for(&self, reason: Reason, snapshot: &Snapshot) -> Option<String> {
        match reason {
            Reason::Asking | Reason::Stuck if asked(self, snapshot).is_some() => {
                let (bead, _) = asked(self, snapshot)?;
                Some(format!("`gt answer {bead} \"...\"`: its session goes on with the answer"))
            }
            Reason::TooManyAttempts | Reason::WouldFailAgain => {
                let bead = self.status.as_ref().and_then(|status| status.bead.as_ref())?;
                snapshot.bead(bead)?.next_for(reason, snapshot)
            }
            _ => next_for(reason, &self.name_any()),
        }
    }

    fn next_when_well(&self) -> String {
        "nothing: it takes the next ready bead".to_owned()
    }
}

/// The columns of a section of polecats.
const COLUMNS: Columns = Columns { headings: &["NAME", "STATE", "BEAD", "ATTEMPT"], words: &[], spare: &[] };

/// A section of polecats.
pub(super) fn section<'a>(title: &'static str, polecats: impl Iterator<Item = &'a Polecat>) -> Section {
    let row = |polecat: &Polecat| {
        let status = polecat.status.clone().unwrap_or_default();
        vec![
            polecat.name_any().into(),
            status.state.to_string().into(),
            status.bead.into(),
            status.attempt.map(|attempt| attempt.to_string()).into(),
        ]
    };
    Section::new(title, COLUMNS, polecats.map(row))
}

/// The next step that a condition's reason asks for, about the polecat of this name.
pub(super) fn next_for(reason: Reason, polecat: &str) -> Option<String> {
    match reason {
        Reason::SetupFailed => Some("fix `workspace.setup` of its rig; it is tried again by itself".to_owned()),
        Reason::Asking | Reason::DialogOpen => Some(format!("`gt attach {polecat}` shows its screen: answer there")),
        Reason::TurnEnded => Some(format!(
            "`gt attach {polecat}` shows its screen: tell it there how to go on; `gt logs polecat/{polecat}` says how far it came"
        )),
        Reason::Strays => Some(format!("processes of an ended session are being ended; `gt logs polecat/{polecat}`")),
        Reason::Working => {
            Some(format!("`gt attach {polecat}` to watch it, `gt logs -f polecat/{polecat}` to read along"))
        }
        _ => None,
    }
}

/// Polecats whose agent waits for a person. What the login of one lacks, others of its Runtime lack too.
pub fn waiting_for_person(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let with = |reasons: &'static [Reason]| {
        snapshot.all::<Polecat>().filter_map(|polecat| {
            let ready = conditions::refused(&polecat.status.as_ref()?.conditions, reasons)?;
            Some((polecat, ready))
        })
    };
    // What its bead is asked about is said of the bead.
    let each = with(&[Reason::Asking, Reason::DialogOpen, Reason::TurnEnded])
        .filter(|(polecat, _)| asked(polecat, snapshot).is_none())
        .map(|(polecat, ready)| Need {
            object: format!("polecat/{}", polecat.name_any()),
            what: conditions::words(ready),
            next: format!("gt attach {}", polecat.name_any()),
        });
    let logins = with(&[Reason::LoginRequired, Reason::NotStarted])
        .map(|(polecat, ready)| (&*ready.reason, format!("polecat/{}", polecat.name_any()), ready));
    each.chain(once_each(logins, "")).collect()
}

/// The bead on a polecat's hook and the question that its agent has asked of people.
fn asked<'a>(polecat: &Polecat, snapshot: &'a Snapshot) -> Option<(String, &'a AgentQuestion)> {
    let bead = snapshot.get::<Bead>(polecat.status.as_ref()?.bead.as_deref()?)?;
    Some((bead.name_any(), bead.spec.open_question()?))
}

/// Polecats that cannot start. That its program is not here is said once, of the runtime, where that has been seen.
pub fn not_starting(snapshot: &Snapshot, before: &[Need]) -> Vec<Need> {
    let stuck =
        [Reason::SetupFailed, Reason::RefNotFound, Reason::NotTrusted, Reason::EnvFromFailed, Reason::CommandNotFound];
    let by_runtimes = before.iter().any(|need| need.object.starts_with("runtime/"));
    let stuck = if by_runtimes { &stuck[..stuck.len() - 1] } else { &stuck[..] };
    let stuck = |polecat: &Polecat| conditions::refused(&polecat.status.as_ref()?.conditions, stuck).cloned();
    let bad = snapshot.all::<Polecat>().filter_map(|polecat| {
        let ready = stuck(polecat)?;
        Some(Need::new(format!("polecat/{}", polecat.name_any()), conditions::words(&ready)))
    });
    bad.chain(failing(snapshot, |polecat| stuck(polecat).is_none())).collect()
}

/// Polecats, of these, for which the same thing fails again and again. What fails for all of a rig is said of one.
fn failing(snapshot: &Snapshot, is_meant: impl Fn(&Polecat) -> bool) -> Vec<Need> {
    let failing = snapshot.all::<Polecat>().filter_map(|polecat| {
        let status = polecat.status.as_ref().filter(|_| is_meant(polecat))?;
        let ready = condition(&status.conditions, types::READY)?;
        let cause = (polecat.spec.rig.as_str(), ready.reason.as_str());
        keeps_failing(ready, status.consecutive_failures)
            .then(|| (cause, format!("polecat/{}", polecat.name_any()), ready))
    });
    once_each(failing, " of its rig")
}

/// Polecats at work. One that waits with its bead is listed there.
pub fn working(snapshot: &Snapshot) -> Vec<Working> {
    let at_work = snapshot.all::<Polecat>().filter_map(|polecat| {
        let status = polecat.status.clone()?;
        let bead = status.bead?;
        let found = snapshot.bead(&bead);
        if found.and_then(|it| it.spec.assignee.as_ref()).is_some_and(|it| it.waiting.is_some()) {
            return None;
        }
        Some(Working {
            polecat: polecat.name_any(),
            state: status.state.to_string(),
            attempt: status.attempt.unwrap_or(0),
            since: condition(&status.conditions, types::READY).map(|ready| ready.last_transition_time),
            title: found.map(|it| plain(&it.spec.title)).unwrap_or_default(),
            bead,
        })
    });
    at_work.collect()
}

/// Adds the blocker of a bead whose session does not start.
pub(super) fn block(bead: &Bead, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    let polecat = bead.spec.assignee.as_ref().and_then(|assignee| snapshot.get::<Polecat>(&assignee.polecat));
    let Some((polecat, status)) = polecat.and_then(|it| Some((it, it.status.as_ref()?))) else { return };
    let Some(ready) = condition(&status.conditions, types::READY) else { return };
    let stuck = [
        Reason::CommandNotFound,
        Reason::SetupFailed,
        Reason::RefNotFound,
        Reason::NotTrusted,
        Reason::NotStarted,
        Reason::DialogOpen,
        Reason::Asking,
        Reason::TurnEnded,
        Reason::LoginRequired,
        Reason::EnvFromFailed,
    ];
    let is_stuck = conditions::is_one_of(ready, &stuck) || keeps_failing(ready, status.consecutive_failures);
    if is_stuck || ready.status == ConditionStatus::Unknown {
        found.insert(Blocker::of(format!("polecat/{}", polecat.name_any()), ready));
    } else if ready.reason == Reason::Cloning {
        rig::block(&bead.spec.rig, false, snapshot, found);
    }
}
