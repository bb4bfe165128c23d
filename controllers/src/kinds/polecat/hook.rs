//! A polecat with a bead on its hook: what has to be so before a session starts, and what it waits for while it is not.

mod running;

mod session;

use gastown_crds::bead::{AgentQuestion, Assignee, Waiting};
use gastown_crds::polecat::{Activity, ActivityState, PolecatState, PolecatStatus};
use gastown_crds::reason::Reason;
use gastown_crds::runtime::OnRework;
use gastown_crds::town::Trust;
use gastown_crds::{Bead, MergeRequest, Polecat, Rig, Runtime, names};
use kube::ResourceExt;
use std::sync::Arc;

use super::doing::{Doing, doing};
use super::sandbox_id;
use crate::conditions::times;
use crate::holds::PartOf;
use crate::kinds::bead::{claim, cooked, is_poured, rework, round, work_digest};
use crate::kinds::rig::RigSettings;
use crate::kinds::runtime::{self, INSTALL_DELAY, NamedBy};
use crate::plan::Plan;
use crate::seen::Oid;
use crate::tries::{Tried, tried_until};
use crate::view::{NotSeen, View};
use crate::world::{Act, Exited, JobState, SandboxFacts, SandboxSpec, Session, Track, exit};

/// Why a bead waits that has an open question.
fn asks(question: &AgentQuestion) -> Reason {
    if question.stuck { Reason::Stuck } else { Reason::Asking }
}

/// Notes that a session was refused for its account, and forgets it once one works.
fn note_refusal(activity: Option<&Activity>, status: &mut PolecatStatus) {
    match activity {
        Some(refused) if refused.state.is_of_account() => status.refused = Some(refused.clone()),
        Some(other) if other.state == ActivityState::Busy => status.refused = None,
        _ => {}
    }
}

/// A polecat and the bead on its hook.
pub struct Hook<'a> {
    pub polecat: &'a Polecat,
    pub bead: &'a Bead,
    pub requests: Vec<&'a Arc<MergeRequest>>,
    pub view: &'a View<'a>,
    pub facts: &'a SandboxFacts,
}

