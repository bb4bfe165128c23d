//! Words for a value of the wrong type or form: what was expected, and what to write so that the next try is the last.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use serde_json::Value;

use super::fields::shown;
use super::words::split;
use crate::common::DURATION_PATTERN;
use crate::manifest::Diagnostic;
use crate::manifest::quote;
use crate::quantity;
use crate::schema::FieldPath;

/// A value of another type than the field's.
pub(super) fn type_of(mistake: Diagnostic, props: Option<&JSONSchemaProps>, value: &Value, field: &str) -> Diagnostic {
    let is_quantity = props.is_some_and(|it| it.x_kubernetes_int_or_string == Some(true));
    let wanted = if is_quantity { "quantity" } else { props.and_then(|it| it.type_.as_deref()).unwrap_or_default() };
    let (wanted, hint) = match (wanted, value) {
        ("string", Value::Number(number)) if is_duration(props) => {
            ("a duration", format!("write it with a unit, such as `{number}s` or `{number}m`"))
        }
        ("string", Value::Bool(_) | Value::Number(_)) => ("text", "put it in quotes".to_owned()),
        ("string", _) => ("text", "write one text; put it in quotes if it has brackets or `: ` in it".to_owned()),
        ("quantity", Value::Number(number)) => {
            ("text or a whole number", format!("put it in quotes, such as `\"{number}\"`"))
        }
        ("quantity", _) => ("text or a whole number", "such as `512Mi` of memory, `500m` or `2` cores".to_owned()),
        ("boolean", _) => ("`true` or `false`", boolean(value)),
        ("integer", _) => ("a whole number", integer(props, value)),
        ("array", Value::Object(map)) => ("a list", items(props, map)),
        ("array", _) => ("a list", "write `[…]`, or each item in a line of its own after `- `".to_owned()),
        _ => ("a mapping", mapping(props, value)),
    };
    let is = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    Diagnostic { message: format!("{field} must be {wanted}"), ..mistake }.label(format!("this is {is}")).hint(hint)
}

fn is_duration(props: Option<&JSONSchemaProps>) -> bool {
    props.and_then(|it| it.pattern.as_deref()) == Some(DURATION_PATTERN)
}

/// The words that other readers of YAML take for a boolean are told which one to write.
fn boolean(value: &Value) -> String {
    let word = value.as_str().unwrap_or_default().to_ascii_lowercase();
    match word.as_str() {
        "yes" | "on" | "y" | "true" | "1" => "write `true`, without quotes: no other word means it",
        "no" | "off" | "n" | "false" | "0" => "write `false`, without quotes: no other word means it",
        _ => "YAML knows only these two words, without quotes",
    }
    .to_owned()
}

fn integer(props: Option<&JSONSchemaProps>, value: &Value) -> String {
    let bounds = props.and_then(|it| Some((it.minimum?, it.maximum?)));
    let from_to = bounds.map(|(min, max)| format!(" from {min} to {max}")).unwrap_or_default();
    match value {
        Value::Number(_) => format!("write a number{from_to} without a point"),
        Value::String(text) => match text.trim().trim_start_matches('0') {
            digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("write `{digits}`: digits alone, without quotes and without a leading 0")
            }
            _ => format!("write a number{from_to}: digits alone, without quotes and without a leading 0"),
        },
        _ => format!("write a number{from_to}"),
    }
}

/// A mapping where a list should be: one item without its dash, or names that belong into items.
fn items(props: Option<&JSONSchemaProps>, map: &serde_json::Map<String, Value>) -> String {
    let Some(JSONSchemaPropsOrArray::Schema(item)) = props.and_then(|it| it.items.as_ref()) else {
        return "start each item with `- `".to_owned();
    };
    let needed = item.required.as_deref().unwrap_or_default();
    if needed.is_empty() || needed.iter().any(|name| map.contains_key(name)) {
        return "start each item with `- `".to_owned();
    }
    let fields: Vec<String> = needed.iter().map(|name| format!("{name}: …")).collect();
    format!("write each item as `- {{ {} }}`", fields.join(", "))
}

