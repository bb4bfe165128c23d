//! The Convoy controller: its beads exist, say what the convoy says, and are withdrawn when it no longer wants them.
//!
//! A convoy is a Job: it lands once. Beads are made in the order of their needs, so that none is ready before what it
//! needs exists; they and their record outlive the convoy.

mod settings;

pub(crate) use settings::runtimes;
pub use settings::{BeadSettings, ConvoySettings};

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::bead::{BeadSpec, BeadState, CloseReason, Closed};
use gastown_crds::common::{FINALIZER_BEADS, LABEL_BEAD, LABEL_CONVOY, condition, is_true, types, whole_second};
use gastown_crds::convoy::{ConvoyStatus, OnRemove};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, MergeRequest, Rig, actor};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use crate::draft::Draft;
use crate::holds::{self, PartOf};
use crate::key::{Controller, Lane};
use crate::kinds::bead::{self, convoy_of, is_landing, requests, state};
use crate::objects::Watched;
use crate::plan::{Plan, Write};
use crate::view::View;
use crate::watches::Watches;

/// Beads that a message names.
const NAMED_MAX: usize = 5;

/// Convoys and their beads.
pub static CONTROLLER: Controller =
    Controller::of::<Convoy>("convoy", Lane::Objects, |name, view| view.with(name, reconcile), watches);

fn watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, _, again| {
        again.all(change.each().filter(|bead| bead.spec.parent.is_none()).filter_map(convoy_of).map(str::to_owned));
    });
    // What its beads are called follows from their rigs.
    watches.on::<Rig>(|change, objects, again| {
        if change.differs(|rig| &rig.spec) {
            again.all(objects.all::<Convoy>().map(|convoy| convoy.name_any()));
        }
    });
}

impl Watched for Convoy {
    type Index = ();
}

/// Decides about one convoy.
pub fn reconcile(convoy: &Convoy, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let kept = convoy.finalizers().iter().any(|f| f == FINALIZER_BEADS);
    if convoy.metadata.deletion_timestamp.is_some() {
        let busy = withdraw(convoy, &BTreeSet::new(), view, &mut plan);
        if busy.is_empty() && kept {
            plan.write(Write::remove_finalizer(convoy, FINALIZER_BEADS));
        } else if !busy.is_empty() {
            plan.set_status(leaving(convoy, &busy, view));
        }
        return plan;
    }
    if !kept {
        plan.write(Write::add_finalizer(convoy, FINALIZER_BEADS));
        return plan;
    }
    let wanted = wanted(convoy, view);
    let mut clash = None;
    for WantedBead { called, name, spec } in &wanted.beads {
        match view.objects.get::<Bead>(name) {
            None => plan.write(Write::create(&new_bead(convoy, called, name, spec.clone()))),
            Some(bead) if convoy_of(bead) != Some(convoy.name_any().as_str()) => clash = Some(name.clone()),
            // Wanted again: closed is for ever, so it is made anew. What somebody had begun is kept on a rescue ref. One that a
            // person has closed stays closed until a person wants it otherwise.
            Some(bead) if is_withdrawn(bead) && !is_given_up(bead) => {
                plan.write(Write::delete(bead.as_ref()));
            }
            Some(bead) => update(bead, spec, view, &mut plan),
        }
    }
    // While a rig is missing, what its beads are called is not known: nothing is withdrawn until it is.
    if wanted.missing.is_none() {
        let names = wanted.beads.iter().map(|bead| bead.name.clone()).collect();
        withdraw(convoy, &names, view, &mut plan);
    }
    holds::expire(convoy, view, &mut plan);
    plan.set_status(status(convoy, &wanted, clash, view));
    plan
}

/// The beads that a convoy wants, as far as its rigs are known.
struct Wanted {
    /// In the order of their needs.
    beads: Vec<WantedBead>,
    /// The reason why the others cannot be made yet.
    missing: Option<String>,
}

/// A bead that a convoy wants.
struct WantedBead {
    /// In the convoy.
    called: String,
    /// The object's name.
    name: String,
    spec: BeadSpec,
}