impl Hook<'_> {
    /// The state that it is in, and what is to be done.
    pub fn work(&self, plan: &mut Plan, status: &mut PolecatStatus) -> Result<Doing, NotSeen> {
        let starting = |reason, message: String| doing(PolecatState::Starting, reason, message);
        let bead_uid = self.bead.uid().unwrap_or_default();
        let hold = PartOf::of_bead(self.bead, self.view).in_town(self.view).hold(self.view.now);
        // What runs already needs none of what follows.
        if let Session::Running { owner_uid: of, attempt } = &self.facts.session
            && *of == bead_uid
            && self.is_prepared()
        {
            status.attempt = Some(*attempt);
            status.activity = self.activity().cloned();
            note_refusal(self.activity(), status);
            return Ok(self.runs(hold, plan));
        }
        if self.facts.session != Session::None {
            let are_strays = matches!(self.facts.session, Session::Strays { .. });
            // An agent that cannot be ended is at work still, and keeps its slot.
            if are_strays && let Some(doing) = self.put_off(Waiting::Bead, plan) {
                return Ok(doing);
            }
            plan.act(Act::EndSession { sandbox: sandbox_id(self.polecat) });
            let reason = if are_strays { Reason::Strays } else { Reason::Switching };
            return Ok(starting(reason, "an earlier session is being ended".into()));
        }
        if let Some(question) = self.bead.spec.open_question() {
            let doing = doing(PolecatState::Stalled, asks(question), question.text.clone());
            return Ok(self.waits(Waiting::Bead, doing, plan));
        }
        if let Some(hold) = hold.filter(|hold| !hold.mode.may_start()) {
            // Once nothing holds it, it needs a slot and nothing else.
            return Ok(self.waits(Waiting::Slot, doing(PolecatState::Stalled, hold.reason, hold.message), plan));
        }
        let spec = &self.polecat.spec;
        let Some(rig) = self.view.objects.get::<Rig>(&spec.rig) else {
            let message = format!("there is no Rig named `{}`: apply it", spec.rig);
            return Ok(self.waits(Waiting::Rig, starting(Reason::RefNotFound, message), plan));
        };
        let rig = &RigSettings::of(rig);
        let (runtime_name, named_by) = runtime::named(self.bead, Some(self.polecat), self.view).smallest();
        // One that only this bead is to be worked by keeps nobody else of its rig from work.
        let runtime_of = if matches!(named_by, NamedBy::Step | NamedBy::Bead) { Waiting::Bead } else { Waiting::Rig };
        let Some(runtime) = self.view.objects.get::<Runtime>(runtime_name) else {
            let message = format!("there is no Runtime named `{runtime_name}`: apply it");
            return Ok(self.waits(runtime_of, starting(Reason::RefNotFound, message), plan));
        };
        if runtime.spec.skips_permissions && self.view.settings.trust == Trust::None {
            let message = format!(
                "Runtime `{runtime_name}` lets its agent run any command without asking, and the Town has `trust: None`"
            );
            let stalled = doing(PolecatState::Stalled, Reason::NotTrusted, message);
            return Ok(self.waits(runtime_of, stalled, plan));
        }
        let repo = self.view.repo(rig)?;
        let Some(target) = &repo.target else {
            let cloning = starting(Reason::Cloning, format!("waits for its rig `{}`", spec.rig));
            return Ok(self.waits(Waiting::Rig, cloning, plan));
        };
        if !self.is_prepared() {
            if let Some(doing) = self.put_off(self.whose(), plan).or_else(|| self.needs_slot(plan)) {
                return Ok(doing);
            }
            // A setup that an earlier text began writes there still.
            if self.facts.sandbox.is_some() && !self.view.is_free(&Track::Sandbox(sandbox_id(self.polecat).uid))? {
                return Ok(starting(Reason::SettingUp, "its worktree is made anew once the setup there ends".into()));
            }
            plan.act(Act::EnsureSandbox {
                sandbox: sandbox_id(self.polecat),
                spec: self.sandbox(rig, runtime, target),
            });
            return Ok(starting(Reason::Preparing, "its worktree is being made".into()));
        }
        if let Some(doing) = self.setup(rig, plan)? {
            return Ok(doing);
        }
        if !is_poured(self.bead, round(&self.requests), self.view) {
            let doing = starting(Reason::Preparing, "waits for its steps".into());
            // They are there at once, or not until somebody corrects the formula.
            let soon = cooked(self.bead, self.view).is_ok();
            return Ok(if soon { doing } else { self.waits(Waiting::Bead, doing, plan) });
        }
        let program = &runtime.spec.command[0];
        if !self.view.program(program)? {
            plan.again_at(self.view.now + INSTALL_DELAY);
            let message = format!("`{program}` of Runtime `{runtime_name}` is not on PATH here: install it");
            return Ok(self.waits(runtime_of, starting(Reason::CommandNotFound, message), plan));
        }
        self.session(rig, runtime, repo, plan, status)
    }

    /// It waits, and leaves its slot to others meanwhile.
    fn waits(&self, what: Waiting, doing: Doing, plan: &mut Plan) -> Doing {
        self.notes(Some(what), plan);
        doing
    }

    /// What was tried last has failed and is tried again later: it waits, as for anything else.
    fn put_off(&self, what: Waiting, plan: &mut Plan) -> Option<Doing> {
        let failure = self.view.failed?;
        // What is tried now, or once there is a slot for it, counts on.
        plan.keeps_failure = true;
        if failure.until <= self.view.now {
            return None;
        }
        plan.again_at(failure.until);
        Some(self.waits(what, doing(PolecatState::Stalled, failure.reason, &*failure.message), plan))
    }

    /// What it waits for while its worktree cannot be made ready. On a branch that came back, it may be the branch.
    fn whose(&self) -> Waiting {
        if round(&self.requests) == 0 { Waiting::Rig } else { Waiting::Bead }
    }

    /// Writes on its bead what it waits for, if that is news.
    fn notes(&self, waiting: Option<Waiting>, plan: &mut Plan) {
        let assignee = self.assignee(waiting);
        if self.bead.spec.assignee.as_ref() != Some(&assignee) {
            plan.write(claim(self.bead, &assignee));
        }
    }

    fn assignee(&self, waiting: Option<Waiting>) -> Assignee {
        Assignee { waiting, ..Assignee::new(self.polecat.name_any(), sandbox_id(self.polecat).uid) }
    }

    /// It could go on, but left its slot: dispatch gives it the next that is free.
    fn needs_slot(&self, plan: &mut Plan) -> Option<Doing> {
        self.bead.spec.assignee.as_ref()?.waiting?;
        self.notes(Some(Waiting::Slot), plan);
        Some(doing(PolecatState::Starting, Reason::WaitsForSlot, "may go on as soon as a slot is free"))
    }

    /// The name of the preparation that this bead wants: one for each text, and each time its branch came back.
    fn prepared(&self) -> String {
        let uid = self.bead.uid().unwrap_or_default();
        names::digest(&["prepared", &uid, &work_digest(&self.bead.spec), &round(&self.requests).to_string()])
    }

    fn is_prepared(&self) -> bool {
        self.facts.sandbox.as_ref().is_some_and(|s| s.prepared == self.prepared())
    }

    fn sandbox(&self, rig: &RigSettings<'_>, runtime: &Runtime, target: &Oid) -> SandboxSpec {
        let comes_back = rework(&self.requests).is_some() && runtime.spec.on_rework == OnRework::Continue;
        let (base, start) = match self.requests.last().filter(|_| comes_back) {
            Some(request) => (Oid(request.spec.base.clone()), Oid(request.spec.head.clone())),
            None => (target.clone(), target.clone()),
        };
        SandboxSpec {
            owner: rig.id.clone(),
            prepared: self.prepared(),
            branch: names::branch(&self.polecat.spec.name, &self.bead.name_any()),
            base,
            start,
            target: target.clone(),
        }
    }

    /// The state while `workspace.setup` is not done yet; none once it is.
    fn setup(&self, rig: &RigSettings<'_>, plan: &mut Plan) -> Result<Option<Doing>, NotSeen> {
        let Some(sandbox) = self.facts.sandbox.as_ref() else { return Ok(None) };
        if rig.workspace.setup.is_empty() && rig.workspace.copy.is_empty() {
            return Ok(None);
        }
        let job = |round| rig.setup_job(sandbox_id(self.polecat), (sandbox.prepared.as_str(), sandbox.made), round);
        let is_over = |exited: &Exited| exited.code == exit::OK || exited.code == exit::CONFIG;
        Ok(match tried_until(self.view, job, is_over)? {
            Tried::Done(job) => match self.view.job(&job.key())? {
                JobState::Exited(exited) if exited.code == exit::CONFIG => {
                    let message = format!(
                        "`workspace.setup` of rig `{}` ended with {}: another try would end the same way; correct it \
                         there, or fix the cause and `gt sling {}`:\n{}",
                        rig.id.name,
                        exited.code,
                        self.bead.name_any(),
                        exited.tail
                    );
                    let stalled = doing(PolecatState::Stalled, Reason::WouldFailAgain, message);
                    Some(self.waits(self.whose(), stalled, plan))
                }
                _ => None,
            },
            Tried::Running => Some(doing(PolecatState::Starting, Reason::SettingUp, "")),
            Tried::Due(job) => {
                if let Some(doing) = self.put_off(self.whose(), plan).or_else(|| self.needs_slot(plan)) {
                    return Ok(Some(doing));
                }
                plan.act(Act::EnsureJob(job));
                Some(doing(PolecatState::Starting, Reason::SettingUp, ""))
            }
            Tried::Waiting { last, failures, due } => {
                plan.again_at(due);
                let tail = last.map(|l| l.tail).unwrap_or_default();
                let message = format!(
                    "`workspace.setup` of rig `{}` failed {}; fix it there:\n{tail}",
                    rig.id.name,
                    times(failures)
                );
                let stalled = Doing { failures, ..doing(PolecatState::Stalled, Reason::SetupFailed, message) };
                Some(self.waits(self.whose(), stalled, plan))
            }
        })
    }
}
