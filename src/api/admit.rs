//! From what a client sent to what is stored: envelope, pruning, defaults, validation, and the fields the server owns.
//!
//! All of it runs outside the store's writer. What can race is re-checked there by resourceVersion alone.

use gastown_crds::schema::{FieldPath, Violation};
use serde_json::{Map, Value, json};

use super::kind::Served;
use super::metadata;
use super::status::ApiError;
use super::store::Key;

/// The largest object, as offline admission has it: an object is a record, not a file; logs are tails with a pointer.
pub(super) use gastown_crds::admission::OBJECT_BYTES_MAX;

/// The most of a `generateName` that is kept, in bytes: a label holds 63, and five are generated.
const PREFIX_BYTES_MAX: usize = 58;
/// Fields of `metadata` that only the server writes.
const OWNED_BY_SERVER: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion"];

/// The half of an object that a write is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// Everything but the status.
    Main,
    /// The status alone.
    Status,
}

/// An object as it would be stored, and the fields that were dropped on the way.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) object: Value,
    pub(super) unknown: Vec<FieldPath>,
}

/// A new object. `suffix` completes a `generateName`.
pub(super) fn create(
    kind: &Served,
    ns: &str,
    mut object: Value,
    suffix: impl Fn() -> String,
) -> Result<Admitted, ApiError> {
    let mut unknown = Vec::new();
    let metadata = envelope(kind, &mut object, &mut unknown)?;
    if metadata.get("resourceVersion").is_some_and(|it| !matches!(it.as_str(), Some("" | "0"))) {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    for field in OWNED_BY_SERVER.iter().chain(&["selfLink"]) {
        metadata.remove(*field);
    }
    drop_null_managers(metadata);
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty)
        && let Some(prefix) = metadata.get("generateName").and_then(Value::as_str)
    {
        // Cut as an apiserver does, which keeps a generated name short enough for a label.
        let end =
            prefix.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= PREFIX_BYTES_MAX).last();
        let name = format!("{}{}", &prefix[..end.unwrap_or_default()], suffix());
        metadata.insert("name".to_owned(), Value::from(name));
    }
    in_namespace(metadata, ns)?;
    metadata.insert("generation".to_owned(), json!(1));
    if kind.has_status {
        remove(&mut object, "status");
    }
    unknown.extend(kind.schema().prune(&mut object));
    kind.schema().default(&mut object);
    check(kind, &object, None)?;
    Ok(Admitted { object, unknown })
}

/// An existing object as a client would have it.
pub(super) fn update(kind: &Served, key: &Key, half: Half, old: &Value, mut new: Value) -> Result<Admitted, ApiError> {
    let mut unknown = Vec::new();
    let metadata = envelope(kind, &mut new, &mut unknown)?;
    if metadata.get("name").is_some_and(|it| it != key.name.as_str()) {
        return Err(wrong_name(&metadata["name"], &key.name));
    }
    in_namespace(metadata, &key.ns)?;
    drop_null_managers(metadata);
    let old_metadata = &old["metadata"];
    if let Some(uid) = metadata.get("uid").filter(|uid| !uid.is_null() && **uid != old_metadata["uid"]) {
        let why =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", old_metadata["uid"]);
        return Err(ApiError::conflict(kind, &key.name, &why));
    }
    unknown.extend(kind.schema().prune(&mut new));
    kind.schema().default(&mut new);
    let mut object = match half {
        Half::Main => main_half(kind, key, old, new)?,
        Half::Status => {
            unknown.retain(|path| path.to_string().starts_with("status"));
            let mut object = old.clone();
            take(&mut object, "status", &mut new);
            // An apply has written them; after any other write they are made from the old ones.
            copy(&mut object["metadata"], "managedFields", &new["metadata"]);
            object
        }
    };
    check(kind, &object, Some(old))?;
    if half == Half::Main && is_wish_changed(kind, old, &object) {
        object["metadata"]["generation"] = json!(old_metadata["generation"].as_i64().unwrap_or_default() + 1);
    }
    Ok(Admitted { object, unknown })
}

/// The refusal of an object that is called otherwise than the path.
pub(super) fn wrong_name(name: &Value, url: &str) -> ApiError {
    let name = name.as_str().unwrap_or_default();
    ApiError::bad_request(format!("the name of the object ({name}) does not match the name on the URL ({url})"))
}

