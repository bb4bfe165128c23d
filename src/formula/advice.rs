//! Advice: steps before and after others, which a glob finds. Steps that the same advice put in are not advised again.

use std::borrow::Cow;

use crate::error::Error;
use crate::fill::{self, Filling};
use crate::glob;
use crate::kitchen::Kitchen;
use crate::model::{Advice, Formula, Pointcut};
use crate::step::{By, Need, Step, Via};

/// Puts a formula's advice around steps, and around their children. `aspect` is its name, or empty for the formula's own.
pub(crate) fn apply(
    kitchen: &mut Kitchen<'_>,
    steps: Vec<Step>,
    adviser: &Formula,
    aspect: &str,
) -> Result<Vec<Step>, Error> {
    if adviser.advice.is_empty() {
        return Ok(steps);
    }
    let mut advised = Vec::with_capacity(steps.len());
    for mut step in steps {
        step.children = apply(kitchen, step.children, adviser, aspect)?;
        // One that is left out needs nothing around it.
        let is_meant =
            !step.is_out && (adviser.pointcuts.is_empty() || adviser.pointcuts.iter().any(|it| finds(it, &step)));
        if is_meant { around(kitchen, step, &adviser.advice, aspect, &mut advised)? } else { advised.push(step) }
    }
    Ok(advised)
}

/// Whether a pointcut finds a step: all that it gives must hold. Beads reads pointcuts and does not use them.
fn finds(pointcut: &Pointcut, step: &Step) -> bool {
    pointcut.glob.as_ref().is_none_or(|glob| glob::matches(glob, &step.id))
        && pointcut.kind.as_ref().is_none_or(|kind| step.kind.as_deref().unwrap_or("task") == kind)
        && pointcut.label.as_ref().is_none_or(|label| step.labels.contains(label))
}

fn around(
    kitchen: &mut Kitchen<'_>,
    mut step: Step,
    advice: &[Advice],
    aspect: &str,
    advised: &mut Vec<Step>,
) -> Result<(), Error> {
    let rules = || advice.iter().filter(|rule| glob::matches(&rule.target, &step.id));
    let before = chain(kitchen, rules().flat_map(|rule| &rule.before), &step, None, aspect)?;
    let start = Need { id: step.id.clone(), spot: step.spot };
    let after = chain(kitchen, rules().flat_map(|rule| &rule.after), &step, Some(start), aspect)?;
    if let Some(last) = before.last() {
        step.needs.push(Need { id: last.id.clone(), spot: last.spot });
    }
    advised.extend(before);
    advised.push(step);
    advised.extend(after);
    Ok(())
}

/// Copies of advised steps, each of which needs the one before.
fn chain<'a>(
    kitchen: &mut Kitchen<'_>,
    rules: impl Iterator<Item = &'a Step>,
    target: &Step,
    mut previous: Option<Need>,
    aspect: &str,
) -> Result<Vec<Step>, Error> {
    let single = |name: &str| match name {
        "step.id" => Some(Cow::Borrowed(target.id.as_str())),
        "step.title" => Some(Cow::Borrowed(target.title.as_str())),
        "step.description" => Some(Cow::Borrowed(target.description.as_str())),
        _ => None,
    };
    let filling = Filling { single: &single, double: &fill::none };
    let mut steps = Vec::new();
    for rule in rules {
        let mut step = rule.clone();
        let filled = filling.in_place(&mut step.id).and_then(|()| filling.step(&mut step));
        filled.map_err(|bound| kitchen.over(format!("a text of `{}`", rule.id), bound, rule.spot))?;
        kitchen.check_id(&step.id, step.spot)?;
        for need in &mut step.needs {
            let filled = filling.in_place(&mut need.id);
            filled.map_err(|bound| kitchen.over("a need", bound, rule.spot))?;
        }
        step.needs.extend(previous);
        step.via.clone_from(&target.via);
        step.via.push(Via { by: By::Advice, step: target.id.clone(), formula: aspect.to_owned() });
        kitchen.grow(&step)?;
        previous = Some(Need { id: step.id.clone(), spot: step.spot });
        steps.push(step);
    }
    Ok(steps)
}
