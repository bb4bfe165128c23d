//! A convoy's beads among themselves and with their formulas: needs, circles, a rig for each, and the vars it is given.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::capacity::TOWN;
use super::needs;
use super::set::{Known, Set, spec};
use crate::convoy::{ConvoyBead, ConvoySpec};
use crate::formula::FormulaSpec;
use crate::formula_text::{is_built_in, uses};
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::suggest;

/// The formula of beads that name none.
const FORMULA_DEFAULT: &str = "work";

/// Checks each convoy.
pub(crate) fn check(set: &mut Set<'_>, convoys: &[&Manifest]) {
    for manifest in convoys {
        check_one(set, manifest);
    }
}

fn check_one(set: &mut Set<'_>, manifest: &Manifest) {
    if let Some(convoy) = spec::<ConvoySpec>(manifest) {
        check_spec(set, manifest, &convoy);
    }
}

/// Checks a convoy whose spec is at hand.
pub(super) fn check_spec(set: &mut Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) {
    needs::check(set, manifest, convoy);
    check_notify(set, manifest, convoy);
    check_competitions(set, manifest, convoy);
    // Looked up once for a name, not once for a bead.
    let mut formulas: BTreeMap<&str, Option<FormulaSpec>> = BTreeMap::new();
    let find = |set: &Set<'_>, name: &str| match set.manifest("Formula", name) {
        Some(manifest) => spec(manifest),
        None => set.beside("Formula", name),
    };
    for (at, bead) in convoy.beads.iter().enumerate() {
        if bead.rig.is_none() && convoy.rig.is_none() {
            set.report(|| without_rig(manifest, at, bead));
        }
        let name = formula_of(convoy, bead);
        let formula = formulas.entry(name).or_insert_with(|| find(set, name));
        let Some(formula) = formula else { continue };
        check_vars(set, manifest, at, bead, name, formula);
        // A formula that is not of this set may be meant for agents that read the bead's text.
        if set.is_declared("Formula", name) {
            check_command(set, manifest, at, bead, name, formula);
        }
    }
}

/// The formula that a bead is worked by.
pub(super) fn formula_of<'a>(convoy: &'a ConvoySpec, bead: &'a ConvoyBead) -> &'a str {
    bead.formula.as_deref().or(convoy.formula.as_deref()).unwrap_or(FORMULA_DEFAULT)
}

/// Whether a formula has something against what a bead gives it: the vars of these names, and a command or none.
pub(super) fn refuses(formula: &FormulaSpec, given: &[String], has_command: bool, is_declared: bool) -> bool {
    let is_known = |name: &String| formula.vars.iter().any(|var| var.name == *name) && !is_built_in(name);
    let is_given = |name: &String| given.contains(name);
    given.iter().any(|name| !is_known(name))
        || formula.vars.iter().any(|var| var.required && var.default.is_none() && !is_given(&var.name))
        || (is_declared && !has_command && formula.steps.iter().any(|step| uses_command(step.run.as_deref())))
}

/// Attempts that compete with nobody, and those that need each other: the one would be withdrawn once the other has
/// landed.
fn check_competitions(set: &mut Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) {
    for (at, bead) in convoy.beads.iter().enumerate() {
        let Some(competition) = &bead.competition else { continue };
        let at_field =
            |field: &'static str| manifest.value_at(["spec".into(), "beads".into(), at.into(), field.into()]);
        let rivals: Vec<&str> = convoy.rivals(&bead.name).map(|rival| rival.name.as_str()).collect();
        if rivals.is_empty() {
            set.report(|| {
                let message =
                    format!("bead {} is the only one of competition {}", quote(&bead.name), quote(competition));
                Diagnostic::warning("no-rival", message, &manifest.source, at_field("competition"))
                    .hint("give another attempt at the same thing this `competition`, or leave it out")
            });
        }
        if let Some(need) = bead.needs.iter().find(|need| rivals.contains(&need.as_str())) {
            set.report(|| {
                let message = format!("bead {} needs {}, which it competes with", quote(&bead.name), quote(need));
                Diagnostic::error("needs-rival", message, &manifest.source, at_field("needs"))
                    .hint("once one of them has landed, the other is withdrawn: take the need or the `competition` out")
            });
        }
    }
}

