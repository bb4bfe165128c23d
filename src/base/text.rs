//! Texts of others, made safe for a terminal: what it would obey is shown as a sign, or escaped.
//!
//! A terminal obeys control characters, and the characters that turn the direction of writing: with those, a line reads
//! otherwise than it is (CVE-2021-42574).

use std::fmt::Write as _;

/// Whether a terminal obeys this character instead of showing it.
pub fn is_obeyed(c: char) -> bool {
    // Unicode's property Bidi_Control, and the two characters that end a line or a paragraph.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A character as it may be shown.
pub fn shown(c: char) -> char {
    if is_obeyed(c) { '\u{fffd}' } else { c }
}

/// A text of several lines, without characters that a terminal would obey.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { shown(c) }).collect()
}

/// How many of something there are, such as `1 line` or `2 lines`: `one` is its name, whose plural ends with `s`.
pub fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// JSON in which what a terminal would obey is escaped. Writers of JSON leave out U+007F and what comes after, which stand in
/// texts only; control characters before it are escaped already, or are blanks between texts.
pub fn escaped(json: String) -> String {
    let is_left = |c: char| c >= '\u{7f}' && is_obeyed(c);
    if !json.chars().any(is_left) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut text, c| {
        if is_left(c) {
            let _infallible = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_direction_is_a_sign_and_letters_of_any_direction_stay() {
        assert_eq!(
            visible("a\u{202e}b\u{2066}c\u{200f}\u{61c}\u{1b}[2J"),
            "a\u{fffd}b\u{fffd}c\u{fffd}\u{fffd}\u{fffd}[2J"
        );
        let letters = "שלום عربي 👩\u{200d}🚀\n\té";
        assert_eq!(visible(letters), letters);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "line")), ["0 lines", "1 line", "2 lines"]);
    }

    #[test]
    fn json_says_the_same_and_shows_nothing_of_it() {
        assert_eq!(escaped("\"a\u{202e}\u{9b}é\"".into()), "\"a\\u202e\\u009bé\"");
        assert_eq!(escaped("{\n  \"a\": 1\n}".into()), "{\n  \"a\": 1\n}");
    }
}
