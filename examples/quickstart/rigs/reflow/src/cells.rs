//! How much room a text takes on a terminal.

/// First and last of the characters that take no room of their own.
const NONE: [(char, char); 5] = [
    ('\u{0300}', '\u{036f}'), // combining accents
    ('\u{200b}', '\u{200f}'), // zero-width blanks and marks
    ('\u{20d0}', '\u{20ff}'), // combining marks for symbols
    ('\u{fe00}', '\u{fe0f}'), // variation selectors
    ('\u{fe20}', '\u{fe2f}'), // combining half marks
];

/// First and last of the characters that take two cells.
const TWO: [(char, char); 8] = [
    ('\u{1100}', '\u{115f}'),   // Hangul, leading consonants
    ('\u{2e80}', '\u{303e}'),   // radicals and punctuation
    ('\u{3041}', '\u{33ff}'),   // kana
    ('\u{3400}', '\u{4dbf}'),   // Chinese, extension A
    ('\u{4e00}', '\u{9fff}'),   // Chinese
    ('\u{ac00}', '\u{d7a3}'),   // Hangul syllables
    ('\u{ff00}', '\u{ff60}'),   // full-width forms
    ('\u{1f300}', '\u{1faff}'), // pictures
];

/// The number of terminal cells that a text takes.
pub fn cells(text: &str) -> usize {
    text.chars().map(cell).sum()
}

/// The number of cells that one character takes: none, one or two.
pub(crate) fn cell(c: char) -> usize {
    let within =
        |ranges: &[(char, char)]| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
    match c {
        _ if c.is_control() || within(&NONE) => 0,
        _ if within(&TWO) => 2,
        _ => 1,
    }
}
