//! Expansions: a template takes the place of a step, named by the step (`expand`) or by the formula (`compose`).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::EXPANSION_DEPTH_MAX;
use crate::condition;
use crate::error::{Error, Problem};
use crate::fill::Filling;
use crate::glob;
use crate::kitchen::{self, Kitchen, each, each_mut};
use crate::loops;
use crate::model::{Formula, FormulaType, Replace};
use crate::source::Spot;
use crate::step::{By, Need, Step, Via};
use crate::suggest;

/// The target of an expansion that is cooked by itself.
const STANDALONE: &str = "main";

/// Replaces the steps that say `expand`, and those in what took their place.
pub(crate) fn inline(kitchen: &mut Kitchen<'_>, steps: Vec<Step>) -> Result<Vec<Step>, Error> {
    inline_below(kitchen, steps, &mut Vec::new())
}

/// `path` holds the expansions that this one is in.
fn inline_below(kitchen: &mut Kitchen<'_>, steps: Vec<Step>, path: &mut Vec<String>) -> Result<Vec<Step>, Error> {
    if !steps.iter().any(has_expand) {
        return Ok(steps);
    }
    let mut replaced = Vec::with_capacity(steps.len());
    for mut step in steps {
        let Some(name) = step.expand.take() else {
            step.children = inline_below(kitchen, step.children, path)?;
            replaced.push(step);
            continue;
        };
        let with = Need { id: name, spot: step.spot };
        let vars = std::mem::take(&mut step.expand_vars);
        replaced.extend(replace(kitchen, &step, &with, "expand", &vars, path)?);
    }
    Ok(replaced)
}

fn has_expand(step: &Step) -> bool {
    step.expand.is_some() || step.children.iter().any(has_expand)
}

/// Applies `expand` and then `map` of `compose`.
pub(crate) fn composed(kitchen: &mut Kitchen<'_>, steps: Vec<Step>, formula: &Formula) -> Result<Vec<Step>, Error> {
    let steps = targets(kitchen, steps, &formula.compose.expand)?;
    formula.compose.map.iter().try_fold(steps, |steps, rule| map(kitchen, steps, rule))
}

fn targets(kitchen: &mut Kitchen<'_>, steps: Vec<Step>, rules: &[Replace]) -> Result<Vec<Step>, Error> {
    if rules.is_empty() {
        return Ok(steps);
    }
    let by_target: BTreeMap<&str, usize> = rules.iter().enumerate().map(|(at, it)| (it.target.as_str(), at)).collect();
    let mut used = BTreeSet::new();
    let steps = walk(kitchen, steps, &mut |kitchen, step, after| {
        let at = by_target.get(step.id.as_str()).copied().filter(|at| after.is_none_or(|after| after < *at));
        let Some(at) = at else { return Ok(Walked::Kept(Box::new(step))) };
        used.insert(at);
        let rule = &rules[at];
        let steps = replace(kitchen, &step, &rule.with, "compose.expand", &rule.vars, &mut Vec::new())?;
        Ok(Walked::Replaced(steps, at))
    })?;
    match rules.iter().enumerate().find(|(at, _)| !used.contains(at)) {
        Some((_, rule)) => Err(unknown_target(kitchen, rule, &steps)),
        None => Ok(steps),
    }
}

fn unknown_target(kitchen: &Kitchen<'_>, rule: &Replace, steps: &[Step]) -> Error {
    let mut ids = Vec::new();
    for step in steps {
        each(step, &mut |it| ids.push(it.id.as_str()));
    }
    let problem = Problem::UnknownStep { field: "target", what: "compose.expand".to_owned(), id: rule.target.clone() };
    let mut error = kitchen.error(problem, rule.spot);
    error.hint = suggest::hint(&rule.target, ids);
    error
}

