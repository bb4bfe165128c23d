//! A file in parts that are read one by one, so that a mistake of syntax in one of them hides none of the others.
//!
//! A line that starts with `---` begins a document wherever it stands: YAML allows it in no block of text, no quotes and no
//! brackets, however long these were meant to be.

use std::ops::Range;

/// The mark that a document begins with.
pub(super) const MARK: &str = "---";

/// The parts of a text, in order: each begins with a line of `---`, but for the first, and for directives before one.
pub(super) fn of(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let mut from = start;
        let end = loop {
            match next_mark(text, from) {
                // Directives (`%YAML 1.2`), comments and blanks belong to the document behind them.
                Some(mark) if is_preface(&text[start..mark]) => from = mark + MARK.len(),
                other => break other,
            }
        };
        rest = end;
        Some(start..end.unwrap_or(text.len()))
    })
}

/// Where the next line of `---` begins, at the earliest in the line behind this place.
fn next_mark(text: &str, from: usize) -> Option<usize> {
    let mut from = from;
    loop {
        let at = from + text[from..].find("\n---")? + 1;
        if text[at + MARK.len()..].chars().next().is_none_or(char::is_whitespace) {
            return Some(at);
        }
        from = at;
    }
}

/// Whether there is nothing to read in a text.
fn is_preface(text: &str) -> bool {
    text.lines().all(|line| line.starts_with('%') || line.trim_start().is_empty() || line.trim_start().starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_where_documents_begin_and_nowhere_else() {
        let cut = |text: &'static str| of(text).map(|part| &text[part]).collect::<Vec<_>>();
        assert_eq!(cut(""), [""]);
        assert_eq!(cut("a: 1"), ["a: 1"]);
        assert_eq!(cut("---\na: 1\n---\nb: '\n--- c\n---"), ["---\na: 1\n", "---\nb: '\n", "--- c\n", "---"]);
        assert_eq!(cut("a: |\n  ---\n----\n---x\n"), ["a: |\n  ---\n----\n---x\n"]);
        assert_eq!(cut("# one\n\n%YAML 1.2\n---\na: 1\n---\n"), ["# one\n\n%YAML 1.2\n---\na: 1\n", "---\n"]);
    }
}
