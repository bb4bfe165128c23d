//! Writes of a bead: each is conditional on the bead as it was seen.

use gastown_crds::Bead;
use gastown_crds::actor::CONTROLLER;
use gastown_crds::bead::{Assignee, BeadSpec, CloseReason, Closed};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::plan::Write;

/// The claim: the bead names its worker, and what that waits for. Conditional, so that a bead has at most one worker.
pub fn claim(bead: &Bead, assignee: &Assignee) -> Write {
    // Unpacked, so that a new field is not forgotten: what a merge patch leaves out stays as it was.
    let Assignee { polecat, uid, waiting } = assignee;
    let what = match waiting {
        Some(waiting) => format!("{polecat} waits with {} for its {waiting}", bead.name_any()),
        None => format!("claim {} for {polecat}", bead.name_any()),
    };
    let assignee = json!({ "polecat": polecat, "uid": uid, "waiting": waiting });
    Write::patch(bead, json!({ "spec": { "assignee": assignee } }), what)
}

/// The bead names no worker.
pub fn release(bead: &Bead) -> Write {
    Write::patch(bead, json!({ "spec": { "assignee": null } }), format!("release {}", bead.name_any()))
}

/// The bead is closed, and names no worker.
pub fn close(bead: &Bead, closed: &Closed) -> Write {
    let patch = json!({ "spec": { "assignee": null, "closed": closed } });
    Write::patch(bead, patch, format!("close {} {}", bead.name_any(), closed.reason)).dated("/spec/closed/at")
}

/// The town closes the bead, now.
pub fn finish(bead: &Bead, reason: CloseReason, why: impl Into<String>, now: Timestamp) -> Write {
    close(bead, &Closed::new(reason, Some(why.into()), now, CONTROLLER))
}

/// The bead says this, in every field.
pub fn respec(bead: &Bead, spec: &BeadSpec) -> Write {
    let what = format!("update {} to {:?}", bead.name_any(), spec.title);
    Write::replace(bead, (&json!({ "spec": bead.spec }), &json!({ "spec": spec })), what)
}
