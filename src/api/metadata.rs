//! The rules of an apiserver for `metadata`: names, labels, annotations, finalizers, owners.

use gastown_crds::admission::METADATA;
use gastown_crds::names::{is_label, is_label_value, is_qualified, is_subdomain};
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, Override};
use gastown_crds::schema::{FieldPath, Reason, Segment, Violation};
use serde_json::{Map, Value};

/// The most that all annotations of an object may hold, in bytes.
const ANNOTATION_BYTES_MAX: usize = 256 * 1024;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                         and must start and end with an alphanumeric character (e.g. 'example.com')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                           and must start and end with an alphanumeric character (e.g. 'MyValue')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                         with an alphanumeric character (e.g. 'MyName', or 'example.com/my.name')";

/// Drops what `metadata` does not have, and says where it was.
pub(super) fn prune(metadata: &mut Map<String, Value>, dropped: &mut Vec<FieldPath>) {
    metadata.retain(|name, _| {
        let is_known = METADATA.contains(&name.as_str()) || name == "selfLink";
        if !is_known {
            dropped.push(FieldPath::of(&["metadata", name]));
        }
        is_known
    });
}

/// Whether a text names a namespace.
pub(super) fn is_namespace(text: &str) -> bool {
    is_label(text)
}

/// Everything that is wrong with an object's metadata.
pub(super) fn validate(object: &Value) -> Vec<Violation> {
    let metadata = &object["metadata"];
    let at = |name: &str| FieldPath::of(&["metadata", name]);
    let mut found = Vec::new();
    match metadata["name"].as_str() {
        Some(name) if is_subdomain(name) => {}
        Some(name) => found.push(Violation::invalid(at("name"), &Value::from(name), SUBDOMAIN)),
        None => found.push(Violation {
            path: at("name"),
            reason: Reason::Required,
            message: "Required value: name or generateName is required".to_owned(),
        }),
    }
    for (field, is_label) in [("labels", true), ("annotations", false)] {
        let Some(map) = map_of_strings(metadata, field, &mut found) else { continue };
        for (key, value) in map {
            let (key_value, text) = (Value::from(key.as_str()), value.as_str().unwrap_or_default());
            // Annotation keys are case-insensitive qualified names; values are free.
            let is_fine = if is_label { is_qualified(key) } else { is_qualified(&key.to_lowercase()) };
            if !is_fine {
                found.push(Violation::invalid(at(field), &key_value, QUALIFIED));
            }
            if is_label && !is_label_value(text) {
                let path = at(field).child(Segment::Key(key.clone()));
                found.push(Violation::invalid(path, value, LABEL_VALUE));
            }
        }
        if !is_label && let Some(Err(why)) = map.get(ANNOTATION_OVERRIDE).and_then(Value::as_str).map(Override::parse) {
            let path = at(field).child(Segment::Key(ANNOTATION_OVERRIDE.to_owned()));
            found.push(Violation::invalid(path, &map[ANNOTATION_OVERRIDE], &why));
        }
        let bytes: usize = map.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
        if bytes > ANNOTATION_BYTES_MAX {
            let message = format!("Too long: may not be more than {ANNOTATION_BYTES_MAX} bytes");
            found.push(Violation { path: at(field), reason: Reason::TooLong, message });
        }
    }
    for (index, finalizer) in list(metadata, "finalizers", &mut found).iter().enumerate() {
        let path = at("finalizers").child(Segment::Index(index));
        if !finalizer.as_str().is_some_and(is_qualified) {
            found.push(Violation::invalid(path, finalizer, QUALIFIED));
        }
    }
    let mut controllers = 0;
    for (index, owner) in list(metadata, "ownerReferences", &mut found).iter().enumerate() {
        let path = at("ownerReferences").child(Segment::Index(index));
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                found.push(Violation::required(path.child(Segment::Field(field.to_owned()))));
            }
        }
        controllers += usize::from(owner["controller"] == true);
    }
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true";
        found.push(Violation::invalid(at("ownerReferences"), &metadata["ownerReferences"], detail));
    }
    found
}

fn map_of_strings<'a>(metadata: &'a Value, field: &str, found: &mut Vec<Violation>) -> Option<&'a Map<String, Value>> {
    let value = metadata.get(field).filter(|it| !it.is_null())?;
    let map = value.as_object().filter(|map| map.values().all(Value::is_string));
    if map.is_none() {
        found.push(Violation::invalid(FieldPath::of(&["metadata", field]), value, "must be a map of strings"));
    }
    map
}

fn list<'a>(metadata: &'a Value, field: &str, found: &mut Vec<Violation>) -> &'a [Value] {
    let value = &metadata[field];
    if !value.is_null() && !value.is_array() {
        found.push(Violation::invalid(FieldPath::of(&["metadata", field]), value, "must be a list"));
    }
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_override_that_cannot_be_read_is_refused_and_names_its_field() {
        let found = |text: &str| {
            validate(&serde_json::json!({ "metadata": { "name": "a", "annotations": { ANNOTATION_OVERRIDE: text } } }))
        };
        assert!(found(r#"{"mode":"Stopped","by":"kim","at":"2026-01-01T00:00:00Z"}"#).is_empty());
        let [violation] = &found(r#"{"mode":"Halted","by":"kim","at":"2026-01-01T00:00:00Z"}"#)[..] else {
            panic!("one violation");
        };
        let text = violation.to_string();
        assert!(
            text.contains("metadata.annotations[gastown.io/override]") && text.contains("unknown variant"),
            "{text}"
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["a", "a-b.c", "0", "tokens-7f3kq2ab"] {
            assert!(is_subdomain(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", "../x", "a/b", "A", "a_b", "-a", "a-", "a..b", ".", "a\0", "a\n", "a b", "ä", &long] {
            assert!(!is_subdomain(name), "{name:?}");
        }
        assert!(is_namespace("town") && !is_namespace("a.b") && !is_namespace(&"a".repeat(64)));
    }
}
