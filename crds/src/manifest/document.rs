//! Reads a stream of YAML documents into JSON values, and, if it is asked to, beside each the tree of its spans.
//!
//! Where things stand matters only once there is something to say of them, and costs as much again: so a file is read without
//! first. What is refused, and where, does not depend on it.
//!
//! A mistake hides as little as can be: one of syntax hides its document, and the next one is read all the same.
//!
//! Everything is bounded, so that no text, however hostile, costs more than a few times its size: an alias is paid for
//! with the nodes and bytes that it stands for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag, options};

use super::diagnostic::{Diagnostic, quote};
use super::frame::{Content, Frame, Node};
use super::merge_keys::{MERGE_KEY, Merged};
use super::source::Source;
use super::spans::{Inside, Spans};
use super::{parts, scalar, syntax};

/// Most documents in one file.
pub const DOCUMENTS_MAX: usize = 10_000;
/// Deepest nesting of lists and mappings; our kinds need 7 levels.
pub const DEPTH_MAX: usize = 64;
/// Most values in one file, keys and what aliases stand for included: three times as many as ten thousand small objects have.
pub const NODES_MAX: usize = 1 << 19;
/// Most text that aliases of one file may stand for, in bytes.
pub const ALIAS_BYTES_MAX: usize = 4 << 20;
/// Most values that aliases of one file may stand for: as many as forty of the largest objects hold that we have seen, and a
/// hundredth of a second to copy. Without it, aliases of aliases fill memory with a million values.
pub const ALIAS_NODES_MAX: usize = 65_536;
/// Most mistakes found before reading stops.
pub(super) const MISTAKES_MAX: usize = 100;

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

/// A file, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Its documents; empty ones are left out. One with mistakes is here too, if it could be read to its end.
    pub documents: Vec<Document>,
    pub mistakes: Vec<Diagnostic>,
    /// The parts that could not be read.
    pub lost: Vec<Range<usize>>,
}

/// Reads all documents.
pub(super) fn read(source: &Arc<Source>, places: Places) -> Text {
    let mut reader = Reader {
        source,
        places,
        base: 0,
        text: Text::default(),
        frames: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        alias_nodes: 0,
        alias_bytes: 0,
    };
    for part in parts::of(source.text()) {
        let end = part.end;
        // A million of them are no work.
        if source.text()[part.clone()].trim_start_matches(parts::MARK).trim().is_empty() {
            continue;
        }
        match reader.part(part.clone()) {
            Ok(()) => {}
            Err(Stop::Part(mistake)) => {
                reader.text.mistakes.push(*mistake);
                reader.text.lost.push(part);
            }
            Err(Stop::File(mistake)) => {
                reader.text.mistakes.push(*mistake);
                reader.text.lost.push(part.start..source.text().len());
                break;
            }
        }
        let mistakes_max = if places == Places::Left { 1 } else { MISTAKES_MAX };
        if reader.text.mistakes.len() >= mistakes_max {
            if end < source.text().len() {
                reader.text.lost.push(end..source.text().len());
            }
            break;
        }
    }
    reader.text
}

/// Why reading does not go on.
enum Stop {
    /// The rest of this part cannot be understood.
    Part(Box<Diagnostic>),
    /// The whole file has had its share.
    File(Box<Diagnostic>),
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    places: Places,
    /// Where the part begins that is read now.
    base: usize,
    text: Text,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    alias_nodes: usize,
    alias_bytes: usize,
}