fn wanted(convoy: &Convoy, view: &View<'_>) -> Wanted {
    let name = convoy.name_any();
    let mut wanted = Wanted { beads: Vec::new(), missing: None };
    let mut made: BTreeMap<&str, String> = BTreeMap::new();
    let mut waiting = ConvoySettings::of(&name, &convoy.spec).beads;
    // Each pass makes at least one more or ends; a cycle or a missing need leaves the rest unmade.
    loop {
        let before = waiting.len();
        waiting.retain(|bead| {
            if !bead.needs.iter().all(|need| made.contains_key(need.as_str())) {
                return true;
            }
            let Some(rig_name) = bead.rig else {
                wanted.missing = Some(format!("bead `{}` names no rig, and the convoy has no default", bead.called));
                return true;
            };
            let Some(rig) = view.objects.get::<Rig>(rig_name) else {
                wanted.missing = Some(format!("there is no Rig named `{rig_name}`: apply it"));
                return true;
            };
            let name = bead.object_name(rig);
            let needs = bead.needs.iter().filter_map(|need| made.get(need.as_str()).cloned()).collect();
            let spec = bead.spec(rig_name, needs);
            wanted.beads.push(WantedBead { called: bead.called.to_owned(), name: name.clone(), spec });
            made.insert(bead.called, name);
            false
        });
        if waiting.is_empty() {
            return wanted;
        }
        if waiting.len() == before {
            let names: Vec<_> = waiting.iter().map(|bead| bead.called).collect();
            let why = || format!("beads {} need each other, or beads that are not there", names.join(", "));
            wanted.missing.get_or_insert_with(why);
            return wanted;
        }
    }
}

