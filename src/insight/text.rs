//! Texts that fit where they are shown: in one line, in so many characters, or in a shell.

use std::borrow::Cow;

use gastown_base::text;
use gastown_crds::source::Past;
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

/// Characters of a commit, or of a folder's digest, that are shown.
const COMMIT_CHARS: usize = 12;
/// The fewest characters of a whole one.
const WHOLE_CHARS: usize = 40;

/// How many objects a revision made, changed and deleted.
pub fn changes(past: &Past) -> String {
    format!("+{} ~{} -{}", past.created, past.configured, past.pruned)
}

/// A text in which revisions have so much of their commits as people tell apart: `main@0123456789ab`.
pub fn short_revisions(text: &str) -> String {
    let (mut short, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once("@sha") {
        let id = after.strip_prefix("1:").or_else(|| after.strip_prefix("256:")).unwrap_or_default();
        let chars = id.bytes().take_while(u8::is_ascii_hexdigit).count();
        short.push_str(before);
        if chars < WHOLE_CHARS {
            short.push_str("@sha");
            rest = after;
        } else {
            short.push('@');
            short.push_str(&id[..COMMIT_CHARS]);
            rest = &id[chars..];
        }
    }
    short + rest
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
    fn a_revision_is_shortened_wherever_it_stands_and_nothing_else_is() {
        let (commit, digest) = ("0123456789abcdef".repeat(3), "f".repeat(64));
        let commit = &commit[..40];
        let text = format!("main@sha1:{commit}: é, folder@sha256:{digest}, a@sha1:{commit}");
        assert_eq!(short_revisions(&text), "main@0123456789ab: é, folder@ffffffffffff, a@0123456789ab");
        for text in ["", "a@sha", "a@sha1:0123", "a@shared:x", commit] {
            assert_eq!(short_revisions(text), text);
        }
    }

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
