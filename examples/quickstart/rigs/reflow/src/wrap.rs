//! Breaks text into lines that fit, and cuts what must stay on one.

use crate::cells::{cell, cells};

/// Breaks one paragraph into lines of at most this many cells, at blanks where it can.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut room = width;
    for word in text.split_whitespace() {
        let mut word = word;
        let needed = cells(word) + usize::from(!line.is_empty());
        if needed > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            room = width;
        }
        // A word that is wider than a line is cut: a link must not push the rest off the screen.
        while cells(word) > width {
            let (head, tail) = split_at_cells(word, width);
            lines.push(head.to_string());
            word = tail;
        }
        if !line.is_empty() {
            line.push(' ');
            room -= 1;
        }
        line.push_str(word);
        room -= cells(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Wraps every paragraph of a text; blank lines between paragraphs stay.
pub fn fill(text: &str, cols: usize) -> String {
    let mut lines = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            paragraph.push_str(line);
            paragraph.push(' ');
            continue;
        }
        lines.append(&mut wrap(&paragraph, cols));
        paragraph.clear();
        lines.push(String::new());
    }
    lines.pop();
    lines.join("\n")
}

/// Cuts a text to this many cells and ends it with `…` where something was lost.
pub fn shorten(text: &str, cols: usize) -> String {
    if cells(text) <= cols {
        return text.to_string();
    }
    if cols == 0 {
        return String::new();
    }
    let (head, _) = fit(text, cols - 1);
    format!("{}…", head.trim_end())
}

/// The longest start of a text that fits, and the rest.
fn fit(text: &str, cols: usize) -> (&str, &str) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += cell(c);
        if used > cols {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// Like `fit`, but takes at least one character, so that a loop over it ends.
fn split_at_cells(text: &str, cols: usize) -> (&str, &str) {
    let (head, tail) = fit(text, cols);
    if !head.is_empty() {
        return (head, tail);
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    text.split_at(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_whole_characters_only() {
        assert_eq!(fit("漢字", 3), ("漢", "字"));
        assert_eq!(fit("e\u{301}a", 1), ("e\u{301}", "a"));
        assert_eq!(fit("abc", 3), ("abc", ""));
    }

    #[test]
    fn a_cut_always_takes_something() {
        assert_eq!(split_at_cells("漢字", 1), ("漢", "字"));
        assert_eq!(split_at_cells("abc", 2), ("ab", "c"));
    }
}
