//! References by name: which fields name which kind.

use serde_json::Value;

use super::set::Set;
use crate::manifest::{Manifest, Step};

/// Kind, field of its spec, kind it names. Beads of a convoy are listed under `beads[]`.
const REFERENCES: [(&str, &str, &str); 10] = [
    ("Town", "runtime", "Runtime"),
    ("Rig", "runtime", "Runtime"),
    ("Convoy", "rig", "Rig"),
    ("Convoy", "formula", "Formula"),
    ("Convoy", "beads[].rig", "Rig"),
    ("Convoy", "beads[].formula", "Formula"),
    ("Bead", "rig", "Rig"),
    ("Bead", "formula", "Formula"),
    ("Polecat", "rig", "Rig"),
    ("Polecat", "runtime", "Runtime"),
];

/// Checks every reference of one object.
pub(super) fn check(set: &mut Set<'_>, manifest: &Manifest) {
    let Some(spec) = manifest.value.get("spec") else { return };
    for (_, field, target) in REFERENCES.iter().filter(|(kind, _, _)| *kind == manifest.kind) {
        match field.strip_prefix("beads[].") {
            None => one(set, manifest, spec, &[Step::Field("spec")], field, target),
            Some(field) => {
                let beads = spec.get("beads").and_then(Value::as_array);
                for (at, bead) in beads.into_iter().flatten().enumerate() {
                    let path = [Step::Field("spec"), Step::Field("beads"), Step::Item(at)];
                    one(set, manifest, bead, &path, field, target);
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
