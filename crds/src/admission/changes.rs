//! What may not change of an object: the rules that compare it with what it was. `gt validate --base` asks them of two
//! revisions of a file, since the town that has the older one would refuse the newer.

use serde_json::Value;

use super::words;
use crate::kinds::Kind;
use crate::manifest::{Diagnostic, Manifest};
use crate::schema::{FieldPath, Violation};

/// The rules that the change from `old` to the manifest breaks, and that the manifest alone does not.
pub fn forbidden_changes(manifest: &Manifest, new: &Value, old: &Value) -> Vec<Diagnostic> {
    let Some(kind) = Kind::named(&manifest.kind) else { return Vec::new() };
    let (new, old) = (complete(kind, new), complete(kind, old));
    if new == old {
        return Vec::new();
    }
    // Rules rest on types: a field that is wrong in either is not compared.
    let violations = kind.schema().validate(&new).into_iter().chain(kind.schema().validate(&old));
    let doubtful: Vec<FieldPath> = violations.map(|it| it.path).collect();
    let alone: Vec<Violation> = kind.schema().cel_beside(&new, None, &doubtful);
    let together = kind.schema().cel_beside(&new, Some(&old), &doubtful);
    let broken = together.into_iter().filter(|violation| !alone.contains(violation));
    broken.map(|violation| words::rule(manifest, kind, &violation)).collect()
}

/// As the town holds it.
fn complete(kind: &Kind, object: &Value) -> Value {
    let mut object = object.clone();
    kind.schema().prune(&mut object);
    kind.schema().default(&mut object);
    object
}
