//! What a kind's schema says about one field: the place of a mistake in it, and the words for that.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use crate::kinds::Kind;
use crate::schema::{FieldPath, Segment};

/// What the schema says about the value at a path.
pub(super) fn at<'a>(kind: &'a Kind, path: &[Segment]) -> Option<&'a JSONSchemaProps> {
    path.iter().try_fold(kind.props(), |props, segment| match segment {
        Segment::Field(name) | Segment::Key(name) => child(props, name),
        Segment::Index(_) => items(props),
    })
}

/// Where else in the kind a field of this name may stand.
pub(super) fn home_of(kind: &Kind, field: &str) -> Option<String> {
    let mut found = Vec::new();
    if let Some(spec) = child(kind.props(), "spec") {
        search(spec, "spec", field, &mut found);
    }
    // Only where there is no doubt.
    (found.len() == 1).then(|| found.remove(0))
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
