//! Events of a polecat's sessions: `agent.started` and `agent.stopped`, one each for every attempt.
//!
//! The status says which session is on record. What is not is written with the plan that sees it: the start by the plan that begins
//! it, or by the session that runs; the end by the attempts at its bead. So whatever happens while no controller runs is on record
//! once one does.

use std::sync::Arc;

use gastown_crds::actor::Worker;
use gastown_crds::bead::BeadStatus;
use gastown_crds::polecat::{PolecatStatus, SessionOnRecord};
use gastown_crds::{Bead, Polecat};
use kube::ResourceExt;
use serde_json::json;

use crate::happened::{self, Happened};
use crate::kinds::bead::{asked, is_refused_by_provider, requests};
use crate::plan::{Effect, Plan, Write};
use crate::view::{NotSeen, View};
use crate::world::{Act, Attempt, AttemptState, OutOfMemory, SandboxFacts, Session, SessionSpec};

/// Adds what is not on record yet of the polecat's sessions, and says in its status that it is.
pub fn record(
    polecat: &Polecat,
    facts: &SandboxFacts,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut PolecatStatus,
) -> Result<(), NotSeen> {
    let worker = Worker::new(&polecat.spec.rig, &polecat.spec.name).to_string();
    let mut events = Events { worker, view, written: Vec::new() };
    let mut session = status.session.clone();
    if let Some(session) = session.as_mut().filter(|it| !it.over) {
        events.end(session, &facts.session)?;
    }
    let before = polecat.status.as_ref().and_then(|status| status.bead.as_ref());
    let bead = status.bead.as_ref().or(before).and_then(|bead| view.objects.get::<Bead>(bead));
    if let Some(bead) = bead {
        let begins = begins(plan).is_some_and(|spec| spec.attempt > 1);
        events.catch_up(polecat, bead, &facts.session, begins, &mut session)?;
    }
    if !events.written.is_empty() && happened::waits(view, plan) {
        return Ok(());
    }
    plan.effects.splice(0..0, events.written.drain(..).map(Effect::Write));
    if let Some((begun, started)) = events.begun(plan) {
        // On record once it has begun, and not where nothing was begun.
        if session.replace(begun.clone()) != Some(begun) {
            plan.write(started);
        }
    }
    // What is wanted may be held back, and the status is written all the same: it is on record once it was done.
    if !view.is_put_off() {
        status.session = session;
    }
    Ok(())
}

/// The events of one polecat.
struct Events<'a> {
    /// The polecat, as an actor.
    worker: String,
    view: &'a View<'a>,
    written: Vec<Write>,
}

