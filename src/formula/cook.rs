//! Cooking: resolve, expand, put in order, and, in runtime mode, apply values.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value as Data;

use crate::bounds::FORMULAS_MAX;
use crate::condition;
use crate::cooked::{CookedStep, Protomolecule, Root, StepType, every_step};
use crate::error::{Error, Problem};
use crate::fill::{self, Filling};
use crate::kitchen::Kitchen;
use crate::model::{BondPoint, Formula, FormulaType};
use crate::observed::{Condition, in_last_iteration, meanings};
use crate::order::{self, Placed};
use crate::overlay::Overlay;
use crate::source::{Library, Source, Spot};
use crate::step::Step;
use crate::{advice, expand, extend, loops, suggest, values, wire};

/// What is made of a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A template: vars stay as they are written, and no value is required.
    #[default]
    Compile,
    /// What can be worked on: values are checked and filled in, and steps whose condition does not hold are left out.
    Runtime,
}

/// Cooks a formula. `given` holds the values of vars; in compile mode only ranges of loops use them.
pub fn cook(
    source: &Source,
    library: &dyn Library,
    mode: Mode,
    given: &BTreeMap<String, String>,
) -> Result<Protomolecule, Error> {
    cook_overlaid(source, None, library, mode, given)
}

/// Cooks a formula with what an overlay says of its steps.
pub fn cook_overlaid(
    source: &Source,
    overlay: Option<&Source>,
    library: &dyn Library,
    mode: Mode,
    given: &BTreeMap<String, String>,
) -> Result<Protomolecule, Error> {
    let kitchen = &mut Kitchen::new(library, given);
    let parsed = kitchen.parse(Cow::Borrowed(source))?;
    let mut formula = extend::resolve(kitchen, parsed, &mut Vec::new())?;
    let kind = formula.kind();
    kitchen.vars.clone_from(&formula.vars);
    let overlay = overlay.map(|source| Overlay::apply(kitchen, source, &mut formula)).transpose()?;
    let steps = transform(kitchen, &mut formula, kind)?;
    let mut placed = order::ordered(kitchen, steps)?;
    if let Some(overlay) = overlay {
        overlay.finish(kitchen, &mut placed)?;
    }
    check_bond_points(kitchen, &formula.compose.bond_points, &placed)?;
    let values = match mode {
        Mode::Compile => BTreeMap::new(),
        Mode::Runtime => {
            let resolved = values::resolve(&kitchen.vars, given);
            let spot = formula.spot;
            resolved.map_err(|problem| {
                let mut error = kitchen.error(problem, spot);
                error.location = error.location.filter(|_| !matches!(*error.problem, Problem::RefusedValue { .. }));
                error
            })?
        }
    };
    if mode == Mode::Runtime {
        warn_undeclared(kitchen, &formula);
    }
    let placed = decided(kitchen, placed, mode, &values)?;
    serve(kitchen, formula, kind, placed, mode, values)
}

/// All that changes which steps there are, in the order that Beads has.
fn transform(kitchen: &mut Kitchen<'_>, formula: &mut Formula, kind: FormulaType) -> Result<Vec<Step>, Error> {
    for step in formula.steps.iter().chain(&formula.legs) {
        kitchen.grow(step)?;
    }
    if kind == FormulaType::Expansion && formula.steps.is_empty() && !formula.template.is_empty() {
        formula.steps = expand::standalone(kitchen, formula)?;
    }
    wire::convoy(kitchen, formula)?;
    let steps = std::mem::take(&mut formula.steps);
    let mut steps = loops::expand(kitchen, steps)?;
    wire::apply(kitchen, &mut steps, &formula.compose)?;
    // An aspect's advice is for others.
    if kind != FormulaType::Aspect {
        steps = advice::apply(kitchen, steps, formula, "")?;
    }
    let steps = expand::inline(kitchen, steps)?;
    let steps = expand::composed(kitchen, steps, formula)?;
    aspects(kitchen, steps, formula)
}

