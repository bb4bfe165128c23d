//! The Runtime controller: would its program start here?

use std::time::Duration;

use gastown_crds::Runtime;
use gastown_crds::common::types;
use gastown_crds::reason::Reason;

use crate::draft::Draft;
use crate::key::{Controller, Lane};
use crate::objects::Watched;
use crate::plan::Plan;
use crate::view::View;

/// Whether the programs of runtimes are there.
pub static CONTROLLER: Controller =
    Controller::of::<Runtime>("runtime", Lane::Objects, |name, view| view.with(name, reconcile), |_| {});

/// How long until a program that is not on PATH is looked for again: no event reports an installation.
pub const INSTALL_DELAY: Duration = Duration::from_mins(1);

impl Watched for Runtime {
    type Index = ();
}

/// Decides about one runtime.
pub fn reconcile(runtime: &Runtime, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(runtime, view);
    let conditions = &mut draft.conditions;
    let program = &runtime.spec.command[0];
    match view.program(program) {
        Ok(true) => conditions.set_bool(types::READY, true, Reason::Ok, ""),
        Ok(false) => {
            plan.again_at(view.now + INSTALL_DELAY);
            let message = format!("`{program}` is not on PATH here: install it");
            conditions.set_bool(types::READY, false, Reason::CommandNotFound, message);
        }
        Err(not_seen) => conditions.unknown(types::READY, &not_seen),
    }
    plan.set_status(draft);
    plan
}
