//! Events of the town's mode: `mode.degraded` and `mode.normal`, as its condition `Degraded` changes; and the label of the beads that
//! stand for its rigs.
//!
//! Of a rig whose role is a bead, `role-<rig>`, there is an event of its own, and the bead is labelled after it: `mode:degraded` or
//! `mode:normal`. The label is a cache, which `bd state rebuild` makes anew from the events.

use gastown_crds::bead::BeadType;
use gastown_crds::town::ModeOnRecord;
use gastown_crds::{Bead, Rig, Town, TownStatus};
use kube::ResourceExt;
use serde_json::json;

use crate::happened::{self, Happened};
use crate::plan::{Plan, Write};
use crate::view::View;

/// The dimension of the label.
const DIMENSION: &str = "mode:";

/// Adds the events of a mode that has changed, and says in the status that it is on record. `why`: why it is degraded, if it is.
pub fn record(town: &Town, why: Option<&str>, view: &View<'_>, plan: &mut Plan, status: &mut TownStatus) {
    let before = status.mode.unwrap_or(ModeOnRecord { degraded: false, changes: 0 });
    if before.degraded == why.is_some() || happened::waits(view, plan) {
        return;
    }
    let mode = ModeOnRecord { degraded: why.is_some(), changes: before.changes.saturating_add(1) };
    let (value, event_type) = if mode.degraded { ("degraded", "mode.degraded") } else { ("normal", "mode.normal") };
    let (uid, changes) = (town.uid().unwrap_or_default(), mode.changes.to_string());
    let event = |target: &str, parent: Option<String>| {
        Happened {
            event_type,
            target: target.to_owned(),
            which: &[&uid, &changes, target],
            payload: why.map_or_else(|| json!({}), |reason| json!({ "reason": reason })),
            title: why.map_or_else(|| "works as it should again".to_owned(), |why| format!("is degraded: {why}")),
            parent,
        }
        .write()
    };
    plan.write(event("town", None));
    let roles = view.objects.all::<Rig>().filter_map(|rig| {
        let role = view.objects.get::<Bead>(&format!("role-{}", rig.name_any()))?;
        (role.spec.type_ == BeadType::Role && role.spec.closed.is_none()).then_some((rig, role))
    });
    for (rig, role) in roles {
        plan.write(event(&format!("rig:{}", rig.name_any()), Some(role.name_any())));
        let mut labels = role.spec.labels.clone();
        labels.retain(|label| !label.starts_with(DIMENSION));
        labels.push(format!("{DIMENSION}{value}"));
        if labels != role.spec.labels {
            let what = format!("label {} {DIMENSION}{value}", role.name_any());
            plan.write(Write::patch(role.as_ref(), json!({ "spec": { "labels": labels } }), what));
        }
    }
    // While that is held back the status is written all the same: it is on record once it was done.
    if !view.is_put_off() {
        status.mode = Some(mode);
    }
}
