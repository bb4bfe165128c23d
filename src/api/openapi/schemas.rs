//! The schemas of a document: each kind as it is declared, with the envelope that every object has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::kind::Served;
use super::{group_version_kind, reference, schema_name};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const API_VERSION: &str = "The version of the schema of this object: <group>/<version>.";
const KIND: &str = "The kind of the object, in CamelCase.";
const METADATA: &str = "Standard object's metadata: name, labels, annotations, owners and what the server keeps.";

/// `ObjectMeta`, `ListMeta` and what these are made of.
pub(super) fn metadata() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<ObjectMeta>();
    generator.subschema_for::<ListMeta>();
    generator.take_definitions(true)
}

/// A kind and its list.
pub(super) fn of(kind: &Served) -> Map<String, Value> {
    let mut object = serde_json::to_value(kind.props()).unwrap_or_default();
    object["type"] = json!("object");
    object["properties"]["apiVersion"] = json!({ "type": "string", "description": API_VERSION });
    object["properties"]["kind"] = json!({ "type": "string", "description": KIND });
    let metadata = reference(&format!("{META}.ObjectMeta"));
    object["properties"]["metadata"] = json!({ "description": METADATA, "allOf": [metadata], "default": {} });
    object["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
    let name = schema_name(kind, "");
    let mut list_kind = group_version_kind(kind);
    list_kind["kind"] = json!(kind.list_kind);
    let list = json!({
        "type": "object",
        "description": format!("{} is a list of {}", kind.list_kind, kind.kind),
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": API_VERSION },
            "kind": { "type": "string", "description": KIND },
            "metadata": { "allOf": [reference(&format!("{META}.ListMeta"))], "default": {} },
            "items": { "type": "array", "items": reference(&name) },
        },
        "x-kubernetes-group-version-kind": [list_kind],
    });
    Map::from_iter([(name, object), (schema_name(kind, "List"), list)])
}
