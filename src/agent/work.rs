//! The work on a hook: the bead and the steps of its current round, as their specs say.
//!
//! Invariant: whether a step is ready follows from `spec.closed` and `spec.needs` alone, so it is right at the instant a
//! step was closed, before any controller has looked. A status decides nothing here but which branches came back.

use std::collections::BTreeMap;

use gastown_controllers::bead::{ANNOTATION_STEPS, LABEL_ROUND, order};
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Bead, MergeRequest, names};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde::Serialize;

use super::context::Context;
use super::error::Error;
use super::session::Part;

/// A step as agents see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its bead.
    pub id: String,
    /// Its name in the formula.
    pub name: String,
    /// What is to be done.
    pub title: String,
    /// The same in full, for `gt prime`.
    #[serde(skip)]
    pub description: Option<String>,
    /// Shell text that does it.
    pub command: Option<String>,
    /// `open` or `closed`.
    pub status: &'static str,
    /// Open, and all that it needs is closed.
    pub ready: bool,
    /// The Runtime that it is for, if that is not the session's: a session of that does it.
    #[serde(rename = "runtime", skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
}

impl Step {
    /// Whether it is still to be done.
    pub fn is_open(&self) -> bool {
        self.status == "open"
    }
}

/// What is on a hook.
#[derive(Debug, Clone)]
pub struct Work {
    /// The bead.
    pub bead: Bead,
    /// The steps of its current round, in the formula's order.
    pub steps: Vec<Step>,
    /// The last attempt that handed in; 0 where none has.
    pub handed_in: u32,
    /// How many steps there should be; none if there is no step to say so.
    poured: Option<usize>,
}

/// Reads the work of a bead, if that bead is on the polecat's hook; three requests, at once.
pub async fn load(context: &Context, bead: &str, polecat: &str) -> Result<Option<Work>, Error> {
    let beads = context.beads();
    let requests: Api<MergeRequest> = Api::default_namespaced(context.client.clone());
    let (of_bead, of_parent) = (format!("spec.bead={bead}"), format!("spec.parent={bead}"));
    let (of_bead, of_parent) = (ListParams::default().fields(&of_bead), ListParams::default().fields(&of_parent));
    let (found, steps, requests) =
        tokio::try_join!(beads.get_opt(bead), beads.list(&of_parent), requests.list(&of_bead))
            .map_err(Error::api(format!("read bead `{bead}`")))?;
    let Some(bead) = found.filter(|b| is_hooked(b, polecat)) else { return Ok(None) };
    context.saw(&bead);
    Ok(Some(Work::of(bead, &steps.items, &requests.items, &Part::current())))
}

/// Finds the bead on a polecat's hook by looking at the open beads, of its rig where that is known; for those who have no session
/// that names it.
pub async fn find_hooked(context: &Context, rig: Option<&str>, polecat: &str) -> Result<Option<Bead>, Error> {
    Ok(open(context, rig).await?.into_iter().find(|bead| is_hooked(bead, polecat)))
}

/// The open beads that are no steps; of one rig, if that is said.
pub async fn open(context: &Context, rig: Option<&str>) -> Result<Vec<Bead>, Error> {
    let of_rig = rig.map(|rig| format!("spec.rig={rig},")).unwrap_or_default();
    let open = ListParams::default().fields(&format!("{of_rig}spec.type!=Step,spec.closed.reason="));
    let what = rig.map_or_else(|| "list the open beads".to_owned(), |rig| format!("list the beads of `{rig}`"));
    Ok(context.beads().list(&open).await.map_err(Error::api(what))?.items)
}

/// How a bead's convoy has changed its mind since it was begun; none if it has not.
pub fn change_of(bead: &Bead) -> Option<&Condition> {
    let conditions = &bead.status.as_ref()?.conditions;
    condition(conditions, types::BEAD_CHANGED).filter(|it| it.status == ConditionStatus::True)
}

/// Whether a bead is on a polecat's hook.
pub fn is_hooked(bead: &Bead, polecat: &str) -> bool {
    bead.spec.closed.is_none() && bead.spec.assignee.as_ref().is_some_and(|a| a.polecat == polecat)
}

impl Work {
    /// The work of a bead, out of its steps of every round and its merge requests, for a session with this part of it.
    pub fn of(bead: Bead, steps: &[Bead], requests: &[MergeRequest], part: &Part) -> Self {
        let rejected = |r: &&MergeRequest| r.status.as_ref().is_some_and(|s| s.state == MergeState::Rejected);
        let round = u32::try_from(requests.iter().filter(rejected).count()).unwrap_or(u32::MAX);
        let wanted = round.to_string();
        let mut steps: Vec<&Bead> = steps.iter().filter(|s| s.labels().get(LABEL_ROUND) == Some(&wanted)).collect();
        steps.sort_by_key(|s| (order(s), s.name_any()));
        let poured = steps.first().and_then(|s| s.annotations().get(ANNOTATION_STEPS)?.parse().ok());
        let open: BTreeMap<String, bool> = steps.iter().map(|s| (s.name_any(), s.spec.closed.is_none())).collect();
        let prefix = names::step(&bead.name_any(), round, "");
        let step = |s: &&Bead| {
            let id = s.name_any();
            // A need that does not exist does not block, as in Beads.
            let waits = s.spec.needs.iter().any(|need| open.get(need).copied().unwrap_or(false));
            let is_open = s.spec.closed.is_none();
            Step {
                name: id.strip_prefix(&prefix).unwrap_or(&id).to_owned(),
                id,
                title: s.spec.title.clone(),
                description: s.spec.description.clone(),
                command: s.spec.command.clone(),
                status: if is_open { "open" } else { "closed" },
                ready: is_open && !waits,
                other: part.other(s),
            }
        };
        let handed_in = requests.iter().map(|request| request.spec.attempt).max().unwrap_or(0);
        Self { steps: steps.iter().map(step).collect(), bead, handed_in, poured }
    }

    /// Refuses half a molecule: "no step is open" would be a lie.
    pub fn check_poured(&self) -> Result<(), Error> {
        if self.poured == Some(self.steps.len()) {
            return Ok(());
        }
        let (here, all) = (self.steps.len(), self.poured.map_or_else(|| "?".to_owned(), |n| n.to_string()));
        let message = format!("bead `{}` has {here} of {all} steps: they are still being poured", self.bead.name_any());
        Err(Error::refused(message, "try again in a moment; `gt status` shows whether the controller runs"))
    }

    /// The step with this id, or with this name in the formula.
    pub fn step(&self, wanted: &str) -> Result<&Step, Error> {
        let found = self.steps.iter().find(|s| s.id == wanted || s.name == wanted);
        found.ok_or_else(|| {
            let ids: Vec<&str> = self.steps.iter().map(|s| s.id.as_str()).collect();
            let message = format!("bead `{}` has no step `{wanted}`", self.bead.name_any());
            Error::refused(message, format!("its steps are {}", ids.join(", ")))
        })
    }

    /// How far the work is, so that it can be told whether it got further: the open steps, and the commit of its worktree.
    pub fn progress(&self, head: &str) -> String {
        format!("{} steps open at {head}", self.steps.iter().filter(|step| step.is_open()).count())
    }

    /// The steps that the session may do now.
    pub fn ready(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|s| s.ready && s.other.is_none())
    }

    /// The step that comes next, and its Runtime, if the session has done its part: what may be done is for others.
    pub fn next_of_another(&self) -> Option<(&Step, &str)> {
        if self.ready().next().is_some() {
            return None;
        }
        self.steps.iter().filter(|step| step.ready).find_map(|step| Some((step, step.other.as_deref()?)))
    }
}
