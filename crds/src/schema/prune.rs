//! Dropping what a schema does not declare, and saying where it was.

use serde_json::Value;

use super::compile::{Additional, Node};
use super::path::{At, FieldPath};

/// What every object has, whatever its schema says.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn prune(root: &Node, object: &mut Value) -> Vec<FieldPath> {
    let mut dropped = Vec::new();
    walk(root, object, At::ROOT, true, &mut dropped);
    dropped
}

fn walk(node: &Node, value: &mut Value, at: At<'_>, is_object_root: bool, dropped: &mut Vec<FieldPath>) {
    match value {
        Value::Object(map) => {
            let keeps_all = node.preserve_unknown || matches!(node.additional, Additional::Any);
            let has_envelope = is_object_root || node.embedded;
            map.retain(|name, child| {
                if has_envelope && ENVELOPE.contains(&name.as_str()) {
                    return true;
                }
                if let Some(declared) = node.properties.get(name) {
                    walk(declared, child, at.field(name), false, dropped);
                } else if let Additional::Schema(any) = &node.additional {
                    walk(any, child, at.key(name), false, dropped);
                } else if !keeps_all {
                    dropped.push(at.field(name).to_path());
                    return false;
                }
                true
            });
        }
        Value::Array(list) => {
            let Some(items) = node.items.as_deref() else { return };
            for (index, child) in list.iter_mut().enumerate() {
                walk(items, child, at.index(index), false, dropped);
            }
        }
        _ => {}
    }
}
