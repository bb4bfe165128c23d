//! Words for what a schema refuses: the field, what was expected there, and what to write.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::Value;

use super::fields::{self, shown};
use crate::branch;
use crate::kinds::Kind;
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::schema::{FieldPath, Reason, Segment, Violation};
use crate::suggest;

/// The way to a field as the manifest's places have it.
pub(super) fn steps(path: &[Segment]) -> impl Iterator<Item = Step<'_>> {
    path.iter().map(|segment| match segment {
        Segment::Field(name) | Segment::Key(name) => Step::Field(name),
        Segment::Index(index) => Step::Item(*index),
    })
}

/// A field that the kind does not have.
pub(super) fn unknown_field(manifest: &Manifest, kind: &Kind, path: &FieldPath) -> Diagnostic {
    let (parent, name) = split(path);
    let span = manifest.key_at(steps(path.segments()));
    let mistake = Diagnostic::error("unknown-field", format!("unknown field {}", quote(name)), &manifest.source, span)
        .label(format!("no field of {}", general(manifest, parent)));
    let fields: Vec<&str> = match fields::at(kind, parent).and_then(|props| props.properties.as_ref()) {
        Some(fields) if parent.is_empty() => {
            ["apiVersion", "kind", "metadata"].into_iter().chain(fields.keys().map(String::as_str)).collect()
        }
        Some(fields) => fields.keys().map(String::as_str).collect(),
        None => Vec::new(),
    };
    if let Some(near) = suggest::nearest(name, fields.iter().copied()) {
        return mistake.hint(format!("did you mean `{near}`?"));
    }
    if let Some(home) = fields::home_of(kind, name) {
        return mistake.hint(format!("`{name}` goes into `{home}`: check the indentation"));
    }
    match suggest::hint(name, fields.iter().copied()) {
        Some(hint) => mistake.hint(hint),
        None => mistake,
    }
}

/// Something that the schema refuses.
pub(super) fn refused(manifest: &Manifest, kind: &Kind, violation: &Violation) -> Diagnostic {
    let Violation { path, reason, message } = violation;
    let object = manifest.value();
    let value = value_at(&object, path.segments()).unwrap_or(&Value::Null);
    let props = fields::at(kind, path.segments());
    let error = |code: &'static str, text: String| {
        Diagnostic::error(code, text, &manifest.source, manifest.value_at(steps(path.segments())))
    };
    let field = shown(path);
    match reason {
        Reason::Required => required(manifest, props, path),
        Reason::TypeInvalid => wrong_type(error("wrong-type", String::new()), props, value, &field),
        Reason::NotSupported => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mistake = error("wrong-value", format!("{field} cannot be {}", quote(&text)));
            let choices: Vec<&str> =
                props.and_then(|it| it.enum_.as_ref()).into_iter().flatten().filter_map(|it| it.0.as_str()).collect();
            match suggest::nearest(&text, choices.iter().copied()) {
                Some(near) => mistake.hint(format!("did you mean `{near}`?")),
                None => mistake.hint(format!("it is one of `{}`", choices.join("`, `"))),
            }
        }
        Reason::Duplicate => duplicate(manifest, path, value),
        Reason::TooLong | Reason::TooMany => {
            let max = props.and_then(|it| it.max_length.or(it.max_items)).unwrap_or_default();
            let what = if *reason == Reason::TooLong { "characters" } else { "items" };
            error("too-long", format!("{field} has more than {max} {what}"))
        }
        Reason::Invalid | Reason::Forbidden | Reason::Unknown => invalid(&error, props, value, &field, message),
    }
}

/// A rule of the kind that is broken, in the rule's own words.
pub(super) fn rule(manifest: &Manifest, kind: &Kind, violation: &Violation) -> Diagnostic {
    let path = violation.path.segments();
    let rules = fields::at(kind, path).and_then(|props| props.x_kubernetes_validations.as_ref());
    let text = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.message.as_deref())
        .find(|text| violation.message.ends_with(text))
        .unwrap_or(&violation.message);
    // Rules of the object as a whole are about its name. Others often start with the field that they are about.
    let subject = text.split_whitespace().next().unwrap_or_default().trim_matches('`');
    let span = match manifest.spans().nearest(steps(path).chain([Step::Field(subject)])) {
        _ if path.is_empty() => manifest.name_at(),
        (spans, true) => spans.of_value(),
        _ => manifest.value_at(steps(path)),
    };
    let mistake = Diagnostic::error("rule", text, &manifest.source, span);
    let object = manifest.value();
    let value = value_at(&object, path).and_then(Value::as_str);
    match value.filter(|_| text == branch::MESSAGE).and_then(branch::mistake) {
        Some(why) => mistake.hint(why),
        None => mistake,
    }
}

fn required(manifest: &Manifest, props: Option<&JSONSchemaProps>, path: &FieldPath) -> Diagnostic {
    let (parent, name) = split(path);
    let within = if parent.is_empty() { String::new() } else { format!(" in {}", general(manifest, parent)) };
    let span = match parent {
        [] => manifest.name_at(),
        parent => manifest.key_at(steps(parent)),
    };
    let mistake = Diagnostic::error("required", format!("`{name}` is missing{within}"), &manifest.source, span);
    match props.and_then(|it| it.description.as_deref()) {
        Some(description) => mistake.hint(format!("`{name}`: {description}")),
        None => mistake,
    }
}

