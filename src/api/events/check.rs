//! What a kube-apiserver asks of an Event: little of one in core, where old clients write, and more of one in
//! `events.k8s.io`, which also changes in nothing but its series.

use gastown_crds::names::is_qualified;
use gastown_crds::schema::{FieldPath, Violation};
use serde_json::{Value, json};

/// The longest reason, action and name of an instance, in bytes.
const WORD_BYTES_MAX: usize = 128;
/// The longest message, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;

/// The fields of an event in `events.k8s.io` that stay as they were made.
const IMMUTABLE: [&str; 12] = [
    "regarding",
    "reason",
    "note",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingController",
    "reportingInstance",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "deprecatedCount",
];

/// What is wrong with an event of core.
pub(super) fn of_core(new: &Value, _old: Option<&Value>) -> Vec<Violation> {
    common(new, ["involvedObject", "reportingComponent", "message"])
}

/// What is wrong with an event of `events.k8s.io`.
pub(super) fn of_new(new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut found = common(new, ["regarding", "reportingController", "note"]);
    if old.is_none_or(|old| old["series"] != new["series"]) {
        found.extend(series(&new["series"]));
    }
    let Some(old) = old else {
        if new["eventTime"].is_null() {
            found.push(Violation::required(at(&["eventTime"])));
        }
        if !matches!(new["type"].as_str(), Some("Normal" | "Warning")) {
            let has = new["type"].as_str().unwrap_or_default();
            found.push(invalid(&["type"], &json!(""), &format!("has invalid value: {has}")));
        }
        let deprecated = [("deprecatedFirstTimestamp", ""), ("deprecatedLastTimestamp", ""), ("deprecatedCount", "")];
        for (field, value) in deprecated.into_iter().filter(|(field, _)| !new[*field].is_null()) {
            found.push(invalid(&[field], &json!(value), "needs to be unset"));
        }
        if new["deprecatedSource"].as_object().is_some_and(|it| !it.is_empty()) {
            found.push(invalid(&["deprecatedSource"], &json!(""), "needs to be unset"));
        }
        return found;
    };
    let changed = IMMUTABLE.into_iter().filter(|field| old[*field] != new[*field]);
    found.extend(changed.map(|field| invalid(&[field], &new[field], "field is immutable")));
    found
}

/// What both have in common, with the names that each has for it. An event without `eventTime` comes from an old client.
fn common(new: &Value, [regarding, controller, message]: [&str; 3]) -> Vec<Violation> {
    let mut found = Vec::new();
    let text = |field: &str| new[field].as_str().unwrap_or_default();
    let namespace = new["metadata"]["namespace"].as_str().unwrap_or_default();
    let about = new[regarding]["namespace"].as_str().unwrap_or_default();
    let is_new = !new["eventTime"].is_null();
    // What has no namespace is reported in one of these two.
    let is_elsewhere = match (is_new, about) {
        (false, "") => namespace != "default",
        (true, "") => !["default", "kube-system"].contains(&namespace),
        (_, about) => about != namespace,
    };
    if is_elsewhere {
        found.push(invalid(&[regarding, "namespace"], &json!(about), "does not match event.namespace"));
    }
    if !is_new {
        return found;
    }
    for field in [controller, "reportingInstance", "action", "reason"] {
        if text(field).is_empty() {
            found.push(Violation::required(at(&[field])));
        } else if field == controller && !is_qualified(text(field)) {
            found.push(invalid(&[field], &new[field], "must be a name such as `example.com/my-controller`"));
        } else if field != controller && text(field).len() > WORD_BYTES_MAX {
            found.push(invalid(&[field], &json!(""), &format!("can have at most {WORD_BYTES_MAX} characters")));
        }
    }
    if text(message).len() > MESSAGE_BYTES_MAX {
        found.push(invalid(&[message], &json!(""), &format!("can have at most {MESSAGE_BYTES_MAX} characters")));
    }
    found
}

fn series(series: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    if series.is_null() {
        return found;
    }
    if series["count"].as_i64().unwrap_or_default() < 2 {
        found.push(invalid(&["series", "count"], &json!(""), "should be at least 2"));
    }
    if series["lastObservedTime"].is_null() {
        found.push(Violation::required(at(&["series", "lastObservedTime"])));
    }
    found
}

fn invalid(path: &[&str], value: &Value, detail: &str) -> Violation {
    Violation::invalid(at(path), value, detail)
}

fn at(path: &[&str]) -> FieldPath {
    FieldPath::of(path)
}
