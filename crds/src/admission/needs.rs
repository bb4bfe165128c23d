//! What the beads of convoys need: of their own convoy, of another, or any bead that there is; and circles of that.

use std::collections::BTreeMap;

use super::formula::{cycle, unknown_need};
use super::set::{Known, Set, spec};
use crate::bead::BeadSpec;
use crate::convoy::{ConvoySpec, Need};
use crate::graph;
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::suggest;

/// How beads are named that are not of the convoy.
const OTHERS: &str = "a bead of another convoy is named `CONVOY/BEAD`, any other by the name of its object";

/// Beads that are followed to find circles across convoys: as many as the largest town is made for.
const FOLLOWED_MAX: usize = 100_000;

/// Checks what the beads of one convoy need.
pub(super) fn check(set: &mut Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) {
    let own = &manifest.name;
    let names: Vec<&str> = convoy.beads.iter().map(|bead| bead.name.as_str()).collect();
    // Beside a bead whose name cannot be read, nobody knows what is missing.
    let is_named = !names.contains(&"");
    for (at, bead) in convoy.beads.iter().enumerate().filter(|_| is_named) {
        for (nth, need) in bead.needs.iter().enumerate() {
            let is_missing = match convoy.need(own, need) {
                Need::Own(name) => !names.contains(&name),
                Need::Bead(name) => !set.allows_missing() && !set.has("Bead", name),
                Need::Of { convoy, bead } => {
                    of_other(set, manifest, (at, nth), (convoy, bead));
                    false
                }
            };
            if is_missing {
                set.report(|| {
                    let mistake = unknown_need(manifest, "beads", at, nth, need, &names);
                    // So objects are called.
                    if need.contains('-') { mistake.hint(OTHERS) } else { mistake }
                });
            }
        }
    }
    let inner = |need: &'_ String| match convoy.need(own, need) {
        Need::Own(name) => Some(names.iter().copied().find(|it| *it == name)?),
        Need::Of { .. } | Need::Bead(_) => None,
    };
    let needs: graph::Needs<'_> =
        convoy.beads.iter().map(|bead| (bead.name.as_str(), bead.needs.iter().filter_map(inner).collect())).collect();
    for circle in graph::cycles(&needs) {
        let items: Vec<(&str, &[String])> =
            convoy.beads.iter().map(|it| (it.name.as_str(), it.needs.as_slice())).collect();
        set.report(|| cycle(manifest, "beads", &items, &circle));
    }
    if convoy.needs_others(own) {
        circles_across(set, manifest, convoy);
    }
}

/// Checks that another convoy has a bead of this name.
fn of_other(set: &mut Set<'_>, manifest: &Manifest, (at, nth): (usize, usize), (convoy, bead): (&str, &str)) {
    let path = || ["spec".into(), "beads".into(), Step::Item(at), "needs".into(), Step::Item(nth)].into_iter();
    set.refer(manifest, path(), "Convoy", convoy);
    let Some(other) = of_convoy(set, convoy).filter(|other| other.bead(bead).is_none()) else { return };
    set.report(|| {
        let message = format!("no bead of convoy {} is named {}", quote(convoy), quote(bead));
        let mistake = Diagnostic::error("need-not-found", message, &manifest.source, manifest.value_at(path()));
        match suggest::hint(bead, other.beads.iter().map(|bead| bead.name.as_str())) {
            Some(hint) => mistake.hint(hint),
            None => mistake.hint("it makes no beads"),
        }
    });
}

/// The spec of a convoy of the set, or beside it.
fn of_convoy(set: &Set<'_>, name: &str) -> Option<ConvoySpec> {
    match set.manifest("Convoy", name) {
        Some(manifest) => spec(manifest),
        None => set.beside("Convoy", name),
    }
}

/// Reports the circles that lead from this convoy out of it and back, each once: at the first of their convoys.
fn circles_across(set: &mut Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) {
    let needs = followed(set, manifest, convoy);
    let graph: graph::Needs<'_> =
        needs.iter().map(|(node, all)| (node.as_str(), all.iter().map(String::as_str).collect())).collect();
    let is_own = |node: &str| node.split_once('/').is_some_and(|(of, _)| of == manifest.name);
    for circle in graph::cycles(&graph).into_iter().filter(|circle| !circle.iter().all(|node| is_own(node))) {
        let is_here = |node: &str| node.split_once('/').is_some_and(|(of, _)| set.manifest("Convoy", of).is_some());
        let at = circle.iter().position(|node| is_here(node)).filter(|at| circle.get(*at).is_some_and(|it| is_own(it)));
        let Some((at, nth)) = at.and_then(|at| place(convoy, &manifest.name, &circle, at)) else { continue };
        set.report(|| {
            let message = format!("beads need each other in a circle: {}", graph::shown(&circle));
            let span =
                manifest.value_at(["spec".into(), "beads".into(), Step::Item(at), "needs".into(), Step::Item(nth)]);
            Diagnostic::error("cycle", message, &manifest.source, span)
                .hint("remove one of these needs: nothing here could ever start")
        });
    }
}

/// The bead of a convoy that is at this place of a circle, and which of its needs leads on: both by their numbers.
fn place(convoy: &ConvoySpec, own: &str, circle: &[&str], at: usize) -> Option<(usize, usize)> {
    let (_, called) = circle.get(at)?.split_once('/')?;
    let next = circle.get(at + 1).or_else(|| circle.first())?;
    let bead = convoy.beads.iter().position(|bead| bead.name == called)?;
    let need = convoy.beads.get(bead)?.needs.iter().position(|need| written(convoy, own, need) == *next)?;
    Some((bead, need))
}

/// A need of a bead of a convoy, as it is followed.
fn written(convoy: &ConvoySpec, own: &str, need: &str) -> String {
    match convoy.need(own, need) {
        Need::Own(bead) => format!("{own}/{bead}"),
        Need::Of { convoy, bead } => format!("{convoy}/{bead}"),
        Need::Bead(name) => name.to_owned(),
    }
}

/// What the beads of a convoy need, what these need, and so on: beads of convoys as `convoy/bead`, others by their
/// names.
fn followed(set: &Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) -> BTreeMap<String, Vec<String>> {
    let mut convoys = BTreeMap::from([(manifest.name.clone(), Some(convoy.clone()))]);
    let mut todo: Vec<String> = convoy.beads.iter().map(|bead| format!("{}/{}", manifest.name, bead.name)).collect();
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    while let Some(node) = todo.pop() {
        if needs.contains_key(&node) || needs.len() >= FOLLOWED_MAX {
            continue;
        }
        let all = if let Some((of, called)) = node.split_once('/') {
            let other = convoys.entry(of.to_owned()).or_insert_with(|| of_convoy(set, of)).as_ref();
            let bead = other.and_then(|other| Some((other, other.bead(called)?)));
            bead.map(|(other, bead)| bead.needs.iter().map(|need| written(other, of, need)).collect())
                .unwrap_or_default()
        } else {
            let bead = set.spec("Bead", &node).and_then(|value| serde_json::from_value::<BeadSpec>(value).ok());
            bead.filter(|bead| bead.closed.is_none()).map(|bead| bead.needs).unwrap_or_default()
        };
        todo.extend(all.iter().cloned());
        needs.insert(node, all);
    }
    needs
}