/// Each step that the glob finds is replaced, in the order of the steps; what took its place is not looked at again.
fn map(kitchen: &mut Kitchen<'_>, steps: Vec<Step>, rule: &Replace) -> Result<Vec<Step>, Error> {
    let mut found = 0_usize;
    let steps = walk(kitchen, steps, &mut |kitchen, step, after| {
        if after.is_some() || !glob::matches(&rule.target, &step.id) {
            return Ok(Walked::Kept(Box::new(step)));
        }
        found += 1;
        let steps = replace(kitchen, &step, &rule.with, "compose.map", &rule.vars, &mut Vec::new())?;
        Ok(Walked::Replaced(steps, 0))
    })?;
    if found == 0 {
        kitchen.warn(rule.spot, format!("no step is like `{}`", rule.target));
    }
    Ok(steps)
}

/// What became of a step; steps in the place of another remember the rule that put them there.
enum Walked {
    Kept(Box<Step>),
    Replaced(Vec<Step>, usize),
}

type Visit<'v, 'k> = &'v mut dyn FnMut(&mut Kitchen<'k>, Step, Option<usize>) -> Result<Walked, Error>;

fn walk<'k>(kitchen: &mut Kitchen<'k>, steps: Vec<Step>, visit: Visit<'_, 'k>) -> Result<Vec<Step>, Error> {
    let mut walked = Vec::with_capacity(steps.len());
    for step in steps {
        walk_one(kitchen, step, None, visit, &mut walked)?;
    }
    Ok(walked)
}

fn walk_one<'k>(
    kitchen: &mut Kitchen<'k>,
    step: Step,
    after: Option<usize>,
    visit: Visit<'_, 'k>,
    walked: &mut Vec<Step>,
) -> Result<(), Error> {
    match visit(kitchen, step, after)? {
        Walked::Kept(mut step) => {
            let children = std::mem::take(&mut step.children);
            for child in children {
                walk_one(kitchen, child, after, visit, &mut step.children)?;
            }
            walked.push(*step);
        }
        Walked::Replaced(steps, rule) => {
            for step in steps {
                walk_one(kitchen, step, Some(rule), visit, walked)?;
            }
        }
    }
    Ok(())
}

/// The steps that take the place of one.
fn replace(
    kitchen: &mut Kitchen<'_>,
    target: &Step,
    with: &Need,
    field: &'static str,
    vars: &BTreeMap<String, String>,
    path: &mut Vec<String>,
) -> Result<Vec<Step>, Error> {
    if path.contains(&with.id) {
        let path = path.iter().cloned().chain([with.id.clone()]).collect();
        return Err(kitchen.error(Problem::FormulaCycle { verb: "expand", path }, target.spot));
    }
    if path.len() >= EXPANSION_DEPTH_MAX.max {
        let what = format!("expansions within expansions ({} → {})", path.join(" → "), with.id);
        return Err(kitchen.over(what, EXPANSION_DEPTH_MAX, target.spot));
    }
    let expansion = kitchen.load(with, field)?;
    if expansion.kind() != FormulaType::Expansion {
        let (found, expected) = (expansion.kind().name(), FormulaType::Expansion.name());
        let problem = Problem::WrongFormulaType { name: with.id.clone(), field, found, expected };
        return Err(kitchen.error(problem, with.spot));
    }
    if !target.children.is_empty() {
        kitchen.warn(target.spot, format!("the children of `{}` are gone: an expansion took its place", target.id));
    }
    kitchen.shrink(target);
    let steps = instantiate(kitchen, &expansion, target, vars, with.spot)?;
    let steps = loops::expand(kitchen, steps)?;
    let mut steps = {
        path.push(with.id.clone());
        let steps = inline_below(kitchen, steps, path)?;
        path.pop();
        steps
    };
    let roots = kitchen::roots(&steps);
    kitchen.hand_over(target, &mut steps, &roots)?;
    Ok(steps)
}

