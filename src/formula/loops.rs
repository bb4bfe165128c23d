//! Loops: the body once for each iteration, each of which waits for the one before.
//!
//! A loop with `until` becomes a step that consists of an iteration. Whether there is another is known at run time only, so that step
//! keeps the condition, the most iterations, and the iteration itself, with a token where its number belongs: see [`served`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::bounds::LOOP_ITERATIONS_MAX;
use crate::cooked::CookedStep;
use crate::error::{Error, Problem};
use crate::fill::{self, Filling};
use crate::kitchen::{self, Kitchen};
use crate::range;
use crate::step::{By, Loop, Repeat, Step, Via};

/// Expands the loops among steps and their children, and those in loops.
pub(crate) fn expand(kitchen: &mut Kitchen<'_>, steps: Vec<Step>) -> Result<Vec<Step>, Error> {
    if !steps.iter().any(has_loop) {
        return Ok(steps);
    }
    let mut expanded = Vec::with_capacity(steps.len());
    for mut step in steps {
        if let Some((var, body)) = step.repeated.as_ref().and_then(|it| Some((it.var.as_ref()?, &it.body))) {
            warn_of_commands(kitchen, body, &format!("{{{var}}}"));
        }
        if let Some(repeated) = step.repeated.take_if(|it| it.until.is_none()) {
            expanded.extend(iterate(kitchen, &step, &repeated)?);
        } else if let Some(repeated) = step.repeated.take() {
            expanded.push(endless(kitchen, step, &repeated)?);
        } else {
            step.children = expand(kitchen, step.children)?;
            expanded.push(step);
        }
    }
    Ok(expanded)
}

/// In a command the number is not filled in: `${n}` is a variable of the shell.
fn warn_of_commands(kitchen: &mut Kitchen<'_>, body: &[Step], number: &str) {
    for step in body {
        let has_number = |run: &String| run.match_indices(number).any(|(at, _)| !run[..at].ends_with('$'));
        if step.run.as_ref().is_some_and(has_number) {
            kitchen.warn(
                step.spot,
                format!("`{number}` is not filled into `run` of `{}`, but into titles and texts", step.id),
            );
        }
        warn_of_commands(kitchen, &step.children, number);
    }
}

fn has_loop(step: &Step) -> bool {
    step.repeated.is_some() || step.children.iter().any(has_loop)
}

fn iterate(kitchen: &mut Kitchen<'_>, container: &Step, repeated: &Loop) -> Result<Vec<Step>, Error> {
    let numbers = numbers(kitchen, container, repeated)?;
    kitchen.shrink(container);
    let mut all: Vec<Step> = Vec::new();
    let mut first_roots = Vec::new();
    for (iteration, number) in (1_usize..).zip(numbers) {
        let mut body = iteration_of(kitchen, container, repeated, &iteration.to_string(), &number.to_string())?;
        match all.last() {
            None => first_roots = kitchen::roots(&body),
            Some(last) => {
                let need = last.id.clone().into();
                body[0].needs.push(need);
            }
        }
        all.append(&mut body);
    }
    kitchen.hand_over(container, &mut all, &first_roots)?;
    Ok(all)
}

/// A loop whose end is known at run time: a step that consists of one iteration, whatever its number is.
fn endless(kitchen: &mut Kitchen<'_>, mut container: Step, repeated: &Loop) -> Result<Step, Error> {
    let token = token(&container.id);
    container.children = iteration_of(kitchen, &container, repeated, &token, &token)?;
    let (until, max) = (repeated.until.clone().unwrap_or_default(), repeated.max.unwrap_or(1));
    // As Beads labels the first step, for whoever looks for the label.
    let label = serde_json::json!({ "until": &until, "max": max });
    container.labels.push(format!("loop:{label}"));
    container.repeat = Some(Box::new(Repeat { until, max, token, body: Vec::new() }));
    Ok(container)
}

/// What stands for the number of an iteration, and is in no id that a loop around it has made.
fn token(container: &str) -> String {
    let tokens = (1..).map(|nth| format!("{{#{nth}}}"));
    tokens.into_iter().find(|token| !container.contains(token)).unwrap_or_default()
}

/// The steps of one iteration.
fn iteration_of(
    kitchen: &mut Kitchen<'_>,
    container: &Step,
    repeated: &Loop,
    iteration: &str,
    number: &str,
) -> Result<Vec<Step>, Error> {
    let ids = ids(&repeated.body);
    let mut body = Vec::with_capacity(repeated.body.len());
    for step in &repeated.body {
        kitchen.grow(step)?;
        body.push(one(kitchen, step, container, repeated, &ids, (iteration, number))?);
    }
    expand(kitchen, body)
}

