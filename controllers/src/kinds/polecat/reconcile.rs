//! The Polecat controller: worktree, setup and session of one worker, for the bead on its hook.
//!
//! Invariants: a session starts only if the bead, read again, names this polecat by uid, at work and not waiting; what was
//! not seen stops everything; a worktree never changes its preparation while a session runs in it.

use gastown_crds::bead::{AgentQuestion, Assignee, Waiting};
use gastown_crds::common::{ConditionStatus, FINALIZER_SANDBOX, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::overrides::Mode;
use gastown_crds::polecat::{Activity, ActivityState, PolecatState, PolecatStatus};
use gastown_crds::quantity::Bytes;
use gastown_crds::reason::Reason;
use gastown_crds::runtime::{Dialect, OnRework, PromptDelivery};
use gastown_crds::town::Trust;
use gastown_crds::{Bead, MergeRequest, Polecat, Rig, Runtime, RuntimeSpec, names};
use kube::ResourceExt;
use std::sync::Arc;

use jiff::Timestamp;

use super::activity::{self, Standing};
use super::{LEAVE_DELAY, conversation, environment, handoff, handover, sandbox_id};
use crate::conditions::times;
use crate::draft::Draft;
use crate::holds::{self, Hold, PartOf};
use crate::kinds::bead::{
    asked, claim, cooked, did_its_part, did_not_begin, failures, got_nowhere, is_landing, is_poured,
    is_refused_by_provider, last_word, left_well, requests, rework, round, starved, state, steps, work_digest,
};
use crate::kinds::convoy;
use crate::kinds::rig::RigSettings;
use crate::kinds::runtime::{self, INSTALL_DELAY, NamedBy};
use crate::kinds::town::accounts;
use crate::objects::created;
use crate::plan::{Confirm, Effect, Plan, Write};
use crate::seen::Oid;
use crate::told::Told;
use crate::tries::{Tried, tried_until};
use crate::view::{self, Failure, NotSeen, View};
use crate::world::{
    Act, Attempt, AttemptEnd, AttemptState, Exited, Frozen, JobState, OutOfMemory, Owner, RepoFacts, RuntimeParts,
    Sandbox, SandboxFacts, SandboxSpec, Session, SessionSpec, Track, exit,
};

/// The state that a polecat is found in, with reason and message.
struct Doing {
    state: PolecatState,
    ready: ConditionStatus,
    reason: Reason,
    message: String,
    /// How often in a row that has failed.
    failures: u32,
}

fn doing(state: PolecatState, reason: Reason, message: impl Into<String>) -> Doing {
    let ready = match state {
        PolecatState::Idle | PolecatState::Working => ConditionStatus::True,
        _ => ConditionStatus::False,
    };
    Doing { state, ready, reason, message: message.into(), failures: 0 }
}

/// Decides about one polecat.
pub fn reconcile(polecat: &Polecat, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(polecat, view);
    // Of a session that runs.
    draft.status.activity = None;
    let doing = match hook(polecat, view, &mut plan, &mut draft.status) {
        Ok(doing) => doing,
        Err(not_seen) => {
            // Acting on a guess could start a second agent on the same branch.
            plan = Plan::none();
            draft.status.activity = polecat.status.as_ref().and_then(|status| status.activity.clone());
            unknown(&not_seen, draft.status.state)
        }
    };
    draft.status.state = doing.state;
    // One that has just left its hook is told of, too.
    let before = polecat.status.as_ref().and_then(|status| status.bead.as_ref());
    let bead = draft.status.bead.as_ref().or(before).and_then(|bead| view.objects.get::<Bead>(bead));
    draft.related = bead.map(|bead| Owner::of(bead.as_ref()));
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::READY, failure);
    } else {
        draft.conditions.set(types::READY, doing.ready, doing.reason, doing.message);
        draft.conditions.fails(doing.failures);
    }
    holds::expire(polecat, view, &mut plan);
    plan.set_status(draft);
    plan
}

fn unknown(not_seen: &view::NotSeen, state: PolecatState) -> Doing {
    let message = not_seen.message();
    Doing { state, ready: ConditionStatus::Unknown, reason: Reason::Unknown, message, failures: 0 }
}

