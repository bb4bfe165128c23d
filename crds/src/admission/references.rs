//! References by name: each field that the registry says names an object has to lead to one.

use serde_json::Value;

use super::set::Set;
use crate::kinds::{Kind, Reference};
use crate::manifest::{Manifest, Step};

/// Checks every reference of one object.
pub(super) fn check(set: &mut Set<'_>, manifest: &Manifest) {
    let Some(spec) = manifest.value.get("spec") else { return };
    for Reference { field, kind } in Kind::named(&manifest.kind).map_or(&[][..], |kind| kind.references) {
        match field.split_once("[].") {
            None => one(set, manifest, spec, &[Step::Field("spec")], field, kind),
            Some((list, field)) => {
                let items = spec.get(list).and_then(Value::as_array);
                for (at, item) in items.into_iter().flatten().enumerate() {
                    let path = [Step::Field("spec"), Step::Field(list), Step::Item(at)];
                    one(set, manifest, item, &path, field, kind);
                }
            }
        }
    }
}

fn one(set: &mut Set<'_>, manifest: &Manifest, owner: &Value, path: &[Step<'_>], field: &str, target: &str) {
    if let Some(name) = owner.get(field).and_then(Value::as_str) {
        let span = manifest.value_at(path.iter().copied().chain([Step::Field(field)]));
        set.refer(manifest, span, target, name);
    }
}
