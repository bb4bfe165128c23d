//! A `Source` is the text of one manifest file, with the way from a byte offset to line and column.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::document::Document;

/// The text of one file; shared by everything that points into it.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset at which each line starts.
    lines: OnceLock<Vec<usize>>,
    /// Each object of the file with its spans, once somebody has asked for them.
    pub(super) documents: OnceLock<Vec<Document>>,
}

/// What is found out about a text does not make it another.
impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.text) == (&other.name, &other.text)
    }
}

impl Eq for Source {}

impl Source {
    /// Takes a file's name, as the user knows it, and its text.
    pub fn new(name: &str, text: &str) -> Arc<Self> {
        let (lines, documents) = (OnceLock::new(), OnceLock::new());
        Arc::new(Self { name: name.to_owned(), text: text.to_owned(), lines, documents })
    }

    /// The text alone; itself where nothing was found out about it yet.
    pub(super) fn lean(self: &Arc<Self>) -> Arc<Self> {
        if self.documents.get().is_none() { Arc::clone(self) } else { Self::new(&self.name, &self.text) }
    }

    /// The file's name, as the user knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte offset, both counted from 1; columns count characters.
    pub fn line_col(&self, offset: usize) -> (usize, usize) {
        let offset = self.floor(offset);
        let line = self.line_index(offset);
        let before = &self.text[self.lines()[line]..offset];
        (line + 1, before.chars().count() + 1)
    }

    /// The part of a span that lies in its first line, without trailing blanks; never outside the text.
    pub fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.floor(span.start);
        let end = self.floor(span.end).max(start);
        let text = &self.text[start..end];
        let text = text.lines().next().unwrap_or_default().trim_end();
        start..start + text.len()
    }

    /// The line in which a span starts: its number, the byte offset at which it starts, and its text.
    pub(super) fn line_of(&self, span: &Range<usize>) -> (usize, usize, &str) {
        let line = self.line_index(self.floor(span.start));
        let start = self.lines()[line];
        let end = self.lines().get(line + 1).copied().unwrap_or(self.text.len());
        (line + 1, start, &self.text[start..end])
    }

    /// The text of the line that a byte is in, without blanks around it.
    pub fn line_at(&self, offset: usize) -> &str {
        self.line_of(&(offset..offset)).2.trim()
    }

    fn lines(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let starts = self.text.bytes().enumerate().filter(|&(_, b)| b == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(starts).collect()
        })
    }

    fn line_index(&self, offset: usize) -> usize {
        self.lines().partition_point(|&start| start <= offset) - 1
    }

    /// The nearest character boundary at or before an offset.
    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters_from_one() {
        let source = Source::new("a.yaml", "a: ä\nbö: c\n");
        assert_eq!(source.line_col(0), (1, 1));
        assert_eq!(source.line_col(3), (1, 4));
        assert_eq!(source.line_col(6), (2, 1));
        assert_eq!(source.line_col(9), (2, 3));
        assert_eq!(source.line_col(999), (3, 1));
    }

    #[test]
    fn a_span_is_cut_to_its_first_line() {
        let source = Source::new("a.yaml", "a: b  \nc: d\n");
        assert_eq!(source.first_line(&(3..12)), 3..4);
        assert_eq!(source.first_line(&(90..99)), 12..12);
    }
}
