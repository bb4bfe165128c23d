//! A session that runs: it goes on, or is ended for what its agent, its bead or a person says.

use gastown_crds::Runtime;
use gastown_crds::bead::AgentQuestion;
use gastown_crds::overrides::Mode;
use gastown_crds::polecat::{Activity, ActivityState, PolecatState};
use gastown_crds::reason::Reason;
use gastown_crds::runtime::{Dialect, PromptDelivery};
use jiff::Timestamp;
use kube::ResourceExt;

use super::super::activity::{self, Standing};
use super::super::doing::{Doing, doing};
use super::super::{handoff, handover, sandbox_id};
use super::{Hook, asks};
use crate::holds::Hold;
use crate::kinds::bead::{round, steps};
use crate::kinds::runtime;
use crate::kinds::town::accounts;
use crate::plan::Plan;
use crate::world::{Act, Frozen};

impl Hook<'_> {
    /// Its session runs, unless somebody wants it ended or frozen.
    pub(super) fn runs(&self, hold: Option<Hold>, plan: &mut Plan) -> Doing {
        let sandbox = sandbox_id(self.polecat);
        match hold.filter(|hold| !hold.mode.may_run()) {
            Some(Hold { mode: Mode::Stopped, reason, message }) => {
                plan.act(Act::EndSession { sandbox });
                doing(PolecatState::Stalled, reason, message)
            }
            Some(Hold { reason, message, .. }) => {
                if self.facts.frozen != Frozen::Wholly {
                    plan.act(Act::FreezeSession { sandbox });
                }
                doing(PolecatState::Stalled, reason, message)
            }
            None => {
                if self.facts.frozen != Frozen::No {
                    plan.act(Act::ThawSession { sandbox: sandbox.clone() });
                }
                // Somebody else wrote that it waits.
                self.notes(None, plan);
                let Standing { state, reason, message, until, ends } =
                    activity::standing(self.activity(), self.view.now);
                if let Some(doing) = self.hands_off(plan).or_else(|| self.did_its_part(plan)) {
                    return doing;
                }
                // It waits without a session, and is started again with the answer.
                let question = self.asked();
                let (reason, message) = match question.filter(|question| question.answer.is_none()) {
                    Some(question) => (asks(question), question.text.clone()),
                    None => (reason, message),
                };
                if ends || question.is_some() || self.may_go_on_otherwise() {
                    plan.act(Act::EndSession { sandbox });
                } else if let Some(until) = until.filter(|until| *until > self.view.now) {
                    plan.again_at(until);
                }
                doing(state, reason, message)
            }
        }
    }

    /// The state of a session that has handed off; none of one that has not.
    fn hands_off(&self, plan: &mut Plan) -> Option<Doing> {
        let handoff = self.bead.spec.handoff_of(self.facts.session.attempt()?)?;
        let due = handoff::ends_at(handoff, self.activity(), self.view.now);
        self.ends_at(due, plan);
        let message = format!("handed off: {}", handoff.subject);
        Some(doing(PolecatState::Starting, Reason::Switching, message))
    }

    /// Ends its session when it is due.
    fn ends_at(&self, due: Timestamp, plan: &mut Plan) {
        if due > self.view.now {
            plan.again_at(due);
        } else {
            plan.act(Act::EndSession { sandbox: sandbox_id(self.polecat) });
        }
    }

    /// The state of a session whose part of the bead is done, as another Runtime's steps come next; none while it is not.
    fn did_its_part(&self, plan: &mut Plan) -> Option<Doing> {
        let running = self.facts.runtime.as_deref()?;
        let steps = steps(&self.bead.name_any(), round(&self.requests), self.view);
        let of_bead = runtime::name_of_whole(self.bead, self.polecat, self.view);
        let step = handover::next_of_another(&steps, running, of_bead)?;
        let runtime = step.spec.runtime.as_deref().unwrap_or(of_bead);
        let message =
            format!("step `{}` is for Runtime `{runtime}`: this session ends, and one of that begins", step.name_any());
        let due = handover::ends_at(&steps, self.activity(), self.view.now);
        self.ends_at(due, plan);
        Some(doing(PolecatState::Starting, Reason::Switching, message))
    }

    /// Whether the agent of its session is refused for its account, and another account is there.
    fn may_go_on_otherwise(&self) -> bool {
        let Some(refused) = self.activity().filter(|activity| activity.state.is_of_account()) else { return false };
        let (runtime, _) = runtime::named(self.bead, Some(self.polecat), self.view).smallest();
        let choice = accounts::choose(runtime, self.view, Some(refused));
        choice.is_ok_and(|choice| refused.account.as_ref().is_some_and(|account| *account != choice.name))
    }

    /// The question that the agent of its session waits with, its turn at an end; it may have been answered by now.
    fn asked(&self) -> Option<&AgentQuestion> {
        let waits = self.activity().filter(|activity| activity.state == ActivityState::Asking)?;
        let attempt = self.facts.session.attempt()?;
        // A question of its own program is asked on its screen, whatever was asked before.
        let last = self.bead.spec.questions.iter().rev().find(|question| question.attempt == attempt)?;
        waits.message.as_ref().is_some_and(|asked| last.text.starts_with(&**asked)).then_some(last)
    }

    /// What the agent of its session does, where the Runtime of that says that its program reports it.
    pub(super) fn activity(&self) -> Option<&Activity> {
        let objects = self.view.objects;
        let of_session = self.facts.runtime.as_deref().and_then(|name| objects.get::<Runtime>(name));
        let next = || runtime::runtime_of(self.bead, Some(&*self.polecat.name_any()), self.view);
        let runtime = of_session.map(AsRef::as_ref).or_else(next)?;
        // Of one that reports nothing, it may be on record that its first prompt could not be typed.
        let is_typed = runtime.spec.prompt_delivery == PromptDelivery::Paste;
        let is_said = |it: &&Activity| {
            runtime.spec.dialect != Dialect::None || is_typed && it.state == ActivityState::Idle && it.message.is_some()
        };
        self.facts.activity.as_ref().filter(is_said)
    }
}
