//! The Formula controller: its steps form no circle, and its digest says which text a bead was poured from.

use gastown_crds::Formula;
use gastown_crds::common::{reasons, types};
use gastown_crds::formula_text::{BUILT_IN, CookError, cook, digest};

use crate::conditions::Conditions;
use crate::plan::{Plan, Status};
use crate::view::View;

/// Decides about one formula.
pub fn reconcile(formula: &Formula, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut status = formula.status.clone().unwrap_or_default();
    let old = formula.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let mut conditions = Conditions::new(old, formula.metadata.generation, view.now);
    match check(formula) {
        Ok(()) => conditions.set_bool(types::READY, true, reasons::OK, ""),
        Err(error) => conditions.set_bool(types::READY, false, reasons::INVALID_FORMULA, error.to_string()),
    }
    status.observed_generation = formula.metadata.generation;
    status.conditions = conditions.done();
    status.steps = u32::try_from(formula.spec.steps.len()).unwrap_or(u32::MAX);
    status.digest = Some(digest(&formula.spec));
    plan.tell(formula, status, Status::Formula);
    plan
}

/// Cooks it with every var given: what is wrong then is wrong for every bead.
fn check(formula: &Formula) -> Result<(), CookError> {
    let names = formula.spec.vars.iter().map(|var| var.name.as_str()).chain(BUILT_IN);
    cook(&formula.spec, &names.map(|name| (name.to_owned(), String::new())).collect()).map(drop)
}
