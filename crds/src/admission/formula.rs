//! A formula's steps among themselves: needs that exist, no circles, and no vars out of thin air.

use super::set::{Set, spec};
use crate::formula::{FormulaSpec, Step as FormulaStep};
use crate::formula_text::{BUILT_IN, is_built_in, needs, uses};
use crate::graph;
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::suggest;

/// Checks each formula.
pub(crate) fn check(set: &mut Set<'_>, formulas: &[&Manifest]) {
    for manifest in formulas {
        check_one(set, manifest);
    }
}

fn check_one(set: &mut Set<'_>, manifest: &Manifest) {
    if let Some(formula) = spec::<FormulaSpec>(manifest) {
        check_spec(set, manifest, &formula);
    }
}

/// Checks a formula whose spec is at hand.
pub(super) fn check_spec(set: &mut Set<'_>, manifest: &Manifest, formula: &FormulaSpec) {
    let names: Vec<&str> = formula.steps.iter().map(|step| step.name.as_str()).collect();
    for (at, step) in formula.steps.iter().enumerate() {
        // Beside a step whose name cannot be read, nobody knows what is missing.
        let is_unknown = |need: &String| !names.contains(&"") && !names.contains(&need.as_str());
        for (nth, need) in step.needs.iter().enumerate().filter(|(_, need)| is_unknown(need)) {
            set.report(|| unknown_need(manifest, "steps", at, nth, need, &names));
        }
        check_vars(set, manifest, formula, at, step);
    }
    for (nth, var) in formula.vars.iter().enumerate().filter(|(_, var)| is_built_in(&var.name)) {
        set.report(|| built_in_var(manifest, nth, &var.name));
    }
    for circle in graph::cycles(&needs(formula)) {
        let items: Vec<(&str, &[String])> =
            formula.steps.iter().map(|it| (it.name.as_str(), it.needs.as_slice())).collect();
        set.report(|| cycle(manifest, "steps", &items, &circle));
    }
}

/// A var that every bead has: what is declared of it counts for nothing.
fn built_in_var(manifest: &Manifest, nth: usize, name: &str) -> Diagnostic {
    let span = manifest.value_at(["spec".into(), "vars".into(), nth.into(), "name".into()]);
    let message = format!("the var {} is built in: it is the bead's own {name}", quote(name));
    Diagnostic::warning("built-in-var", message, &manifest.source, span).hint("remove it, or rename it")
}

fn check_vars(set: &mut Set<'_>, manifest: &Manifest, formula: &FormulaSpec, at: usize, step: &FormulaStep) {
    let texts = [("title", &step.title), ("description", &step.description), ("run", &step.run)];
    for (field, text) in texts {
        let used = uses(text.as_deref().unwrap_or_default());
        let unknown = |name: &str| !is_built_in(name) && !formula.vars.iter().any(|var| var.name == name);
        let mut reported = Vec::new();
        for (_, name) in used {
            if !unknown(name) || reported.contains(&name) {
                continue;
            }
            reported.push(name);
            set.report(|| {
                let span = manifest.value_at(["spec".into(), "steps".into(), at.into(), field.into()]);
                let message = format!("`{{{{{name}}}}}` is no var of formula {}", quote(&manifest.name));
                let vars = formula.vars.iter().map(|var| var.name.as_str()).chain(BUILT_IN);
                let mistake = Diagnostic::error("unknown-var", message, &manifest.source, span);
                match suggest::nearest(name, vars) {
                    Some(near) => mistake.hint(format!("did you mean `{{{{{near}}}}}`?")),
                    None => mistake.hint(format!("declare it: `vars: [{{ name: {name} }}]`")),
                }
            });
        }
    }
}

/// A step or bead that needs one which is not there.
pub(super) fn unknown_need(
    manifest: &Manifest,
    list: &str,
    at: usize,
    nth: usize,
    need: &str,
    names: &[&str],
) -> Diagnostic {
    let span = manifest.value_at(["spec".into(), list.into(), at.into(), "needs".into(), nth.into()]);
    let (what, whole) = if list == "steps" { ("step", "formula") } else { ("bead", "convoy") };
    let message = format!("no {what} of this {whole} is named {}", quote(need));
    let mistake = Diagnostic::error("need-not-found", message, &manifest.source, span);
    match suggest::hint(need, names.iter().copied().filter(|name| *name != names[at])) {
        Some(hint) => mistake.hint(hint),
        None => mistake,
    }
}

/// Most places named for one circle.
const PLACES_MAX: usize = 6;

/// Steps or beads that need each other in a circle.
pub(super) fn cycle(manifest: &Manifest, list: &str, items: &[(&str, &[String])], circle: &[&str]) -> Diagnostic {
    let what = if list == "steps" { "steps" } else { "beads" };
    let message = format!("{what} need each other in a circle: {}", graph::shown(circle));
    let mut places = circle.iter().zip(circle.iter().cycle().skip(1)).filter_map(|(name, next)| {
        let at = items.iter().position(|(item, _)| item == name)?;
        let nth = items[at].1.iter().position(|need| need == next)?;
        let span = manifest.value_at(["spec".into(), Step::Field(list), at.into(), "needs".into(), nth.into()]);
        Some((span, format!("`{name}` needs `{next}`")))
    });
    let (span, label) = places.next().unwrap_or_else(|| (manifest.name_at(), String::new()));
    let mistake = Diagnostic::error("cycle", message, &manifest.source, span).label(label);
    places
        .take(PLACES_MAX - 1)
        .fold(mistake, |mistake, (span, label)| mistake.related(&manifest.source, span, label))
        .hint("remove one of these needs: nothing here could ever start")
}
