//! The Runtime controller: would its program start here?

use gastown_crds::Runtime;
use gastown_crds::common::{reasons, types};

use crate::conditions::Conditions;
use crate::plan::{Plan, Status};
use crate::settings::INSTALL_DELAY;
use crate::view::View;

/// Decides about one runtime.
pub fn reconcile(runtime: &Runtime, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut status = runtime.status.clone().unwrap_or_default();
    let old = runtime.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let mut conditions = Conditions::new(old, runtime.metadata.generation, view.now);
    let program = &runtime.spec.command[0];
    match view.program(program) {
        Ok(true) => conditions.set_bool(types::READY, true, reasons::OK, ""),
        Ok(false) => {
            plan.again_at(view.now + INSTALL_DELAY);
            let message = format!("`{program}` is not on PATH here: install it");
            conditions.set_bool(types::READY, false, reasons::COMMAND_NOT_FOUND, message);
        }
        Err(not_seen) => conditions.unknown(types::READY, &not_seen),
    }
    status.observed_generation = runtime.metadata.generation;
    status.conditions = conditions.done();
    plan.tell(runtime, status, Status::Runtime);
    plan
}
