//! A list or a mapping while it is being read: values go in one by one, and a finished node comes out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, quote};
use super::document::Places;
use super::merge_keys::Merged;
use super::source::Source;
use super::spans::{Inside, Spans};
use super::syntax;

/// A finished value, with what an alias to it would cost.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub spans: Spans,
    pub nodes: usize,
    pub bytes: usize,
    pub height: usize,
    /// Whether it is a merge key where a key stands: `<<` without quotes.
    pub is_merge: bool,
}

/// A list or mapping that is being read.
pub(super) struct Frame {
    pub start: usize,
    pub anchor: usize,
    pub nodes: usize,
    pub bytes: usize,
    pub height: usize,
    pub content: Content,
}

pub(super) enum Content {
    Items(Vec<Value>, Vec<Spans>),
    Fields { map: Map<String, Value>, inner: BTreeMap<String, Spans>, merged: Merged, key: Option<Key> },
}

/// A key whose value comes next.
pub(super) enum Key {
    Field(String, Range<usize>),
    Merge(Range<usize>),
    /// It is none: what it names is left out.
    Wrong,
}

impl Frame {
    /// Adds a value; gives the mistake, if it is one.
    pub fn put(&mut self, node: Node, source: &Arc<Source>, places: Places) -> Option<Diagnostic> {
        let Node { value, mut spans, nodes, bytes, height, is_merge } = node;
        self.nodes += nodes;
        self.bytes += bytes;
        self.height = self.height.max(height + 1);
        match &mut self.content {
            Content::Items(values, inner) => {
                values.push(value);
                if places == Places::Found {
                    inner.push(spans);
                }
                None
            }
            Content::Fields { map, inner, merged, key } => {
                let (name, at) = match key.take() {
                    Some(Key::Field(name, at)) => (name, at),
                    Some(Key::Merge(at)) => return merged.take(value, spans, at, source),
                    Some(Key::Wrong) => return None,
                    None if is_merge => {
                        *key = Some(Key::Merge(spans.value));
                        return None;
                    }
                    None => {
                        let (found, mistake) = key_of(value, source, spans.value);
                        *key = Some(found);
                        return mistake;
                    }
                };
                if map.contains_key(&name) {
                    let message = format!("{} is given twice", quote(&name));
                    let duplicate = Diagnostic::error("duplicate-key", message, source, at)
                        .label("again here")
                        .hint("remove one of them");
                    return Some(match inner.get(&name) {
                        Some(first) => duplicate.related(source, first.of_key(), "first given here"),
                        None => duplicate,
                    });
                }
                if places == Places::Found {
                    spans.key = Some(at);
                    inner.insert(name.clone(), spans);
                }
                map.insert(name, value);
                None
            }
        }
    }

    pub fn close(self, end: usize) -> (Node, usize) {
        let Self { start, anchor, nodes, bytes, height, content } = self;
        let (value, inside) = match content {
            Content::Items(values, inner) => (Value::Array(values), Inside::Items(inner)),
            Content::Fields { mut map, mut inner, merged, key: _ } => {
                merged.complete(&mut map, &mut inner);
                (Value::Object(map), Inside::Fields(inner))
            }
        };
        let spans = Spans { key: None, value: start..end.max(start), inside };
        (Node { value, spans, nodes, bytes, height, is_merge: false }, anchor)
    }
}

/// A mapping's key as text, as JSON has it.
fn key_of(value: Value, source: &Arc<Source>, at: Range<usize>) -> (Key, Option<Diagnostic>) {
    match value {
        Value::String(text) => (Key::Field(text, at), None),
        Value::Bool(_) | Value::Number(_) => (Key::Field(value.to_string(), at), None),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let is_template = source.text()[..at.start].ends_with('{') && value.is_object();
            let hint = if is_template { syntax::TEMPLATE_HINT } else { "write a word, or put it in quotes" };
            (Key::Wrong, Some(Diagnostic::error("key", "a key must be a word", source, at).hint(hint)))
        }
    }
}
