//! JSON merge patches (RFC 7396): applying one, and finding the one that leads from a value to another.

use serde_json::{Map, Value};

/// Applies a patch: objects merge, `null` removes, everything else replaces. Its depth must be bounded by the caller.
pub use json_patch::merge as apply;

/// The patch that leads from `old` to `new`; an empty object where they are equal. Neither may hold a `null`, because a
/// merge patch can write none.
pub fn between(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, new) in new {
        match old.get(name) {
            Some(old) if old == new => {}
            Some(old) if old.is_object() && new.is_object() => {
                patch.insert(name.clone(), between(old, new));
            }
            _ => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<bool>().prop_map(Value::from), any::<u8>().prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_patch_between_two_values_leads_from_one_to_the_other(old in values(), new in values()) {
            let mut patched = old.clone();
            apply(&mut patched, &between(&old, &new));
            prop_assert_eq!(patched, new);
        }
    }

    #[test]
    fn equal_objects_need_an_empty_patch() {
        let value = json!({ "a": { "b": [1] } });
        assert_eq!(between(&value, &value), json!({}));
    }
}
