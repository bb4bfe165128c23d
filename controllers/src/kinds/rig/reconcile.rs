//! The Rig controller: the town's clone exists and is fresh enough; what keeps work from landing is said here.
//!
//! Dispatch is another key and never waits for a fetch; the merge queue is another key too.

use gastown_crds::common::{ANNOTATION_REFRESH, types, whole_second};
use gastown_crds::reason::Reason;
use gastown_crds::rig::{RigStatus, Strategy};
use gastown_crds::url::redact;
use gastown_crds::{Rig, rig};
use kube::ResourceExt;

use super::RigSettings;
use crate::conditions::times;
use crate::draft::Draft;
use crate::holds::{self, PartOf};
use crate::kinds::merge_request::{self, Pushed, Red};
use crate::objects::created;
use crate::plan::Plan;
use crate::tries::{Tried, tried, tried_until};
use crate::view::{NotSeen, View};
use crate::world::{Act, Exited, JobState, RepoFacts, exit};

/// The longest word that asks for a look, as its field in the status says.
const REFRESH_BYTES_MAX: usize = 253;

/// A reason and a message, and how often in a row that has failed.
struct Because {
    reason: Reason,
    message: String,
    failures: u32,
}

impl From<(Reason, String)> for Because {
    fn from((reason, message): (Reason, String)) -> Self {
        Self { reason, message, failures: 0 }
    }
}

/// Decides about one rig's repository.
pub fn reconcile(rig: &Rig, view: &View<'_>) -> Plan {
    if rig.metadata.deletion_timestamp.is_some() {
        return Plan::none();
    }
    let mut plan = Plan::none();
    let settings = &RigSettings::of(rig);
    let mut draft = Draft::of(rig, view);
    let (status, conditions) = (&mut draft.status, &mut draft.conditions);
    status.queued = u32::try_from(view.objects.queue(&rig.name_any()).count()).unwrap_or(u32::MAX);
    match repo(rig, settings, view, &mut plan, status) {
        Ok(Because { reason, message, failures }) => {
            conditions.set_bool(types::READY, reason == Reason::Ok, reason, message);
            conditions.fails(failures);
        }
        Err(not_seen) => {
            plan = Plan::none();
            conditions.unknown(types::READY, &not_seen);
        }
    }
    match base(settings, view) {
        Ok(Some(red)) => {
            let (reason, what) = if red.failed {
                (Reason::BaseRed, "the target itself fails verification; fix it there, nobody is charged")
            } else {
                (
                    Reason::VerifyError,
                    "the checks do not run on the target itself; correct merge.verify, or fix it there",
                )
            };
            let message = format!("{what}; it is verified again now and then:\n{}", red.tail);
            conditions.set_bool(types::BASE_RED, true, reason, message);
        }
        Ok(None) => conditions.set_bool(types::BASE_RED, false, Reason::Ok, ""),
        Err(not_seen) => conditions.unknown(types::BASE_RED, &not_seen),
    }
    if let Some(failure) = view.failed {
        conditions.failed(types::READY, failure);
    }
    holds::expire(rig, view, &mut plan);
    plan.set_status(draft);
    plan
}