fn new_bead(convoy: &Convoy, called: &str, name: &str, spec: BeadSpec) -> Bead {
    let labels = [(LABEL_CONVOY, convoy.name_any()), (LABEL_BEAD, called.to_owned())];
    Bead {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.map(|(label, value)| (label.to_owned(), value)).into()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

/// Whether a bead was taken out of its convoy: closed for ever, and not counted.
pub fn is_withdrawn(bead: &Bead) -> bool {
    bead.spec.closed.as_ref().is_some_and(|closed| closed.reason == CloseReason::Withdrawn)
}

/// Whether a person has closed it before it had landed, without saying that there was nothing to change.
pub fn is_given_up(bead: &Bead) -> bool {
    is_withdrawn(bead) && bead.spec.closed.as_ref().is_some_and(|closed| closed.by != actor::CONTROLLER)
}

/// Whether somebody is at work on it, or its branch is landing; no session runs of one whose polecat waits. Read from the
/// claim and the merge requests: the bead's own status may lag behind them.
pub(crate) fn is_busy(bead: &Bead, view: &View<'_>) -> bool {
    let landing = |request: &MergeRequest| is_landing(request) || state(request) == MergeState::Merged;
    bead.spec.assignee.as_ref().is_some_and(|a| a.waiting.is_none())
        || requests(bead, view).last().is_some_and(|request| landing(request))
}

/// An open bead that nobody is at work on says what its convoy says. One that is worked on is left alone until it is free, but
/// for its runtime: what runs goes on as it began, and the next attempt is by the other.
fn update(bead: &Bead, wanted: &BeadSpec, view: &View<'_>, plan: &mut Plan) {
    if bead.spec.closed.is_some() {
        return;
    }
    let wanted = if is_busy(bead, view) {
        BeadSpec { runtime: wanted.runtime.clone(), ..bead.spec.clone() }
    } else {
        // What a convoy does not say of it.
        let BeadSpec { assignee, questions, handoffs, retry, .. } = bead.spec.clone();
        BeadSpec { assignee, questions, handoffs, retry, ..wanted.clone() }
    };
    if bead.spec != wanted {
        plan.write(bead::respec(bead, &wanted));
    }
}

/// Whether a bead that is worked on, or landing, is withdrawn all the same. One that is being pushed is not: it lands.
fn may_cancel(convoy: &Convoy, bead: &Bead, view: &View<'_>) -> bool {
    let on_its_way = [Reason::Pushing, Reason::FetchFailed];
    let lands = |request: &MergeRequest| {
        let status = request.status.as_ref();
        let merged = status.and_then(|status| condition(&status.conditions, types::MERGED));
        state(request) == MergeState::Merged
            || merged.is_some_and(|it| on_its_way.iter().any(|reason| it.reason == *reason))
    };
    convoy.spec.on_remove == OnRemove::Cancel && !requests(bead, view).last().is_some_and(|request| lands(request))
}

/// Closes the convoy's open beads that it does not want, as far as they may be. Answers those that are left to be finished.
fn withdraw(convoy: &Convoy, wanted: &BTreeSet<String>, view: &View<'_>, plan: &mut Plan) -> Vec<String> {
    let mut busy = Vec::new();
    for bead in view.objects.beads_of_convoy(&convoy.name_any()) {
        if bead.spec.closed.is_some() || wanted.contains(&bead.name_any()) {
            continue;
        }
        if is_busy(bead, view) && !may_cancel(convoy, bead, view) {
            busy.push(bead.name_any());
            continue;
        }
        let closed = Closed {
            reason: CloseReason::Withdrawn,
            message: Some(format!("convoy `{}` no longer wants it", convoy.name_any())),
            at: whole_second(view.now),
            by: actor::CONTROLLER.into(),
        };
        plan.write(bead::close(bead, &closed));
    }
    busy
}

/// The status of a convoy that is being deleted: what it waits for.
fn leaving<'a>(convoy: &'a Convoy, busy: &[String], view: &View<'_>) -> Draft<'a, Convoy> {
    let mut draft = Draft::of(convoy, view);
    let message = format!("is being deleted; goes once nobody is at work on {}, and none of it is landing", some(busy));
    draft.conditions.set_bool(types::LANDED, false, Reason::InProgress, message);
    draft
}

/// Whether its status says that it has landed, and speaks of the present spec.
pub(crate) fn has_landed(convoy: &Convoy) -> bool {
    let landed = |status: &ConvoyStatus| {
        is_true(&status.conditions, types::LANDED) && status.observed_generation == convoy.metadata.generation
    };
    convoy.status.as_ref().is_some_and(landed)
}

/// The first few names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown = names.get(..NAMED_MAX.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn status<'a>(convoy: &'a Convoy, wanted: &Wanted, clash: Option<String>, view: &View<'_>) -> Draft<'a, Convoy> {
    let mut draft = Draft::of(convoy, view);
    let name = convoy.name_any();
    let beads = view.objects.beads_of_convoy(&name);
    let mut by_state: BTreeMap<BeadState, u32> = BTreeMap::new();
    let mut left = Vec::new();
    for bead in beads.filter(|b| !is_withdrawn(b)) {
        if bead.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LEFT_TARGET)) {
            left.push(bead.name_any());
        }
        let state = match &bead.spec.closed {
            Some(_) => BeadState::Closed,
            None => bead.status.as_ref().map(|s| s.state).unwrap_or_default(),
        };
        *by_state.entry(state).or_default() += 1;
    }
    let count = |state| by_state.get(&state).copied().unwrap_or(0);
    let closed = count(BeadState::Closed);
    let known: u32 = by_state.values().sum();
    let all = known.max(u32::try_from(convoy.spec.beads.len()).unwrap_or(u32::MAX));
    // It has landed once all it wants is there and closed, and nothing else of it is open.
    let there = |wanted: &WantedBead| {
        view.objects.get::<Bead>(&wanted.name).is_some_and(|b| b.spec.closed.is_some() && !is_withdrawn(b))
    };
    let done = closed == all && wanted.beads.iter().all(there);
    let set_aside = count(BeadState::SetAside);
    let given_up = |wanted: &WantedBead| view.objects.get::<Bead>(&wanted.name).filter(|bead| is_given_up(bead));
    let given_up: Vec<_> = wanted.beads.iter().filter_map(given_up).collect();
    let (landed, reason, message) = if let Some(name) = clash {
        (false, Reason::RefNotFound, format!("the name {name} is taken by a bead of another convoy: rename one"))
    } else if let Some(missing) = &wanted.missing {
        // What has landed stays landed when its rig goes.
        let landed = done && has_landed(convoy);
        (landed, if landed { Reason::Landed } else { Reason::RefNotFound }, missing.clone())
    } else if done && !left.is_empty() {
        (false, Reason::LeftTarget, format!("not on the target any more: {}", some(&left)))
    } else if done {
        (true, Reason::Landed, format!("all {all} beads are closed"))
    } else if set_aside > 0 {
        (
            false,
            Reason::NeedsYou,
            format!("{set_aside} of {all} beads are set aside: `gt describe convoy/{}`", convoy.name_any()),
        )
    } else if let Some(closed) = given_up.first().and_then(|bead| bead.spec.closed.as_ref()) {
        let message = format!(
            "closed before they had landed: {} of {all} beads, by {}; take them out of the convoy, or `gt delete` them to \
             have them done again",
            given_up.len(),
            closed.by
        );
        (false, Reason::NeedsYou, message)
    } else if let Some(hold) = (PartOf { convoy: Some(convoy), ..PartOf::default() }).hold(view.now) {
        let message = match hold.reason {
            Reason::Suspended => format!("{closed} of {all} beads are closed; nothing more is dispatched"),
            _ => format!("{closed} of {all} beads are closed; {}", hold.message),
        };
        (false, hold.reason, message)
    } else {
        (false, Reason::InProgress, format!("{closed} of {all} beads are closed"))
    };
    draft.conditions.set_bool(types::LANDED, landed, reason, message);
    if !left.is_empty() {
        let message = format!("not on the target any more: {}; `gt describe` of each says more", some(&left));
        draft.conditions.set_bool(types::LEFT_TARGET, true, Reason::LeftTarget, message);
    }
    if let Some(failure) = view.failed {
        draft.conditions.failed(types::LANDED, failure);
    }
    draft.status = ConvoyStatus {
        progress: Some(format!("{closed}/{all}")),
        working: count(BeadState::Working),
        waiting: count(BeadState::Waiting) + count(BeadState::Ready),
        landing: count(BeadState::Landing),
        closed,
        set_aside,
        ..draft.status
    };
    draft
}
