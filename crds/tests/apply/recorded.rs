//! The same applies and updates that were given to `k8s.io/apimachinery/pkg/util/managedfields` 0.37.2, with its answers.
//!
//! `recorded.json` is a list of steps, each whole in itself: the object as it was, an `apply` or an `update` by a manager,
//! and the object, the conflicts or the error that came of it. Times are `T`, and entries are in the order of their texts,
//! because the recording ran on a real clock.

use gastown_crds::apply::{Applier, Part, Updater, apply_part, check, track};
use gastown_crds::schema::Schema;
use jiff::Timestamp;
use serde_json::{Value, json};

fn steps() -> Vec<Value> {
    serde_json::from_str(include_str!("recorded.json")).unwrap()
}

fn timeless(mut object: Value) -> Value {
    if let Some(entries) = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
        for entry in entries.iter_mut() {
            if entry.get("time").is_some() {
                entry["time"] = json!("T");
            }
        }
        entries.sort_by_key(Value::to_string);
    }
    object
}

/// The answer to one step, in the form of the recording.
fn answer(schema: &Schema, step: &Value) -> Value {
    let now = Timestamp::from_second(0).unwrap();
    let manager = step["manager"].as_str().unwrap();
    let live = Some(&step["live"]).filter(|live| !live.is_null());
    if let Some(config) = step.get("apply") {
        if !check(schema, config).is_empty() {
            return json!("error");
        }
        let applier = Applier { manager, force: step["force"] == true, now };
        return match apply_part(schema, Part::Whole, live, config, &applier) {
            Ok(object) => timeless(object),
            Err(conflicts) => {
                let line = |it: &gastown_crds::apply::Conflict| format!("conflict with {} {}", it.manager, it.field);
                let mut lines: Vec<_> = conflicts.iter().map(line).collect();
                lines.sort();
                json!(lines)
            }
        };
    }
    let mut object = step["update"].clone();
    track(schema, live, &mut object, &Updater { manager, part: Part::Whole, now });
    timeless(object)
}

#[test]
fn every_step_is_answered_as_kubernetes_does() {
    let schema = super::schema();
    let (mut objects, mut conflicts) = (0, 0);
    for (at, step) in steps().iter().enumerate() {
        let expected = match (step.get("result"), step.get("conflicts")) {
            (Some(object), _) => {
                objects += 1;
                object.clone()
            }
            (_, Some(lines)) => {
                conflicts += 1;
                lines.clone()
            }
            _ => json!("error"),
        };
        let got = answer(&schema, step);
        assert_eq!(got, expected, "step {at}: {step:#}");
    }
    assert!(objects > 50 && conflicts > 10, "{objects} objects, {conflicts} conflicts");
}
