//! What one manifest changes of the object that is stored: pure, so that a dry run says what a real one does.

use gastown_crds::merge_patch;
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, ANNOTATION_OVERRIDES_PAST};
use serde_json::{Map, Value, json};

use super::applied;
use crate::cli::common::kinds::Kind;

/// What is to be done with one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is absent: the object.
    Create(Value),
    /// It differs: the merge patch.
    Configure(Value),
    /// It is as it should be.
    Unchanged,
}

impl Change {
    /// What takes the stored object to what the manifest says.
    pub fn of(kind: &Kind, manifest: &Value, old: Option<&Value>) -> Self {
        let mut patch = match old {
            Some(old) => patch(kind, manifest, old),
            None => sent(manifest),
        };
        if let Value::Object(metadata) = &mut patch["metadata"] {
            applied::complete(metadata, old);
        }
        let Some(old) = old else { return Self::Create(patch) };
        let mut new = old.clone();
        merge_patch::apply(&mut new, &patch);
        kind.schema().default(&mut new);
        if &new == old { Self::Unchanged } else { Self::Configure(patch) }
    }

    /// kubectl's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "created",
            Self::Configure(_) => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The merge patch, whether it changes something or not, but for labels and annotations that are to go.
pub fn patch(kind: &Kind, manifest: &Value, old: &Value) -> Value {
    let mut patch = sent(manifest);
    if let Some(removed) = old.get("spec").and_then(Value::as_object) {
        let spec = &mut patch["spec"];
        if !spec.is_object() {
            *spec = json!({});
        }
        if let Value::Object(spec) = spec {
            let ours = |name: &str| !kind.not_declared.contains(&name);
            let removed: Map<String, Value> = removed
                .iter()
                .filter(|(name, _)| ours(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            remove_absent(spec, &removed);
        }
    }
    patch
}

/// What a manifest may say of an object: its identity, labels, annotations and spec. The rest is the store's.
fn sent(manifest: &Value) -> Value {
    let mut metadata = Map::new();
    for field in ["name"].into_iter().chain(applied::FIELDS) {
        if let Some(value) = manifest["metadata"].get(field).filter(|value| !value.is_null()) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    // What people say beside the spec is nobody's to declare, such as in what `gt get -o yaml` has printed.
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| key != ANNOTATION_OVERRIDE && key != ANNOTATION_OVERRIDES_PAST);
    }
    let mut object = json!({
        "apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata,
    });
    if let Some(spec) = manifest.get("spec").filter(|spec| !spec.is_null()) {
        object["spec"] = spec.clone();
    }
    object
}

/// Adds a `null` for each stored field that the wish no longer has. Lists are replaced whole, so only mappings matter.
fn remove_absent(wish: &mut Map<String, Value>, stored: &Map<String, Value>) {
    for (name, old) in stored {
        match (wish.get_mut(name), old) {
            (None, _) => {
                wish.insert(name.clone(), Value::Null);
            }
            (Some(Value::Object(wish)), Value::Object(old)) => remove_absent(wish, old),
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: &str, manifest: &Value, old: &Value) -> Change {
        Change::of(Kind::named(kind).unwrap(), manifest, Some(old))
    }

    fn rig(spec: &Value) -> Value {
        json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": {"name": "shop"}, "spec": spec})
    }

    /// As the store holds it: with what the server adds.
    fn stored(kind: &str, object: &Value) -> Value {
        let mut object = object.clone();
        object["metadata"]["uid"] = "u".into();
        object["metadata"]["generation"] = 3.into();
        object["status"] = json!({"conditions": []});
        Kind::named(kind).unwrap().schema().default(&mut object);
        object
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let wish = rig(&json!({"repo": {"url": "/x"}, "merge": {"strategy": "Push", "allowUnverified": true}}));
        assert_eq!(change("Rig", &wish, &stored("Rig", &wish)), Change::Unchanged);
    }

    #[test]
    fn a_field_that_the_file_no_longer_has_is_removed() {
        let old = rig(
            &json!({"repo": {"url": "/x", "branch": "old"}, "runtime": "claude", "merge": {"strategy": "Push", "allowUnverified": true}}),
        );
        let wish = rig(&json!({"repo": {"url": "/x"}, "merge": {"strategy": "Branch", "allowUnverified": true}}));
        let Change::Configure(patch) = change("Rig", &wish, &stored("Rig", &old)) else { panic!("no change") };
        assert_eq!(patch["spec"]["repo"], json!({"url": "/x", "branch": null}));
        assert_eq!(patch["spec"]["runtime"], Value::Null);
        assert_eq!(patch["spec"]["merge"]["strategy"], "Branch");
    }

    #[test]
    fn what_agents_own_is_left_alone() {
        let bead = |spec: &Value| json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": {"name": "shop-a"}, "spec": spec});
        let old = bead(
            &json!({"title": "a", "rig": "shop", "description": "x", "assignee": {"polecat": "shop-nux", "uid": "1"}}),
        );
        let same = bead(&json!({"title": "a", "rig": "shop", "description": "x"}));
        assert_eq!(change("Bead", &same, &stored("Bead", &old)), Change::Unchanged);
        let Change::Configure(patch) =
            change("Bead", &bead(&json!({"title": "b", "rig": "shop"})), &stored("Bead", &old))
        else {
            panic!("no change")
        };
        assert_eq!(patch["spec"]["description"], Value::Null);
        assert_eq!(patch["spec"].get("assignee"), None);
    }

    #[test]
    fn labels_of_others_stay_and_what_the_store_keeps_is_not_sent() {
        let mut old = rig(&json!({"repo": {"url": "/x"}, "merge": {"strategy": "Push", "allowUnverified": true}}));
        old["metadata"]["labels"] = json!({"theirs": "1", "both": "1"});
        let mut wish = old.clone();
        wish["metadata"] = json!({"name": "shop", "uid": "other", "resourceVersion": "1", "labels": {"both": "2"}});
        wish["status"] = json!({"conditions": ["forged"]});
        let Change::Configure(patch) = change("Rig", &wish, &stored("Rig", &old)) else { panic!("no change") };
        let note = json!({"gastown.io/applied": r#"{"labels":["both"]}"#});
        assert_eq!(patch["metadata"], json!({"name": "shop", "labels": {"both": "2"}, "annotations": note}));
        assert_eq!(patch.get("status"), None);
    }
}