fn aspects(kitchen: &mut Kitchen<'_>, steps: Vec<Step>, formula: &Formula) -> Result<Vec<Step>, Error> {
    const FIELD: &str = "compose.aspects";
    formula.compose.aspects.iter().try_fold(steps, |steps, name| {
        let aspect: Rc<Formula> = kitchen.load(name, FIELD)?;
        if aspect.kind() != FormulaType::Aspect {
            let (found, expected) = (aspect.kind().name(), FormulaType::Aspect.name());
            let problem = Problem::WrongFormulaType { name: name.id.clone(), field: FIELD, found, expected };
            return Err(kitchen.error(problem, name.spot));
        }
        for (name, var) in &aspect.vars {
            if !kitchen.vars.contains_key(name) {
                kitchen.vars.insert(name.clone(), var.clone());
            }
        }
        advice::apply(kitchen, steps, &aspect, &aspect.name)
    })
}

fn check_bond_points(kitchen: &Kitchen<'_>, points: &[BondPoint], placed: &[Placed]) -> Result<(), Error> {
    if points.is_empty() {
        return Ok(());
    }
    let ids: BTreeSet<&str> = placed.iter().map(|it| it.step.id.as_str()).collect();
    for point in points {
        let ends = [("after_step", &point.after_step), ("before_step", &point.before_step)];
        for (field, id) in ends.into_iter().filter_map(|(field, id)| Some((field, id.as_ref()?))) {
            if !ids.contains(id.as_str()) && !kitchen.ends.contains_key(id) {
                let what = format!("the bond point `{}`", point.id);
                let mut error = kitchen.error(Problem::UnknownStep { field, what, id: id.clone() }, point.spot);
                error.hint = suggest::hint(id, ids.iter().copied());
                return Err(error);
            }
        }
    }
    Ok(())
}

fn warn_undeclared(kitchen: &mut Kitchen<'_>, formula: &Formula) {
    let given = kitchen.given;
    let undeclared: Vec<&String> = given.keys().filter(|name| !kitchen.vars.contains_key(*name)).collect();
    for name in undeclared {
        kitchen.warn(formula.spot, format!("`{name}` is given, which is no var of the formula"));
    }
}

/// A condition of the runtime that names no step of the molecule never comes to hold; one on a step that is not waited for is
/// decided before anybody has worked on that.
fn warn_of_conditions(kitchen: &mut Kitchen<'_>, steps: &[CookedStep], spots: &BTreeMap<&str, Spot>, spot: Spot) {
    let all = every_step(steps);
    let by_id: BTreeMap<&str, &CookedStep> = all.iter().map(|step| (step.id.as_str(), *step)).collect();
    let ids: BTreeSet<&str> = all.iter().map(|step| step.id.as_str()).collect();
    let loops: BTreeSet<&str> = all.iter().filter(|step| step.repeat.is_some()).map(|step| step.id.as_str()).collect();
    let written: BTreeSet<&str> = steps.iter().map(|step| step.id.as_str()).collect();
    for step in &all {
        let spot = spots.get(step.id.as_str()).copied().unwrap_or(spot);
        let until = step.repeat.as_ref().map(|repeat| (format!("{}.iter1.", step.id), &repeat.until));
        let own = [step.condition.as_ref(), step.gate.as_ref().and_then(|gate| gate.condition.as_ref())];
        let own = own.into_iter().flatten().map(|condition| (step.id.clone(), condition));
        let mut waited_for = None;
        for (of, text) in own.chain(until) {
            let Ok(condition) = Condition::parse(text) else { continue };
            // Which step a var names is not known before it has a value.
            for name in condition.steps().filter(|name| !name.contains("{{")) {
                let is_loop = |id: &str| loops.contains(id).then_some(1);
                let is_step = |id: String| {
                    ids.contains(id.as_str()) || in_last_iteration(&id, is_loop).any(|id| ids.contains(id.as_str()))
                };
                if !meanings(&of, name).any(is_step) {
                    let hint = suggest::hint(name, written.iter().copied())
                        .map(|hint| format!("; {hint}"))
                        .unwrap_or_default();
                    kitchen.warn(spot, format!("the condition `{text}` names `{name}`, which is no step{hint}"));
                    continue;
                }
                let known = |id: String| by_id.get(id.as_str()).copied();
                let named = meanings(&of, name)
                    .find_map(|id| known(id.clone()).or_else(|| in_last_iteration(&id, is_loop).find_map(known)));
                let (Some(named), true) = (named, step.condition.as_ref() == Some(text)) else { continue };
                let waited_for = waited_for.get_or_insert_with(|| waited_for_by(step, &by_id));
                if !above(named, &by_id).any(|it| waited_for.contains(it.id.as_str())) {
                    // A step of a loop is waited for with the loop.
                    let outer = above(named, &by_id).filter(|it| it.repeat.is_some()).last().unwrap_or(named);
                    let (id, named, need) = (&step.id, &named.id, &outer.id);
                    let more = format!("add `needs = [\"{need}\"]`, or it is decided before `{need}` is done");
                    kitchen
                        .warn(spot, format!("the condition of `{id}` names `{named}`, which it does not need: {more}"));
                }
            }
        }
    }
}

