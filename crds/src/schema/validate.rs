//! Checking a value against a schema: types, bounds, patterns, formats, choices and list uniqueness.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::compile::{Additional, ListType, Node, Type};
use super::path::At;
use super::violation::Violation;

/// The most mistakes that are reported of one object; a person corrects a few at a time.
const VIOLATIONS_MAX: usize = 100;

pub(super) fn validate(root: &Node, object: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    walk(root, object, At::ROOT, &mut found);
    found.truncate(VIOLATIONS_MAX);
    found
}

fn walk(node: &Node, value: &Value, at: At<'_>, found: &mut Vec<Violation>) {
    if found.len() >= VIOLATIONS_MAX || (value.is_null() && node.nullable) {
        return;
    }
    if let Some(wanted) = wrong_type(node, value) {
        found.push(Violation::type_invalid(at.to_path(), wanted, type_name(value)));
        return;
    }
    if !node.one_of_values.is_empty() && !node.one_of_values.iter().any(|it| same(it, value)) {
        found.push(Violation::not_supported(at.to_path(), value, &node.one_of_values));
    }
    match value {
        Value::Object(map) => object(node, map, at, found),
        Value::Array(list) => array(node, list, at, found),
        Value::String(text) => string(node, text, value, at, found),
        Value::Number(_) => number(node, value, at, found),
        Value::Bool(_) | Value::Null => {}
    }
    choices(node, value, at, found);
}