fn hook(polecat: &Polecat, view: &View<'_>, plan: &mut Plan, status: &mut PolecatStatus) -> Result<Doing, NotSeen> {
    let id = sandbox_id(polecat);
    let facts = view.sandbox(&id)?;
    status.branch = facts.sandbox.as_ref().map(|s| s.branch.clone());
    let finalizers = polecat.finalizers();
    if polecat.metadata.deletion_timestamp.is_some() {
        status.bead = None;
        return Ok(leave(polecat, facts, view, plan));
    }
    if !finalizers.iter().any(|f| f == FINALIZER_SANDBOX) {
        plan.write(Write::add_finalizer(polecat, FINALIZER_SANDBOX));
        return Ok(doing(status.state, Reason::Idle, ""));
    }
    let bead = view.objects.assigned_to(&id.uid).find(|b| b.metadata.deletion_timestamp.is_none());
    let Some(bead) = bead else {
        let doing = idle(polecat, facts, view, plan);
        if doing.state == PolecatState::Idle {
            status.bead = None;
        }
        return Ok(doing);
    };
    status.bead = Some(bead.name_any());
    let requests = requests(bead, view);
    if requests.last().is_some_and(|r| is_landing(r) || state(r) == MergeState::Merged) {
        // Handed in: the bead's controller clears the hook.
        return Ok(idle(polecat, facts, view, plan));
    }
    Hook { polecat, bead, requests, view, facts }.work(plan, status)
}

/// Ends what runs, rescues what is there, then lets the object go. Its bead waits for that, and holds no slot meanwhile if it
/// does not work at once.
fn leave(polecat: &Polecat, facts: &SandboxFacts, view: &View<'_>, plan: &mut Plan) -> Doing {
    let sandbox = sandbox_id(polecat);
    let put_off = view.failed.filter(|failure| failure.until > view.now && facts.session == Session::None);
    if let Some(failure) = put_off {
        plan.keeps_failure = true;
        plan.again_at(failure.until);
        for bead in view.objects.assigned_to(&sandbox.uid) {
            let assignee = Assignee { waiting: Some(Waiting::Bead), ..Assignee::new(&*sandbox.name, &*sandbox.uid) };
            if bead.spec.assignee.as_ref() != Some(&assignee) {
                plan.write(claim(bead, &assignee));
            }
        }
    } else if facts.session != Session::None {
        plan.act(Act::EndSession { sandbox });
    } else if facts.sandbox.is_some() {
        plan.act(Act::RemoveSandbox { sandbox });
    } else {
        plan.write(Write::remove_finalizer(polecat, FINALIZER_SANDBOX));
    }
    doing(PolecatState::Starting, Reason::Switching, "is being deleted: its work is rescued first")
}

/// Nothing on the hook: no session runs, the worktree is kept warm.
fn idle(polecat: &Polecat, facts: &SandboxFacts, view: &View<'_>, plan: &mut Plan) -> Doing {
    let withdrawn = is_withdrawn(polecat, facts, view);
    if facts.session == Session::None && withdrawn {
        // Whoever wants its work again finds it on a rescue ref, and not only in a worktree that others get next.
        plan.act(Act::RemoveSandbox { sandbox: sandbox_id(polecat) });
        return doing(PolecatState::Starting, Reason::Switching, "its bead was withdrawn: its work is rescued first");
    }
    if facts.session == Session::None {
        return doing(PolecatState::Idle, Reason::Idle, "");
    }
    if let Some(due) = handed_in(polecat, view).map(|at| at + LEAVE_DELAY).filter(|due| *due > view.now) {
        plan.again_at(due);
        return doing(PolecatState::Zombie, Reason::Switching, "its work is handed in; its session may end by itself");
    }
    plan.act(Act::EndSession { sandbox: sandbox_id(polecat) });
    let why = if withdrawn { "its bead was withdrawn" } else { "its work is handed in" };
    doing(PolecatState::Zombie, Reason::Switching, format!("{why}; its session is being ended"))
}

/// Whether its worktree was prepared for a bead that was withdrawn since.
fn is_withdrawn(polecat: &Polecat, facts: &SandboxFacts, view: &View<'_>) -> bool {
    let prefix = names::branch(&polecat.spec.name, "");
    let bead = facts.sandbox.as_ref().and_then(|sandbox| sandbox.branch.strip_prefix(&prefix));
    bead.and_then(|name| view.objects.get::<Bead>(name)).is_some_and(|bead| convoy::is_withdrawn(bead))
}

