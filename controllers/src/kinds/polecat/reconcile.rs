//! The Polecat controller: worktree, setup and session of one worker, for the bead on its hook.
//!
//! Invariants: a session starts only if the bead, read again, names this polecat by uid, at work and not waiting; what was
//! not seen stops everything; a worktree never changes its preparation while a session runs in it.

use gastown_crds::bead::{Assignee, Waiting};
use gastown_crds::common::{ConditionStatus, FINALIZER_SANDBOX, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::polecat::{PolecatState, PolecatStatus};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Polecat, names};
use jiff::Timestamp;
use kube::ResourceExt;

use super::doing::{Doing, doing};
use super::hook::Hook;
use super::{LEAVE_DELAY, sandbox_id, sessions};
use crate::draft::Draft;
use crate::holds;
use crate::kinds::bead::{claim, is_landing, requests, state};
use crate::kinds::convoy;
use crate::objects::created;
use crate::plan::{Plan, Write};
use crate::view::{self, NotSeen, View};
use crate::world::{Act, Owner, SandboxFacts, Session};

/// Decides about one polecat.
pub fn reconcile(polecat: &Polecat, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(polecat, view);
    // Of a session that runs.
    draft.status.activity = None;
    let status = &mut draft.status;
    let done = hook(polecat, view, &mut plan, status).and_then(|doing| {
        let facts = view.sandbox(&sandbox_id(polecat))?;
        sessions::record(polecat, facts, view, &mut plan, status)?;
        Ok(doing)
    });
    let doing = match done {
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