impl Reader<'_> {
    /// Reads one part of the file.
    fn part(&mut self, part: Range<usize>) -> Result<(), Stop> {
        self.base = part.start;
        self.frames.clear();
        let source = self.source;
        for event in Parser::new_from_str_with_options(&source.text()[part.clone()], options! { emit_comments: false })
        {
            match event {
                Ok((event, span)) => self.event(event, &span)?,
                Err(error) => {
                    let at = self.offset(error.marker());
                    return Err(Stop::Part(Box::new(syntax::mistake(&error, source, &part, at))));
                }
            }
        }
        Ok(())
    }

    /// Takes one event.
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Stop> {
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

    fn open(&mut self, range: Range<usize>, anchor: usize, content: Content) -> Result<(), Stop> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(self.too_deep(range));
        }
        self.frames.push(Frame { start: range.start, anchor, nodes: 1, bytes: 0, height: 0, content });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, range: Range<usize>) -> Result<(), Stop> {
        let stop = |message: &str, hint: &str| {
            Box::new(Diagnostic::error("alias", message, self.source, range.clone()).hint(hint))
        };
        let Some(known) = self.anchors.get(&anchor) else {
            return Err(Stop::Part(stop("an alias inside the value that it stands for", "write the value out")));
        };
        self.alias_nodes += known.nodes;
        if self.alias_nodes > ALIAS_NODES_MAX {
            let message = format!("the aliases of this file stand for more than {ALIAS_NODES_MAX} values");
            return Err(Stop::File(stop(&message, "write the values out, or split the file")));
        }
        self.alias_bytes += known.bytes;
        if self.alias_bytes > ALIAS_BYTES_MAX {
            let message = format!("the aliases of this file stand for more than {} MiB", ALIAS_BYTES_MAX >> 20);
            return Err(Stop::File(stop(&message, "write the values out, or split the file")));
        }
        self.count(known.nodes, &range)?;
        let mut node = self.anchors[&anchor].clone();
        node.spans.value = range;
        node.spans.key = None;
        node.is_merge = false;
        self.finish(node, 0)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        self.count(1, &node.spans.value)?;
        if self.frames.len() + node.height > DEPTH_MAX {
            return Err(self.too_deep(node.spans.value));
        }
        if anchor != 0 {
            self.count(node.nodes, &node.spans.value)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.frames.last_mut() {
            Some(frame) => {
                if let Some(mistake) = frame.put(node, self.source, self.places) {
                    self.mistake(mistake);
                }
                Ok(())
            }
            None if node.value.is_null() => Ok(()),
            None if self.text.documents.len() >= DOCUMENTS_MAX => {
                let message = format!("more than {DOCUMENTS_MAX} documents in one file");
                let mistake = Diagnostic::error("too-many-documents", message, self.source, node.spans.value);
                Err(Stop::File(Box::new(mistake.hint("split it into several files"))))
            }
            None => {
                self.text.documents.push(Document { value: node.value, spans: node.spans });
                Ok(())
            }
        }
    }

    /// Notes a mistake that hides nothing.
    fn mistake(&mut self, mistake: Diagnostic) {
        if self.text.mistakes.len() < MISTAKES_MAX {
            self.text.mistakes.push(mistake);
        }
    }

    fn too_deep(&self, range: Range<usize>) -> Stop {
        Stop::Part(Box::new(syntax::too_deep(self.source, range)))
    }

    /// Charges values to the file's budget.
    fn count(&mut self, nodes: usize, range: &Range<usize>) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("more than {NODES_MAX} values in one file");
        let mistake = Diagnostic::error("too-many-values", message, self.source, range.clone());
        Err(Stop::File(Box::new(mistake.hint("split it into several files"))))
    }

    fn check_tag(&mut self, tag: Option<&Tag>, span: &Span) {
        if let Some(tag) = tag.filter(|tag| tag.is_custom()) {
            let message = format!("the tag {} means nothing here", quote(&tag.original()));
            let range = self.range(&span.tag_span().unwrap_or(*span));
            let hint = "remove it; text that starts with `!` needs quotes";
            self.mistake(Diagnostic::error("tag", message, self.source, range).hint(hint));
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        self.offset(&span.start)..self.offset(&span.end)
    }

    /// The byte offset of a marker; on a character boundary inside the text.
    fn offset(&self, marker: &Marker) -> usize {
        let text = self.source.text();
        let part = &text[self.base..];
        let offset = marker
            .byte_offset()
            .unwrap_or_else(|| part.char_indices().nth(marker.index()).map_or(part.len(), |(at, _)| at));
        text.floor_char_boundary((self.base + offset).min(text.len()))
    }
}