/// A step and those that it is a part of.
fn above<'a>(
    step: &'a CookedStep,
    by_id: &'a BTreeMap<&str, &'a CookedStep>,
) -> impl Iterator<Item = &'a CookedStep> + use<'a> {
    let parent = |it: &&CookedStep| it.parent.as_deref().and_then(|parent| by_id.get(parent).copied());
    std::iter::successors(Some(step), parent).take(by_id.len())
}

/// The steps that are done before a step, by what it and those that it is a part of need.
fn waited_for_by<'a>(step: &'a CookedStep, by_id: &'a BTreeMap<&str, &'a CookedStep>) -> BTreeSet<&'a str> {
    let mut waited_for = BTreeSet::new();
    let mut waiting: Vec<&CookedStep> = above(step, by_id).collect();
    while let Some(step) = waiting.pop() {
        for need in step.needs.iter().filter_map(|need| by_id.get(need.as_str()).copied()) {
            if waited_for.insert(need.id.as_str()) {
                waiting.extend(above(need, by_id));
            }
        }
    }
    waited_for
}

/// The steps without those that are not done. Whoever needs such a step needs what it needed.
fn decided(
    kitchen: &mut Kitchen<'_>,
    placed: Vec<Placed>,
    mode: Mode,
    values: &BTreeMap<String, String>,
) -> Result<Vec<Placed>, Error> {
    if !placed.iter().any(|it| it.step.is_out || (mode == Mode::Runtime && it.step.condition.is_some())) {
        return Ok(placed);
    }
    let empty = without_children(&placed, mode, values);
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Where each place is in the list that is left.
    let mut places: Vec<Option<usize>> = Vec::with_capacity(placed.len());
    let mut left: Vec<Placed> = Vec::with_capacity(placed.len());
    for (at, Placed { mut step, parent, has_children }) in placed.into_iter().enumerate() {
        let holds = decides(&step, mode, values);
        if holds.is_some() {
            step.condition = None;
        }
        let mut needs: Vec<String> = Vec::with_capacity(step.needs.len());
        for need in step.needs.drain(..) {
            match out.get(&need.id) {
                None => needs.push(need.id),
                Some(behind) => {
                    kitchen.grow_bytes(behind.iter().map(String::len).sum(), step.spot)?;
                    needs.extend(behind.iter().cloned());
                }
            }
        }
        let mut seen = BTreeSet::new();
        needs.retain(|need| seen.insert(need.clone()));
        let parent = match parent {
            None => Some(None),
            Some(at) => places[at].map(Some),
        };
        match parent.filter(|_| holds != Some(false) && !step.is_out && !empty.contains(&at)) {
            None => {
                places.push(None);
                out.insert(step.id, needs);
            }
            Some(parent) => {
                places.push(Some(left.len()));
                step.needs = needs.into_iter().map(Into::into).collect();
                left.push(Placed { step, parent, has_children });
            }
        }
    }
    for Placed { step, .. } in &mut left {
        let spawner = step.waits_for.as_ref().and_then(|it| it.spawner.as_ref());
        if spawner.is_some_and(|spawner| out.contains_key(spawner)) {
            step.waits_for = None;
        }
    }
    Ok(left)
}

/// Whether the condition of a step on a var holds, where that is decided now.
fn decides(step: &Step, mode: Mode, values: &BTreeMap<String, String>) -> Option<bool> {
    let on_var = step.condition.as_deref().and_then(condition::on_var).filter(|_| mode == Mode::Runtime);
    on_var.map(|it| it.holds(values))
}

/// The places of steps that consist of others, none of which is done.
fn without_children(placed: &[Placed], mode: Mode, values: &BTreeMap<String, String>) -> BTreeSet<usize> {
    let mut has_some = BTreeSet::new();
    let mut empty = BTreeSet::new();
    for (at, Placed { step, parent, has_children }) in placed.iter().enumerate().rev() {
        let is_out = step.is_out || decides(step, mode, values) == Some(false);
        if *has_children && !is_out && !has_some.contains(&at) {
            empty.insert(at);
        } else if let Some(parent) = parent.filter(|_| !is_out) {
            has_some.insert(parent);
        }
    }
    empty
}

