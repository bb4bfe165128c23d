//! Comparing two values of one type: which fields were added, changed and removed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::{Element, Item};
use super::set::{Path, Set};
use super::shape::{Shape, Type};

/// The difference between two values.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: Set,
    pub(super) modified: Set,
    pub(super) removed: Set,
}

impl Comparison {
    pub(super) fn of(type_: Type<'_>, old: &Value, new: &Value) -> Self {
        let mut comparison = Self::default();
        comparison.walk(type_, Some(old), Some(new), &mut Vec::new());
        comparison
    }

    /// The same without these fields and all that is below them.
    pub(super) fn without(self, fields: &Set) -> Self {
        let Self { added, modified, removed } = self;
        Self {
            added: added.without_trees(fields),
            modified: modified.without_trees(fields),
            removed: removed.without_trees(fields),
        }
    }

    fn walk(&mut self, type_: Type<'_>, old: Option<&Value>, new: Option<&Value>, at: &mut Path) {
        // What is equal differs nowhere below; most of an object is.
        if old == new {
            return;
        }
        let is_leaf = match (old.map(|value| type_.shape(value)), new.map(|value| type_.shape(value))) {
            (Some(before), Some(after)) if before != after => {
                // What was there goes and what is there comes, each in its own shape.
                self.shaped(type_, before, old, new, at);
                self.shaped(type_, after, old, new, at)
            }
            (_, Some(shape)) | (Some(shape), None) => self.shaped(type_, shape, old, new, at),
            (None, None) => return,
        };
        if !is_leaf {
            match (old, new) {
                (None, _) => self.added.insert(at),
                (_, None) => self.removed.insert(at),
                _ => {}
            }
        }
    }

    /// Walks both sides in one shape; answers whether they are one piece.
    fn shaped(
        &mut self,
        type_: Type<'_>,
        shape: Shape<'_>,
        old: Option<&Value>,
        new: Option<&Value>,
        at: &mut Path,
    ) -> bool {
        match shape {
            Shape::Scalar | Shape::Atomic | Shape::AtomicMap => self.leaf(old, new, at),
            Shape::Map => {
                let (old_map, new_map) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
                if old_map.is_none_or(Map::is_empty) && new_map.is_none_or(Map::is_empty) {
                    return self.leaf(old, new, at);
                }
                let names: BTreeSet<_> = old_map.into_iter().chain(new_map).flat_map(Map::keys).collect();
                for name in names {
                    let (old, new) = (old_map.and_then(|map| map.get(name)), new_map.and_then(|map| map.get(name)));
                    at.push(Element::field(name));
                    self.walk(type_.field(name).type_, old, new, at);
                    at.pop();
                }
                false
            }
            Shape::Set | Shape::ListMap(_) => {
                let (old_list, new_list) = (old.and_then(Value::as_array), new.and_then(Value::as_array));
                if old_list.is_none_or(Vec::is_empty) && new_list.is_none_or(Vec::is_empty) {
                    return self.leaf(old, new, at);
                }
                let before = by_element(type_, shape, old_list);
                let after = by_element(type_, shape, new_list);
                let (Some(before), Some(after)) = (before, after) else { return self.leaf(old, new, at) };
                self.items(type_.item(), &before, &after, at);
                false
            }
        }
    }

    fn items(&mut self, type_: Type<'_>, old: &ByElement<'_>, new: &ByElement<'_>, at: &mut Path) {
        let elements: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for element in elements {
            let (before, after) = (all(old, element), all(new, element));
            at.push(element.clone());
            // An item that is there more than once is one piece.
            match (before, after) {
                ([] | [_], [] | [_]) => self.walk(type_, before.first().copied(), after.first().copied(), at),
                ([_, _, ..], [_, _, ..]) if before == after => {}
                ([_, _, ..], [_, _, ..]) => self.modified.insert(at),
                ([_, _, ..], single) => {
                    self.walk(type_, None, single.first().copied(), at);
                    self.removed.insert(at);
                }
                (single, _) => {
                    self.walk(type_, single.first().copied(), None, at);
                    self.added.insert(at);
                }
            }
            at.pop();
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>, at: &Path) -> bool {
        match (old, new) {
            (None, Some(_)) => self.added.insert(at),
            (Some(_), None) => self.removed.insert(at),
            (Some(old), Some(new)) if !is_same(old, new) => self.modified.insert(at),
            _ => {}
        }
        true
    }
}

type ByElement<'v> = BTreeMap<Element, Vec<&'v Value>>;

fn all<'m, 'v>(map: &'m ByElement<'v>, element: &Element) -> &'m [&'v Value] {
    map.get(element).map_or(&[], Vec::as_slice)
}

fn by_element<'v>(type_: Type<'_>, shape: Shape<'_>, list: Option<&'v Vec<Value>>) -> Option<ByElement<'v>> {
    let mut map = ByElement::new();
    for (element, item) in type_.elements(shape, list.map_or(&[], Vec::as_slice))? {
        map.entry(element).or_default().push(item);
    }
    Some(map)
}

/// Whether two values are equal where `1` and `1.0` are the same number.
pub(super) fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => Item(a.clone()) == Item(b.clone()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        _ => a == b,
    }
}
