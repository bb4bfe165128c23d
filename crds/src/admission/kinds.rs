//! The kinds that exist, with their compiled schemas, and what a schema says about one field.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::schema::{FieldPath, Schema, Segment};

/// One kind.
pub(super) struct Kind {
    pub props: JSONSchemaProps,
    pub schema: Schema,
}

/// Every kind by its name. Compiled once per process: the schemas are constants.
static KINDS: LazyLock<BTreeMap<String, Kind>> = LazyLock::new(|| {
    let compiled = crate::crds().into_iter().map(|crd| {
        let version = crd.spec.versions.into_iter().next().and_then(|version| version.schema);
        let props = version.and_then(|schema| schema.open_api_v3_schema).expect("every kind is derived with a schema");
        let schema = Schema::compile(&props).expect("the schemas are constants, and a test compiles each");
        (crd.spec.names.kind, Kind { props, schema })
    });
    compiled.collect()
});

pub(super) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.get(name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.keys().map(String::as_str)
}

impl Kind {
    /// What the schema says about the value at a path.
    pub fn at(&self, path: &[Segment]) -> Option<&JSONSchemaProps> {
        path.iter().try_fold(&self.props, |props, segment| match segment {
            Segment::Field(name) | Segment::Key(name) => child(props, name),
            Segment::Index(_) => items(props),
        })
    }

    /// Where else in the kind a field of this name may stand.
    pub fn home_of(&self, field: &str) -> Option<String> {
        let mut found = Vec::new();
        if let Some(spec) = child(&self.props, "spec") {
            search(spec, "spec", field, &mut found);
        }
        // Only where there is no doubt.
        (found.len() == 1).then(|| found.remove(0))
    }
}

fn child<'a>(props: &'a JSONSchemaProps, name: &str) -> Option<&'a JSONSchemaProps> {
    let declared = props.properties.as_ref().and_then(|all| all.get(name));
    declared.or(match &props.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(any)) => Some(any),
        _ => None,
    })
}

fn items(props: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &props.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        _ => None,
    }
}

fn search(props: &JSONSchemaProps, at: &str, field: &str, found: &mut Vec<String>) {
    for (name, inner) in props.properties.iter().flatten() {
        if name == field {
            found.push(at.to_owned());
        }
        search(inner, &format!("{at}.{name}"), field, found);
    }
    if let Some(items) = items(props) {
        search(items, &format!("{at}[]"), field, found);
    }
}

/// A path as people read it; the object itself is `this object`.
pub(super) fn shown(path: &FieldPath) -> String {
    if path.is_root() { "this object".to_owned() } else { format!("`{path}`") }
}
