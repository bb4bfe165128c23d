//! Last words: how an agent ended that handed nothing in, and the last line of its output.

use gastown_controllers::world::{Attempt, AttemptState};
use gastown_crds::Bead;

use super::text::{CHARS_MIN, cut, plain};

/// The words for a session that ended without `gt done`.
pub const ENDED: &str = "its agent ended without handing in";
/// Longest line of an agent's output that is shown, in characters; `gt logs` has all of it.
const LINE_CHARS_MAX: usize = 60;

/// The exit code of an agent that ended by itself, and the last line of its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    /// Its exit code.
    pub code: i32,
    /// The last line of its own.
    pub line: String,
}

impl LastWords {
    /// Of the last attempt at a bead whose agent ended by itself, as far as there is a record of it.
    pub fn of(bead: &Bead, attempts: &[Attempt]) -> Option<Self> {
        attempts.iter().rev().find_map(|run| match &run.state {
            AttemptState::Ended(end) if end.own => {
                // What the supervisor adds says the exit code again, and so does the built-in agent after a command's own
                // words.
                let announced = format!("script: {}", bead.spec.title);
                let mut said = end.said().filter(|line| *line != announced);
                let own = said.clone().find(|line| !line.starts_with("script: "));
                let last = own.or_else(|| said.next()).unwrap_or_default();
                let line: String = plain(last).chars().take(LINE_CHARS_MAX).collect();
                Some(Self { code: end.code, line })
            }
            _ => None,
        })
    }

    /// The words of a line, of at most `chars_max` characters where the agent's own can be cut.
    pub fn text(&self, chars_max: usize) -> String {
        let Self { code, line } = self;
        let head = format!("agent ended (exit {code})");
        let left = chars_max.saturating_sub(head.len() + ": ".len());
        if line.is_empty() || left < CHARS_MIN {
            return format!("{ENDED} (exit {code})");
        }
        format!("{head}: {}", cut(line, left))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::object;
    use super::*;
    use gastown_controllers::world::AttemptEnd;
    use jiff::Timestamp;
    use serde_json::json;

    fn bead() -> Bead {
        object("Bead", "shop-a", &json!({}), &json!({}))
    }

    fn ended(tail: &str) -> Vec<Attempt> {
        let end = AttemptEnd {
            code: 3,
            own: true,
            at: Timestamp::UNIX_EPOCH,
            tail: tail.to_owned(),
            out_of_memory: None,
            activity: None,
        };
        vec![Attempt {
            attempt: 1,
            work: String::new(),
            state: AttemptState::Ended(end),
            conversation: None,
            runtime: None,
        }]
    }

    #[test]
    fn an_agents_own_last_line_is_told_and_not_what_is_added_to_it() {
        let said = |tail: &str| LastWords::of(&bead(), &ended(tail)).unwrap().line;
        assert_eq!(said("one\ncannot find npm\n\nscript: step failed\ngt: ended with 3\n"), "cannot find npm");
        assert_eq!(said("script: Say width\nscript: no command\ngt: ended with 3"), "script: no command");
        assert_eq!(said("script: Say width\n"), "");
        assert_eq!(said(&"x".repeat(99)).len(), LINE_CHARS_MAX);
        assert_eq!(LastWords::of(&bead(), &[]), None);
    }

    #[test]
    fn last_words_are_cut_to_what_they_are_given() {
        let words = LastWords { code: 3, line: "cannot find npm".to_owned() };
        assert_eq!(words.text(80), "agent ended (exit 3): cannot find npm");
        assert_eq!(words.text(32), "agent ended (exit 3): cannot fi…");
        assert_eq!(words.text(24), "its agent ended without handing in (exit 3)");
    }
}
