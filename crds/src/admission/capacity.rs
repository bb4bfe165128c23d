//! Capacity that can never be met: more workers asked for than may ever work at once. It is a warning, since nothing fails of
//! it: what is asked for is just not what happens.

use std::collections::BTreeSet;

use serde_json::Value;

use super::set::{Known, Set, spec};
use crate::convoy::ConvoySpec;
use crate::manifest::{Diagnostic, Manifest, Step};
use crate::rig::RigSpec;
use crate::town::{Retry, TownSpec};

/// The name of the one town that there may be.
pub(super) const TOWN: &str = "town";

/// How many polecats the town lets work at once, where it says so.
pub(super) fn of_town(known: &dyn Known) -> Option<u64> {
    known.spec("Town", TOWN)?.pointer("/capacity/polecats").and_then(Value::as_u64)
}

/// How many can work in these rigs at once, where that is known.
pub(super) fn of_rigs(known: &dyn Known, rigs: &[String]) -> Option<u64> {
    let of_rig = |rig: &String| known.spec("Rig", rig)?.pointer("/polecats/max").and_then(Value::as_u64);
    let together: Option<u64> = rigs.iter().map(of_rig).sum();
    match (together.filter(|_| !rigs.is_empty()), of_town(known)) {
        (Some(together), Some(town)) => Some(together.min(town)),
        (together, town) => together.or(town),
    }
}

/// The rigs of a convoy's beads.
pub(super) fn rigs_of(convoy: &ConvoySpec) -> Vec<String> {
    let rigs: BTreeSet<&String> =
        convoy.beads.iter().filter_map(|bead| bead.rig.as_ref().or(convoy.rig.as_ref())).collect();
    rigs.into_iter().cloned().collect()
}

/// Checks each object of a set.
pub(super) fn check(set: &mut Set<'_>) {
    for manifest in set.manifests {
        match manifest.kind.as_str() {
            "Town" => check_town(set, manifest),
            "Rig" => check_rig(set, manifest),
            "Convoy" => check_convoy(set, manifest),
            _ => {}
        }
    }
}

fn check_town(set: &mut Set<'_>, manifest: &Manifest) {
    let Some(town) = spec::<TownSpec>(manifest) else { return };
    check_retry(set, manifest, &town);
    if town.capacity.polecats == Some(0) && !town.suspend && set.has_work() {
        let at = ["spec".into(), "capacity".into(), "polecats".into()];
        set.report(|| {
            warning(manifest, at, "no bead is ever dispatched: `capacity.polecats` is 0".to_owned())
                .hint("give 1 or more; to park the town for a while, `suspend: true` says so")
        });
    }
}

/// A first delay that is longer than the longest.
pub(super) fn check_retry(set: &mut Set<'_>, manifest: &Manifest, town: &TownSpec) {
    let Retry { initial_delay: Some(first), max_delay: Some(longest) } = &town.retry else { return };
    if first > longest {
        set.report(|| {
            let at = ["spec".into(), "retry".into(), "initialDelay".into()];
            warning(manifest, at, "the first delay is longer than the longest, which is what counts".to_owned())
                .hint("lower `initialDelay`, or raise `maxDelay`")
        });
    }
}

fn check_rig(set: &mut Set<'_>, manifest: &Manifest) {
    let Some(wanted) = spec::<RigSpec>(manifest).and_then(|rig| rig.polecats.max).map(u64::from) else { return };
    if let Some(max) = of_town(set).filter(|max| (1..wanted).contains(max)) {
        let at = ["spec".into(), "polecats".into(), "max".into()];
        set.report(|| {
            let message = format!("{wanted} polecats never work here at once: the town allows {max} in all");
            warning(manifest, at, message).hint("lower `polecats.max`, or raise `capacity.polecats` of the Town")
        });
    }
}

fn check_convoy(set: &mut Set<'_>, manifest: &Manifest) {
    let Some(convoy) = spec::<ConvoySpec>(manifest) else { return };
    let Some(wanted) = convoy.parallelism.map(u64::from) else { return };
    if let Some(max) = of_rigs(set, &rigs_of(&convoy)).filter(|max| (1..wanted).contains(max)) {
        set.report(|| {
            let message = format!("{wanted} beads are never worked on at once: town and rigs allow {max}");
            warning(manifest, ["spec".into(), "parallelism".into()], message)
                .hint("lower `parallelism`, or raise `polecats.max` of its rigs and `capacity.polecats` of the Town")
        });
    }
}

fn warning<'a>(manifest: &Manifest, at: impl IntoIterator<Item = Step<'a>>, message: String) -> Diagnostic {
    Diagnostic::warning("capacity", message, &manifest.source, manifest.value_at(at))
}
