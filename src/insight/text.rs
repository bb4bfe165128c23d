//! Texts that fit where they are shown: in one line, in so many characters, or in a shell.

use std::borrow::Cow;

use gastown_base::text;
use gastown_crds::url::redact;

/// The first line of a text, without characters that a terminal would obey, passwords in addresses, and a colon that leads
/// nowhere.
pub fn plain(said: &str) -> String {
    let mut lines = said.lines();
    let first = lines.next().unwrap_or_default();
    let first = if lines.next().is_some() { first.trim_end().trim_end_matches(':') } else { first };
    let shown = |c: char| match c {
        '\t' => ' ',
        c => text::shown(c),
    };
    // What an earlier release, or another program, has said of an address.
    redact(first).chars().map(shown).collect()
}

/// Fewest characters of a text that is cut which still say anything.
pub const CHARS_MIN: usize = 8;

/// A text of at most so many characters: all of it, or its beginning with a sign that it goes on.
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let begins: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", begins.trim_end())
}

/// A word as a shell takes it back, so that a command that is shown can be pasted.
pub fn quoted(word: &str) -> String {
    // A word with a NUL is one that no shell can take: it is shown, not run.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(quoted("rigs/shop.yaml"), "rigs/shop.yaml");
        for word in ["", "/my town/it's", "$HOME/`x`\\", "a\nb", "~/!x^y", "\"both\" 'kinds'"] {
            assert_eq!(shlex::split(&quoted(word)), Some(vec![word.to_owned()]));
        }
    }

    #[test]
    fn a_text_becomes_one_line_that_moves_no_cursor() {
        assert_eq!(plain("it says:\nmore"), "it says");
        assert_eq!(plain("it says:"), "it says:");
        assert_eq!(plain("a\tb\u{1b}[2J\u{202e}c"), "a b\u{fffd}[2J\u{fffd}c");
    }
}
