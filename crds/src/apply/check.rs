//! Whether a configuration fits its schema well enough to be merged: fields are declared, values have the declared type,
//! items of sets and maps can be told apart. Everything else is left to validation, after the merge.

use std::collections::BTreeSet;

use serde_json::Value;

use super::element::Element;
use super::set::{Path, display};
use super::shape::{Shape, Type};
use crate::schema::Type as JsonType;

/// The most mistakes that are listed.
const MISTAKES_MAX: usize = 32;

/// What cannot be merged, one sentence for each, such as `.spec.nonsense: field not declared in schema`.
pub(super) fn check(type_: Type<'_>, config: &Value) -> Vec<String> {
    let mut mistakes = Vec::new();
    walk(type_, config, &mut Vec::new(), &mut mistakes);
    mistakes.truncate(MISTAKES_MAX);
    mistakes
}

fn walk(type_: Type<'_>, value: &Value, at: &mut Path, mistakes: &mut Vec<String>) {
    if value.is_null() || mistakes.len() >= MISTAKES_MAX {
        return;
    }
    let mut refuse = |at: &Path, why: String| mistakes.push(format!("{}: {why}", display(at)));
    let shape = type_.shape(value);
    match (shape, value) {
        (Shape::Map | Shape::AtomicMap, Value::Object(map)) => {
            for (name, child) in map {
                let field = type_.field(name);
                at.push(Element::field(name));
                if field.is_allowed {
                    walk(field.type_, child, at, mistakes);
                } else {
                    mistakes.push(format!("{}: field not declared in schema", display(at)));
                }
                at.pop();
            }
        }
        (Shape::Map | Shape::AtomicMap, _) => refuse(at, format!("expected map, got {value}")),
        (Shape::Set | Shape::ListMap(_) | Shape::Atomic, Value::Array(list)) => {
            let mut seen = BTreeSet::new();
            for (index, item) in list.iter().enumerate() {
                let element = if shape == Shape::Atomic {
                    Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
                } else {
                    let Some(element) = type_.element(shape, item) else {
                        mistakes.push(format!("{}: element {index}: {}", display(at), unnamed(shape)));
                        continue;
                    };
                    if !seen.insert(element.clone()) {
                        mistakes.push(format!("{}: duplicate entries for key {element}", display(at)));
                    }
                    element
                };
                at.push(element);
                walk(type_.item(), item, at, mistakes);
                at.pop();
            }
        }
        (Shape::Set | Shape::ListMap(_) | Shape::Atomic, _) => refuse(at, format!("expected list, got {value}")),
        (Shape::Scalar, _) => {
            if let Some(expected) = wrong_scalar(type_, value) {
                refuse(at, format!("expected {expected}, got {value}"));
            }
        }
    }
}

fn unnamed(shape: Shape<'_>) -> String {
    match shape {
        Shape::ListMap(keys) => format!("associative list with keys has an element that omits all key fields {keys:?}"),
        _ => "a set holds only strings, numbers and booleans".to_owned(),
    }
}

fn wrong_scalar(type_: Type<'_>, value: &Value) -> Option<&'static str> {
    let declared = match type_ {
        Type::Text => Some(JsonType::String),
        Type::Of(node) | Type::Object(node) if !node.int_or_string => node.type_,
        _ => None,
    };
    let fits = match declared {
        None => !value.is_array() && !value.is_object(),
        Some(JsonType::String) => value.is_string(),
        Some(JsonType::Boolean) => value.is_boolean(),
        Some(_) => value.is_number(),
    };
    let expected = match declared {
        None => "any scalar",
        Some(JsonType::String) => "string",
        Some(JsonType::Boolean) => "boolean",
        Some(_) => "numeric (int or float)",
    };
    (!fits).then_some(expected)
}
