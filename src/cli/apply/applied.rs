//! Labels and annotations that come from files: one that a file no longer has is removed, and what others set stays.
//!
//! An annotation of the object notes which keys were in its file. Keys of our own API group are the controllers' too: they
//! are not noted, so no file removes them by leaving them out.

use std::collections::BTreeSet;

use gastown_crds::common::{ANNOTATION_APPLIED, GROUP, LABEL_MANAGED_BY};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fields of `metadata` that files and others write side by side.
pub const FIELDS: [&str; 2] = ["labels", "annotations"];

/// The keys that were in the file, as the annotation has them.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Applied {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    annotations: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
}

impl Applied {
    /// What is in a file.
    fn of(metadata: &Map<String, Value>) -> Self {
        let noted = |field: &str| keys(metadata.get(field)).filter(|key| is_noted(key)).cloned().collect();
        Self { annotations: noted("annotations"), labels: noted("labels") }
    }

    /// What was in the file that the object was applied from; nothing, where the note cannot be read.
    fn read(object: &Value) -> Self {
        let note = object["metadata"]["annotations"][ANNOTATION_APPLIED].as_str();
        note.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    fn keys(&self, field: &str) -> &BTreeSet<String> {
        if field == "labels" { &self.labels } else { &self.annotations }
    }

    /// The annotation; none for an object whose file has neither labels nor annotations.
    fn note(&self) -> Option<Value> {
        let text = (*self != Self::default()).then(|| serde_json::to_string(self).ok())?;
        text.map(Value::from)
    }
}

/// Completes the metadata that are sent: with a `null` for each key that the file no longer has, and with the note.
pub fn complete(metadata: &mut Map<String, Value>, old: Option<&Value>) {
    // A file that `gt get -o yaml` printed has the note of that time.
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION_APPLIED);
    }
    let now = Applied::of(metadata);
    if let Some(old) = old {
        let before = Applied::read(old);
        for field in FIELDS {
            let there = old["metadata"].get(field);
            let gone = before.keys(field).difference(now.keys(field)).filter(|key| keys(there).any(|it| it == *key));
            gone.for_each(|key| set(metadata, field, key, Value::Null));
        }
    }
    let has_note = old.is_some_and(|old| old["metadata"]["annotations"].get(ANNOTATION_APPLIED).is_some());
    match now.note() {
        Some(note) => set(metadata, "annotations", ANNOTATION_APPLIED, note),
        None if has_note => set(metadata, "annotations", ANNOTATION_APPLIED, Value::Null),
        None => {}
    }
    for field in FIELDS {
        let Some(Value::Object(map)) = metadata.get(field) else { continue };
        let mut there = keys(old.and_then(|old| old["metadata"].get(field)));
        // Where nothing is left, the field goes too.
        if !map.is_empty() && map.values().all(Value::is_null) && there.all(|key| map.contains_key(key)) {
            metadata.insert(field.to_owned(), Value::Null);
        }
    }
}

fn keys(map: Option<&Value>) -> impl Iterator<Item = &String> {
    map.and_then(Value::as_object).into_iter().flat_map(Map::keys)
}

fn is_noted(key: &str) -> bool {
    key != LABEL_MANAGED_BY && key.split_once('/').is_none_or(|(domain, _)| domain != GROUP)
}

fn set(metadata: &mut Map<String, Value>, field: &str, key: &str, value: Value) {
    if let Value::Object(map) = metadata.entry(field).or_insert_with(|| Map::new().into()) {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::merge_patch;
    use serde_json::json;

    /// The metadata of an object after files with these metadata were applied to it, one after the other.
    fn after(files: &[Value]) -> Value {
        let mut object: Option<Value> = None;
        for file in files {
            let mut metadata = file.as_object().unwrap().clone();
            complete(&mut metadata, object.as_ref());
            let mut new = object.unwrap_or_else(|| json!({}));
            merge_patch::apply(&mut new, &json!({ "metadata": metadata }));
            object = Some(new);
        }
        let mut metadata = object.unwrap()["metadata"].take();
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(ANNOTATION_APPLIED);
        }
        metadata
    }

    #[test]
    fn what_is_taken_out_of_the_file_is_removed() {
        let first = json!({ "labels": { "tier": "web", "team": "a" }, "annotations": { "note": "x" } });
        let found = after(&[first.clone(), json!({ "labels": { "team": "b" } })]);
        assert_eq!(found, json!({ "labels": { "team": "b" }, "annotations": {} }));
        assert_eq!(after(&[first.clone(), json!({})]), json!({}));
        assert_eq!(after(&[first.clone(), json!({}), first.clone()]), first);
    }

    #[test]
    fn what_others_set_stays() {
        let mut metadata = json!({ "labels": { "team": "a" } }).as_object().unwrap().clone();
        complete(&mut metadata, None);
        let mut object = json!({ "metadata": metadata });
        object["metadata"]["labels"]["theirs"] = "1".into();
        object["metadata"]["annotations"]["theirs"] = "1".into();
        let mut gone = Map::new();
        complete(&mut gone, Some(&object));
        assert_eq!(
            Value::Object(gone),
            json!({ "labels": { "team": null }, "annotations": { ANNOTATION_APPLIED: null } })
        );
    }

    #[test]
    fn what_controllers_set_is_not_the_files_even_where_a_file_has_it() {
        let printed = json!({ "labels": { "gastown.io/convoy": "auth", LABEL_MANAGED_BY: "gt" } });
        assert_eq!(after(&[printed.clone(), json!({})]), printed);
    }

    #[test]
    fn the_note_in_a_printed_file_is_that_of_the_past() {
        let printed = json!({ "annotations": { ANNOTATION_APPLIED: r#"{"labels":["stale"]}"#, "mine": "1" } });
        let mut metadata = printed.as_object().unwrap().clone();
        complete(&mut metadata, None);
        assert_eq!(metadata["annotations"][ANNOTATION_APPLIED], r#"{"annotations":["mine"]}"#);
    }

    #[test]
    fn an_object_without_either_has_no_note_and_a_note_that_is_no_note_is_nothing() {
        let mut metadata = Map::new();
        complete(&mut metadata, None);
        assert!(metadata.is_empty());
        let object = json!({ "metadata": { "labels": { "a": "1" }, "annotations": { ANNOTATION_APPLIED: "[7" } } });
        complete(&mut metadata, Some(&object));
        assert_eq!(Value::Object(metadata), json!({ "annotations": null }));
    }
}
