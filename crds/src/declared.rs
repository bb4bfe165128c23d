//! What a manifest declares of an object: the part of it that whoever applies it answers for.
//!
//! Its identity, labels, annotations and spec; the rest is the API's. What controllers and agents write in a spec, and what
//! people say beside it, is nobody's to declare.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::common::ANNOTATION_APPLIED;
use crate::kinds::Kind;
use crate::overrides::{ANNOTATION_OVERRIDE, ANNOTATION_OVERRIDES_PAST};

/// Bytes of a digest that are kept: enough that no two texts of one object share it.
const DIGEST_BYTES: usize = 10;

/// What a manifest may say of an object: its identity, labels, annotations and spec. The rest is the API's, and what people say
/// beside the spec is nobody's to declare, such as in what `gt get -o yaml` has printed. `metadata.namespace` is left out: where
/// an object is applied, its namespace is known.
pub fn said(manifest: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name", "labels", "annotations"] {
        if let Some(value) = manifest["metadata"].get(field).filter(|value| !value.is_null()) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        const NOBODYS: [&str; 3] = [ANNOTATION_OVERRIDE, ANNOTATION_OVERRIDES_PAST, ANNOTATION_APPLIED];
        annotations.retain(|key, _| !NOBODYS.contains(&key.as_str()));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    let mut object = json!({ "apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata });
    if let Some(spec) = manifest.get("spec").filter(|spec| !spec.is_null()) {
        object["spec"] = spec.clone();
    }
    object
}

/// The part of that which whoever applies it answers for: not what controllers and agents write in the spec.
pub fn declared(kind: &Kind, manifest: &Value) -> Value {
    let mut object = said(manifest);
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, _| !kind.not_declared.contains(&field.as_str()));
    }
    object
}

/// A digest of what is declared: two texts that say the same have the same.
pub fn digest(declared: &Value) -> String {
    // Keys are sorted, so equal objects are equal texts.
    HEXLOWER.encode(&Sha256::digest(declared.to_string())[..DIGEST_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_apis_or_the_agents_is_not_declared() {
        let manifest = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": {
                "name": "a", "namespace": "town", "uid": "u", "labels": { "tier": "web" },
                "annotations": { "note": "x", ANNOTATION_OVERRIDE: "{}" },
            },
            "spec": { "title": "t", "rig": "shop", "assignee": { "polecat": "nux", "uid": "u" } },
            "status": { "state": "Open" },
        });
        let kind = Kind::named("Bead").unwrap();
        let expected = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": { "name": "a", "labels": { "tier": "web" }, "annotations": { "note": "x" } },
            "spec": { "title": "t", "rig": "shop" },
        });
        assert_eq!(declared(kind, &manifest), expected);
        assert_eq!(digest(&expected), digest(&declared(kind, &expected)));
        assert_ne!(digest(&expected), digest(&manifest));
    }
}
