//! What a person has to do: whatever stands still until somebody sees to it.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::bead::BeadState;
use gastown_crds::common::{Condition, condition, reasons, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, Town};
use kube::ResourceExt;
use serde::Serialize;

use super::state;
use crate::cli::table::plain;
use crate::insight::conditions;
use crate::insight::kinds::rig::for_a_person;
use gastown_controllers::settings::RUNTIME_DEFAULT;

/// Something that a person has to do.
#[derive(Debug, Serialize)]
pub struct Need {
    /// KIND/NAME.
    pub object: String,
    /// What about it.
    pub what: String,
    /// What to type.
    pub next: String,
}

impl Need {
    fn new(object: String, what: String) -> Self {
        Self { next: format!("gt describe {object}"), object, what }
    }
}

/// What it is found in.
pub struct World<'a> {
    /// Beads, without steps.
    pub beads: &'a [Bead],
    /// Rigs.
    pub rigs: &'a [Rig],
    /// Merge requests.
    pub requests: &'a [MergeRequest],
    /// Convoys.
    pub convoys: &'a [Convoy],
    /// Polecats.
    pub polecats: &'a [Polecat],
    /// Runtimes.
    pub runtimes: &'a [Runtime],
    /// The town's own object, if it was applied.
    pub town: Option<&'a Town>,
}

/// All of it.
pub fn of(world: &World<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    for bead in world.beads.iter().filter(|bead| state(bead) == BeadState::SetAside) {
        let failures = bead.status.as_ref().map_or(0, |status| status.failures);
        let what = format!("set aside after {failures} failures: {}", plain(&bead.spec.title));
        needs.push(Need::new(format!("bead/{}", bead.name_any()), what));
    }
    for rig in world.rigs {
        let found = for_a_person(rig);
        needs.extend(found.map(|bad| Need::new(format!("rig/{}", rig.name_any()), conditions::words(bad))));
    }
    needs.extend(of_lacking(world.beads));
    let runtimes = of_runtimes(world);
    let polecats = of_polecats(world.polecats, !runtimes.is_empty());
    needs.extend(runtimes.into_iter().chain(polecats));
    needs.extend(of_queues(world.requests, &needs));
    for request in world.requests {
        if request.status.as_ref().is_some_and(|status| status.state == MergeState::BranchReady) {
            let what = format!("branch gastown/{} is ready to be merged in {}", request.spec.bead, request.spec.rig);
            needs.push(Need::new(format!("mergerequest/{}", request.name_any()), what));
        }
    }
    for convoy in world.convoys {
        let conditions = convoy.status.clone().unwrap_or_default().conditions;
        let lost = condition(&conditions, types::LANDED).filter(|landed| landed.reason == reasons::REF_NOT_FOUND);
        needs.extend(lost.map(|lost| Need::new(format!("convoy/{}", convoy.name_any()), plain(&lost.message))));
    }
    needs
}

/// Beads that cannot be worked until somebody declares something otherwise; what lacks for many is told of one.
fn of_lacking(beads: &[Bead]) -> Vec<Need> {
    let lacking = beads.iter().filter(|bead| state(bead) == BeadState::Waiting).filter_map(|bead| {
        let ready = conditions::refused(&bead.status.as_ref()?.conditions, &[reasons::INVALID_FORMULA])?;
        Some((ready.message.as_str(), format!("bead/{}", bead.name_any()), ready))
    });
    once_each(lacking, "")
}

/// What each cause keeps, told of the first of its objects; `among` says what the others are of.
fn once_each<'a, C: Ord>(found: impl Iterator<Item = (C, String, &'a Condition)>, among: &str) -> Vec<Need> {
    let mut causes: BTreeMap<C, (String, &Condition, usize)> = BTreeMap::new();
    for (cause, object, ready) in found {
        causes.entry(cause).and_modify(|(_, _, others)| *others += 1).or_insert((object, ready, 0));
    }
    let told = causes.into_values().map(|(object, ready, others)| {
        let likewise = if others == 0 { String::new() } else { format!("; likewise {others} more{among}") };
        Need::new(object, conditions::words(ready) + &likewise)
    });
    told.collect()
}

/// Runtimes that are used and whose program is not here. One that nobody names needs nobody.
fn of_runtimes(world: &World<'_>) -> Vec<Need> {
    let default = world.town.and_then(|town| town.spec.runtime.as_deref()).unwrap_or(RUNTIME_DEFAULT);
    let of_rigs = world.rigs.iter().map(|rig| rig.spec.runtime.as_deref().unwrap_or(default));
    let of_polecats = world.polecats.iter().filter_map(|polecat| polecat.spec.runtime.as_deref());
    let used: BTreeSet<&str> = of_rigs.chain(of_polecats).collect();
    let bad = world.runtimes.iter().filter(|runtime| used.contains(&*runtime.name_any())).filter_map(|runtime| {
        let ready = conditions::refused(&runtime.status.as_ref()?.conditions, &[reasons::COMMAND_NOT_FOUND])?;
        Some(Need::new(format!("runtime/{}", runtime.name_any()), conditions::words(ready)))
    });
    bad.collect()
}

/// Polecats that cannot start. That its program is not here is said once, of the runtime, where that has been seen.
fn of_polecats(polecats: &[Polecat], by_runtimes: bool) -> Vec<Need> {
    let stuck = [reasons::SETUP_FAILED, reasons::REF_NOT_FOUND, reasons::COMMAND_NOT_FOUND];
    let stuck = if by_runtimes { &stuck[..2] } else { &stuck[..] };
    let bad = polecats.iter().filter_map(|polecat| {
        let ready = conditions::refused(&polecat.status.as_ref()?.conditions, stuck)?;
        Some(Need::new(format!("polecat/{}", polecat.name_any()), conditions::words(ready)))
    });
    bad.chain(of_failures(polecats)).collect()
}

/// Polecats for which the same thing fails again and again. What fails for all of a rig is told of one.
fn of_failures(polecats: &[Polecat]) -> Vec<Need> {
    let failing = polecats.iter().filter_map(|polecat| {
        let ready = condition(&polecat.status.as_ref()?.conditions, types::READY)?;
        let cause = (polecat.spec.rig.as_str(), ready.reason.as_str());
        conditions::keeps_failing(ready).then(|| (cause, format!("polecat/{}", polecat.name_any()), ready))
    });
    once_each(failing, " of its rig")
}

/// Queues that stand: what keeps a rig's queue is told of its first merge request, unless it is told of the rig.
fn of_queues(requests: &[MergeRequest], told: &[Need]) -> Vec<Need> {
    let mut rigs: BTreeSet<&str> = told.iter().filter_map(|need| need.object.strip_prefix("rig/")).collect();
    let standing = requests.iter().filter_map(|request| {
        let status = request.status.as_ref().filter(|status| !status.state.is_final())?;
        let merged = condition(&status.conditions, types::MERGED).filter(|merged| conditions::keeps_failing(merged))?;
        let is_first = rigs.insert(&request.spec.rig);
        is_first.then(|| Need::new(format!("mergerequest/{}", request.name_any()), conditions::words(merged)))
    });
    standing.collect()
}
