//! `extends`: parents in order, then the child, which wins where both say something.
//!
//! Beads drops templates, advice, pointcuts, phase and pour of both sides, and branches, gates and aspects of `compose`;
//! here nothing is dropped.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::bounds::{Bound, EXTENDS_DEPTH_MAX, RULES_MAX, STEPS_MAX, VARS_MAX};
use crate::error::{Error, Problem};
use crate::kitchen::Kitchen;
use crate::model::{BondPoint, Compose, Formula, Replace};
use crate::step::{Need, Step};

/// A formula with its parents merged in. `path` holds the formulas below it, from the first on.
pub(crate) fn resolve(kitchen: &mut Kitchen<'_>, child: Formula, path: &mut Vec<String>) -> Result<Formula, Error> {
    if child.extends.is_empty() {
        return Ok(child);
    }
    path.push(child.name.clone());
    let mut merged: Option<Formula> = None;
    for parent in &child.extends {
        if let Some(at) = path.iter().position(|name| *name == parent.id) {
            let circle = path[at..].iter().cloned().chain([parent.id.clone()]).collect();
            return Err(kitchen.error(Problem::FormulaCycle { verb: "extend", path: circle }, parent.spot));
        }
        if path.len() > EXTENDS_DEPTH_MAX.max {
            return Err(kitchen.over("parents above each other", EXTENDS_DEPTH_MAX, parent.spot));
        }
        let next = Rc::unwrap_or_clone(kitchen.load_behind(parent, "extends", path)?);
        merged = Some(match merged {
            None => next,
            Some(first) => merge(kitchen, first, next)?,
        });
    }
    path.pop();
    merged.map_or_else(|| Ok(Formula::default()), |parents| merge(kitchen, parents, child))
}

/// Two formulas, of which the second wins.
fn merge(kitchen: &Kitchen<'_>, parent: Formula, child: Formula) -> Result<Formula, Error> {
    let spot = child.spot;
    let bounded = |what: &str, count: usize, bound: Bound| {
        if count > bound.max {
            Err(kitchen.over(format!("{what} with those of the parents"), bound, spot))
        } else {
            Ok(())
        }
    };
    let merged = Formula {
        name: child.name,
        description: if child.description.is_empty() { parent.description } else { child.description },
        version: child.version.or(parent.version),
        kind: child.kind.or(parent.kind),
        extends: child.extends,
        vars: over(parent.vars, child.vars),
        steps: by_id(parent.steps, child.steps, |step: &Step| &step.id),
        template: by_id(parent.template, child.template, |step: &Step| &step.id),
        compose: compose(parent.compose, child.compose),
        advice: both(parent.advice, child.advice),
        pointcuts: both(parent.pointcuts, child.pointcuts),
        phase: child.phase.or(parent.phase),
        pour: child.pour.or(parent.pour),
        legs: by_id(parent.legs, child.legs, |step: &Step| &step.id),
        synthesis: child.synthesis.or(parent.synthesis),
        agent: child.agent.or(parent.agent),
        review_only: child.review_only.or(parent.review_only),
        data: over(parent.data, child.data),
        spot,
    };
    bounded("steps", merged.steps.len() + merged.template.len() + merged.legs.len(), STEPS_MAX)?;
    bounded("vars", merged.vars.len(), VARS_MAX)?;
    let Compose { bond_points, hooks, expand, map, branch, gate, aspects } = &merged.compose;
    for count in [bond_points.len(), hooks.len(), expand.len(), map.len(), branch.len(), gate.len(), aspects.len()] {
        bounded("rules of `compose`", count, RULES_MAX)?;
    }
    bounded("advice", merged.advice.len(), RULES_MAX)?;
    bounded("pointcuts", merged.pointcuts.len(), RULES_MAX)?;
    Ok(merged)
}

fn compose(parent: Compose, child: Compose) -> Compose {
    Compose {
        bond_points: by_id(parent.bond_points, child.bond_points, |it: &BondPoint| &it.id),
        hooks: both(parent.hooks, child.hooks),
        expand: by_id(parent.expand, child.expand, |it: &Replace| &it.target),
        map: by_id(parent.map, child.map, |it: &Replace| &it.target),
        branch: both(parent.branch, child.branch),
        gate: both(parent.gate, child.gate),
        aspects: by_id(parent.aspects, child.aspects, |it: &Need| &it.id),
    }
}

fn over<K: Ord, V>(mut parent: BTreeMap<K, V>, child: BTreeMap<K, V>) -> BTreeMap<K, V> {
    parent.extend(child);
    parent
}

fn both<T>(mut parent: Vec<T>, child: Vec<T>) -> Vec<T> {
    parent.extend(child);
    parent
}

/// What has the id of something in the parent takes its place there; the rest comes behind.
fn by_id<T>(parent: Vec<T>, child: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
    let mut merged = parent;
    let places: BTreeMap<String, usize> = merged.iter().enumerate().map(|(at, it)| (id(it).to_owned(), at)).collect();
    for item in child {
        match places.get(id(&item)) {
            Some(at) => merged[*at] = item,
            None => merged.push(item),
        }
    }
    merged
}
