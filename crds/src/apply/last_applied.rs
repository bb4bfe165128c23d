//! The way from `kubectl apply` to `kubectl apply --server-side`: what the annotation of the former says is kubectl's own.
//!
//! Only for the manager `kubectl`, which both verbs are by default; who wants none of it names another.

use serde_json::Value;

use super::compare::Comparison;
use super::conflict::Conflicts;
use super::update::Write;
use super::walk::field_set;

/// The manager that both verbs of kubectl are.
const KUBECTL: &str = "kubectl";
/// The annotation with the configuration that was applied by the client.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The conflicts that remain: those about fields that the annotation has as they are now are with kubectl itself.
pub(super) fn left(write: &Write<'_>, live: &Value, conflicts: Conflicts) -> Conflicts {
    let text = live["metadata"]["annotations"][ANNOTATION].as_str().filter(|_| write.manager == KUBECTL);
    let applied = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let Some(applied) = applied.filter(|it| it["apiVersion"] == write.api_version) else { return conflicts };
    let changes = Comparison::of(write.type_, &applied, live);
    let own = field_set(write.type_, &applied);
    let own = own.difference(&changes.modified).difference(&changes.added).difference(&changes.removed);
    conflicts.without(&own)
}

/// Keeps the annotation, where there is one, at what kubectl applies: so that `kubectl apply` can be used again.
pub(super) fn renew(write: &Write<'_>, config: &Value, object: &mut Value) {
    let annotations = object.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
    let Some(annotations) = annotations.and_then(Value::as_object_mut) else { return };
    let has_one = annotations.get(ANNOTATION).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    if write.manager != KUBECTL || !has_one {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    annotations.insert(ANNOTATION.to_owned(), Value::from(config.to_string()));
}
