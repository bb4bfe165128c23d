//! An object's spec as its type, even where a field of it is refused: a value in its place lets the rest be looked at, so that
//! one mistake does not hide what other fields say of other objects.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fields;
use crate::kinds::Kind;
use crate::schema::{FieldPath, Reason, Segment, Violation};

/// How often an object is looked at anew: what is put in place of a mapping lacks fields, and they may be mappings too.
const ROUNDS_MAX: usize = 4;

/// The spec as it was written, or as near to it as its type allows.
pub(super) fn spec<T: DeserializeOwned>(kind: &Kind, object: &Value) -> Option<T> {
    if let Ok(spec) = T::deserialize(object.get("spec")?) {
        return Some(spec);
    }
    let mut object = object.clone();
    kind.schema().prune(&mut object);
    kind.schema().default(&mut object);
    for _ in 0..ROUNDS_MAX {
        let violations = kind.schema().validate(&object);
        for Violation { path, reason, .. } in &violations {
            match reason {
                // What says nothing may be shorter than allowed.
                Reason::Invalid if is_neutral(&object, path) => {}
                Reason::Invalid => put(&mut object, path.segments(), None),
                _ => put(&mut object, path.segments(), neutral(kind, path)),
            }
        }
        if violations.is_empty() {
            break;
        }
    }
    T::deserialize(object.get("spec")?).ok()
}

fn is_neutral(object: &Value, path: &FieldPath) -> bool {
    let found = path.segments().iter().try_fold(object, |value, step| match step {
        Segment::Field(name) | Segment::Key(name) => value.get(name),
        Segment::Index(at) => value.get(at),
    });
    found.is_some_and(|value| *value == json!("") || *value == json!([]))
}

/// A value that says nothing, and is of the right type.
fn neutral(kind: &Kind, path: &FieldPath) -> Option<Value> {
    let props: &JSONSchemaProps = fields::at(kind, path.segments())?;
    if let Some(default) = &props.default {
        return Some(default.0.clone());
    }
    if let Some(first) = props.enum_.as_ref().and_then(|choices| choices.first()) {
        return Some(first.0.clone());
    }
    Some(match props.type_.as_deref()? {
        "object" => Value::Object(Map::new()),
        "array" => json!([]),
        "boolean" => json!(false),
        "integer" | "number" => json!(0),
        _ => json!(""),
    })
}

/// Puts a value at a path, or takes away what is there; items of a list stay where they are.
fn put(object: &mut Value, path: &[Segment], new: Option<Value>) {
    let Some((last, above)) = path.split_last() else { return };
    let parent = above.iter().try_fold(object, |value, step| match step {
        Segment::Field(name) | Segment::Key(name) => value.get_mut(name),
        Segment::Index(at) => value.get_mut(at),
    });
    match (parent, last) {
        (Some(Value::Object(map)), Segment::Field(name) | Segment::Key(name)) => match new {
            Some(new) => drop(map.insert(name.clone(), new)),
            None => drop(map.remove(name)),
        },
        (Some(Value::Array(items)), Segment::Index(at)) => {
            if let (Some(item), Some(new)) = (items.get_mut(*at), new) {
                *item = new;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convoy::ConvoySpec;

    #[test]
    fn what_is_right_is_seen_beside_what_is_wrong() {
        let object = json!({ "spec": { "rig": "shop", "suspend": "yes", "nothing": 1, "beads": [
            { "name": "a", "title": 7, "priority": "high", "needs": ["b"] },
            { "name": "b", "title": "B", "type": "Taks", "priority": 9 },
            "c",
        ] } });
        let spec: ConvoySpec = spec(Kind::named("Convoy").unwrap(), &object).unwrap();
        let names: Vec<_> = spec.beads.iter().map(|bead| (bead.name.as_str(), bead.needs.clone())).collect();
        assert_eq!(names, [("a", vec!["b".to_owned()]), ("b", vec![]), ("", vec![])]);
        assert_eq!(spec.rig.as_deref(), Some("shop"));
    }
}
