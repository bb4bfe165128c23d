//! The Convoy controller: its beads exist, say what the convoy says, and are withdrawn when it no longer wants them.
//!
//! A convoy is a Job: it lands once. Beads are made in the order of their needs, so that none is ready before what it
//! needs exists; they and their record outlive the convoy. Beads that it did not make, and tracks, it counts and never
//! writes: that it asks for them follows from its spec.

mod competition;

mod needs;

mod settings;

mod status;

mod tracked;

pub(crate) use competition::{has_won, rivals};
pub(crate) use settings::runtimes;
pub use settings::{BeadSettings, ConvoySettings};
pub(crate) use tracked::is_leaving;
pub use tracked::{PARTS_MAX, Tracked, trackers};

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::bead::{BeadSpec, CloseReason};
use gastown_crds::common::{FINALIZER_BEADS, LABEL_BEAD, LABEL_CONVOY, condition, is_true, types};
use gastown_crds::convoy::{ConvoyStatus, Need, OnRemove};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, MergeRequest, Rig, actor};
use kube::ResourceExt;
use kube::api::ObjectMeta;

pub use needs::newest;
use needs::{Needed, way_back};

use crate::draft::Draft;
use crate::holds;
use crate::key::{Controller, Lane};
use crate::kinds::bead::{self, convoy_of, is_landing, requests, state};
use crate::objects::{Presence, Watched};
use crate::plan::{Plan, Write};
use crate::view::View;
use crate::watches::Watches;

/// Beads that a message names.
const NAMED_MAX: usize = 5;

/// Convoys and their beads.
pub static CONTROLLER: Controller =
    Controller::of::<Convoy>("convoy", Lane::Objects, |name, view| view.with(name, reconcile), watches);

fn watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, objects, again| {
        for bead in change.each().filter(|bead| !bead.spec.is_step()) {
            again.all(convoy_of(bead).map(str::to_owned));
            again.all(objects.trackers_of(bead).into_iter().map(str::to_owned));
            // A bead is made once what it needs is there, and does not need it.
            if change.differs(|bead| &bead.spec.needs) {
                again.all(objects.convoys_that_need(&bead.name_any()));
                again.all(convoy_of(bead).into_iter().flat_map(|convoy| objects.convoys_that_need_of(convoy)));
            }
        }
    });
    watches.on::<Convoy>(|change, objects, again| {
        if change.differs(|convoy| &convoy.spec) {
            again.all(objects.convoys_that_need_of(&change.name()));
        }
    });
    // What its beads are called follows from their rigs.
    watches.on::<Rig>(|change, objects, again| {
        if change.differs(|rig| &rig.spec) {
            again.all(objects.all::<Convoy>().map(|convoy| convoy.name_any()));
        }
    });
}

impl Watched for Convoy {
    type Index = tracked::Index;

