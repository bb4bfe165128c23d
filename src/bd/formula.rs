//! `bd formula`: which formulas there are, and what one of them says. It needs no town.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use gastown_agent::context::Answer;
use gastown_agent::error::Error;
use gastown_formula::{Children, CookedStep, FormulaType, Gate, Mode, OnComplete, Phase, Protomolecule, Var};
use serde_json::json;

use super::library::{self, Folders, SearchArgs};
use super::overlay::{self, OverlayVerb};
use super::print;

/// Formulas: what there are, and what they say
#[derive(Debug, Clone, Args)]
pub struct FormulaArgs {
    #[command(subcommand)]
    verb: FormulaVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum FormulaVerb {
    /// List the formulas that are found by name
    List {
        /// Only of this type: workflow, expansion, aspect or convoy
        #[arg(long = "type", value_name = "TYPE")]
        type_: Option<String>,
        #[command(flatten)]
        search: SearchArgs,
    },
    /// Show the vars and the steps of a formula
    Show {
        /// Its name, or its file
        name: String,
        #[command(flatten)]
        search: SearchArgs,
        /// What extends it is put in: as always
        #[arg(long, hide = true)]
        resolve: bool,
    },
    /// What the town or a rig says otherwise of steps, without a copy of the formula
    ///
    /// It is `formula-overlays/FORMULA.toml` in the rig's repository (or its `.beads`), else in the town's folder: a list of
    /// `[[step-overrides]]`, each with `step_id`, `mode` (replace, append or skip) and `description`. A step is meant as it
    /// is written in the formula, also in a loop; or as it is cooked, such as `loop.iter2.build`. It counts where the formula
    /// is cooked by its name.
    Overlay {
        #[command(subcommand)]
        verb: OverlayVerb,
    },
}

/// Runs `bd formula`.
pub fn formula(args: &FormulaArgs, json: bool, town: Option<&Path>) -> Result<Answer, Error> {
    match &args.verb {
        FormulaVerb::List { type_, search } => list(&Folders::here(search, town)?, type_.as_deref(), json),
        FormulaVerb::Show { name, search, resolve: _ } => {
            let folders = Folders::here(search, town)?;
            let cooked = folders.cook(&folders.named(name)?, Mode::Compile, &BTreeMap::new())?;
            let out = if json { in_json(&cooked) } else { text(&cooked) };
            Ok(Answer { out, note: library::notes(&cooked.warnings), code: 0 })
        }
        FormulaVerb::Overlay { verb } => overlay::overlay(verb, json, town),
    }
}

/// A formula that is listed.
struct Listed {
    name: String,
    place: String,
    cooked: Protomolecule,
}

fn list(folders: &Folders, type_: Option<&str>, json: bool) -> Result<Answer, Error> {
    let (mut all, mut note) = (Vec::new(), String::new());
    for name in folders.all()? {
        let cooked = folders.named(&name).and_then(|recipe| {
            let cooked = folders.cook(&recipe, Mode::Compile, &BTreeMap::new())?;
            Ok((recipe.source.file, cooked))
        });
        match cooked {
            Ok((place, cooked)) if type_.is_none_or(|wanted| wanted == type_name(cooked.kind)) => {
                all.push(Listed { name, place, cooked });
            }
            Ok(_) => {}
            // One that is wrong must not hide the others.
            Err(error) => {
                let _never_fails = writeln!(note, "warning: `{name}` cannot be cooked: {}", error.line());
            }
        }
    }
    if json {
        let of = |it: &Listed| {
            json!({
                "name": it.name, "type": type_name(it.cooked.kind), "description": it.cooked.description,
                "source": it.place, "steps": it.cooked.steps.len(), "vars": it.cooked.vars.len(),
            })
        };
        return Ok(Answer { out: print::json(&all.iter().map(of).collect::<Vec<_>>()), note, code: 0 });
    }
    if all.is_empty() {
        let hint = "no formulas found; they are *.formula.toml, .json or .yaml in ./formulas, .beads/formulas or a --search-path\n";
        return Ok(Answer { out: hint.to_owned(), note, code: 0 });
    }
    let width = |text: fn(&Listed) -> usize| all.iter().map(text).max().unwrap_or(0);
    let (names, types) = (width(|it| it.name.chars().count()), width(|it| type_name(it.cooked.kind).len()));
    let mut out = String::new();
    for Listed { name, place, cooked } in &all {
        let (type_, steps) = (type_name(cooked.kind), cooked.steps.len());
        let word = if steps == 1 { "step " } else { "steps" };
        let _never_fails = writeln!(out, "{name:<names$}  {type_:<types$}  {steps:>4} {word}  {place}");
    }
    Ok(Answer { out, note, code: 0 })
}

fn type_name(kind: FormulaType) -> &'static str {
    match kind {
        FormulaType::Workflow => "workflow",
        FormulaType::Expansion => "expansion",
        FormulaType::Aspect => "aspect",
        FormulaType::Convoy => "convoy",
    }
}

/// A protomolecule as `bd --json` prints it, with Beads' words for its name and its file beside ours.
pub fn in_json(cooked: &Protomolecule) -> String {
    let more = json!({ "formula": cooked.name, "source": cooked.files.first() });
    print::object(&print::with(cooked, more))
}

