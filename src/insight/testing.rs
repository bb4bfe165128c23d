//! Objects for tests, out of what of them matters.

use std::sync::Arc;

use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Snapshot, Stored};

/// An object of a kind, with what is asked of any object of it and is not said.
pub fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: &Value, status: &Value) -> K {
    let mut whole = least(kind);
    merge(&mut whole, spec);
    let metadata = json!({"name": name, "uid": format!("uid-{name}"), "generation": 1});
    let mut status = status.clone();
    status["observedGeneration"] = 1.into();
    let value = json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": whole, "status": status,
    });
    serde_json::from_value(value).unwrap()
}

fn least(kind: &str) -> Value {
    let oid = "0123456789012345678901234567890123456789";
    match kind {
        "Rig" => json!({
            "repo": {"url": "/src/shop", "branch": "main"},
            "merge": {"strategy": "Push", "verify": [{"name": "test", "run": "make test"}]},
        }),
        "Convoy" => json!({"rig": "shop", "beads": []}),
        "Bead" => json!({"title": "Say width", "rig": "shop"}),
        "Polecat" => json!({"rig": "shop", "name": "nux"}),
        "MergeRequest" => {
            json!({"bead": "shop-a", "rig": "shop", "polecat": "shop-nux", "head": oid, "base": oid, "attempt": 1})
        }
        "Runtime" => json!({"command": ["robot"]}),
        "Formula" => json!({"steps": [{"name": "work", "title": "T"}]}),
        "Source" => json!({"git": {"url": "."}}),
        _ => json!({}),
    }
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        match (into.get_mut(key), value) {
            (Some(inner), Value::Object(_)) => merge(inner, value),
            _ => into[key] = value.clone(),
        }
    }
}

/// A condition.
pub fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// A bead that is in this state for this reason.
pub fn bead(name: &str, spec: &Value, state: &str, reason: &str, message: &str) -> Bead {
    let holds = if reason == "Ready" { "True" } else { "False" };
    let status = json!({"state": state, "failures": 6, "conditions": [condition("Ready", holds, reason, message)]});
    object("Bead", name, spec, &status)
}

/// A bead of the convoy `auth` that is in this state for this reason.
pub fn bead_of_convoy(name: &str, spec: &Value, state: &str, reason: &str, message: &str) -> Bead {
    let mut bead = bead(name, spec, state, reason, message);
    bead.metadata.labels = Some([("gastown.io/convoy".to_owned(), "auth".to_owned())].into());
    bead
}

/// The convoy `auth` with so many beads, of which none has landed.
pub fn convoy(beads: usize) -> Convoy {
    let beads: Vec<Value> = (0..beads).map(|nth| json!({"name": format!("b{nth}"), "title": "T"})).collect();
    let landed = condition("Landed", "False", "InProgress", "0 are closed");
    object("Convoy", "auth", &json!({"beads": beads}), &json!({"conditions": [landed]}))
}

/// The rig `shop`, with this condition.
pub fn rig(type_: &str, status: &str, reason: &str, message: &str) -> Rig {
    object("Rig", "shop", &json!({}), &json!({"conditions": [condition(type_, status, reason, message)]}))
}

/// The polecat `shop-nux`, which has `shop-a`, with this Ready condition.
pub fn polecat(status: &str, reason: &str, message: &str) -> Polecat {
    let status = json!({"bead": "shop-a", "conditions": [condition("Ready", status, reason, message)]});
    object("Polecat", "shop-nux", &json!({}), &status)
}

/// The merge request `shop-a-1` of `shop-a`, with this Merged condition.
pub fn request(state: &str, reason: &str, message: &str) -> MergeRequest {
    let status = json!({"state": state, "conditions": [condition("Merged", "False", reason, message)]});
    object("MergeRequest", "shop-a-1", &json!({}), &status)
}

impl Snapshot {
    /// Adds objects; of two with one name the later stays.
    pub fn add<K: Stored>(&mut self, objects: impl IntoIterator<Item = K>) {
        self.put(objects.into_iter().map(Arc::new));
    }
}

/// A town that is up.
pub fn town() -> Snapshot {
    Snapshot::new("home", true)
}
