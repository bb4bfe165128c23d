//! A kind's schema as people and editors want it: fields in order, names of types, and JSON Schema.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::{Map, Value, json};

use super::kinds::Kind;
use gastown_crds::common::API_VERSION;

/// The draft that editors' YAML servers know best.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A field of an object.
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may hold.
    pub schema: &'a JSONSchemaProps,
    /// Whether it has to be there.
    pub is_required: bool,
}

/// The fields of an object, or of each item of a list, by name.
pub fn fields(schema: &JSONSchemaProps) -> Vec<Field<'_>> {
    let object = item(schema).unwrap_or(schema);
    let required = object.required.as_deref().unwrap_or_default();
    let all = object.properties.iter().flatten();
    all.map(|(name, schema)| Field { name, schema, is_required: required.contains(name) }).collect()
}

/// The items of a list, or the values of a map.
fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match (&schema.items, &schema.additional_properties) {
        (Some(JSONSchemaPropsOrArray::Schema(items)), _) => Some(items),
        (_, Some(JSONSchemaPropsOrBool::Schema(values))) => Some(values),
        _ => None,
    }
}

/// A type as `kubectl explain` names it: `string`, `Object`, `[]string`, `map[string]string`.
pub fn type_name(schema: &JSONSchemaProps) -> String {
    let of_items = || item(schema).map_or("Object".to_owned(), type_name);
    match schema.type_.as_deref() {
        Some("array") => format!("[]{}", of_items()),
        Some("object") if schema.additional_properties.is_some() => format!("map[string]{}", of_items()),
        Some("object") => "Object".to_owned(),
        Some(type_) => type_.to_owned(),
        None if schema.x_kubernetes_int_or_string == Some(true) => "IntOrString".to_owned(),
        None => "Object".to_owned(),
    }
}

/// The values that a field is one of.
pub fn choices(schema: &JSONSchemaProps) -> Vec<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    schema.enum_.iter().flatten().filter(|value| !value.0.is_null()).map(|value| word(&value.0)).collect()
}

/// JSON Schema of the manifests of one kind.
pub fn json_schema(kind: &Kind) -> Value {
    let mut schema = object(kind);
    schema["$schema"] = DRAFT.into();
    schema["title"] = kind.name.into();
    schema
}

/// JSON Schema of all manifests: each is judged as its `kind` says.
pub fn json_schema_of(kinds: &[&Kind]) -> Value {
    let is = |kind: &Kind| json!({ "properties": { "kind": { "const": kind.name } }, "required": ["kind"] });
    let each: Vec<Value> = kinds.iter().map(|kind| json!({ "if": is(kind), "then": object(kind) })).collect();
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
    json!({
        "$schema": DRAFT,
        "title": "A manifest of a town",
        "type": "object",
        "properties": { "apiVersion": { "const": API_VERSION }, "kind": { "enum": names } },
        "required": ["apiVersion", "kind"],
        "allOf": each,
    })
}

fn object(kind: &Kind) -> Value {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let metadata = json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "Its name, which no other object of its kind has." },
            "namespace": { "type": "string", "description": "The town that it is for; without it, the one it is applied to." },
            "labels": texts,
            "annotations": texts,
        },
        "required": ["name"],
    });
    let mut whole = draft_07(kind.props());
    let spec = whole["properties"]["spec"].take();
    json!({
        "type": "object",
        "description": whole["description"],
        "properties": {
            "apiVersion": { "const": API_VERSION },
            "kind": { "const": kind.name },
            "metadata": metadata,
            "spec": spec,
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
    })
}

/// A structural schema in the words of JSON Schema: what is not named is refused, as `gt` does.
fn draft_07(schema: &JSONSchemaProps) -> Value {
    let mut value = serde_json::to_value(schema).unwrap_or_default();
    rewrite(&mut value);
    value
}

fn rewrite(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let flag = |map: &mut Map<String, Value>, name: &str| map.remove(name) == Some(Value::Bool(true));
    let (nullable, int_or_string) = (flag(map, "nullable"), flag(map, "x-kubernetes-int-or-string"));
    let is_open = flag(map, "x-kubernetes-preserve-unknown-fields");
    map.retain(|name, _| !name.starts_with("x-kubernetes-"));
    if int_or_string {
        map.insert("type".to_owned(), json!(["integer", "string"]));
    }
    if nullable && let Some(type_) = map.get_mut("type") {
        let types = type_.as_array().cloned().unwrap_or_else(|| vec![type_.clone()]);
        *type_ = types.into_iter().chain([json!("null")]).collect();
    }
    if nullable
        && let Some(Value::Array(choices)) = map.get_mut("enum")
        && !choices.contains(&Value::Null)
    {
        choices.push(Value::Null);
    }
    if map.contains_key("properties") && !is_open {
        map.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    for (name, inner) in map.iter_mut() {
        match name.as_str() {
            "properties" => inner.as_object_mut().into_iter().flatten().for_each(|(_, field)| rewrite(field)),
            "items" | "additionalProperties" => rewrite(inner),
            _ => {}
        }
    }
}