/// When the polecat's last branch was handed in, if that is what cleared its hook.
fn handed_in(polecat: &Polecat, view: &View<'_>) -> Option<Timestamp> {
    let bead = view.objects.get::<Bead>(polecat.status.as_ref()?.bead.as_ref()?)?;
    let newest = requests(bead, view).last().copied().filter(|r| r.spec.polecat == polecat.name_any())?;
    // A clock that went backwards since gives nobody more time than the delay.
    Some(created(newest.as_ref()).min(view.now))
}

/// Whether an attempt ended because it was killed for memory.
fn out_of_memory(attempt: &Attempt) -> Option<OutOfMemory> {
    match &attempt.state {
        AttemptState::Ended(end) if end.own => end.out_of_memory,
        _ => None,
    }
}

/// How it ended, to complete "attempt 1 …".
fn said_of_memory(out_of_memory: OutOfMemory) -> String {
    match out_of_memory {
        OutOfMemory::Limit(limit) => format!("was killed at its memory limit of {}", Bytes(limit)),
        OutOfMemory::Machine => "was killed because the machine was out of memory".to_owned(),
    }
}

/// Why a bead waits that has an open question.
fn asks(question: &AgentQuestion) -> Reason {
    if question.stuck { Reason::Stuck } else { Reason::Asking }
}

/// What the agent of an attempt reported at last, if its model's provider refused it.
fn refused(attempt: &Attempt) -> Option<&Activity> {
    match &attempt.state {
        AttemptState::Ended(end) if is_refused_by_provider(end) => end.activity.as_ref(),
        _ => None,
    }
}

/// The end of an attempt whose program did not begin.
fn not_begun(attempt: &Attempt) -> Option<&AttemptEnd> {
    match &attempt.state {
        AttemptState::Ended(end) if did_not_begin(end) => Some(end),
        _ => None,
    }
}

/// How it ended, with its last word.
fn said_of_end(end: &AttemptEnd) -> String {
    let word = end.said().next().map(|line| format!(" ({line})")).unwrap_or_default();
    format!("ended with {}{word}", end.code)
}

/// How it ended, to complete "attempt 1 …".
fn said_of_refusal(activity: &Activity) -> String {
    let said = activity.message.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    format!("was refused by its model's provider{said}")
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
struct Hook<'a> {
    polecat: &'a Polecat,
    bead: &'a Bead,
    requests: Vec<&'a Arc<MergeRequest>>,
    view: &'a View<'a>,
    facts: &'a SandboxFacts,
}