impl Events<'_> {
    /// The end of a session, once that is recorded. Without a record it is told as far as it is known.
    fn end(&mut self, session: &mut SessionOnRecord, now: &Session) -> Result<(), NotSeen> {
        let runs = match now {
            Session::Running { owner_uid, attempt } => *owner_uid == session.bead_uid && *attempt == session.attempt,
            Session::Strays { .. } => true,
            Session::None => false,
        };
        if runs {
            return Ok(());
        }
        let attempts = self.view.attempts(&session.bead_uid)?;
        let attempt = attempts.iter().find(|it| it.attempt == session.attempt);
        if attempt.is_none_or(is_over) {
            self.written.push(self.stopped(session, attempt));
            session.over = true;
        }
        Ok(())
    }

    /// A session at a bead that is not on record: it runs, or has run while nobody looked. `begins`: the next one is begun, and it is
    /// known how the last one ended.
    fn catch_up(
        &mut self,
        polecat: &Polecat,
        bead: &Arc<Bead>,
        now: &Session,
        begins: bool,
        known: &mut Option<SessionOnRecord>,
    ) -> Result<(), NotSeen> {
        let bead_uid = bead.uid().unwrap_or_default();
        let last = known.as_ref().filter(|it| it.bead_uid == bead_uid).map_or(0, |it| it.attempt);
        let session = |attempt: u32, over: bool| {
            let (bead, bead_uid) = (bead.name_any(), bead_uid.clone());
            SessionOnRecord { bead, bead_uid, attempt, over }
        };
        match now {
            Session::Running { owner_uid, attempt } if *owner_uid == bead_uid && *attempt > last => {
                let running = session(*attempt, false);
                self.written.push(self.started(&running, None));
                *known = Some(running);
            }
            Session::None if begins || self.may_have_worked(polecat, bead, last) => {
                let attempts = self.view.attempts(&bead_uid)?;
                if let Some(attempt) = attempts.iter().rev().find(|it| is_over(it)).filter(|it| it.attempt > last) {
                    let session = session(attempt.attempt, true);
                    self.written.extend([self.started(&session, None), self.stopped(&session, Some(attempt))]);
                    *known = Some(session);
                }
            }
            Session::None | Session::Running { .. } | Session::Strays { .. } => {}
        }
        Ok(())
    }

    /// Whether a polecat may have worked at a bead after its last attempt that is on record: it has handed in since, another attempt
    /// was counted, or the bead has just left its hook.
    fn may_have_worked(&self, polecat: &Polecat, bead: &Bead, last: u32) -> bool {
        let name = polecat.name_any();
        let handed_in = requests(bead, self.view).iter().any(|it| it.spec.polecat == name && it.spec.attempt > last);
        let is_its = |it: &&BeadStatus| it.last_polecat.as_ref() == Some(&name);
        let left = bead.spec.assignee.as_ref().is_none_or(|it| Some(&it.uid) != polecat.uid().as_ref());
        handed_in || bead.status.as_ref().filter(is_its).is_some_and(|it| left || it.attempts > last)
    }

    /// The session that a plan begins, and the event of its start.
    fn begun(&self, plan: &Plan) -> Option<(SessionOnRecord, Write)> {
        let spec = begins(plan)?;
        let (bead, bead_uid) = (spec.owner.name.clone(), spec.owner.uid.clone());
        let session = SessionOnRecord { bead, bead_uid, attempt: spec.attempt, over: false };
        let started = self.started(&session, spec.variable("GT_CONVERSATION"));
        Some((session, started))
    }

    /// `agent.started`. A conversation that is not known is named by its attempt.
    fn started(&self, session: &SessionOnRecord, conversation: Option<&str>) -> Write {
        let SessionOnRecord { bead, bead_uid, attempt, over: _ } = session;
        let (worker, number) = (&self.worker, attempt.to_string());
        let session_id = conversation.map_or_else(|| format!("{bead}/{attempt}"), str::to_owned);
        Happened {
            event_type: "agent.started",
            target: format!("agent:{worker}"),
            which: &[bead_uid, &number],
            payload: json!({ "session_id": session_id, "bead": bead, "attempt": attempt }),
            title: format!("{worker} began attempt {attempt} at {bead}"),
            parent: Some(bead.clone()),
        }
        .write()
    }

    /// `agent.stopped`.
    fn stopped(&self, session: &SessionOnRecord, how: Option<&Attempt>) -> Write {
        let SessionOnRecord { bead, bead_uid, attempt, over: _ } = session;
        let (worker, number) = (&self.worker, attempt.to_string());
        let object = self.view.objects.get::<Bead>(bead).filter(|it| it.uid().as_ref() == Some(bead_uid));
        let (outcome, reason) = match how {
            Some(how) => self.outcome(how, object.map(AsRef::as_ref)),
            None => ("unknown", "there is no record of it any more".to_owned()),
        };
        Happened {
            event_type: "agent.stopped",
            target: format!("agent:{worker}"),
            which: &[bead_uid, &number],
            title: format!("{worker} ended attempt {attempt} at {bead}: {reason}"),
            payload: json!({ "reason": reason, "outcome": outcome, "bead": bead, "attempt": attempt }),
            parent: Some(bead.clone()),
        }
        .write()
    }

    /// What came of an attempt in a word, and why it ended.
    fn outcome(&self, how: &Attempt, bead: Option<&Bead>) -> (&'static str, String) {
        let handed_in = |bead| requests(bead, self.view).iter().any(|request| request.spec.attempt == how.attempt);
        if bead.is_some_and(handed_in) {
            return ("handed-in", "it handed in its work".to_owned());
        }
        if bead.is_some_and(|bead| bead.spec.handoff_of(how.attempt).is_some()) {
            return ("handed-off", "it handed off to a fresh session".to_owned());
        }
        if bead.is_some_and(|bead| asked(&bead.spec, how)) {
            return ("asked", "it waits for an answer".to_owned());
        }
        match &how.state {
            AttemptState::Ended(end) if !end.own => ("ended", "the town ended it".to_owned()),
            AttemptState::Ended(end) if is_refused_by_provider(end) => {
                ("refused", "its model's provider refused it".to_owned())
            }
            AttemptState::Ended(end) => match end.out_of_memory {
                Some(OutOfMemory::Limit(_)) => ("out-of-memory", "it reached its memory limit".to_owned()),
                Some(OutOfMemory::Machine) => ("out-of-memory", "the machine was out of memory".to_owned()),
                None if end.code == 0 => ("exited", "its program ended without `gt done`".to_owned()),
                None => ("failed", format!("its program ended with {}", end.code)),
            },
            _ => ("lost", "it was lost with its machine or its tmux".to_owned()),
        }
    }
}

/// The session that a plan begins.
fn begins(plan: &Plan) -> Option<&SessionSpec> {
    plan.effects.iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec),
        _ => None,
    })
}

fn is_over(attempt: &Attempt) -> bool {
    matches!(attempt.state, AttemptState::Ended(_) | AttemptState::Lost { .. })
}
