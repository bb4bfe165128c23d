//! Filling in declared defaults, in the order and with the treatment of `null` that an apiserver has.

use serde_json::Value;

use super::compile::Node;

pub(super) fn default(root: &Node, object: &mut Value) {
    fill(root, object);
    drop_nulls(root, object);
}

fn is_unwanted_null(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}

fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, declared) in &node.properties {
                let Some(default) = &declared.default else { continue };
                if map.get(name).is_none_or(|present| is_unwanted_null(declared, present)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in map.iter_mut() {
                if let Some(declared) = node.property(name) {
                    fill_in_place(declared, child);
                }
            }
        }
        Value::Array(list) => {
            let Some(items) = node.items.as_deref() else { return };
            for child in list {
                fill_in_place(items, child);
            }
        }
        _ => {}
    }
}

fn fill_in_place(node: &Node, value: &mut Value) {
    if let Some(default) = &node.default
        && is_unwanted_null(node, value)
    {
        *value = default.clone();
    }
    fill(node, value);
}

/// A client that writes `null` for "not set" means "not set".
fn drop_nulls(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => map.retain(|name, child| {
            let Some(declared) = node.property(name) else { return true };
            if is_unwanted_null(declared, child) && !declared.preserve_unknown && !declared.int_or_string {
                return false;
            }
            drop_nulls(declared, child);
            true
        }),
        Value::Array(list) => {
            let Some(items) = node.items.as_deref() else { return };
            for child in list {
                drop_nulls(items, child);
            }
        }
        _ => {}
    }
}
