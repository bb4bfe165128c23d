//! `apiVersion`, `kind` and `metadata.name`: nothing of an object can be understood without its kind, and little without the
//! others. Whatever of them is missing is told at once.

use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Diagnostic, quote};
use super::source::Source;
use super::spans::{Spans, Step};
use crate::common::API_VERSION;
use crate::schema::Segment;
use crate::suggest;

/// Reads them. What is missing of an object whose kind is known is empty: the rest of it can be judged.
pub(super) fn header(source: &Arc<Source>, value: &Value, spans: &Spans) -> (Option<[String; 3]>, Vec<Diagnostic>) {
    if !value.is_object() {
        let mistake = Diagnostic::error("not-an-object", "this is no object", source, spans.value.clone());
        let holds_objects = value.as_array().is_some_and(|items| items.iter().any(|item| item.get("kind").is_some()));
        let hint = if holds_objects {
            "part objects with lines of `---`, or make them the `items` of a `List`"
        } else {
            "an object has `apiVersion`, `kind`, `metadata` and `spec`"
        };
        return (None, vec![mistake.hint(hint)]);
    }
    let mut mistakes = Vec::new();
    let mut missing = Vec::new();
    let mut text = |path: &'static [&'static str]| match path.iter().try_fold(value, |value, field| value.get(field)) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => {
            match misspelled(value, path[0]) {
                Some(key) => mistakes.push(another(source, spans, key, path[0])),
                None => missing.push(path),
            }
            String::new()
        }
        Some(found) => {
            let hint = match found {
                Value::Array(_) | Value::Object(_) => "write one word",
                _ => "put it in quotes",
            };
            let message = format!("`{}` must be text", path.join("."));
            let span = spans.nearest(path.iter().map(|&field| Step::Field(field))).0.of_value();
            mistakes.push(Diagnostic::error("wrong-type", message, source, span).hint(hint));
            String::new()
        }
    };
    let found = [text(&["apiVersion"]), text(&["kind"]), text(&["metadata", "name"])];
    mistakes.extend(without(source, spans, &missing));
    let is_known = !found[1].is_empty();
    (is_known.then_some(found), mistakes)
}

/// The fields that every object has.
const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The key that stands for a field of the header which is missing.
fn misspelled<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    let map = value.as_object().filter(|map| !map.contains_key(field))?;
    map.keys().map(String::as_str).find(|key| !FIELDS.contains(key) && suggest::nearest(key, FIELDS) == Some(field))
}

fn another(source: &Arc<Source>, spans: &Spans, key: &str, field: &str) -> Diagnostic {
    let span = spans.nearest([Step::Field(key)]).0.of_key();
    Diagnostic::error("unknown-field", format!("unknown field {}", quote(key)), source, span)
        .label("no field of an object")
        .hint(format!("did you mean `{field}`?"))
}

/// Whether a field that no object has was told to stand for one that the header lacks.
pub(crate) fn is_meant(path: &[Segment], api_version: &str, is_unnamed: bool) -> bool {
    let [Segment::Field(key) | Segment::Key(key)] = path else { return false };
    match suggest::nearest(key, FIELDS) {
        Some("apiVersion") => api_version.is_empty(),
        Some("metadata") => is_unnamed,
        _ => false,
    }
}

/// Says what is missing, in one mistake: an object that lacks all of it is a mistake about the file.
fn without(source: &Arc<Source>, spans: &Spans, missing: &[&[&str]]) -> Option<Diagnostic> {
    let first = missing.first()?;
    let (nearest, found) = spans.nearest(first.iter().map(|&field| Step::Field(field)));
    let span = if found { nearest.of_value() } else { nearest.of_key() };
    let names: Vec<String> = missing.iter().map(|path| format!("`{}`", path.join("."))).collect();
    let lines: Vec<String> = missing.iter().map(|path| line_of(path)).collect();
    let (last, others) = names.split_last()?;
    let message = match others {
        [] => format!("{last} is missing"),
        others => format!("{} and {last} are missing", others.join(", ")),
    };
    let hint = format!("add {}", lines.join(", "));
    Some(Diagnostic::error("required", message, source, span).hint(hint))
}

/// The line that a header lacks.
fn line_of(path: &[&str]) -> String {
    match path {
        ["apiVersion"] => format!("`apiVersion: {API_VERSION}`"),
        ["kind"] => "the kind, such as `kind: Convoy`".to_owned(),
        _ => "`metadata: { name: … }`".to_owned(),
    }
}