fn wrong_type(node: &Node, value: &Value) -> Option<&'static str> {
    if node.int_or_string {
        return (!is_integer(value) && !value.is_string()).then_some("integer,string");
    }
    let type_ = node.type_?;
    let fits = match type_ {
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Integer => is_integer(value),
        Type::Number => value.is_number(),
        Type::Boolean => value.is_boolean(),
    };
    (!fits).then_some(type_.as_str())
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_integer(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Equality of JSON values in which `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

fn object(node: &Node, map: &Map<String, Value>, at: At<'_>, found: &mut Vec<Violation>) {
    for name in &node.required {
        if !map.contains_key(name) {
            found.push(Violation::required(at.field(name).to_path()));
        }
    }
    let size = map.len();
    if let Some(max) = node.properties_count.max.filter(|max| size > *max) {
        found.push(Violation::too_many(at.to_path(), size, max));
    }
    if let Some(min) = node.properties_count.min.filter(|min| size < *min) {
        let path = at.to_path();
        let detail = format!("{path} in body should have at least {min} properties");
        found.push(Violation::invalid(path, &Value::from(size), &detail));
    }
    for (name, child) in map {
        if let Some(declared) = node.properties.get(name) {
            walk(declared, child, at.field(name), found);
        } else if let Additional::Schema(any) = &node.additional {
            walk(any, child, at.key(name), found);
        }
    }
}

fn array(node: &Node, list: &[Value], at: At<'_>, found: &mut Vec<Violation>) {
    let size = list.len();
    if let Some(max) = node.items_count.max.filter(|max| size > *max) {
        // Not walked further: the bound is what keeps the rest cheap.
        found.push(Violation::too_many(at.to_path(), size, max));
        return;
    }
    if let Some(min) = node.items_count.min.filter(|min| size < *min) {
        let path = at.to_path();
        let detail = format!("{path} in body should have at least {min} items");
        found.push(Violation::invalid(path, &Value::from(size), &detail));
    }
    if let Some(items) = node.items.as_deref() {
        for (index, child) in list.iter().enumerate() {
            walk(items, child, at.index(index), found);
        }
    }
    let keys = match &node.list {
        ListType::Atomic => return,
        ListType::Set => None,
        ListType::Map(keys) => Some(keys),
    };
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let identity = match keys {
            None => item.clone(),
            Some(keys) => {
                let pairs = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
                Value::Object(pairs.collect())
            }
        };
        if !seen.insert(identity.to_string()) {
            found.push(Violation::duplicate(at.index(index).to_path(), &identity));
        }
    }
}

fn string(node: &Node, text: &str, value: &Value, at: At<'_>, found: &mut Vec<Violation>) {
    let mut refuse = |detail: String| {
        let path = at.to_path();
        let detail = format!("{path} in body {detail}");
        found.push(Violation::invalid(path, value, &detail));
    };
    if let Some(min) = node.chars.min.filter(|min| text.chars().count() < *min) {
        refuse(format!("should be at least {min} chars long"));
    }
    if let Some(pattern) = node.pattern.as_ref().filter(|it| !it.is_match(text)) {
        refuse(format!("should match '{}'", pattern.text()));
    }
    if let Some(format) = node.format.as_deref().filter(|it| !has_format(it, text)) {
        refuse(format!("must be of type {format}: {value}"));
    }
    if let Some(max) = node.chars.max.filter(|max| text.len() > *max && text.chars().count() > *max) {
        found.push(Violation::too_long(at.to_path(), max));
    }
}

/// Whether a text has a declared format; as in an apiserver, a format that is not known is no constraint.
fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => {
            let groups: Vec<_> = text.split('-').map(str::len).collect();
            groups == [8, 4, 4, 4, 12] && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
        }
        _ => true,
    }
}

fn number(node: &Node, value: &Value, at: At<'_>, found: &mut Vec<Violation>) {
    let n = value.as_f64().unwrap_or_default();
    let mut refuse = |detail: String| {
        let path = at.to_path();
        let detail = format!("{path} in body {detail}");
        found.push(Violation::invalid(path, value, &detail));
    };
    match node.minimum {
        Some((min, true)) if n <= min => refuse(format!("should be greater than {min}")),
        Some((min, false)) if n < min => refuse(format!("should be greater than or equal to {min}")),
        _ => {}
    }
    match node.maximum {
        Some((max, true)) if n >= max => refuse(format!("should be less than {max}")),
        Some((max, false)) if n > max => refuse(format!("should be less than or equal to {max}")),
        _ => {}
    }
    if let Some(step) = node.multiple_of.filter(|step| (n / step).fract() != 0.0) {
        refuse(format!("should be a multiple of {step}"));
    }
    // `3.0` is a whole number, as clients write it that have floats alone.
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and what is out of range becomes a bound")]
    let whole =
        value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| n as i64));
    let natural = value.as_u64().or_else(|| whole.and_then(|n| u64::try_from(n).ok()));
    let fits = match node.format.as_deref() {
        Some("int32") => whole.is_some_and(|n| i32::try_from(n).is_ok()),
        Some("int64") => whole.is_some(),
        Some("uint32") => natural.is_some_and(|n| u32::try_from(n).is_ok()),
        Some("uint64" | "uint") => natural.is_some(),
        _ => true,
    };
    if !fits {
        refuse(format!("must be of type {}: {value}", node.format.as_deref().unwrap_or_default()));
    }
}

fn choices(node: &Node, value: &Value, at: At<'_>, found: &mut Vec<Violation>) {
    let fits = |branch: &Node| {
        let mut inner = Vec::new();
        walk(branch, value, at, &mut inner);
        inner.is_empty()
    };
    let mut refuse = |detail: &str| {
        let path = at.to_path();
        let place = if path.is_root() { String::new() } else { path.to_string() };
        found.push(Violation::invalid(path, value, &format!("\"{place}\" {detail}")));
    };
    if !node.any_of.is_empty() && !node.any_of.iter().any(fits) {
        refuse("must validate at least one schema (anyOf)");
    }
    if !node.one_of.is_empty() {
        match node.one_of.iter().filter(|branch| fits(branch)).count() {
            1 => {}
            0 => refuse("must validate one and only one schema (oneOf). Found none valid"),
            n => refuse(&format!("must validate one and only one schema (oneOf). Found {n} valid alternatives")),
        }
    }
    if node.not.as_deref().is_some_and(fits) {
        refuse("must not validate the schema (not)");
    }
    for branch in &node.all_of {
        walk(branch, value, at, found);
    }
}
