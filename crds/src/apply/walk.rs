//! Walking one value: the set of its fields, and the value without some of them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::element::Element;
use super::set::{Path, Set};
use super::shape::{Shape, Type};

/// Every leaf and every item that a value has: what its author owns.
pub(super) fn field_set(type_: Type<'_>, value: &Value) -> Set {
    let mut set = Set::default();
    collect(type_, value, &mut Vec::new(), &mut set);
    set
}

fn collect(type_: Type<'_>, value: &Value, at: &mut Path, set: &mut Set) {
    let shape = type_.shape(value);
    match (shape, value) {
        (Shape::Map, Value::Object(map)) => {
            for (name, child) in map {
                let field = type_.field(name);
                at.push(Element::field(name));
                collect(field.type_, child, at, set);
                let is_empty = child.is_null() || child.as_object().is_some_and(Map::is_empty);
                if is_empty || !field.is_declared {
                    set.insert(at);
                }
                at.pop();
            }
        }
        (Shape::Set | Shape::ListMap(_), Value::Array(list)) => {
            let Some(items) = type_.elements(shape, list) else { return set.insert(at) };
            let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
            repeated.extend(items.iter().map(|item| &item.0).filter(|element| !seen.insert(*element)));
            for (element, child) in &items {
                at.push(element.clone());
                // Of an item that is there twice nobody can say which is meant: it is owned as one piece.
                if !repeated.contains(element) {
                    collect(type_.item(), child, at, set);
                }
                set.insert(at);
                at.pop();
            }
        }
        (Shape::Map | Shape::Set | Shape::ListMap(_), Value::Null) => {}
        _ => set.insert(at),
    }
}

/// The value without the members of a set. A container that loses its last entry becomes null, which the defaults drop.
pub(super) fn without(type_: Type<'_>, value: &Value, set: &Set) -> Value {
    if set.is_empty() {
        return value.clone();
    }
    let nothing = Set::default();
    let below = |element: &Element| set.children.get(element).unwrap_or(&nothing);
    let shape = type_.shape(value);
    match (shape, value) {
        (Shape::Map, Value::Object(map)) => {
            let mut kept = Map::new();
            for (name, child) in map {
                let element = Element::field(name);
                if set.members.contains(&element) {
                    continue;
                }
                kept.insert(name.clone(), without(type_.field(name).type_, child, below(&element)));
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Shape::Set | Shape::ListMap(_), Value::Array(list)) => {
            let Some(items) = type_.elements(shape, list) else { return value.clone() };
            let mut kept = Vec::new();
            for (element, child) in items.into_iter().filter(|(element, _)| !set.members.contains(element)) {
                kept.push(without(type_.item(), child, below(&element)));
            }
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        _ => value.clone(),
    }
}

/// The set as it is under the present schema: of a value that has become one piece, whoever owned a part owns the whole.
pub(super) fn reconciled(type_: Type<'_>, set: &Set) -> Set {
    let mut reconciled = Set { members: set.members.clone(), ..Set::default() };
    for (element, child) in &set.children {
        let type_ = match element {
            Element::Field(name) => type_.field(name).type_,
            _ => type_.item(),
        };
        if type_.is_one_piece() {
            reconciled.members.insert(element.clone());
        } else {
            reconciled.children.insert(element.clone(), self::reconciled(type_, child));
        }
    }
    reconciled
}