/// A protomolecule for people: its vars, and its steps below what they are a part of.
pub fn text(cooked: &Protomolecule) -> String {
    let phase = match cooked.phase {
        Phase::Liquid => "liquid",
        Phase::Vapor => "vapor",
    };
    let pour = if cooked.pour { ", poured step by step" } else { "" };
    let mut out = format!("{}  {} v{}  {phase}{pour}\n", cooked.name, type_name(cooked.kind), cooked.version);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _never_fails = writeln!(out, "  {name:<9}{value}");
        }
    };
    line("title", &cooked.root.title);
    line("digest", &cooked.digest);
    line("files", &cooked.files.join(", "));
    let description = cooked.root.description.trim();
    if !description.is_empty() {
        let _never_fails = writeln!(out, "\n{description}");
    }
    if !cooked.vars.is_empty() {
        out.push_str("\nvars:\n");
    }
    for (name, var) in &cooked.vars {
        let value = cooked.values.get(name).map(|value| format!(" = {value:?}")).unwrap_or_default();
        let _never_fails = writeln!(out, "  {name}{value}{}", about(var));
    }
    if !cooked.steps.is_empty() {
        let _never_fails = writeln!(out, "\nsteps ({}):", cooked.steps.len());
    }
    for (step, depth) in tree(&cooked.steps) {
        let needs = if step.needs.is_empty() { String::new() } else { format!("  needs {}", step.needs.join(", ")) };
        let gate = step.gate.as_ref().map(|gate| format!("  gate {}", gate_text(gate))).unwrap_or_default();
        let condition = step.condition.as_ref().map(|it| format!("  if {it}")).unwrap_or_default();
        let run = if step.run.is_some() { "  runs a command" } else { "" };
        let more = at_run_time(step);
        let indent = "  ".repeat(depth + 1);
        let _never_fails = writeln!(out, "{indent}{}: {}{needs}{gate}{condition}{run}{more}", step.id, step.title);
    }
    out
}

/// What a step does beside its work: what it waits for, starts, repeats and tries again.
fn at_run_time(step: &CookedStep) -> String {
    let mut out = String::new();
    if let Some(waits) = &step.waits_for {
        let how_many = if waits.children == Children::All { "every child" } else { "the first child" };
        let of = waits.spawner.as_ref().or(step.needs.first()).map(|of| format!(" of {of}")).unwrap_or_default();
        let _never_fails = write!(out, "  waits for {how_many}{of}");
    }
    if let Some(repeat) = &step.repeat {
        let _never_fails = write!(out, "  repeats until {}, {} times at most", repeat.until, repeat.max);
    }
    if let Some(retry) = &step.retry {
        let soft = if retry.on_exhausted.as_deref() == Some("soft_fail") { ", then goes on" } else { "" };
        let _never_fails = write!(out, "  {} attempts at most{soft}", retry.max_attempts);
    }
    if let Some(OnComplete { for_each, bond, sequential, .. }) = &step.on_complete {
        let order = if *sequential { ", one after the other" } else { "" };
        let _never_fails = write!(out, "  then {bond} for each of {for_each}{order}");
    }
    out
}

/// What is said of a var behind its name.
fn about(var: &Var) -> String {
    let default = var.default.as_ref().map(|default| format!("default {default:?}"));
    let required = (var.required && var.default.is_none()).then(|| "required".to_owned());
    let unless =
        (!var.required_unless.is_empty()).then(|| format!("required unless {}", var.required_unless.join(", ")));
    let allowed = (!var.allowed.is_empty()).then(|| format!("one of {}", var.allowed.join(", ")));
    let all: Vec<String> = [required, unless, default, allowed].into_iter().flatten().collect();
    let said = var.description.as_ref().map(|text| format!(": {}", text.trim())).unwrap_or_default();
    if all.is_empty() { said } else { format!(" ({}){said}", all.join(", ")) }
}

/// What a gate waits for, in a few words.
pub fn gate_text(gate: &Gate) -> String {
    let what = gate.await_id.as_ref().or(gate.id.as_ref()).or(gate.condition.as_ref()).or(gate.run.as_ref());
    let timeout = gate.timeout.as_ref().map(|it| format!(" for {it}")).unwrap_or_default();
    let target = gate.target.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
    what.map_or_else(|| gate.kind.clone(), |what| format!("{} {what}", gate.kind)) + &target + &timeout
}

/// Steps with how deep they are: each behind its parent, and otherwise in their order.
pub fn tree(steps: &[CookedStep]) -> Vec<(&CookedStep, usize)> {
    let mut below: BTreeMap<Option<&str>, Vec<&CookedStep>> = BTreeMap::new();
    for step in steps {
        below.entry(step.parent.as_deref()).or_default().push(step);
    }
    let first = below.remove(&None).unwrap_or_default();
    let mut waiting: Vec<(&CookedStep, usize)> = first.into_iter().rev().map(|step| (step, 0)).collect();
    let mut all = Vec::with_capacity(steps.len());
    while let Some((step, depth)) = waiting.pop() {
        all.push((step, depth));
        let parts = below.remove(&Some(step.id.as_str())).unwrap_or_default();
        waiting.extend(parts.into_iter().rev().map(|part| (part, depth + 1)));
    }
    all
}
