//! The paths of a document: each verb of a kind with the options that it takes. Clients look for `fieldValidation` and
//! `dryRun` here before they rely on them.

use serde_json::{Map, Value, json};

use super::super::kind::Served;
use super::{group_version_kind, reference, root, schema_name};

/// Options of every write.
const WRITE: [(&str, &str); 3] = [("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
/// Options of a list or a watch.
const LIST: [(&str, &str); 10] = [
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
/// Options of a delete.
const DELETE: [(&str, &str); 4] = [
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
const PATCHES: [&str; 3] =
    ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];

/// The paths of one kind.
pub(super) fn of(kind: &Served) -> Map<String, Value> {
    let root = root(&kind.api_version);
    let collection = format!("{root}/namespaces/{{namespace}}/{}", kind.plural);
    let of = |verb: &str, action: &str, options: &[(&str, &str)]| operation(kind, verb, action, options);
    let object = |scope: &str| {
        json!({
            "get": of(&format!("read{scope}"), "get", &[]),
            "put": with_body(kind, of(&format!("replace{scope}"), "put", &WRITE), &["application/json"]),
            "patch": with_body(kind, of(&format!("patch{scope}"), "patch", &[&WRITE[..], &[("force", "boolean")]].concat()), &PATCHES),
            "parameters": [path_parameter("name"), path_parameter("namespace")],
        })
    };
    let mut one = object("");
    one["delete"] = of("delete", "delete", &DELETE);
    let mut paths = Map::from_iter([
        (format!("{root}/{}", kind.plural), json!({ "get": of("listAll", "list", &LIST) })),
        (
            collection.clone(),
            json!({
                "get": of("list", "list", &LIST),
                "post": with_body(kind, of("create", "post", &WRITE), &["application/json", "application/yaml"]),
                "delete": of("deleteCollection", "deletecollection", &[&LIST[..], &DELETE[..]].concat()),
                "parameters": [path_parameter("namespace")],
            }),
        ),
        (format!("{collection}/{{name}}"), one),
    ]);
    if kind.has_status {
        paths.insert(format!("{collection}/{{name}}/status"), object("Status"));
    }
    paths
}

fn operation(kind: &Served, verb: &str, action: &str, options: &[(&str, &str)]) -> Value {
    let option = |(name, type_): &(&str, &str)| json!({ "name": name, "in": "query", "schema": { "type": type_, "uniqueItems": true } });
    let suffix = if action == "list" { "List" } else { "" };
    let schema = reference(&schema_name(kind, suffix));
    json!({
        "operationId": format!("{verb}{}{}", kind.group.replace('.', ""), kind.kind),
        "parameters": options.iter().map(option).collect::<Vec<_>>(),
        "responses": { "200": { "description": "OK", "content": { "application/json": { "schema": schema } } } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": group_version_kind(kind),
    })
}

fn with_body(kind: &Served, mut operation: Value, media_types: &[&str]) -> Value {
    let schema = reference(&schema_name(kind, ""));
    let content = |media_type: &&str| {
        let schema = if media_type.contains("patch") { json!({ "type": "object" }) } else { schema.clone() };
        ((*media_type).to_owned(), json!({ "schema": schema }))
    };
    let content: Map<_, _> = media_types.iter().map(content).collect();
    operation["requestBody"] = json!({ "content": content, "required": true });
    operation
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "uniqueItems": true } })
}
