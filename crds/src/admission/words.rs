//! Words for what a schema refuses: the field, what was expected there, and what to write.

use std::ops::Range;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};
use serde_json::Value;

use super::expected;
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

/// The field that was probably meant by one that the kind does not have.
pub(super) fn meant(kind: &Kind, path: &FieldPath) -> Option<FieldPath> {
    let (parent, name) = split(path);
    let fields = fields::at(kind, parent)?.properties.as_ref()?;
    let near = suggest::nearest(name, fields.keys().map(String::as_str))?;
    let parent = parent.iter().fold(FieldPath::root(), |path, step| path.child(step.clone()));
    Some(parent.child(Segment::Field(near.to_owned())))
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
        None if fields.is_empty() => mistake,
        // Too many to be listed here.
        None => {
            let names = parent.iter().filter_map(|segment| match segment {
                Segment::Field(name) => Some(&**name),
                Segment::Key(_) | Segment::Index(_) => None,
            });
            let path: Vec<&str> = std::iter::once(kind.singular).chain(names).collect();
            mistake.hint(format!("`gt explain {}` lists the fields that there are", path.join(".")))
        }
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
        Reason::TypeInvalid => expected::type_of(error("wrong-type", String::new()), props, value, &field),
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
            expected::described(error("too-long", format!("{field} has more than {max} {what}")), path, props)
        }
        Reason::Invalid | Reason::Forbidden | Reason::Unknown => {
            expected::form_of(&error("form", String::new()), path, props, value, message)
        }
    }
}

/// A rule of the kind that is broken, in the rule's own words.
pub(super) fn rule(manifest: &Manifest, kind: &Kind, violation: &Violation) -> Diagnostic {
    let path = violation.path.segments();
    let text = rules_at(kind, path)
        .filter_map(|rule| rule.message.as_deref())
        .find(|text| violation.message.ends_with(text))
        .unwrap_or(&violation.message);
    let expression = rules_at(kind, path).find(|rule| rule.message.as_deref() == Some(text)).map(|rule| &*rule.rule);
    let span = if path.is_empty() {
        // Rules of the object as a whole are about its name.
        manifest.name_at()
    } else {
        let subject = subject(manifest, path, text, expression.unwrap_or_default());
        subject.unwrap_or_else(|| manifest.value_at(steps(path)))
    };
    let mistake = Diagnostic::error("rule", text, &manifest.source, span);
    let object = manifest.value();
    let value = value_at(&object, path).and_then(Value::as_str);
    match value.filter(|_| text == branch::MESSAGE).and_then(branch::mistake) {
        Some(why) => mistake.hint(why),
        None => mistake,
    }
}

fn rules_at<'a>(kind: &'a Kind, path: &[Segment]) -> impl Iterator<Item = &'a ValidationRule> {
    fields::at(kind, path).and_then(|props| props.x_kubernetes_validations.as_ref()).into_iter().flatten()
}

/// The field that a rule is about: the first that its words name and the manifest has, else the first of its expression.
fn subject(manifest: &Manifest, path: &[Segment], text: &str, expression: &str) -> Option<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let words = text.split(|c: char| !is_part(c));
    let of_self = expression.split("self.").skip(1).filter_map(|rest| rest.split(|c: char| !is_part(c)).next());
    words.chain(of_self).find_map(|word| {
        let fields = word.trim_end_matches('.').split('.').map(Step::Field);
        match manifest.spans().nearest(steps(path).chain(fields)) {
            (spans, true) if !word.is_empty() => Some(spans.of_value()),
            _ => None,
        }
    })
}

fn required(manifest: &Manifest, props: Option<&JSONSchemaProps>, path: &FieldPath) -> Diagnostic {
    let (parent, name) = split(path);
    let within = if parent.is_empty() { String::new() } else { format!(" in {}", general(manifest, parent)) };
    let (what, span) = match manifest.spans().nearest(steps(path.segments())) {
        // It is there, without a value.
        (spans, true) => ("has no value", spans.of_key()),
        _ if parent.is_empty() => ("is missing", manifest.name_at()),
        _ => ("is missing", manifest.key_at(steps(parent))),
    };
    let mistake = Diagnostic::error("required", format!("`{name}` {what}{within}"), &manifest.source, span);
    let Some(description) = props.and_then(|it| it.description.as_deref()) else { return mistake };
    let needs = props.and_then(|it| it.required.as_ref()).into_iter().flatten().map(|name| format!("`{name}`"));
    match needs.collect::<Vec<_>>().join(", ") {
        needs if needs.is_empty() => mistake.hint(format!("`{name}`: {description}")),
        needs => mistake.hint(format!("`{name}`: {description} It needs {needs}.")),
    }
}

/// What tells the entries of a list apart: the keys of all lists that are maps.
const KEYS: [&str; 3] = ["name", "bead", "type"];

fn duplicate(manifest: &Manifest, path: &FieldPath, value: &Value) -> Diagnostic {
    let (parent, _) = split(path);
    let (list, at) = match path.segments().split_last() {
        Some((Segment::Index(at), list)) => (list, *at),
        _ => (parent, 0),
    };
    let key = KEYS.into_iter().find(|key| value.get(key).is_some()).unwrap_or("type");
    let name = value.get(key).and_then(Value::as_str).unwrap_or_default();
    let span_of = |index: usize| manifest.value_at(steps(list).chain([Step::Item(index), Step::Field(key)]));
    let object = manifest.value();
    let items = value_at(&object, list).and_then(Value::as_array);
    let first = items.and_then(|all| all.iter().take(at).position(|item| item.get(key) == value.get(key)));
    let message = format!("{} stands twice in {}", quote(name), general(manifest, list));
    let mistake = Diagnostic::error("duplicate", message, &manifest.source, span_of(at)).label("again here");
    let hint = if key == "name" { "rename one, or remove it" } else { "remove one of them" };
    let mistake = mistake.hint(hint);
    match first {
        Some(first) => mistake.related(&manifest.source, span_of(first), "first here"),
        None => mistake,
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
pub(super) fn split(path: &FieldPath) -> (&[Segment], &str) {
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