fn repo(
    rig: &Rig,
    settings: &RigSettings<'_>,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut RigStatus,
) -> Result<Because, NotSeen> {
    if let Some(other) = shares_target(rig, view) {
        let message = format!("rig `{other}` lands on the same branch of the same repository: delete one of them");
        return Ok((Reason::TargetShared, message).into());
    }
    let facts = view.repo(settings)?;
    status.branch.clone_from(&facts.branch);
    status.target = facts.target.as_ref().map(|oid| oid.0.clone());
    let hold = PartOf { rig: Some(rig), ..PartOf::default() }.in_town(view).hold(view.now);
    if let Some(hold) = hold.filter(|hold| !hold.mode.may_land()) {
        let what = "nothing is dispatched, fetched or landed here";
        let message = if rig.spec.suspend { what.to_owned() } else { format!("{what}: {}", hold.message) };
        return Ok((hold.reason, message).into());
    }
    if !facts.cloned {
        return clone(settings, view, plan);
    }
    if facts.target.is_none() {
        // Once an interval, for as long as it takes: the branch may be pushed later.
        let (window, next) = window(rig, settings, view);
        plan.again_at(next);
        let asked = refresh(rig, settings, view, plan, status)?;
        let fetched = fetch(settings, view, plan, &format!("no-target-{window}"), status)?;
        if let Some(because) = asked.or(fetched) {
            return Ok(because);
        }
        let branch = settings.branch.unwrap_or("HEAD");
        let message = format!("`{}` has no branch `{branch}`: name one in spec.repo.branch", redact(settings.url));
        return Ok((Reason::BranchNotFound, message).into());
    }
    let reached = reach(settings, view, plan, status)?;
    let asked = if reached.is_some() { reached } else { refresh(rig, settings, view, plan, status)? };
    let polled = if asked.is_some() { asked } else { poll(rig, settings, view, plan, status)? };
    let refused = refused(settings, facts, view)?;
    Ok(refused.or(polled).unwrap_or_else(|| (Reason::Ok, String::new()).into()))
}

fn clone(rig: &RigSettings<'_>, view: &View<'_>, plan: &mut Plan) -> Result<Because, NotSeen> {
    let url = redact(rig.url);
    // It has been seen not to be there: that a round worked says nothing.
    Ok(match tried_until(view, |round| rig.clone_job(round), |_| false)? {
        Tried::Running | Tried::Done(_) => (Reason::Cloning, format!("cloning `{url}`")).into(),
        Tried::Due(job) => {
            plan.act(Act::EnsureJob(job));
            (Reason::Cloning, format!("cloning `{url}`")).into()
        }
        // It was cloned, and is gone.
        Tried::Waiting { last: Some(Exited { code: exit::OK, .. }), due, .. } => {
            plan.again_at(due);
            (Reason::Cloning, format!("the town's clone has vanished: it is made anew at {due:.0}")).into()
        }
        Tried::Waiting { last, failures, due } => {
            plan.again_at(due);
            let what = format!("cloning `{url}` failed {}", times(failures));
            Because { failures, ..said(rig, last, Reason::CloneFailed, &what) }
        }
    })
}

/// The reason why a fetch is not done yet; none once it is.
fn fetch(
    rig: &RigSettings<'_>,
    view: &View<'_>,
    plan: &mut Plan,
    cause: &str,
    status: &mut RigStatus,
) -> Result<Option<Because>, NotSeen> {
    // What another clock dates into the future says nothing of the present.
    let worked = |exited: &Exited| exited.code == exit::OK && exited.at <= view.now;
    Ok(match tried_until(view, |round| rig.fetch_job(cause, round), worked)? {
        Tried::Done(job) => {
            // That the status changes tells the merge queue to look at what was fetched.
            if let JobState::Exited(exited) = view.job(&job.key())? {
                status.fetched = status.fetched.max(Some(whole_second(exited.at)));
            }
            None
        }
        Tried::Running => Some((Reason::Ok, String::new()).into()),
        Tried::Due(job) => {
            plan.act(Act::EnsureJob(job));
            Some((Reason::Ok, String::new()).into())
        }
        Tried::Waiting { last, failures, due } => {
            plan.again_at(due);
            let what = format!("fetching from `{}` failed {}", redact(rig.url), times(failures));
            Some(Because { failures, ..said(rig, last, Reason::FetchFailed, &what) })
        }
    })
}

/// How a git job's end reads on a rig.
fn said(rig: &RigSettings<'_>, last: Option<Exited>, otherwise: Reason, what: &str) -> Because {
    let Some(last) = last else { return (otherwise, format!("{what}: its process was killed")).into() };
    let (reason, hint) = match last.code {
        exit::AUTH => (Reason::AuthRequired, "; try the same git command by hand, git never prompts here"),
        exit::NO_BRANCH => (Reason::BranchNotFound, "; push a first commit, or name a branch in spec.repo.branch"),
        exit::CHECKED_OUT if rig.update_checked_out => {
            (Reason::TargetCheckedOut, "; commit or stash the changes there, or move what is in the way")
        }
        exit::CHECKED_OUT => {
            (Reason::TargetCheckedOut, "; set merge.whenCheckedOut to Update, or choose strategy Branch")
        }
        exit::PROTECTED => (Reason::TargetProtected, "; choose strategy Branch"),
        _ => (otherwise, ""),
    };
    (reason, format!("{what}{hint}:\n{}", last.tail)).into()
}

