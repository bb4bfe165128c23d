//! Rules that add needs and gates to steps that are there: `branch` and `gate` of `compose`; and convoys.

use std::collections::BTreeMap;

use crate::error::{Error, Problem};
use crate::kitchen::{Kitchen, each, each_mut};
use crate::model::{Compose, Formula};
use crate::step::{Gate, Need, Step};
use crate::suggest;

/// The gate type of a condition that the runtime decides.
const CONDITIONAL: &str = "conditional";

/// Legs become steps beside each other, and the synthesis a step that needs them all.
pub(crate) fn convoy(kitchen: &mut Kitchen<'_>, formula: &mut Formula) -> Result<(), Error> {
    let legs = std::mem::take(&mut formula.legs);
    let ids: Vec<Need> = legs.iter().map(|leg| Need { id: leg.id.clone(), spot: leg.spot }).collect();
    formula.steps.extend(legs);
    let Some(mut synthesis) = formula.synthesis.take() else { return Ok(()) };
    if synthesis.needs.is_empty() {
        synthesis.needs = ids;
    }
    kitchen.grow(&synthesis)?;
    formula.steps.push(synthesis);
    Ok(())
}

/// Steps between `from` and `join`, and conditions before steps.
pub(crate) fn apply(kitchen: &mut Kitchen<'_>, steps: &mut [Step], compose: &Compose) -> Result<(), Error> {
    if compose.branch.is_empty() && compose.gate.is_empty() {
        return Ok(());
    }
    let mut added: BTreeMap<String, (Vec<Need>, Option<Gate>)> = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for step in &*steps {
        each(step, &mut |it| {
            _ = ids.insert(it.id.as_str(), it.gate.as_ref().is_some_and(|gate| gate.condition.is_some()));
        });
    }
    // What a loop was replaced by stands for it: for its end, which is where a branch goes on.
    let known = |kitchen: &Kitchen<'_>, need: &Need, field: &'static str, what: &str| {
        let id = kitchen.ends.get(&need.id).unwrap_or(&need.id);
        if ids.contains_key(id.as_str()) {
            return Ok(Need { id: id.clone(), spot: need.spot });
        }
        let problem = Problem::UnknownStep { field, what: what.to_owned(), id: need.id.clone() };
        let mut error = kitchen.error(problem, need.spot);
        error.hint = suggest::hint(&need.id, ids.keys().copied());
        Err(error)
    };
    for branch in &compose.branch {
        let from = known(kitchen, &branch.from, "from", "a branch")?;
        let join = known(kitchen, &branch.join, "join", "a branch")?;
        for step in &branch.steps {
            let step = known(kitchen, step, "steps", "a branch")?;
            added.entry(step.id.clone()).or_default().0.push(from.clone());
            added.entry(join.id.clone()).or_default().0.push(step);
        }
    }
    for rule in &compose.gate {
        let before = known(kitchen, &rule.before, "before", "a gate of `compose`")?;
        let entry = added.entry(before.id.clone()).or_default();
        if entry.1.is_some() || ids.get(before.id.as_str()) == Some(&true) {
            let why = format!("the step `{}` has a condition already", before.id);
            let problem = Problem::BadValue { field: "gate".to_owned(), value: rule.condition.clone(), why };
            return Err(kitchen.error(problem, rule.spot));
        }
        let condition = Some(rule.condition.clone());
        entry.1 = Some(Gate { kind: CONDITIONAL.to_owned(), condition, ..Gate::default() });
    }
    for step in steps {
        each_mut(step, &mut |it| {
            if let Some((needs, gate)) = added.remove(&it.id) {
                it.needs.extend(needs);
                match (&mut it.gate, gate) {
                    (Some(own), Some(gate)) => own.condition = gate.condition,
                    (own, Some(gate)) => *own = Some(gate),
                    (_, None) => {}
                }
            }
        });
    }
    Ok(())
}
