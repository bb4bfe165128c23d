//! Server-side apply: held to recorded answers of the Kubernetes libraries, and to what must hold of any applies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod properties;
mod recorded;

use gastown_crds::schema::Schema;
use serde_json::{Value, json};

/// A kind with every sort of list and map, as the recorded answers were made with.
pub fn spec() -> Value {
    serde_json::from_str(include_str!("spec.json")).unwrap()
}

/// That kind's schema.
pub fn schema() -> Schema {
    let kind = json!({ "type": "object", "properties": { "spec": spec() } });
    Schema::compile(&serde_json::from_value(kind).unwrap()).unwrap()
}