fn wrong_type(mistake: Diagnostic, props: Option<&JSONSchemaProps>, value: &Value, field: &str) -> Diagnostic {
    let is_quantity = props.is_some_and(|it| it.x_kubernetes_int_or_string == Some(true));
    let wanted = if is_quantity { "quantity" } else { props.and_then(|it| it.type_.as_deref()).unwrap_or_default() };
    let (wanted, hint) = match (wanted, value) {
        ("string", Value::Bool(_) | Value::Number(_)) => ("text", "put it in quotes"),
        ("string", _) => ("text", ""),
        ("quantity", Value::Number(_)) => ("text or a whole number", "put it in quotes, such as `\"1.5\"`"),
        ("quantity", _) => ("text or a whole number", "such as `512Mi` of memory, `500m` or `2` cores"),
        ("boolean", _) => ("`true` or `false`", "YAML knows only these two words, without quotes"),
        ("integer", Value::String(_)) => ("a whole number", "digits alone, without quotes and without a leading 0"),
        ("integer", _) => ("a whole number", ""),
        ("array", Value::Object(_)) => ("a list", "start each item with `- `"),
        ("array", _) => ("a list", "write `[…]`, or each item in a line of its own after `- `"),
        _ => ("a mapping", "write `field: value` lines, indented under it"),
    };
    let is = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let mistake = Diagnostic { message: format!("{field} must be {wanted}"), ..mistake }.label(format!("this is {is}"));
    if hint.is_empty() { mistake } else { mistake.hint(hint) }
}

fn duplicate(manifest: &Manifest, path: &FieldPath, value: &Value) -> Diagnostic {
    let (parent, _) = split(path);
    let (list, at) = match path.segments().split_last() {
        Some((Segment::Index(at), list)) => (list, *at),
        _ => (parent, 0),
    };
    let key = if value.get("name").is_some() { "name" } else { "type" };
    let name = value.get(key).and_then(Value::as_str).unwrap_or_default();
    let span_of = |index: usize| manifest.value_at(steps(list).chain([Step::Item(index), Step::Field(key)]));
    let object = manifest.value();
    let items = value_at(&object, list).and_then(Value::as_array);
    let first = items.and_then(|all| all.iter().take(at).position(|item| item.get(key) == value.get(key)));
    let message = format!("{} stands twice in {}", quote(name), general(manifest, list));
    let mistake = Diagnostic::error("duplicate", message, &manifest.source, span_of(at)).label("again here");
    match first {
        Some(first) => mistake.related(&manifest.source, span_of(first), "first here"),
        None => mistake,
    }
}

/// A bound, a pattern or a format.
fn invalid(
    error: &dyn Fn(&'static str, String) -> Diagnostic,
    props: Option<&JSONSchemaProps>,
    value: &Value,
    field: &str,
    message: &str,
) -> Diagnostic {
    if value.as_str() == Some("") {
        return error("empty", format!("{field} is empty"));
    }
    if let Some(pattern) = props.and_then(|it| it.pattern.as_deref()).filter(|_| message.contains("should match")) {
        let text = value.as_str().unwrap_or_default();
        let mistake = error("form", format!("{field} cannot be {}", quote(text)));
        return mistake.hint(form(pattern));
    }
    // An apiserver's sentence is `…: spec.n in body should be less than or equal to 4`.
    let rest = message.split_once(" in body ").map_or(message, |(_, rest)| rest);
    error("bound", format!("{field} {rest}"))
}

/// A pattern in words; the kinds have few.
fn form(pattern: &str) -> String {
    match pattern {
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" => "lower-case letters, digits and `-`, not at the ends".to_owned(),
        crate::common::DURATION_PATTERN => {
            "a duration is numbers with units, such as `90s`, `10m` or `1h30m`".to_owned()
        }
        crate::quantity::PATTERN => "a quantity is a number with a unit, such as `512Mi`, `2Gi` or `800M`".to_owned(),
        crate::quantity::CPU_PATTERN => {
            "cores are a number, such as `2` or `1.5`, or thousandths, such as `500m`".to_owned()
        }
        other => format!("it must match `{other}`"),
    }
}

/// A path without its numbers, such as `spec.beads[]`, and the kind where it is the object itself.
fn general(manifest: &Manifest, path: &[Segment]) -> String {
    if path.is_empty() {
        return format!("a {}", manifest.kind);
    }
    let mut shown = String::new();
    for segment in path {
        match segment {
            Segment::Field(name) | Segment::Key(name) if shown.is_empty() => shown.push_str(name),
            Segment::Field(name) | Segment::Key(name) => {
                shown.push('.');
                shown.push_str(name);
            }
            Segment::Index(_) => shown.push_str("[]"),
        }
    }
    format!("`{shown}`")
}

/// A path's parent, and the name of its last field.
fn split(path: &FieldPath) -> (&[Segment], &str) {
    match path.segments().split_last() {
        Some((Segment::Field(name) | Segment::Key(name), parent)) => (parent, name),
        Some((Segment::Index(_), parent)) => (parent, ""),
        None => (&[], ""),
    }
}

fn value_at<'a>(value: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        Segment::Field(name) | Segment::Key(name) => value.get(name),
        Segment::Index(index) => value.get(index),
    })
}