/// Fills in and puts all on the table.
fn serve(
    kitchen: &mut Kitchen<'_>,
    mut formula: Formula,
    kind: FormulaType,
    placed: Vec<Placed>,
    mode: Mode,
    values: BTreeMap<String, String>,
) -> Result<Protomolecule, Error> {
    let double = |name: &str| values.get(name).map(|value| Cow::Borrowed(value.as_str()));
    let filling = Filling { single: &fill::none, double: &double };
    let ids: Vec<String> = placed.iter().map(|it| it.step.id.clone()).collect();
    let spots: Vec<Spot> = placed.iter().map(|it| it.step.spot).collect();
    let mut steps = Vec::with_capacity(placed.len());
    for Placed { mut step, parent, has_children } in placed {
        if mode == Mode::Runtime {
            let filled = filling.step(&mut step);
            filled.map_err(|bound| kitchen.over(format!("a text of `{}`", step.id), bound, step.spot))?;
            kitchen.grow_bytes(step.bytes(), step.spot)?;
        }
        steps.push(cooked(step, parent.map(|at| ids[at].clone()), has_children, &formula));
    }
    loops::served(&mut steps);
    let spots = ids.iter().map(String::as_str).zip(spots).collect();
    warn_of_conditions(kitchen, &steps, &spots, formula.spot);
    let standing_in = |var: &str, other: &str| {
        let text = if kitchen.vars.contains_key(var) { format!("{{{{{var}}}}}") } else { other.to_owned() };
        let filled = filling.text(&text).map(Cow::into_owned);
        filled.map_err(|bound| kitchen.over("the text of the root", bound, formula.spot))
    };
    let root = Root {
        title: standing_in("title", &formula.name)?,
        description: standing_in("desc", &formula.description)?,
        kind: "molecule".to_owned(),
    };
    let squash = formula.data.remove("squash");
    let files: Vec<String> = kitchen.files().map(str::to_owned).collect();
    debug_assert!(files.len() <= FORMULAS_MAX.max + 1, "`load` has bounded them");
    let data = formula.data.into_iter().map(|(key, value): (&str, Data)| (key.to_owned(), value)).collect();
    let mut proto = Protomolecule {
        name: formula.name,
        description: formula.description,
        kind,
        version: formula.version.unwrap_or(1),
        phase: formula.phase.unwrap_or_default(),
        pour: formula.pour.unwrap_or_default(),
        agent: formula.agent,
        review_only: formula.review_only.unwrap_or_default(),
        vars: std::mem::take(&mut kitchen.vars),
        values,
        root,
        steps,
        bond_points: formula.compose.bond_points,
        hooks: formula.compose.hooks,
        squash,
        data,
        files,
        digest: String::new(),
        warnings: std::mem::take(&mut kitchen.warnings).into_vec(),
    };
    proto.seal();
    Ok(proto)
}

/// A step as it can be poured. Unpacked whole: a field that is forgotten here would be lost.
fn cooked(step: Step, parent: Option<String>, has_children: bool, of: &Formula) -> CookedStep {
    let Step { id, title, description, description_file, notes, kind, priority, labels, metadata, needs, .. } = step;
    let Step { waits_for, assignee, condition, gate, repeat, on_complete, retry, check, acceptance, .. } = step;
    let Step { parallel, interactive, review_only, agent, model, tier, runtime, run, timeout, formula, via, .. } = step;
    let needs: Vec<String> = needs.into_iter().map(|need| need.id).collect();
    let waits_for = waits_for.map(|mut it| {
        it.spawner = it.spawner.or_else(|| needs.first().cloned());
        it
    });
    CookedStep {
        id,
        title,
        description,
        description_file,
        notes,
        kind: if has_children { StepType::Epic } else { StepType::of(kind.as_deref()) },
        priority,
        labels,
        metadata,
        needs,
        waits_for,
        parent,
        gate,
        condition,
        acceptance,
        assignee,
        agent: agent.or_else(|| of.agent.clone()),
        model,
        tier,
        runtime,
        run,
        timeout,
        retry,
        check,
        parallel,
        interactive,
        review_only: review_only.or(of.review_only).unwrap_or_default(),
        on_complete,
        repeat,
        formula,
        via,
    }
}