impl Hook<'_> {
    fn work(&self, plan: &mut Plan, status: &mut PolecatStatus) -> Result<Doing, NotSeen> {
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

    /// Its session runs, unless somebody wants it ended or frozen.
    fn runs(&self, hold: Option<Hold>, plan: &mut Plan) -> Doing {
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
    fn activity(&self) -> Option<&Activity> {
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

    fn session(
        &self,
        rig: &RigSettings<'_>,
        runtime: &Runtime,
        repo: &RepoFacts,
        plan: &mut Plan,
        status: &mut PolecatStatus,
    ) -> Result<Doing, NotSeen> {
        let bead_uid = self.bead.uid().unwrap_or_default();
        let attempts = self.view.attempts(&bead_uid)?;
        self.tell_end(attempts, plan);
        let settings = &self.view.settings;
        let failed = failures(&self.bead.spec, attempts, &self.requests, &runtime.name_any());
        let limits = runtime::limits(runtime);
        let over = if last_word(&self.bead.spec, attempts, &self.requests).is_some() {
            Some(Reason::WouldFailAgain)
        } else if starved(&self.bead.spec, attempts, &self.requests, limits.memory).is_some() {
            Some(Reason::OutOfMemory)
        } else {
            (failed >= settings.backoff_limit).then_some(Reason::TooManyAttempts)
        };
        if let Some(reason) = over {
            return Ok(doing(PolecatState::Stalled, reason, "its bead is being set aside"));
        }
        let last = attempts.last();
        // One that was meant and did not begin tells nothing of how the work ended.
        let out_of_memory =
            attempts.iter().rev().find(|run| run.state != AttemptState::Intended).and_then(out_of_memory);
        let attempt = match last.map(|r| (&r.state, r.attempt)) {
            None => 1,
            // Made before the spawn, and nothing was spawned: the same attempt goes on.
            Some((AttemptState::Intended, n)) => n,
            // The lock is free and no exit is recorded yet: it is ending just now, and its exit wakes us.
            Some((AttemptState::Running, _)) => return Ok(doing(PolecatState::Starting, Reason::Switching, "")),
            Some((AttemptState::Ended(_) | AttemptState::Lost { .. }, n)) => n + 1,
        };
        status.attempt = Some(attempt);
        let refusal = last.and_then(refused).filter(|refusal| refusal.state.is_of_account());
        note_refusal(refusal, status);
        let account = match accounts::choose(&runtime.name_any(), self.view, refusal) {
            Ok(account) => account,
            Err(refused) => {
                plan.again_at(refused.until);
                let stalled = doing(PolecatState::Stalled, refused.reason, refused.message);
                return Ok(self.waits(Waiting::Bead, stalled, plan));
            }
        };
        // Another account has refused nobody.
        let is_another = refusal.is_some_and(|it| it.account.as_ref().is_some_and(|last| *last != account.name));
        if let Some(due) = self.due(attempts, failed, &runtime.name_any()).filter(|_| !is_another) {
            plan.again_at(due);
            let refused = last.and_then(refused);
            let not_begun = last.and_then(not_begun);
            let (reason, how) = match (refused, not_begun, out_of_memory) {
                (Some(activity), ..) if activity.state == ActivityState::LoginRequired => {
                    (Reason::LoginRequired, said_of_refusal(activity))
                }
                (Some(activity), ..) => (Reason::Limited, said_of_refusal(activity)),
                (None, Some(end), _) => (Reason::NotStarted, format!("{}, before it began", said_of_end(end))),
                (None, None, Some(out_of_memory)) => (Reason::BackOff, said_of_memory(out_of_memory)),
                (None, None, None) if last.is_some_and(|run| got_nowhere(&self.bead.spec, run)) => {
                    (Reason::BackOff, "handed off without a commit or a closed step, as those before it".to_owned())
                }
                (None, None, None) => (Reason::BackOff, "ended without `gt done`".to_owned()),
            };
            let message = format!("attempt {} {how}; restarts at {due:.0}", attempt - 1);
            return Ok(self.waits(Waiting::Bead, doing(PolecatState::Stalled, reason, message), plan));
        }
        // A session that was told not to have begun may yet: it gets a moment. Without its variables nothing was begun.
        let is_put_off = |failure: &Failure| failure.count > 1 || failure.reason == Reason::EnvFromFailed;
        let put_off = if self.view.failed.is_some_and(is_put_off) { self.put_off(Waiting::Rig, plan) } else { None };
        if let Some(doing) = put_off.or_else(|| self.needs_slot(plan)) {
            return Ok(doing);
        }
        let rework = rework(&self.requests).map(|r| (r.kind, r.log));
        let account_name = Some(&*account.name).filter(|_| account.is_declared);
        let talk = conversation::of(
            (runtime, account_name),
            &sandbox_id(self.polecat),
            (&bead_uid, attempt),
            self.same_work(runtime, attempts),
            &self.bead.spec.questions,
        );
        let RuntimeSpec { command, start, resume, env, env_from, unset_env, files, .. } = &runtime.spec;
        let more = if talk.resumes { resume } else { start };
        // Read again, the bead must still name this polecat, as being at work.
        let claim = self.assignee(None);
        let what = format!("names {}", claim.polecat);
        plan.effects.push(Effect::Confirm(Confirm::field(self.bead, "/spec/assignee", &claim, what)));
        plan.act(Act::EnsureSession {
            sandbox: sandbox_id(self.polecat),
            spec: SessionSpec {
                owner: Owner::of(self.bead),
                attempt,
                work: work_digest(&self.bead.spec),
                command: command.iter().chain(more).cloned().collect(),
                runtime: Box::new(RuntimeParts {
                    name: runtime.name_any(),
                    env: env.iter().chain(account.env).cloned().collect(),
                    env_from: env_from.clone(),
                    unset_env: unset_env.clone(),
                    files: files.clone(),
                    grace_seconds: runtime.spec.termination_grace_period_seconds,
                    reports: runtime.spec.dialect != Dialect::None,
                    prompt_delivery: runtime.spec.prompt_delivery,
                }),
                env: environment::of(
                    self.polecat,
                    self.bead,
                    (rig, runtime, runtime::name_of_whole(self.bead, self.polecat, self.view), account_name),
                    (attempt, &self.base(repo)),
                    &talk,
                    out_of_memory,
                ),
                limits,
                rework,
            },
        });
        Ok(doing(PolecatState::Starting, Reason::Switching, format!("attempt {attempt} is being started")))
    }

    /// The attempts at this text that another may go on from: none before the last handoff, and where work is done anew, none that
    /// was handed in.
    fn same_work<'a>(&self, runtime: &Runtime, attempts: &'a [Attempt]) -> &'a [Attempt] {
        let work = work_digest(&self.bead.spec);
        let restarts = runtime.spec.on_rework == OnRework::Restart;
        let over = self.requests.last().filter(|_| restarts).map_or(0, |request| request.spec.attempt);
        let over = over.max(self.bead.spec.handoffs.last().map_or(0, |handoff| handoff.attempt));
        let before = attempts.iter().rposition(|run| run.work != work || run.attempt <= over).map_or(0, |at| at + 1);
        &attempts[before..]
    }

    /// Tells how the last attempt ended, if its own status says that it is at work on it still. One that handed in ended well,
    /// whatever it ended with.
    fn tell_end(&self, attempts: &[Attempt], plan: &mut Plan) {
        let handed_in = |run: &Attempt| self.requests.iter().any(|it| it.spec.attempt == run.attempt);
        let Some(last) = attempts.last().filter(|last| !handed_in(last)) else { return };
        let is_at_it = self.polecat.status.as_ref().is_some_and(|status| {
            let at_work = matches!(status.state, PolecatState::Starting | PolecatState::Working | PolecatState::Zombie);
            at_work && status.attempt == Some(last.attempt)
        });
        let handed_off =
            self.bead.spec.handoff_of(last.attempt).map(|handoff| format!("handed off: {}", handoff.subject));
        let (warns, how) = match (&last.state, handed_off) {
            (AttemptState::Ended(_), Some(handed_off)) => (false, handed_off),
            (AttemptState::Intended | AttemptState::Running, _) => return,
            (AttemptState::Lost { .. }, _) => (true, "was lost with its machine or its tmux".to_owned()),
            (AttemptState::Ended(_), None) if asked(&self.bead.spec, last) => {
                (false, "ended with a question".to_owned())
            }
            (AttemptState::Ended(end), None) if !end.own => (false, "was ended by the town".to_owned()),
            (AttemptState::Ended(end), None) => {
                let with = || {
                    let word = end.said().next().map(|line| format!(": {line}")).unwrap_or_default();
                    format!("ended with {}, without `gt done`{word}", end.code)
                };
                let refused = refused(last).map(said_of_refusal);
                (true, refused.or_else(|| end.out_of_memory.map(said_of_memory)).unwrap_or_else(with))
            }
        };
        if is_at_it {
            plan.tell(Told::new(warns, "SessionEnded", "Run", &format!("attempt {} {how}", last.attempt)));
        }
    }

    /// Where its branch began.
    fn base(&self, repo: &RepoFacts) -> Oid {
        let sandbox: Option<&Sandbox> = self.facts.sandbox.as_ref();
        sandbox.map(|s| s.base.clone()).or_else(|| repo.target.clone()).unwrap_or_else(|| Oid(String::new()))
    }

    /// When the next session may start, if not now: the first restart and the first rework are at once, the later ones
    /// back off, whether they are charged or not.
    fn due(&self, attempts: &[Attempt], failed: u32, next: &str) -> Option<Timestamp> {
        let handed_in = |run: &Attempt| self.requests.iter().any(|r| r.spec.attempt == run.attempt);
        let counts = |at: &usize| {
            let run = &attempts[*at];
            !handed_in(run) && run.state != AttemptState::Intended && !did_its_part(attempts, *at, next)
        };
        let spec = &self.bead.spec;
        let ended = (0..attempts.len()).rev().take_while(counts).filter(|at| !left_well(spec, &attempts[*at])).count();
        let restarts = u32::try_from(ended).unwrap_or(u32::MAX).max(failed).saturating_sub(1);
        let at = match &attempts.last()?.state {
            AttemptState::Ended(end) => end.at,
            AttemptState::Lost { at } => *at,
            AttemptState::Intended | AttemptState::Running => return None,
        };
        let delay = self.view.settings.delay(restarts, &self.bead.uid().unwrap_or_default());
        self.view.wait_after(at, delay).filter(|_| restarts > 0)
    }
}
