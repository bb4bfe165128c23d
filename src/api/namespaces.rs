//! Namespaces, of the core group: a town is one. Clients look for them when something is not found.

use serde_json::{Value, json};

use super::status::ApiError;

/// The entry of `/api/v1`.
pub(super) fn resource() -> Value {
    json!({
        "name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace",
        "verbs": ["get", "list"], "shortNames": ["ns"],
    })
}

/// `/api/v1/namespaces`.
pub(super) fn list(namespaces: Option<&[String]>, revision: i64) -> Value {
    let items: Vec<_> = namespaces.unwrap_or_default().iter().map(|name| namespace(name)).collect();
    let metadata = json!({ "resourceVersion": revision.to_string() });
    json!({ "kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items })
}

/// `/api/v1/namespaces/<name>`.
pub(super) fn get(namespaces: Option<&[String]>, name: &str) -> Result<Value, ApiError> {
    match namespaces {
        Some(known) if !known.iter().any(|it| it == name) => Err(ApiError::no_such_namespace(name)),
        _ => Ok(namespace(name)),
    }
}

/// A namespace is not stored: it is there because the server serves it, and has neither uid nor age.
fn namespace(name: &str) -> Value {
    json!({
        "kind": "Namespace", "apiVersion": "v1",
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" },
    })
}
