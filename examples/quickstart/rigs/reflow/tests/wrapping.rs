//! Wrapping and shortening, as a user of the library meets them.

use reflow::{cells, fill, shorten, wrap};

#[test]
fn breaks_at_blanks() {
    assert_eq!(wrap("The quick brown fox jumps", 10), ["The quick", "brown fox", "jumps"]);
    assert_eq!(wrap("  spare   blanks  go ", 80), ["spare blanks go"]);
    assert_eq!(wrap("exactly ten", 11), ["exactly ten"]);
    assert_eq!(wrap(" ", 10), [""; 0]);
}

#[test]
fn cuts_a_word_that_is_too_wide() {
    assert_eq!(wrap("see abcdefghij ok", 4), ["see", "abcd", "efgh", "ij", "ok"]);
    assert_eq!(wrap("abcdefgh", 4), ["abcd", "efgh"]);
    assert_eq!(wrap("字", 1), ["字"]);
}

#[test]
fn every_line_fits() {
    let text = "Widths are in cells: 漢字 take two, e\u{301} one, and supercalifragilistic is cut.";
    for width in 2..60 {
        for line in wrap(text, width) {
            assert!(cells(&line) <= width, "{line:?} is wider than {width}");
        }
    }
}

#[test]
fn loses_nothing_but_blanks() {
    let text = "one two three supercalifragilistic four";
    let letters = |text: &str| text.split_whitespace().collect::<String>();
    for width in 0..20 {
        assert_eq!(letters(&wrap(text, width).concat()), letters(text));
    }
}

#[test]
fn keeps_paragraphs_apart() {
    assert_eq!(fill("one\ntwo\n\nthree four", 8), "one two\n\nthree\nfour");
    assert_eq!(fill("one", 8), "one");
    assert_eq!(fill("", 8), "");
}

#[test]
fn marks_what_was_cut() {
    assert_eq!(shorten("a long title", 20), "a long title");
    assert_eq!(shorten("a long title", 8), "a long…");
    assert_eq!(shorten("漢字漢字", 5), "漢字…");
    assert_eq!(shorten("abc", 1), "…");
    assert_eq!(shorten("abc", 0), "");
}
