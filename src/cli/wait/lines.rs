//! Lines that say what happens: after how long, to what, and as much of the rest as the terminal has room for.

use jiff::Timestamp;

use crate::cli::common::age;
use crate::insight::progress::Event;
use crate::insight::text::{CHARS_MIN, cut, plain};

/// The width of a line's beginning, in characters: the time and the object's name.
const BEFORE_CHARS: usize = 5 + 2 + 17 + 2;

/// The lines of one wait.
#[derive(Debug)]
pub struct Lines {
    /// The instant at which it began.
    since: Timestamp,
    /// Columns of the terminal, if it is one.
    width: Option<u16>,
}

impl Lines {
    /// The lines of a wait that begins now, in a terminal of this width.
    pub fn new(since: Timestamp, width: Option<u16>) -> Self {
        Self { since, width }
    }

    /// A line about an object.
    pub fn line(&self, object: &str, what: &str, now: Timestamp) -> String {
        let seconds = now.as_second().saturating_sub(self.since.as_second()).max(0);
        plain(&format!("{:>5}  {object:<17}  {what}", age::short(seconds)))
    }

    /// The line of an event.
    pub fn event(&self, event: &Event, now: Timestamp) -> String {
        let line = self.line(&event.bead, &event.words(self.room(BEFORE_CHARS)), now);
        let title = self.title(&event.title, line.chars().count());
        line + &title
    }

    /// The title, as far as there is room for it in its line: it only reminds of what the bead is.
    fn title(&self, title: &str, taken: usize) -> String {
        let room = self.room(taken + "  ()".len());
        if room < CHARS_MIN.min(title.chars().count()) {
            return String::new();
        }
        format!("  ({})", cut(title, room))
    }

    /// Characters that are left in a line of which so many are taken.
    fn room(&self, taken: usize) -> usize {
        self.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::progress::Progress;
    use gastown_controllers::world::{Attempt, AttemptEnd, AttemptState};
    use gastown_crds::Bead;
    use gastown_crds::bead::Waiting;
    use serde_json::json;

    fn bead(status: &serde_json::Value, closed: &serde_json::Value) -> Bead {
        let mut object = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": {"name": "shop-abcdefgh"},
            "spec": {"title": "Say width", "rig": "shop", "type": "Task", "priority": 2},
            "status": status,
        });
        if closed.is_null() {
            object["spec"]["assignee"] = json!({"polecat": "shop-nux", "uid": "1"});
        } else {
            object["spec"]["closed"] = closed.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_title_is_cut_to_the_terminal_and_nothing_else() {
        let printed = |width: u16| {
            let lines = Lines::new(Timestamp::UNIX_EPOCH, Some(width));
            let bead = bead(&json!({"state": "Working"}), &serde_json::Value::Null);
            let events = Progress::default().observe(&bead, |_| Vec::new());
            events.iter().map(|event| lines.event(event, Timestamp::UNIX_EPOCH)).collect::<String>()
        };
        assert_eq!(printed(60), "   0s  shop-abcdefgh      taken by shop-nux  (Say width)");
        assert_eq!(printed(55), "   0s  shop-abcdefgh      taken by shop-nux  (Say wid…)");
        assert_eq!(printed(30), "   0s  shop-abcdefgh      taken by shop-nux");
    }

    #[test]
    fn a_beads_life_is_told_line_by_line() {
        let rework = json!({"kind": "Conflict", "mergeRequest": "m", "head": "h", "log": "src/a.rs\nsrc/b.rs"});
        let none = serde_json::Value::Null;
        let mut waits = bead(&json!({"state": "Waiting", "attempts": 1, "failures": 1}), &none);
        waits.spec.assignee.as_mut().unwrap().waiting = Some(Waiting::Bead);
        let states = vec![
            bead(&json!({"state": "Waiting"}), &none),
            bead(&json!({"state": "Working"}), &none),
            bead(&json!({"state": "Working", "attempts": 1}), &none),
            bead(&json!({"state": "Working", "attempts": 1, "failures": 1}), &none),
            waits,
            bead(&json!({"state": "Working", "attempts": 2, "failures": 1}), &none),
            bead(&json!({"state": "Landing", "attempts": 2, "failures": 1}), &none),
            bead(&json!({"state": "Working", "attempts": 2, "failures": 2, "rework": rework}), &none),
            bead(&json!({"state": "Landing", "attempts": 3, "failures": 2, "rework": rework}), &none),
            bead(
                &json!({"state": "Landing", "attempts": 3, "failures": 2}),
                &json!({"reason": "Merged", "message": "landed as 0123456789abcdef", "at": "2026-01-01T00:00:00Z", "by": "gt"}),
            ),
        ];
        let start = Timestamp::UNIX_EPOCH;
        let (mut progress, lines) = (Progress::default(), Lines::new(start, None));
        let mut printed = Vec::new();
        for (nth, bead) in states.iter().enumerate() {
            let now = start + jiff::SignedDuration::from_secs(i64::try_from(nth).unwrap() * 2);
            let end = AttemptEnd {
                code: 3,
                own: true,
                at: start,
                tail: "cannot find npm".to_owned(),
                out_of_memory: None,
                activity: None,
            };
            let run = Attempt {
                attempt: 1,
                work: String::new(),
                state: AttemptState::Ended(end),
                conversation: None,
                runtime: None,
            };
            let events = progress.observe(bead, |_| vec![run]);
            printed.extend(events.iter().map(|event| lines.event(event, now)));
        }
        printed.push(progress.counts().to_string());
        insta::assert_snapshot!(printed.join("\n"), @"
           2s  shop-abcdefgh      taken by shop-nux  (Say width)
           6s  shop-abcdefgh      agent ended (exit 3): cannot find npm  (Say width)
          10s  shop-abcdefgh      attempt 2 started  (Say width)
          12s  shop-abcdefgh      handed in  (Say width)
          14s  shop-abcdefgh      came back: conflicts in src/a.rs, src/b.rs  (Say width)
          14s  shop-abcdefgh      taken by shop-nux  (Say width)
          16s  shop-abcdefgh      handed in  (Say width)
          18s  shop-abcdefgh      landed as 012345678  (Say width)
        1 of 1 closed
        ");
    }
}
