//! A difference as a comment on a pull request: a line that says it all, and details to unfold.

use std::fmt::Write as _;

use super::Report;
use crate::text::visible;

/// The longest comment. GitHub takes 65,536 characters; others write around it.
const CHARS_MAX: usize = 60_000;
/// Room for saying that something was left out.
const LEFT_OUT_CHARS: usize = 200;
/// What happens in the world is named up to here, so that there is room for objects. A character has a byte at least.
const WORLD_BYTES_MAX: usize = 20_000;
/// Things of one sort that are named.
const NAMED_MAX: usize = 50;
/// The longest name of one thing.
const THING_CHARS_MAX: usize = 200;

impl Report {
    /// For a comment on a pull request.
    pub fn markdown(&self) -> String {
        let mut text = format!("**gt diff**: {}", self.summary.words());
        if self.summary.runs_commands {
            text.push_str(" · ⚠️ **runs commands on this machine**");
        }
        text.push_str("\n\n");
        for line in self.heads() {
            let _infallible = write!(text, "{}\n\n", code(line.trim()));
        }
        text.push_str(&self.world_markdown());
        let (mut left_out, mut chars) = (0, text.chars().count() + LEFT_OUT_CHARS);
        for object in &self.objects {
            let details = details(object);
            let more = details.chars().count();
            if chars + more > CHARS_MAX {
                left_out += 1;
            } else {
                chars += more;
                text.push_str(&details);
            }
        }
        if left_out > 0 {
            let _infallible = writeln!(text, "\n{left_out} more would not fit here: `gt diff` shows them.");
        }
        text
    }

    fn world_markdown(&self) -> String {
        let all: Vec<_> = self.world.all().collect();
        let mut text = String::new();
        if all.is_empty() {
            text.push_str("Nothing would happen in the world.\n\n");
        } else {
            let counts: Vec<String> = all.iter().map(|(words, things)| format!("{words} {}", things.len())).collect();
            let _infallible = write!(text, "<details><summary>{}</summary>\n\n", counts.join(", "));
            for (words, things) in all {
                let _infallible = writeln!(text, "- {words}");
                let mut named = 0;
                for thing in things.iter().take(NAMED_MAX) {
                    if text.len() > WORLD_BYTES_MAX {
                        break;
                    }
                    named += 1;
                    let _infallible = writeln!(text, "  - {}", code(thing));
                }
                if named < things.len() {
                    let _infallible = writeln!(text, "  - and {} more", things.len() - named);
                }
            }
            text.push_str("\n</details>\n\n");
        }
        if self.world.cut_short {
            text.push_str("The simulation was stopped before the town was at rest: more may happen.\n\n");
        }
        text
    }
}

/// An object, folded.
fn details(object: &super::ObjectChange) -> String {
    let mut text = format!("<details><summary>{} {}</summary>\n\n", html(&object.object), object.action.word());
    if !object.runs_commands.is_empty() {
        let fields: Vec<String> = object.runs_commands.iter().map(|field| code(field)).collect();
        let _infallible = write!(text, "⚠️ runs commands on this machine: {}\n\n", fields.join(", "));
    }
    let diff = visible(&object.diff);
    let fence = "`".repeat(longest_run(&diff).max(2) + 1);
    let _infallible = write!(text, "{fence}diff\n{diff}{fence}\n\n</details>\n\n");
    text
}

/// A text of others in a line, that says nothing to the reader of Markdown.
fn code(text: &str) -> String {
    let line: String = crate::insight::text::plain(text).chars().take(THING_CHARS_MAX).collect();
    let fence = "`".repeat(longest_run(&line) + 1);
    // With blanks around, it may begin and end with what the fence is made of.
    if fence.len() > 1 { format!("{fence} {line} {fence}") } else { format!("{fence}{line}{fence}") }
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::diff::consequences::{Consequences, Event};
    use crate::cli::diff::objects::{Action, ObjectChange};

    fn object(nth: usize, diff: &str) -> ObjectChange {
        let (action, runs_commands) = (Action::Created, Vec::new());
        ObjectChange { object: format!("bead/b-{nth}"), action, diff: diff.to_owned(), runs_commands }
    }

    #[test]
    fn a_comment_is_never_longer_than_it_may_be_and_says_what_it_leaves_out() {
        let objects: Vec<_> = (0..30).map(|nth| object(nth, &"+é\n".repeat(1000))).collect();
        let text = Report::of(objects, Consequences::default(), Vec::new()).markdown();
        assert!(text.chars().count() <= CHARS_MAX, "{}", text.chars().count());
        let shown = text.matches("<summary>bead/").count();
        assert!(
            shown > 0 && text.ends_with(&format!("\n{} more would not fit here: `gt diff` shows them.\n", 30 - shown))
        );
    }

    #[test]
    fn what_happens_in_a_large_world_is_counted_where_it_is_not_named() {
        let things: Vec<String> = (0..1000).map(|nth| format!("{nth} {}", "x".repeat(500))).collect();
        let events = [Event::SessionsStarted, Event::BeadsMade, Event::BeadsReady, Event::Verifications, Event::Pushes];
        let all: BTreeMap<_, _> = events.into_iter().map(|event| (event, things.clone())).collect();
        let world = Consequences { happens: all.clone(), no_longer: all, cut_short: true };
        let text = Report::of(vec![object(1, "+a\n")], world, Vec::new()).markdown();
        assert!(text.chars().count() <= CHARS_MAX, "{}", text.chars().count());
        assert!(
            text.contains("- no longer: pushes\n  - and 1000 more\n") && text.contains("<summary>bead/b-1"),
            "{text}"
        );
    }

    #[test]
    fn a_text_of_others_does_not_leave_its_fence() {
        let text = details(&object(1, "+```\n+</details>\n"));
        assert!(text.contains("\n````diff\n+```\n+</details>\n````\n"), "{text}");
        assert_eq!(code("a `b` c"), "`` a `b` c ``");
    }
}
