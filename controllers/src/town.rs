//! The Town controller: what capacity is in effect, and whether something is missing on this machine.

use gastown_crds::Town;
use gastown_crds::common::{reasons, types};

use crate::conditions::Conditions;
use crate::plan::{Plan, Status};
use crate::settings::polecats_max;
use crate::view::View;

/// Decides about the town itself.
pub fn reconcile(town: &Town, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut status = town.status.clone().unwrap_or_default();
    let old = town.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let mut conditions = Conditions::new(old, town.metadata.generation, view.now);
    match view.machine() {
        Ok(machine) => {
            status.polecats_max = polecats_max(Some(town), machine);
            let degraded = machine.degraded.clone();
            let reason = if degraded.is_some() { types::DEGRADED } else { reasons::OK };
            conditions.set_bool(types::DEGRADED, degraded.is_some(), reason, degraded.unwrap_or_default());
            conditions.set_bool(types::READY, true, reasons::OK, "");
        }
        Err(not_seen) => {
            conditions.unknown(types::DEGRADED, &not_seen);
            conditions.unknown(types::READY, &not_seen);
        }
    }
    status.observed_generation = town.metadata.generation;
    status.polecats_working = view.objects.at_work();
    status.conditions = conditions.done();
    plan.tell(town, status, Status::Town);
    plan
}
