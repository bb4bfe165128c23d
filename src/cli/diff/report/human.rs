//! A difference for people: objects as unified diffs, then what it does to the world.

use std::fmt::Write as _;

use super::Report;
use crate::cli::common::terminal::{Color, Terminal};
use crate::text::visible;

/// Things of one sort that are named; `-o json` has all.
const NAMED_MAX: usize = 20;

impl Report {
    /// For people, in the colours of their terminal.
    pub fn human(&self, out: &Terminal) -> String {
        let mut text = String::new();
        for line in self.heads() {
            let _infallible = writeln!(text, "{}", out.paint(Color::Bold, &visible(&line)));
        }
        if !text.is_empty() {
            text.push('\n');
        }
        for object in &self.objects {
            let head = format!("{} {}", object.object, object.action.word());
            let _infallible = writeln!(text, "{}", out.paint(Color::Bold, &head));
            if !object.runs_commands.is_empty() {
                let warning = format!("runs commands on this machine: {}", object.runs_commands.join(", "));
                let _infallible = writeln!(text, "{}", out.paint(Color::Yellow, &visible(&warning)));
            }
            for line in visible(&object.diff).lines() {
                let color = match line.as_bytes().first() {
                    Some(b'+') => Some(Color::Green),
                    Some(b'-') => Some(Color::Red),
                    _ => None,
                };
                let painted = color.map_or_else(|| line.to_owned(), |color| out.paint(color, line));
                let _infallible = writeln!(text, "{painted}");
            }
            text.push('\n');
        }
        let _infallible = writeln!(text, "{}", self.summary.words());
        self.world(&mut text);
        text
    }

    fn world(&self, text: &mut String) {
        if self.world.is_empty() {
            text.push_str("nothing would happen in the world\n");
        } else {
            text.push_str("what it would do:\n");
        }
        for (words, things) in self.world.all() {
            let _infallible = writeln!(text, "  {words} ({})", things.len());
            for thing in things.iter().take(NAMED_MAX) {
                let _infallible = writeln!(text, "    {}", crate::insight::text::plain(thing));
            }
            if let Some(more) = things.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
                let _infallible = writeln!(text, "    and {more} more");
            }
        }
        if self.world.cut_short {
            text.push_str("  the simulation was stopped before the town was at rest: more may happen\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Report;
    use crate::cli::common::terminal::Terminal;
    use crate::cli::diff::consequences::{Consequences, Event};

    #[test]
    fn a_run_that_was_stopped_says_so_and_long_lists_are_cut() {
        let out = Terminal { color: false, talk_color: false, talk_live: false, width: None, talk_width: None };
        let beads = (0..22).map(|nth| format!("b-{nth}")).collect();
        let happens = BTreeMap::from([(Event::BeadsMade, beads)]);
        let no_longer = BTreeMap::from([(Event::SessionsStarted, vec!["shop-nux on b-1\u{1b}[2J".to_owned()])]);
        let world = Consequences { happens, no_longer, cut_short: true };
        let text = Report::of(Vec::new(), world, Vec::new()).human(&out);
        assert!(text.starts_with("no objects\nwhat it would do:\n  beads made (22)\n    b-0\n"), "{text}");
        assert!(text.contains("    b-19\n    and 2 more\n  no longer: sessions started (1)\n"), "{text}");
        assert!(text.ends_with("the simulation was stopped before the town was at rest: more may happen\n"), "{text}");
        assert!(!text.contains('\u{1b}'), "a terminal obeys nothing of it");
    }
}
