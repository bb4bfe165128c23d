//! JSON patches (RFC 6902), bounded: a few hundred bytes of `copy` or `add` could else grow an object without end, or nest
//! it deeper than anything that walks it.

use gastown_crds::admission::OBJECT_BYTES_MAX;
use http::StatusCode;
use json_patch::jsonptr::Pointer;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::status::ApiError;

/// The most operations of one patch, as in an apiserver.
const OPERATIONS_MAX: usize = 10_000;
/// The most that all `copy` operations of one patch may copy, in bytes: more can only end above the bound of an object.
const COPIED_BYTES_MAX: usize = OBJECT_BYTES_MAX;
/// The deepest place that a patch may write to. The stored text is read with a bound of 128; kinds need a tenth of it.
const DEPTH_MAX: usize = 100;

/// Reads the operations.
pub(super) fn read(body: Value) -> Result<Patch, ApiError> {
    let patch: Patch = serde_json::from_value(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let count = patch.0.len();
    if count > OPERATIONS_MAX {
        return Err(ApiError::too_large(format!(
            "The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}"
        )));
    }
    Ok(patch)
}

/// Runs the operations in order. A failure leaves nothing: the object is a copy of what is stored.
pub(super) fn apply(object: &mut Value, patch: &Patch) -> Result<(), ApiError> {
    let mut copied = 0;
    for operation in &patch.0 {
        match operation {
            PatchOperation::Add(it) => check_depth(&it.path, Some(&it.value))?,
            PatchOperation::Replace(it) => check_depth(&it.path, Some(&it.value))?,
            PatchOperation::Move(it) => check_depth(&it.path, it.from.resolve(object).ok())?,
            PatchOperation::Copy(it) => {
                let source = it.from.resolve(object).ok();
                check_depth(&it.path, source)?;
                copied += source.map_or(0, |value| value.to_string().len());
                if copied > COPIED_BYTES_MAX {
                    return Err(ApiError::too_large(format!("the patch copies more than {COPIED_BYTES_MAX} bytes")));
                }
            }
            PatchOperation::Remove(_) | PatchOperation::Test(_) => {}
        }
        json_patch::patch(object, std::slice::from_ref(operation))
            .map_err(|error| unprocessable(&error.to_string()))?;
    }
    Ok(())
}

fn check_depth(path: &Pointer, value: Option<&Value>) -> Result<(), ApiError> {
    let depth = path.count() + value.map_or(0, depth);
    if depth > DEPTH_MAX { Err(unprocessable(&format!("`{path}` would be nested {depth} deep"))) } else { Ok(()) }
}

/// How deep a value is nested. Every part of it was read with a bound, or checked when it was put there.
fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(list) => list.iter().map(depth).max(),
        Value::Object(map) => map.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

fn unprocessable(why: &str) -> ApiError {
    let message = format!("the server rejected our request due to an error in our request: {why}");
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code(object: &Value, patch: Value) -> u64 {
        let mut object = object.clone();
        let done = read(patch).and_then(|patch| apply(&mut object, &patch));
        done.map_or_else(|error| error.object()["code"].as_u64().unwrap(), |()| 200)
    }

    #[test]
    fn a_patch_can_neither_grow_nor_nest_without_end() {
        let object = json!({ "a": { "b": "x".repeat(1000) } });
        let doubling: Vec<_> =
            (0..30).map(|n| json!({ "op": "copy", "from": "/a", "path": format!("/a/c{n}") })).collect();
        assert_eq!(code(&object, json!(doubling)), 413);
        let deeper = |op: &str, n: usize| json!({ "op": op, "path": "/a".repeat(n), "value": {} });
        let nesting: Vec<_> = (1..200).map(|n| deeper("add", n)).collect();
        assert_eq!(code(&object, json!(nesting)), 422);
        assert_eq!(code(&object, json!(nesting[..90])), 200);
        let into_itself: Vec<_> = (0..200).map(|_| json!({ "op": "copy", "from": "/a", "path": "/a/b" })).collect();
        assert_eq!(code(&json!({ "a": { "b": 1 } }), json!(into_itself)), 422);
        let many: Vec<_> = (0..10_001).map(|_| json!({ "op": "test", "path": "/a", "value": 1 })).collect();
        assert_eq!(code(&object, json!(many)), 413);
    }
}
