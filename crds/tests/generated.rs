//! The CRD of each kind is kept as YAML in `crds/`, and is what its type and its row of the registry say.
//!
//! `SNAPSHOTS=overwrite cargo test -p gastown-crds --test generated` writes them anew.

#![expect(clippy::disallowed_methods, reason = "a generator of files reads and writes them; the crate itself does not")]

use std::path::PathBuf;

use gastown_crds::kinds::generated;
use gastown_crds::manifest::to_yaml;
use gastown_crds::schema::Schema;
use gastown_crds::{KINDS, Kind};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// The name that generators of operators give the file: `kubectl apply -f crds/` takes them all.
fn path(plural: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("gastown.io_{plural}.yaml"))
}

#[test]
fn the_yaml_of_each_kind_is_what_its_type_and_row_say() {
    let overwrite = std::env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite");
    for crd in generated() {
        let text = format!(
            "# Generated from the type and its row in src/kinds: SNAPSHOTS=overwrite cargo test -p gastown-crds --test generated\n{}",
            to_yaml(&serde_json::to_value(&crd).unwrap())
        );
        let path = path(&crd.spec.names.plural);
        if overwrite {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{} is stale: run SNAPSHOTS=overwrite cargo test -p gastown-crds --test generated",
            path.display()
        );
        let reread: CustomResourceDefinition = serde_saphyr::from_str(&kept).unwrap();
        assert!(reread == crd, "{}: another reader understands it otherwise", path.display());
    }
}

/// What a real apiserver refuses in a definition, as far as ours could ever hold it.
#[test]
fn a_real_apiserver_would_accept_each_definition() {
    for crd in generated() {
        let kind = &crd.spec.names.kind;
        for version in &crd.spec.versions {
            let props = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            Schema::compile(props).unwrap_or_else(|error| panic!("{kind}: {error}"));
            let value = serde_json::to_value(props).unwrap();
            let spec = &value["properties"]["spec"];
            let mut faults = Vec::new();
            bounded(spec, &format!("{kind}.spec"), &mut faults);
            structural(&value, kind, false, &mut faults);
            assert_eq!(faults, Vec::<String>::new());
        }
    }
}

/// Every text, list and map that people write has a bound: CEL's cost is estimated from it.
fn bounded(schema: &serde_json::Value, at: &str, faults: &mut Vec<String>) {
    let has = |key: &str| schema.get(key).is_some();
    let is_text = has("x-kubernetes-int-or-string") || schema["type"] == "string";
    match schema["type"].as_str() {
        _ if is_text && !has("maxLength") && !has("enum") && !has("format") => {
            faults.push(format!("{at}: no maxLength"));
        }
        Some("array") if !has("maxItems") => faults.push(format!("{at}: no maxItems")),
        Some("object") if has("additionalProperties") && !has("maxProperties") => {
            faults.push(format!("{at}: no maxProperties"));
        }
        _ => {}
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        bounded(inner, &format!("{at}.{name}"), faults);
    }
    if has("items") {
        bounded(&schema["items"], &format!("{at}[]"), faults);
    }
}

fn structural(schema: &serde_json::Value, at: &str, nested: bool, faults: &mut Vec<String>) {
    let Some(map) = schema.as_object() else { return };
    for forbidden in
        ["$ref", "definitions", "patternProperties", "uniqueItems", "dependencies", "oneOf", "anyOf", "allOf", "not"]
    {
        if map.contains_key(forbidden) {
            faults.push(format!("{at}: {forbidden}"));
        }
    }
    // What is a number or a text has no type, and must have none.
    if nested && map.contains_key("type") == map.contains_key("x-kubernetes-int-or-string") {
        faults.push(format!("{at}: no type"));
    }
    if map.contains_key("properties") && map.contains_key("additionalProperties") {
        faults.push(format!("{at}: properties and additionalProperties"));
    }
    if nested && map.get("description").is_none() && !at.ends_with("[]") {
        faults.push(format!("{at}: no description"));
    }
    for key in map.get("x-kubernetes-list-map-keys").and_then(|keys| keys.as_array()).into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        let items = &schema["items"];
        let required = items["required"].as_array().is_some_and(|all| all.iter().any(|name| name == key));
        if !required && items["properties"][key].get("default").is_none() {
            faults.push(format!("{at}: list key {key} is neither required nor defaulted"));
        }
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        structural(inner, &format!("{at}.{name}"), true, faults);
    }
    if map.contains_key("items") {
        structural(&schema["items"], &format!("{at}[]"), true, faults);
    }
}

/// The fields below a schema that hold a text, as the rows name them: `beads[].rig`.
fn texts(schema: &serde_json::Value, at: &str, found: &mut Vec<String>) {
    if schema["type"] == "string" {
        found.push(at.to_owned());
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        texts(inner, &at, found);
    }
    if schema.get("items").is_some() {
        texts(&schema["items"], &format!("{at}[]"), found);
    }
}

/// A name that leads nowhere is refused only if the row says that the field holds one.
#[test]
fn a_field_that_is_called_like_a_kind_is_a_reference() {
    // `gt done` writes the one from what it has just read, and it may outlive what it names. The other may name what is
    // filed later: its convoy waits, and says so.
    let may_lead_nowhere =
        |kind: &Kind, field: &str| kind.name == "MergeRequest" || (kind.name, field) == ("Convoy", "tracks[].bead");
    for kind in KINDS {
        let spec = serde_json::to_value(kind.props()).unwrap()["properties"]["spec"].take();
        let mut fields = Vec::new();
        texts(&spec, "", &mut fields);
        for reference in kind.references {
            let there = fields.iter().any(|field| field == reference.field) && Kind::named(reference.kind).is_some();
            assert!(there, "{}: {reference:?} names no field or no kind", kind.name);
        }
        for field in fields {
            let mut steps = field.split('.').map(|step| step.trim_end_matches("[]"));
            let called = steps.clone().next_back().and_then(|name| Kind::called(&name.to_lowercase()));
            let is_written_by_gt = steps.next().is_some_and(|first| kind.not_declared.contains(&first));
            let Some(target) = called.filter(|_| !is_written_by_gt && !may_lead_nowhere(kind, &field)) else {
                continue;
            };
            let named = kind.references.iter().any(|it| it.field == field && it.kind == target.name);
            assert!(named, "{}: add `{field}`, a {}, to the references of its row", kind.name, target.name);
        }
    }
}

/// The names in a row are those that the type's derive has chosen.
#[test]
fn the_rows_name_each_kind_as_its_definition_does() {
    let derived: Vec<_> = generated().into_iter().map(|crd| crd.spec.names).collect();
    assert_eq!(derived.len(), KINDS.len());
    for (kind, names) in KINDS.iter().copied().zip(derived) {
        assert_eq!((names.kind.as_str(), names.plural.as_str()), (kind.name, kind.plural));
        assert_eq!(names.singular.as_deref(), Some(kind.singular));
        assert_eq!(Kind::called(kind.plural), Some(kind));
    }
}
