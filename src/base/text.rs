//! Texts of others, made safe for a terminal: control characters are shown as a sign, or escaped.

use std::fmt::Write as _;

/// A text of several lines, without characters that a terminal would obey.
pub fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// JSON in which what a terminal would obey is escaped: writers of JSON leave out U+007F to U+009F, which stand in texts only.
pub fn escaped(json: String) -> String {
    if !json.chars().any(|c| matches!(c, '\u{7f}'..='\u{9f}')) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len()), |mut text, c| {
        if matches!(c, '\u{7f}'..='\u{9f}') {
            let _infallible = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}