/// Every loop with `until` keeps its iteration as it is poured, and has the first one in its place.
pub(crate) fn served(steps: &mut [CookedStep]) {
    // A loop within another comes after it, and is seen to before.
    for at in (0..steps.len()).rev() {
        let Some(mut repeat) = steps[at].repeat.take() else { continue };
        let mut within = BTreeSet::from([steps[at].id.clone()]);
        for step in steps.iter_mut().skip(at + 1) {
            if step.parent.as_ref().is_some_and(|parent| within.contains(parent)) {
                within.insert(step.id.clone());
                repeat.body.push(step.clone());
                *step = numbered(step, &repeat.token, "1");
            }
        }
        // Whoever needs a step of the first iteration by its id.
        let first: BTreeMap<&String, String> =
            within.iter().map(|id| (id, id.replace(&repeat.token, "1"))).filter(|(id, first)| *id != first).collect();
        for step in steps.iter_mut() {
            for need in &mut step.needs {
                if let Some(first) = first.get(need) {
                    need.clone_from(first);
                }
            }
        }
        steps[at].repeat = Some(repeat);
    }
}

/// A step of an iteration, with its number in all texts of its own.
fn numbered(step: &CookedStep, token: &str, number: &str) -> CookedStep {
    let mut value = serde_json::to_value(step).unwrap_or_default();
    replace(&mut value, token, number);
    serde_json::from_value(value).unwrap_or_else(|_| step.clone())
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text.contains(from) => *text = text.replace(from, to),
        Value::Array(list) => list.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

/// The number that each iteration has. The parser has bounded `count`, and seen that there is one of the three.
fn numbers(kitchen: &Kitchen<'_>, container: &Step, repeated: &Loop) -> Result<Vec<i64>, Error> {
    let Some(text) = &repeated.range else { return Ok((1..).take(repeated.count.unwrap_or(1)).collect()) };
    let bad = |why: String| {
        let problem = Problem::BadValue { field: "range".to_owned(), value: text.clone(), why };
        kitchen.error(problem, container.spot)
    };
    let lookup = |name: &str| {
        let default = || kitchen.vars.get(name).and_then(|var| var.default.as_ref());
        let value = kitchen.given.get(name).or_else(default);
        let value = value.ok_or_else(|| format!("the var `{name}` has no value; give one, or a default"))?;
        value.trim().parse().map_err(|_| format!("the var `{name}` is not a whole number"))
    };
    let (start, end) = range::evaluate(text, Some(&lookup)).map_err(bad)?;
    if end < start {
        return Err(bad(format!("it ends at {end}, before its start {start}")));
    }
    let count = usize::try_from(end.abs_diff(start)).unwrap_or(usize::MAX);
    if count >= LOOP_ITERATIONS_MAX.max {
        return Err(kitchen.over(format!("iterations of `{}`", container.id), LOOP_ITERATIONS_MAX, container.spot));
    }
    Ok((start..=end).collect())
}

fn ids(body: &[Step]) -> BTreeSet<&str> {
    let mut ids = BTreeSet::new();
    for step in body {
        kitchen::each(step, &mut |it| _ = ids.insert(it.id.as_str()));
    }
    ids
}

/// A step of the body, in one iteration.
fn one(
    kitchen: &Kitchen<'_>,
    step: &Step,
    container: &Step,
    repeated: &Loop,
    ids: &BTreeSet<&str>,
    (iteration, number): (&str, &str),
) -> Result<Step, Error> {
    let mut copy = step.clone();
    if let Some(var) = &repeated.var {
        let single = |name: &str| (name == var).then_some(Cow::Borrowed(number));
        let filled = Filling { single: &single, double: &fill::none }.step(&mut copy);
        filled.map_err(|bound| kitchen.over(format!("a text of `{}`", step.id), bound, step.spot))?;
        kitchen::each_mut(&mut copy, &mut |it| {
            if it.expand.is_some() {
                it.expand_vars.entry(var.clone()).or_insert_with(|| number.to_owned());
            }
        });
    }
    let named = |id: &str| format!("{}.iter{iteration}.{id}", container.id);
    kitchen.check_id(&named(&step.id), step.spot)?;
    kitchen::each_mut(&mut copy, &mut |it| {
        it.id = named(&it.id);
        for need in it.needs.iter_mut().filter(|need| ids.contains(need.id.as_str())) {
            need.id = named(&need.id);
        }
        if let Some(spawner) = it.waits_for.as_mut().and_then(|it| it.spawner.as_mut())
            && ids.contains(spawner.as_str())
        {
            *spawner = named(spawner);
        }
        let via = Via { by: By::Loop, step: container.id.clone(), formula: String::new() };
        it.via = container.via.iter().cloned().chain([via]).collect();
    });
    Ok(copy)
}