fn main_half(kind: &Served, key: &Key, old: &Value, mut new: Value) -> Result<Value, ApiError> {
    let old_metadata = &old["metadata"];
    let metadata = &mut new["metadata"];
    for field in OWNED_BY_SERVER {
        copy(metadata, field, old_metadata);
    }
    copy(metadata, "generateName", old_metadata);
    metadata["name"] = Value::from(key.name.as_str());
    remove(metadata, "selfLink");
    if !old_metadata["deletionTimestamp"].is_null() {
        let had = |it: &Value| old_metadata["finalizers"].as_array().is_some_and(|list| list.contains(it));
        if !metadata["finalizers"].as_array().is_none_or(|list| list.iter().all(had)) {
            let path = FieldPath::of(&["metadata", "finalizers"]);
            let why = "no new finalizers can be added if the object is being deleted";
            return Err(ApiError::invalid(kind, &key.name, &[Violation::forbidden(path, why)]));
        }
    }
    if kind.has_status {
        copy(&mut new, "status", old);
    }
    Ok(new)
}

fn check(kind: &Served, object: &Value, old: Option<&Value>) -> Result<(), ApiError> {
    let mut violations = metadata::validate(object);
    violations.extend(kind.schema().validate(object));
    if violations.is_empty()
        && let Some(shape) = kind.shape
    {
        violations = (shape.check)(object, old);
    }
    if violations.is_empty() {
        violations = kind.schema().cel(object, old);
    }
    if violations.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(kind, object["metadata"]["name"].as_str().unwrap_or_default(), &violations))
}

/// Whether anything but metadata and status differs: what `generation` counts.
fn is_wish_changed(kind: &Served, old: &Value, new: &Value) -> bool {
    let counts = |name: &str| name != "metadata" && !(kind.has_status && name == "status");
    let before = old.as_object().into_iter().flatten().filter(|it| counts(it.0));
    let after = new.as_object().into_iter().flatten().filter(|it| counts(it.0));
    // Keys are sorted, so equal objects have equal sequences.
    !before.eq(after)
}

/// Checks `apiVersion` and `kind`, and answers the metadata, without the fields that no object has there.
fn envelope<'a>(
    kind: &Served,
    object: &'a mut Value,
    unknown: &mut Vec<FieldPath>,
) -> Result<&'a mut Map<String, Value>, ApiError> {
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request("the body is not a JSON object"));
    };
    for (field, expected) in [("apiVersion", &kind.api_version), ("kind", &kind.kind)] {
        match map.get(field).and_then(Value::as_str) {
            Some(text) if text == expected => {}
            Some(text) if field == "kind" => {
                let wrong = Violation::invalid(FieldPath::of(&["kind"]), &json!(text), &format!("must be {expected}"));
                let name = map.get("metadata").and_then(|it| it["name"].as_str()).unwrap_or_default();
                return Err(ApiError::invalid(kind, name, &[wrong]));
            }
            Some(text) => {
                let message = format!("the {field} in the data ({text}) does not match the expected one ({expected})");
                return Err(ApiError::bad_request(message));
            }
            None => return Err(ApiError::bad_request(format!("Object '{field}' is missing; it must be {expected}"))),
        }
    }
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    let metadata = metadata.as_object_mut().ok_or_else(|| ApiError::bad_request("metadata is not an object"))?;
    metadata::prune(metadata, unknown);
    Ok(metadata)
}

fn in_namespace(metadata: &mut Map<String, Value>, ns: &str) -> Result<(), ApiError> {
    match metadata.get("namespace").and_then(Value::as_str) {
        Some(named) if !named.is_empty() && named != ns => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        _ => {
            metadata.insert("namespace".to_owned(), Value::from(ns));
            Ok(())
        }
    }
}

/// Not set is not an empty list, which would end the tracking.
fn drop_null_managers(metadata: &mut Map<String, Value>) {
    if metadata.get("managedFields").is_some_and(Value::is_null) {
        metadata.remove("managedFields");
    }
}

fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}

fn copy(object: &mut Value, field: &str, from: &Value) {
    match from.get(field) {
        Some(value) => object[field] = value.clone(),
        None => remove(object, field),
    }
}

fn take(object: &mut Value, field: &str, from: &mut Value) {
    match from.get_mut(field).map(Value::take) {
        Some(value) if !value.is_null() => object[field] = value,
        _ => remove(object, field),
    }
}

/// Refuses an object above the bound, naming the field that makes it so.
pub(super) fn check_size(object: &Value, bytes: usize) -> Result<(), ApiError> {
    if bytes <= OBJECT_BYTES_MAX {
        return Ok(());
    }
    let (mut path, mut value, mut size) = (String::new(), object, bytes);
    // Down to the field that alone is more than half of what is above it.
    while let Some((name, child, child_size)) = largest(value).filter(|it| it.2 * 2 > size) {
        path = if path.is_empty() { name } else { format!("{path}.{name}") };
        (value, size) = (child, child_size);
    }
    let at = if path.is_empty() { String::new() } else { format!("; most of it is `{path}` ({size} bytes)") };
    Err(ApiError::too_large(format!("the object has {bytes} bytes, the limit is {OBJECT_BYTES_MAX}{at}")))
}

fn largest(value: &Value) -> Option<(String, &Value, usize)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, child)| (name.clone(), child, child.to_string().len())).max_by_key(|it| it.2)
}
