//! Reads a stream of YAML documents into JSON values, and, if it is asked to, beside each the tree of its spans.
//!
//! Where things stand matters only once there is something to say of them, and costs as much again: so a file is read without
//! first. What is refused, and where, does not depend on it.
//!
//! Everything is bounded, so that no text, however hostile, costs more than a few times its size: an alias is paid for
//! with the nodes and bytes that it stands for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag, options};

use super::diagnostic::{Diagnostic, quote};
use super::merge_keys::{MERGE_KEY, Merged};
use super::scalar;
use super::source::Source;
use super::spans::{Inside, Spans};

/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Deepest nesting of lists and mappings; our kinds need 7 levels.
pub const DEPTH_MAX: usize = 64;
/// Most values in one file, those that aliases stand for included: 4 MiB of `- a` lines hold as many.
pub const NODES_MAX: usize = 1_048_576;
/// Most text that aliases of one file may stand for, in bytes.
pub const ALIAS_BYTES_MAX: usize = 4 << 20;
/// Most mistakes found before reading stops.
const MISTAKES_MAX: usize = 100;

/// One document: its value and where everything in it stands.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub value: Value,
    pub spans: Spans,
}

/// Whether the spans of what lies inside documents are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Places {
    /// They are not: reading ends at the first mistake, which cannot be shown with all that belongs to it.
    Left,
    /// They are.
    Found,
}

/// Reads all documents; empty ones are left out.
pub(super) fn read(source: &Arc<Source>, places: Places) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let mut reader = Reader {
        source,
        places,
        documents: Vec::new(),
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        alias_bytes: 0,
        mistakes: Vec::new(),
    };
    let parser = Parser::new_from_str_with_options(source.text(), options! { emit_comments: false });
    for event in parser {
        let outcome = match event {
            Ok((event, span)) => reader.event(event, &span),
            Err(error) => Err(reader.syntax(&error).into()),
        };
        if let Err(last) = outcome {
            reader.mistakes.push(*last);
            break;
        }
        let mistakes_max = if places == Places::Left { 1 } else { MISTAKES_MAX };
        if reader.mistakes.len() >= mistakes_max {
            break;
        }
    }
    if reader.mistakes.is_empty() { Ok(reader.documents) } else { Err(reader.mistakes) }
}

/// A finished value, with what an alias to it would cost.
#[derive(Debug, Clone)]
struct Node {
    value: Value,
    spans: Spans,
    nodes: usize,
    bytes: usize,
    height: usize,
    /// Whether it is a merge key where a key stands: `<<` without quotes.
    is_merge: bool,
}

/// A list or mapping that is being read.
struct Frame {
    start: usize,
    anchor: usize,
    nodes: usize,
    bytes: usize,
    height: usize,
    content: Content,
}

enum Content {
    Items(Vec<Value>, Vec<Spans>),
    Fields { map: Map<String, Value>, inner: BTreeMap<String, Spans>, merged: Merged, key: Option<Key> },
}