    fn index(&self, index: &mut Self::Index, presence: Presence) {
        index.convoy(self, presence);
    }
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
    let has_competitions = convoy.spec.beads.iter().any(|bead| bead.competition.is_some());
    for own in &wanted.beads {
        let WantedBead { called, name, spec } = own;
        let winner = if has_competitions { wanted.winner_over(own, convoy, view) } else { None };
        match view.objects.get::<Bead>(name) {
            None if winner.is_some() => {}
            None => plan.write(Write::create(&new_bead(convoy, called, name, spec.clone()))),
            Some(bead) if convoy_of(bead) != Some(convoy.name_any().as_str()) => clash = Some(name.clone()),
            Some(bead) if bead.spec.closed.is_none() && winner.is_some_and(|_| !is_on_its_way(bead, view)) => {
                let message = format!("{} has landed, an attempt at the same thing", winner.unwrap_or_default());
                plan.write(bead::finish(bead, CloseReason::Withdrawn, message, view.now));
            }
            Some(_) if winner.is_some() => {}
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
    plan.set_status(status::of(convoy, &wanted, clash, view));
    plan
}

/// The beads that a convoy wants, as far as its rigs are known.
struct Wanted {
    /// In the order of their needs.
    beads: Vec<WantedBead>,
    /// The reason why the others cannot be made yet.
    missing: Option<String>,
}

impl Wanted {
    /// The attempt that has won over this one.
    fn winner_over(&self, own: &WantedBead, convoy: &Convoy, view: &View<'_>) -> Option<&str> {
        let won = |wanted: &WantedBead| view.objects.get::<Bead>(&wanted.name).is_some_and(|bead| has_won(bead));
        if won(own) {
            return None;
        }
        let rivals: Vec<&str> = convoy.spec.rivals(&own.called).map(|rival| rival.name.as_str()).collect();
        let winner = self.beads.iter().find(|it| rivals.contains(&it.called.as_str()) && won(it))?;
        Some(&winner.name)
    }
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
    let own_needs = |bead: &BeadSettings<'_>| {
        let needs = bead.needs.iter().map(|need| convoy.spec.need(&name, need));
        needs.filter_map(|need| if let Need::Own(need) = need { Some(need.to_owned()) } else { None }).collect()
    };
    let beads = ConvoySettings::of(&name, &convoy.spec).beads.into_iter();
    let mut waiting: Vec<(BeadSettings<'_>, Vec<String>)> = beads.map(|bead| (bead, own_needs(&bead))).collect();
    // Each pass makes at least one more or ends; a cycle or a missing need leaves the rest unmade.
    loop {
        let before = waiting.len();
        waiting.retain(|(bead, needs)| {
            let needs = needs.iter().map(|need| made.get(need.as_str()).cloned());
            let Some(mut needs) = needs.collect::<Option<Vec<String>>>() else { return true };
            let object = of_rig(bead, view).map(|rig| bead.object_name(rig));
            match object.and_then(|object| Ok((others(convoy, bead, &object, view)?, object))) {
                Err(why) => {
                    wanted.missing = Some(why);
                    true
                }
                Ok((more, object)) => {
                    needs.extend(more);
                    let spec = bead.spec(bead.rig.unwrap_or_default(), needs);
                    wanted.beads.push(WantedBead { called: bead.called.to_owned(), name: object.clone(), spec });
                    made.insert(bead.called, object);
                    false
                }
            }
        });
        if waiting.is_empty() {
            return wanted;
        }
        if waiting.len() == before {
            let names: Vec<_> = waiting.iter().map(|(bead, _)| bead.called).collect();
            let why = || format!("beads {} need each other, or beads that are not there", names.join(", "));
            wanted.missing.get_or_insert_with(why);
            return wanted;
        }
    }
}

/// The rig of a bead; else what is missing.
fn of_rig<'a>(bead: &BeadSettings<'_>, view: &View<'a>) -> Result<&'a Rig, String> {
    let Some(name) = bead.rig else {
        return Err(format!("bead `{}` names no rig, and the convoy has no default", bead.called));
    };
    let rig = view.objects.get::<Rig>(name).map(AsRef::as_ref);
    rig.ok_or_else(|| format!("there is no Rig named `{name}`: apply it"))
}

/// The beads that one of a convoy needs and that are not of it, by the names of their objects; else why it cannot be
/// made yet. One that is made keeps its needs, also of what is not there any more: that does not block, and is said of
/// it.
fn others(convoy: &Convoy, bead: &BeadSettings<'_>, object: &str, view: &View<'_>) -> Result<Vec<String>, String> {
    let (own, objects) = (convoy.name_any(), view.objects);
    let is_other = |need: &&String| !matches!(convoy.spec.need(&own, need), Need::Own(_));
    let needed: Vec<Needed> =
        bead.needs.iter().filter(is_other).map(|need| Needed::of(&own, &convoy.spec, need, objects)).collect();
    let called = bead.called;
    let there = objects.get::<Bead>(object);
    if needed.is_empty() || there.is_some_and(|bead| bead.spec.closed.is_some()) {
        return Ok(needed.into_iter().filter_map(|it| it.name).collect());
    }
    if let Some(way) = way_back(&format!("{own}/{called}"), (object, &needed), objects) {
        return Err(format!("beads need each other in a circle: {way}; take one of these needs out"));
    }
    if let Some(missing) = needed.iter().find(|it| there.is_none() && it.bead(objects).is_none()) {
        return Err(format!("bead `{called}` needs `{}`, which is not there: it is made once that is", missing.shown));
    }
    Ok(needed.into_iter().filter_map(|it| it.name).collect())
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
        wanted_of(bead, wanted)
    };
    if bead.spec != wanted {
        plan.write(bead::respec(bead, &wanted));
    }
}

/// What a convoy says of one of its beads; what it does not speak of is as the bead has it.
fn wanted_of(bead: &Bead, wanted: &BeadSpec) -> BeadSpec {
    // Each is named, so that a new field is not forgotten.
    let BeadSpec {
        title,
        description,
        type_,
        priority,
        custom_type: _,
        rig,
        suspend: _,
        needs,
        formula,
        runtime,
        command,
        vars,
        parent: _,
        links: _,
        labels: _,
        design: _,
        acceptance_criteria: _,
        notes: _,
        comments: _,
        held: _,
        assigned_to: _,
        started_at: _,
        defer_until: _,
        due: _,
        estimated_minutes: _,
        external_ref: _,
        spec_id: _,
        metadata: _,
        gate: _,
        flow: _,
        ephemeral: _,
        wisp_type: _,
        created_by: _,
        created_at: _,
        assignee: _,
        questions: _,
        handoffs: _,
        retry: _,
        closed: _,
    } = wanted.clone();
    BeadSpec { title, description, type_, priority, rig, needs, formula, runtime, command, vars, ..bead.spec.clone() }
}

/// Whether a bead that is worked on, or landing, is withdrawn all the same. One that is being pushed is not: it lands.
fn may_cancel(convoy: &Convoy, bead: &Bead, view: &View<'_>) -> bool {
    convoy.spec.on_remove == OnRemove::Cancel && !is_on_its_way(bead, view)
}

/// Whether the branch of a bead is being pushed, or has landed.
fn is_on_its_way(bead: &Bead, view: &View<'_>) -> bool {
    let on_its_way = [Reason::Pushing, Reason::FetchFailed];
    let lands = |request: &MergeRequest| {
        let status = request.status.as_ref();
        let merged = status.and_then(|status| condition(&status.conditions, types::MERGED));
        state(request) == MergeState::Merged
            || merged.is_some_and(|it| on_its_way.iter().any(|reason| it.reason == *reason))
    };
    requests(bead, view).last().is_some_and(|request| lands(request))
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
        let message = format!("convoy `{}` no longer wants it", convoy.name_any());
        plan.write(bead::finish(bead, CloseReason::Withdrawn, message, view.now));
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