/// A convoy that people are to be told of, in a town that tells nobody: it lands all the same.
fn check_notify(set: &mut Set<'_>, manifest: &Manifest, convoy: &ConvoySpec) {
    if convoy.notify == Some(true) && tells_nobody(set) {
        set.report(|| {
            let span = manifest.value_at(["spec".into(), "notify".into()]);
            let message = "nobody is told: the Town has no `notify`";
            Diagnostic::warning("tells-nobody", message, &manifest.source, span)
                .hint("give the Town the command that tells people: `gt explain town.spec.notify`")
        });
    }
}

/// Whether there is a Town, and it has no command that tells people.
pub(super) fn tells_nobody(known: &dyn Known) -> bool {
    known.spec("Town", TOWN).is_some_and(|town| town.get("notify").is_none_or(Value::is_null))
}

fn without_rig(manifest: &Manifest, at: usize, bead: &ConvoyBead) -> Diagnostic {
    let message = format!("bead {} has no rig", quote(&bead.name));
    Diagnostic::error("no-rig", message, &manifest.source, name_of(manifest, at))
        .hint("give it a `rig`, or give the convoy one for all its beads: `spec: { rig: … }`")
}

fn check_vars(set: &mut Set<'_>, manifest: &Manifest, at: usize, bead: &ConvoyBead, name: &str, formula: &FormulaSpec) {
    let declared = || formula.vars.iter().map(|var| var.name.as_str());
    for (nth, var) in bead.vars.iter().enumerate() {
        if declared().any(|known| known == var.name) && !is_built_in(&var.name) {
            continue;
        }
        set.report(|| {
            let path: [Step<'_>; 6] =
                ["spec".into(), "beads".into(), at.into(), "vars".into(), nth.into(), "name".into()];
            let span = manifest.value_at(path);
            if is_built_in(&var.name) {
                let message = format!("the var {} is built in: it is the bead's own {}", quote(&var.name), var.name);
                return Diagnostic::error("built-in-var", message, &manifest.source, span).hint("remove it");
            }
            let message = format!("formula {} has no var {}", quote(name), quote(&var.name));
            let mistake = Diagnostic::error("unknown-var", message, &manifest.source, span);
            match suggest::hint(&var.name, declared().collect::<Vec<_>>()) {
                Some(hint) => mistake.hint(hint),
                None => mistake.hint("it takes no vars"),
            }
        });
    }
    for var in formula.vars.iter().filter(|var| var.required && var.default.is_none()) {
        if !bead.vars.iter().any(|given| given.name == var.name) {
            set.report(|| {
                let message = format!("bead {} does not give the var {}", quote(&bead.name), quote(&var.name));
                Diagnostic::error("missing-var", message, &manifest.source, name_of(manifest, at))
                    .label(format!("formula `{name}` requires it"))
                    .hint(format!("add `vars: [{{ name: {}, value: … }}]`", var.name))
            });
        }
    }
}

fn check_command(
    set: &mut Set<'_>,
    manifest: &Manifest,
    at: usize,
    bead: &ConvoyBead,
    name: &str,
    formula: &FormulaSpec,
) {
    if bead.command.is_none()
        && let Some(step) = formula.steps.iter().find(|step| uses_command(step.run.as_deref()))
    {
        set.report(|| {
            let message = format!("bead {} has no command", quote(&bead.name));
            Diagnostic::error("missing-command", message, &manifest.source, name_of(manifest, at))
                .label(format!("step `{}` of formula `{name}` runs `{{{{command}}}}`", step.name))
                .hint("give it a `command`, or a formula that needs none")
        });
    }
}

fn uses_command(run: Option<&str>) -> bool {
    uses(run.unwrap_or_default()).iter().any(|(_, name)| *name == "command")
}

fn name_of(manifest: &Manifest, at: usize) -> Range<usize> {
    manifest.value_at(["spec".into(), "beads".into(), at.into(), "name".into()])
}