/// A key whose value comes next.
enum Key {
    Field(String, Range<usize>),
    Merge(Range<usize>),
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    places: Places,
    documents: Vec<Document>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    alias_bytes: usize,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// Takes one event; an error ends the reading.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Box<Diagnostic>> {
        let range = self.range(span);
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(tag.as_deref(), span);
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|t| t.core_suffix() == Some("str"));
                let value = if is_text { Value::String(text.into_owned()) } else { scalar::resolve(&text) };
                let bytes = value.as_str().map_or(8, str::len);
                let spans = Spans { key: None, value: range, inside: Inside::Nothing };
                let is_merge = !is_text && value == MERGE_KEY;
                return self.finish(Node { value, spans, nodes: 1, bytes, height: 0, is_merge }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), span);
                return self.open(range, anchor, Content::Items(Vec::new(), Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), span);
                let (map, inner) = (Map::new(), BTreeMap::new());
                let content = Content::Fields { map, inner, merged: Merged::default(), key: None };
                return self.open(range, anchor, content);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.frames.pop() {
                    let (node, anchor) = frame.close(range.end);
                    return self.finish(node, anchor);
                }
            }
            Event::Alias(anchor) => return self.alias(anchor, range),
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, range: Range<usize>, anchor: usize, content: Content) -> Result<(), Box<Diagnostic>> {
        if self.frames.len() >= DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            return Err(Diagnostic::error("too-deep", message, self.source, range).into());
        }
        self.frames.push(Frame { start: range.start, anchor, nodes: 1, bytes: 0, height: 0, content });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Box<Diagnostic>> {
        let Some(known) = self.anchors.get(&anchor) else {
            let message = "an alias inside the value that it stands for";
            return Err(Diagnostic::error("alias", message, self.source, range).hint("write the value out").into());
        };
        self.alias_bytes += known.bytes;
        if self.alias_bytes > ALIAS_BYTES_MAX {
            let message = format!("the aliases of this file stand for more than {} MiB", ALIAS_BYTES_MAX >> 20);
            return Err(Diagnostic::error("alias", message, self.source, range).hint("write the values out").into());
        }
        self.count(known.nodes, &range)?;
        let mut node = self.anchors[&anchor].clone();
        node.spans.value = range;
        node.spans.key = None;
        node.is_merge = false;
        self.finish(node, 0)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Box<Diagnostic>> {
        self.count(1, &node.spans.value)?;
        if self.frames.len() + node.height > DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            return Err(Diagnostic::error("too-deep", message, self.source, node.spans.value).into());
        }
        if anchor != 0 {
            self.count(node.nodes, &node.spans.value)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut() {
            Some(frame) => {
                if let Some(mistake) = frame.put(node, self.source, self.places) {
                    self.mistakes.push(mistake);
                }
                Ok(())
            }
            None if node.value.is_null() => Ok(()),
            None if self.documents.len() >= DOCUMENTS_MAX => {
                let message = format!("more than {DOCUMENTS_MAX} documents in one file");
                Err(Diagnostic::error("too-many-documents", message, self.source, node.spans.value).into())
            }
            None => {
                self.documents.push(Document { value: node.value, spans: node.spans });
                Ok(())
            }
        }
    }

    /// Charges values to the file's budget.
    fn count(&mut self, nodes: usize, range: &Range<usize>) -> Result<(), Box<Diagnostic>> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("more than {NODES_MAX} values in one file");
        Err(Diagnostic::error("too-many-values", message, self.source, range.clone())
            .hint("split it into several files")
            .into())
    }

    fn check_tag(&mut self, tag: Option<&Tag>, span: &Span) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let message = format!("the tag {} means nothing here", quote(&tag.original()));
            let range = self.range(&span.tag_span().unwrap_or(*span));
            self.mistakes.push(Diagnostic::error("tag", message, self.source, range).hint("remove it"));
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        offset(self.source, &span.start)..offset(self.source, &span.end)
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let at = offset(self.source, error.marker());
        let text = self.source.text();
        // A tab is the usual culprit, and the parser may notice only behind it.
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        if let Some(tab) = line[..indent].find('\t') {
            let tab = line_start + tab;
            return Diagnostic::error("tab", "a tab in the indentation", self.source, tab..tab + 1)
                .hint("indent with spaces: YAML allows no tabs there");
        }
        let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        if *error.kind() == ErrorKind::UnknownAnchor {
            let message = "an alias to an anchor that is not there";
            return Diagnostic::error("alias", message, self.source, at..end)
                .hint("write the value out; text that starts with `*` needs quotes");
        }
        Diagnostic::error("syntax", format!("not valid YAML: {}", error.info()), self.source, at..end)
            .hint("look here and just above for an open bracket or quote, or for text with `: ` that needs quotes")
    }
}

impl Frame {
    /// Adds a value; gives the mistake, if it is one.
    fn put(&mut self, node: Node, source: &Arc<Source>, places: Places) -> Option<Diagnostic> {
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
                    None if is_merge => {
                        *key = Some(Key::Merge(spans.value));
                        return None;
                    }
                    None => {
                        let at = spans.value;
                        let (name, mistake) = key_text(value, source, &at);
                        *key = Some(Key::Field(name, at));
                        return mistake;
                    }
                };
                if map.contains_key(&name) {
                    let message = format!("{} is given twice", quote(&name));
                    let duplicate = Diagnostic::error("duplicate-key", message, source, at).label("again here");
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

    fn close(self, end: usize) -> (Node, usize) {
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
fn key_text(value: Value, source: &Arc<Source>, at: &Range<usize>) -> (String, Option<Diagnostic>) {
    match value {
        Value::String(text) => (text, None),
        Value::Bool(_) | Value::Number(_) => (value.to_string(), None),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let message = "a key must be a word";
            (String::new(), Some(Diagnostic::error("key", message, source, at.clone()).hint("put it in quotes")))
        }
    }
}

/// The byte offset of a marker; on a character boundary inside the text.
fn offset(source: &Source, marker: &Marker) -> usize {
    let text = source.text();
    let offset = marker
        .byte_offset()
        .unwrap_or_else(|| text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at));
    text.floor_char_boundary(offset.min(text.len()))
}