/// Something else where a mapping should be.
fn mapping(props: Option<&JSONSchemaProps>, value: &Value) -> String {
    let needed = props.and_then(|it| it.required.as_deref()).unwrap_or_default();
    match value {
        Value::Array(_) => "remove the `- `: here stands one mapping, and no list of them".to_owned(),
        Value::String(text) if has_key(text) => "put a blank behind the `:` of `field: value`".to_owned(),
        _ => match needed {
            [field] => format!("write `{field}: …` in a line under it, indented"),
            _ => "write `field: value` lines, indented under it".to_owned(),
        },
    }
}

/// Whether a text is a key and its value without the blank between them: `command:[robot]`.
fn has_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(key, rest)| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic()) && !rest.starts_with('/')
    })
}

/// A value that breaks a bound, a pattern or a format.
pub(super) fn form_of(
    mistake: &Diagnostic,
    path: &FieldPath,
    props: Option<&JSONSchemaProps>,
    value: &Value,
    message: &str,
) -> Diagnostic {
    let field = shown(path);
    let told = |code: &'static str, message: String| Diagnostic { code, message, ..mistake.clone() };
    if value.as_str() == Some("") {
        return described(told("empty", format!("{field} is empty")), path, props);
    }
    if let Some(pattern) = props.and_then(|it| it.pattern.as_deref()).filter(|_| message.contains("should match")) {
        let text = value.as_str().unwrap_or_default();
        return told("form", format!("{field} cannot be {}", quote(text))).hint(form(pattern));
    }
    if message.contains("must be of type int") {
        return told("bound", format!("{field} must be a whole number")).hint(integer(props, value));
    }
    let bound = |n: f64| format!("{n}");
    let why = match props {
        Some(it) if value.as_f64().zip(it.minimum).is_some_and(|(n, min)| n < min) => {
            format!("must be at least {}", bound(it.minimum.unwrap_or_default()))
        }
        Some(it) if value.as_f64().zip(it.maximum).is_some_and(|(n, max)| n > max) => {
            format!("must be at most {}", bound(it.maximum.unwrap_or_default()))
        }
        Some(it) if it.min_items.is_some() && value.is_array() => match it.min_items.unwrap_or_default() {
            1 => "must have at least one item".to_owned(),
            min => format!("must have at least {min} items"),
        },
        // An apiserver's sentence is `…: spec.n in body should be less than or equal to 4`.
        _ => message.split_once(" in body ").map_or(message, |(_, rest)| rest).to_owned(),
    };
    described(told("bound", format!("{field} {why}")), path, props)
}

/// Adds what the field is for, where the schema says it.
pub(super) fn described(mistake: Diagnostic, path: &FieldPath, props: Option<&JSONSchemaProps>) -> Diagnostic {
    match (split(path).1, props.and_then(|it| it.description.as_deref())) {
        ("", _) | (_, None) => mistake,
        (name, Some(description)) => mistake.hint(format!("`{name}`: {description}")),
    }
}

/// A pattern in words; the kinds have few.
fn form(pattern: &str) -> String {
    match pattern {
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" => "lower-case letters, digits and `-`, not at the ends",
        r"^[A-Za-z0-9][A-Za-z0-9_.-]*$" => "letters, digits, `_`, `.` and `-`, with a letter or a digit first",
        r"^[A-Za-z_][A-Za-z0-9_.-]*$" => "letters, digits, `_`, `.` and `-`, with a letter or `_` first",
        r"^[A-Za-z_][A-Za-z0-9_]*$" => "letters, digits and `_`, with a letter or `_` first",
        r"^[^/\x00][^\x00]*$" => "a path as seen from the folder that it is copied from: it cannot start with `/`",
        r"^[^<>\s]+@[^<>\s]+$" => "an address such as `kim@example.com`",
        r"^[^<>\n\x00]+$" => "a name in one line, without `<` and `>`",
        r"^(([./]|file://)([^\s\x00]| )*|[^-\s\x00][^\s\x00]*)$" => {
            "an address that `git clone` takes: it cannot start with `-`, and only a path may hold blanks"
        }
        DURATION_PATTERN => "a duration is numbers with units, such as `90s`, `10m` or `1h30m`",
        quantity::PATTERN => "a quantity is a number with a unit, such as `512Mi`, `2Gi` or `800M`",
        quantity::CPU_PATTERN => "cores are a number, such as `2` or `1.5`, or thousandths, such as `500m`",
        other => return format!("it must match `{other}`"),
    }
    .to_owned()
}
