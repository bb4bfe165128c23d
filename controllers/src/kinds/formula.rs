//! The Formula controller: its steps form no circle, and its digest says which text a bead was poured from.

use gastown_crds::Formula;
use gastown_crds::common::types;
use gastown_crds::formula_text::{BUILT_IN, CookError, cook, digest};
use gastown_crds::reason::Reason;

use crate::draft::Draft;
use crate::key::{Controller, Lane};
use crate::objects::Watched;
use crate::plan::Plan;
use crate::view::View;

/// Whether steps can be made of formulas.
pub static CONTROLLER: Controller =
    Controller::of::<Formula>("formula", Lane::Objects, |name, view| view.with(name, reconcile), |_| {});

impl Watched for Formula {
    type Index = ();
}

/// Decides about one formula.
pub fn reconcile(formula: &Formula, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(formula, view);
    match check(formula) {
        Ok(()) => draft.conditions.set_bool(types::READY, true, Reason::Ok, ""),
        Err(error) => draft.conditions.set_bool(types::READY, false, Reason::InvalidFormula, error.to_string()),
    }
    draft.status.steps = u32::try_from(formula.spec.steps.len()).unwrap_or(u32::MAX);
    draft.status.digest = Some(digest(&formula.spec));
    plan.set_status(draft);
    plan
}

/// Cooks it with every var given: what is wrong then is wrong for every bead.
fn check(formula: &Formula) -> Result<(), CookError> {
    let names = formula.spec.vars.iter().map(|var| var.name.as_str()).chain(BUILT_IN);
    cook(&formula.spec, &names.map(|name| (name.to_owned(), String::new())).collect()).map(drop)
}