/// A push that the remote refused for good reasons is the rig's trouble, not a bead's.
fn refused(rig: &RigSettings<'_>, facts: &RepoFacts, view: &View<'_>) -> Result<Option<Because>, NotSeen> {
    match merge_request::pushed(rig, facts, view)? {
        Some(Pushed::Refused(exited)) => Ok(Some(said(rig, Some(exited), Reason::BackOff, "the push was refused"))),
        _ => Ok(None),
    }
}

/// A changed `spec.repo.url` is fetched from once, so that a wrong one is reported before any work is begun.
fn reach(
    rig: &RigSettings<'_>,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut RigStatus,
) -> Result<Option<Because>, NotSeen> {
    match tried(view, |round| rig.clone_job(round))? {
        Tried::Done(_) => Ok(None),
        _ => fetch(rig, view, plan, "url", status),
    }
}

/// A person asks for a look now: see [`ANNOTATION_REFRESH`].
fn refresh(
    rig: &Rig,
    settings: &RigSettings<'_>,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut RigStatus,
) -> Result<Option<Because>, NotSeen> {
    let asked = rig.annotations().get(ANNOTATION_REFRESH).filter(|word| word.len() <= REFRESH_BYTES_MAX);
    let Some(word) = asked.filter(|word| status.refreshed.as_ref() != Some(word)) else { return Ok(None) };
    let because = fetch(settings, view, plan, &format!("refresh-{word}"), status)?;
    if because.is_none() {
        status.refreshed = Some(word.clone());
    }
    Ok(because)
}

/// While beads are open, the remote is asked for news once an interval. A quiet rig asks nothing.
fn poll(
    rig: &Rig,
    settings: &RigSettings<'_>,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut RigStatus,
) -> Result<Option<Because>, NotSeen> {
    if view.objects.open_in_rig(&rig.name_any()).next().is_none() {
        return Ok(None);
    }
    let (window, next) = window(rig, settings, view);
    plan.again_at(next);
    if window == 0 { Ok(None) } else { fetch(settings, view, plan, &format!("interval-{window}"), status) }
}

/// The number of the present interval of the rig's life, and when the next begins.
fn window(rig: &Rig, settings: &RigSettings<'_>, view: &View<'_>) -> (i64, jiff::Timestamp) {
    view.interval(created(rig), settings.interval)
}

/// The red of the target itself, if it is red. Looked at only while something waits to land.
fn base(rig: &RigSettings<'_>, view: &View<'_>) -> Result<Option<Red>, NotSeen> {
    if rig.checks.is_empty() || view.objects.queue(&rig.id.name).next().is_none() {
        return Ok(None);
    }
    let facts = view.repo(rig)?;
    let (Some(target), Some(tree)) = (&facts.target, &facts.target_tree) else { return Ok(None) };
    let tries = merge_request::tries(rig, target, tree, view)?;
    Ok(merge_request::red_target(tree, &tries))
}

/// One queue per remote and branch: two would race for ever. The older rig has it.
fn shares_target(rig: &Rig, view: &View<'_>) -> Option<String> {
    let lands =
        |r: &Rig| (r.spec.repo.url.clone(), r.spec.repo.branch.clone(), r.spec.merge.strategy == rig::Strategy::Push);
    let age = |r: &Rig| (created(r), r.name_any());
    if rig.spec.merge.strategy != Strategy::Push {
        return None;
    }
    let other = view.objects.all::<Rig>().find(|r| lands(r) == lands(rig) && age(r) < age(rig))?;
    Some(other.name_any())
}
