//! Merging a configuration into a live value: nothing is removed, and where both say something the configuration wins.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::element::Element;
use super::shape::{Shape, Type};

/// The merge; none where both are empty containers that hold nothing.
pub(super) fn merge(type_: Type<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    // What is not there takes the shape of the other side.
    let shape = config.or(live).map(|value| type_.shape(value))?;
    let leaf = || config.or(live).cloned();
    match shape {
        Shape::Scalar | Shape::Atomic | Shape::AtomicMap => leaf(),
        Shape::Map => {
            let (live, config) = (object(live), object(config));
            if live.is_none_or(Map::is_empty) && config.is_none_or(Map::is_empty) {
                return leaf();
            }
            let names: BTreeSet<_> = live.into_iter().chain(config).flat_map(Map::keys).collect();
            let entry = |name: &String| {
                let (live, config) = (live.and_then(|map| map.get(name)), config.and_then(|map| map.get(name)));
                Some((name.clone(), merge(type_.field(name).type_, live, config)?))
            };
            let merged: Map<_, _> = names.into_iter().filter_map(entry).collect();
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Shape::Set | Shape::ListMap(_) => {
            let (live_list, config_list) = (list(live), list(config));
            if live_list.is_empty() && config_list.is_empty() {
                return leaf();
            }
            let (live_items, config_items) = (type_.elements(shape, live_list), type_.elements(shape, config_list));
            let (Some(live_items), Some(config_items)) = (live_items, config_items) else { return leaf() };
            let merged = lists(type_.item(), &live_items, &config_items);
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
    }
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The items of both lists. What both have comes in the order of the configuration, what only the live list has stays
/// before the shared item that it stood before.
fn lists(item: Type<'_>, live: &[(Element, &Value)], config: &[(Element, &Value)]) -> Vec<Value> {
    let mut in_live: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, value) in live {
        // Which one of two with the same key is meant cannot be said: neither is merged, the configuration replaces both.
        in_live.entry(element).and_modify(|it| *it = None).or_insert(Some(value));
    }
    let in_config: BTreeMap<&Element, &Value> = config.iter().rev().map(|(element, value)| (element, *value)).collect();
    let mut shared = config.iter().map(|it| &it.0).filter(|element| in_live.contains_key(element));
    let mut next_shared = shared.next();
    let mut done = BTreeSet::new();
    let mut merged = Vec::new();
    let mut take = |live: Option<&Value>, config: Option<&Value>| merged.extend(merge(item, live, config));
    let (mut at_live, mut at_config) = (0, 0);
    while at_live < live.len() || at_config < config.len() {
        if let (Some((element, _)), Some((wanted, value))) = (live.get(at_live), config.get(at_config)) {
            if element == wanted {
                done.insert(element);
                take(in_live[element], Some(value));
                (at_live, at_config) = (at_live + 1, at_config + 1);
                next_shared = shared.next();
                continue;
            }
            if in_config.contains_key(element) && next_shared.is_some_and(|next| next != element) {
                // It comes where the configuration has it.
                at_live += 1;
                continue;
            }
        }
        if let Some((element, value)) = live.get(at_live) {
            if !in_config.contains_key(element) {
                take(Some(value), None);
                at_live += 1;
                continue;
            }
            if done.contains(element) {
                at_live += 1;
            }
        }
        if let Some((element, value)) = config.get(at_config) {
            done.insert(element);
            take(in_live.get(element).copied().flatten(), Some(value));
            at_config += 1;
            if next_shared == Some(element) {
                next_shared = shared.next();
            }
        }
    }
    merged
}
