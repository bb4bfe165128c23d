//! The two shapes of an Event. They say the same in other words: each field of one is a field of the other.

use serde_json::{Map, Value, json};

/// Fields by their names in core and in `events.k8s.io`; the others are called the same.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

/// From core, as rows have it, to `events.k8s.io`.
pub(super) fn from_core(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    rename(fields, NAMES);
    // In core it is there when it is empty, too.
    for name in ["reportingController", "reportingInstance"] {
        if fields.get(name).is_some_and(|it| it == "") {
            fields.remove(name);
        }
    }
    fields.insert("apiVersion".to_owned(), json!("events.k8s.io/v1"));
}

/// From `events.k8s.io` to core, as rows have it.
pub(super) fn to_core(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    rename(fields, NAMES.map(|(core, new)| (new, core)));
    fields.insert("apiVersion".to_owned(), json!("v1"));
    fill(object);
}

/// Fills in what core always has, if only to say that there is nothing. No event has a generation: it is not a wish.
pub(super) fn fill(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    for (name, nothing) in [
        ("involvedObject", json!({})),
        ("source", json!({})),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("eventTime", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
    ] {
        fields.entry(name).or_insert(nothing);
    }
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("generation");
    }
}

fn rename<'n>(fields: &mut Map<String, Value>, names: impl IntoIterator<Item = (&'n str, &'n str)>) {
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_comes_back_as_it_was_by_either_way() {
        let mut row = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "a.1", "generation": 1 },
            "involvedObject": { "kind": "Bead", "name": "a" }, "reason": "Claimed", "message": "nux works on it",
            "type": "Normal", "count": 2, "source": { "component": "gt" }, "firstTimestamp": "2026-01-01T00:00:00Z",
        });
        fill(&mut row);
        let mut shown = row.clone();
        from_core(&mut shown);
        assert_eq!(
            shown,
            json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "a.1" },
                "regarding": { "kind": "Bead", "name": "a" }, "reason": "Claimed", "note": "nux works on it",
                "type": "Normal", "deprecatedCount": 2, "deprecatedSource": { "component": "gt" },
                "deprecatedFirstTimestamp": "2026-01-01T00:00:00Z", "deprecatedLastTimestamp": null, "eventTime": null,
            })
        );
        to_core(&mut shown);
        assert_eq!(shown, row);
    }
}