/// The template, filled in for a target: `{target}`, `{target.id}`, `{target.title}`, `{target.description}`, `{var}`.
fn instantiate(
    kitchen: &mut Kitchen<'_>,
    expansion: &Formula,
    target: &Step,
    vars: &BTreeMap<String, String>,
    spot: Spot,
) -> Result<Vec<Step>, Error> {
    if expansion.template.is_empty() {
        return Err(kitchen
            .error(Problem::Missing { field: "template", what: format!("the expansion `{}`", expansion.name) }, spot));
    }
    for (name, var) in &expansion.vars {
        if !kitchen.vars.contains_key(name) && !vars.contains_key(name) {
            kitchen.vars.insert(name.clone(), var.clone());
        }
    }
    let given = kitchen.given;
    let of_target = |name: &str| match name {
        "target" | "target.id" => Some(target.id.as_str()),
        "target.title" => Some(target.title.as_str()),
        "target.description" => Some(target.description.as_str()),
        _ => None,
    };
    let own = |name: &str| vars.get(name).map(String::as_str);
    let default = |name: &str| expansion.vars.get(name).and_then(|var| var.default.as_deref());
    let single = |name: &str| {
        let known = of_target(name).or_else(|| own(name)).map(Cow::Borrowed);
        // What the caller gave is filled in at the end, once, like all that the caller gives.
        let given = || (given.contains_key(name)).then(|| Cow::Owned(format!("{{{{{name}}}}}")));
        known.or_else(given).or_else(|| default(name).map(Cow::Borrowed))
    };
    let double = |name: &str| own(name).map(Cow::Borrowed);
    let id_single = |name: &str| {
        let known = of_target(name).or_else(|| own(name)).or_else(|| given.get(name).map(String::as_str));
        known.or_else(|| default(name)).map(Cow::Borrowed)
    };
    let (texts, ids) = (Filling { single: &single, double: &double }, Filling { single: &id_single, double: &double });
    let mut steps = Vec::with_capacity(expansion.template.len());
    for template in &expansion.template {
        let mut step = template.clone();
        fill_ids(&ids, &mut step)
            .and_then(|()| texts.step(&mut step))
            .map_err(|bound| kitchen.over(format!("a text of `{}`", template.id), bound, template.spot))?;
        each_mut(&mut step, &mut |it| {
            it.via.clone_from(&target.via);
            it.via.push(Via { by: By::Expand, step: target.id.clone(), formula: expansion.name.clone() });
            decide(it, vars);
        });
        let mut checked = Ok(());
        each(&step, &mut |it| {
            if checked.is_ok() {
                checked = kitchen.check_id(&it.id, it.spot);
            }
        });
        checked?;
        kitchen.grow(&step)?;
        steps.push(step);
    }
    Ok(steps)
}

/// Decides a condition on a var that the rule sets: its value is known here, and nowhere else.
fn decide(step: &mut Step, vars: &BTreeMap<String, String>) {
    let on_var = step.condition.as_deref().and_then(condition::on_var);
    if let Some(on_var) = on_var.filter(|it| vars.contains_key(it.name)) {
        step.is_out |= !on_var.holds(vars);
        step.condition = None;
    }
}

/// The ids of a step and of those that it names.
fn fill_ids(ids: &Filling<'_>, step: &mut Step) -> Result<(), crate::bounds::Bound> {
    ids.in_place(&mut step.id)?;
    step.needs.iter_mut().try_for_each(|need| ids.in_place(&mut need.id))?;
    if let Some(name) = &mut step.expand {
        ids.in_place(name)?;
    }
    if let Some(spawner) = step.waits_for.as_mut().and_then(|it| it.spawner.as_mut()) {
        ids.in_place(spawner)?;
    }
    let bodies = step.repeated.iter_mut().flat_map(|it| &mut it.body);
    step.children.iter_mut().chain(bodies).try_for_each(|inner| fill_ids(ids, inner))
}

/// An expansion that is cooked by itself: its template with the target `main`.
pub(crate) fn standalone(kitchen: &mut Kitchen<'_>, formula: &Formula) -> Result<Vec<Step>, Error> {
    let target = Step {
        id: STANDALONE.to_owned(),
        title: formula.name.clone(),
        description: formula.description.clone(),
        formula: formula.name.clone(),
        spot: formula.spot,
        ..Step::default()
    };
    let steps = instantiate(kitchen, formula, &target, &BTreeMap::new(), formula.spot)?;
    let steps = loops::expand(kitchen, steps)?;
    inline_below(kitchen, steps, &mut vec![formula.name.clone()])
}
