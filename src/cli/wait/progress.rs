//! What happens to the beads of a convoy, as lines: told from one state of a bead to the next.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gastown_crds::bead::{Assignee, BeadState, CloseReason, ReworkKind};
use gastown_crds::common::{condition, types};
use gastown_crds::{Bead, BeadStatus};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::cli::age;
use crate::cli::table::plain;
use crate::insight::Snapshot;
use crate::insight::kinds::bead::explained;
use crate::town::Town;
use crate::world::records::Records;
use gastown_controllers::world::RunState;

/// What is told of a session that ended without `gt done`.
const ENDED: &str = "its agent ended without handing in";
/// What stands before what is told of a bead, in characters: when, and its name.
const PLACE_CHARS: usize = 5 + 2 + 17 + 2;
/// Fewest characters of a title or of an agent's words that say anything.
const WORDS_CHARS_LEAST: usize = 8;
/// Longest line of an agent's output that is told, in characters; `gt logs` has all of it.
const LINE_CHARS_MAX: usize = 60;

/// What has been told so far.
#[derive(Debug)]
pub struct Progress {
    since: Timestamp,
    /// Columns of the terminal that it is told in, if it is one.
    width: Option<u16>,
    beads: BTreeMap<String, Told>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    state: BeadState,
    failures: u32,
    attempts: u32,
    rework: Option<String>,
    polecat: Option<String>,
}

impl Told {
    fn of(bead: &Bead) -> Self {
        let status = bead.status.clone().unwrap_or_default();
        // One that waits is still its polecat's; one whose claim its controller has not seen is not told yet.
        let state = status.state;
        let told = |it: &&Assignee| state == BeadState::Working || it.waiting.is_some();
        Self {
            // It is closed as soon as it says so; its controller's word for it comes a moment later.
            state: if bead.spec.closed.is_some() { BeadState::Closed } else { state },
            failures: status.failures,
            attempts: status.attempts,
            rework: status.rework.map(|rework| rework.merge_request),
            polecat: bead.spec.assignee.as_ref().filter(told).map(|assignee| assignee.polecat.clone()),
        }
    }
}

impl Progress {
    /// Nothing told yet.
    pub fn new(since: Timestamp, width: Option<u16>) -> Self {
        Self { since, width, beads: BTreeMap::new() }
    }

    /// What is new about a bead, as lines; `last_words` says how its agent ended.
    pub fn tell(
        &mut self,
        bead: &Bead,
        now: Timestamp,
        last_words: impl FnOnce(&Bead) -> Option<LastWords>,
    ) -> Vec<String> {
        let new = Told::of(bead);
        let old = self.beads.insert(bead.name_any(), new.clone());
        let mut said = Vec::new();
        let status = bead.status.clone().unwrap_or_default();
        // What stands so at the beginning is only worth telling where something happens.
        let was = old.clone().unwrap_or(Told { state: BeadState::Waiting, polecat: None, ..new.clone() });
        let came_back = new.rework.is_some() && new.rework != was.rework;
        if came_back {
            said.push(came_back_words(&status));
        } else if new.failures > was.failures {
            let room = self.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(PLACE_CHARS));
            said.push(last_words(bead).map_or_else(|| ENDED.to_owned(), |words| words.text(room)));
        }
        match new.state {
            BeadState::Working if new.polecat != was.polecat => {
                // Without one it is between two: its polecat was let go, and what becomes of it is about to be told.
                said.extend(new.polecat.as_ref().map(|polecat| format!("taken by {polecat}")));
            }
            BeadState::Working if new.attempts > was.attempts && new.attempts > 1 => {
                said.push(format!("attempt {} started", new.attempts));
            }
            BeadState::Landing if was.state != BeadState::Landing => said.push("handed in".to_owned()),
            BeadState::SetAside if was.state != BeadState::SetAside => {
                said.push(format!("SET ASIDE for you: gt describe bead/{}", bead.name_any()));
            }
            BeadState::Closed if was.state != BeadState::Closed => said.push(closed_words(bead)),
            _ => {}
        }
        let lines = said.into_iter().map(|what| self.line(&bead.name_any(), &what, now));
        let titled = |line: String| format!("{line}{}", self.title(&bead.spec.title, line.chars().count()));
        lines.map(titled).collect()
    }

    /// The title, as far as there is room for it in its line: it only reminds of what the bead is.
    fn title(&self, title: &str, taken: usize) -> String {
        let (title, around) = (plain(title), "  ()".len());
        let room = self.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(taken + around));
        match title.chars().count() {
            length if length <= room => format!("  ({title})"),
            _ if room < WORDS_CHARS_LEAST => String::new(),
            _ => format!("  ({})", cut(&title, room)),
        }
    }

    /// What there is to say of an object, as a line.
    pub fn line(&self, object: &str, what: &str, now: Timestamp) -> String {
        let seconds = now.as_second().saturating_sub(self.since.as_second()).max(0);
        plain(&format!("{:>5}  {object:<17}  {what}", age::short(seconds)))
    }

    /// All of it in a line.
    pub fn summary(&self) -> String {
        let count = |state: BeadState| self.beads.values().filter(|told| told.state == state).count();
        let mut text = format!("{} of {} closed", count(BeadState::Closed), self.beads.len());
        for (state, word) in [
            (BeadState::Working, "working"),
            (BeadState::Landing, "landing"),
            (BeadState::Ready, "ready"),
            (BeadState::Waiting, "waiting"),
            (BeadState::SetAside, "set aside"),
        ] {
            if count(state) > 0 {
                let _infallible = write!(text, " · {} {word}", count(state));
            }
        }
        text
    }
}

/// The beginning of a text that is longer than `room` characters, with a sign that it goes on.
fn cut(text: &str, room: usize) -> String {
    let begins: String = text.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", begins.trim_end())
}

/// How an agent ended, and what it said last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    code: i32,
    line: String,
}

impl LastWords {
    /// As a line tells it, within so many characters.
    fn text(&self, room: usize) -> String {
        let Self { code, line } = self;
        let head = format!("agent ended (exit {code})");
        let room = room.saturating_sub(head.len() + ": ".len());
        match line.chars().count() {
            length if length == 0 || room < WORDS_CHARS_LEAST => format!("{ENDED} (exit {code})"),
            length if length <= room => format!("{head}: {line}"),
            _ => format!("{head}: {}", cut(line, room)),
        }
    }
}

/// How the last agent of a bead ended by itself, as far as this machine has its record.
pub fn last_words(town: &Town, bead: &Bead) -> Option<LastWords> {
    let runs = Records::of(&town.layout).attempts(&bead.uid()?);
    runs.iter().rev().find_map(|run| match &run.state {
        RunState::Ended(end) if end.own => {
            // What the supervisor adds says the exit code again, and so does the built-in agent after a command's own words.
            let announced = format!("script: {}", bead.spec.title);
            let says = |line: &&str| !line.trim().is_empty() && !line.starts_with("gt: ") && **line != announced;
            let mut said = end.tail.lines().rev().filter(says);
            let own = said.clone().find(|line| !line.starts_with("script: "));
            let last = own.or_else(|| said.next()).unwrap_or_default();
            let line: String = plain(last.trim()).chars().take(LINE_CHARS_MAX).collect();
            Some(LastWords { code: end.code, line })
        }
        _ => None,
    })
}

fn came_back_words(status: &BeadStatus) -> String {
    match status.rework.as_ref().map(|rework| (rework.kind, rework.log.as_str())) {
        Some((ReworkKind::Conflict, files)) => {
            let files: Vec<String> = files.lines().take(3).map(plain).collect();
            format!("came back: conflicts in {}", files.join(", "))
        }
        _ => "came back red".to_owned(),
    }
}

fn closed_words(bead: &Bead) -> String {
    let Some(closed) = &bead.spec.closed else { return "closed".to_owned() };
    match closed.reason {
        CloseReason::Merged => {
            let landed = closed.message.as_deref().and_then(|message| message.strip_prefix("landed as "));
            landed.map_or_else(|| "landed".to_owned(), |oid| format!("landed as {}", oid.get(..9).unwrap_or(oid)))
        }
        CloseReason::NoChanges => "closed: nothing to change".to_owned(),
        CloseReason::Done => "done".to_owned(),
        CloseReason::Withdrawn => "withdrawn".to_owned(),
    }
}

/// The beads of a convoy that are not closed, one a line, and what blocks each.
pub fn open(snapshot: &Snapshot, convoy: &str) -> String {
    let mut text = String::new();
    for bead in snapshot.beads_of(convoy) {
        let told = Told::of(bead);
        if told.state == BeadState::Closed {
            continue;
        }
        let status = bead.status.clone().unwrap_or_default();
        let why = condition(&status.conditions, types::READY).map(|ready| ready.message.as_str()).unwrap_or_default();
        let why = explained(bead, why, snapshot);
        let line = format!("  {:<17}  {:<9}  {why}", bead.name_any(), format!("{:?}", told.state));
        let _infallible = write!(text, "\n{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_title_and_last_words_are_cut_to_the_terminal_and_nothing_else() {
        let told = |width: u16| {
            let mut progress = Progress::new(Timestamp::UNIX_EPOCH, Some(width));
            let bead = bead(&json!({"state": "Working"}), &serde_json::Value::Null);
            progress.tell(&bead, Timestamp::UNIX_EPOCH, |_| None).concat()
        };
        assert_eq!(told(60), "   0s  shop-abcdefgh      taken by shop-nux  (Say width)");
        assert_eq!(told(55), "   0s  shop-abcdefgh      taken by shop-nux  (Say wid…)");
        assert_eq!(told(30), "   0s  shop-abcdefgh      taken by shop-nux");
        let words = LastWords { code: 3, line: "cannot find npm".to_owned() };
        assert_eq!(words.text(80), "agent ended (exit 3): cannot find npm");
        assert_eq!(words.text(32), "agent ended (exit 3): cannot fi…");
        assert_eq!(words.text(24), "its agent ended without handing in (exit 3)");
    }

    #[test]
    fn a_beads_life_is_told_line_by_line() {
        let rework = json!({"kind": "Conflict", "mergeRequest": "m", "head": "h", "log": "src/a.rs\nsrc/b.rs"});
        let none = serde_json::Value::Null;
        let mut waits = bead(&json!({"state": "Waiting", "attempts": 1, "failures": 1}), &none);
        waits.spec.assignee.as_mut().unwrap().waiting = Some(Waiting::Bead);
        let states = [
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
        let mut progress = Progress::new(start, None);
        let mut lines = Vec::new();
        for (nth, bead) in states.iter().enumerate() {
            let now = start + jiff::SignedDuration::from_secs(i64::try_from(nth).unwrap() * 2);
            let words = |_: &Bead| Some(LastWords { code: 3, line: "cannot find npm".to_owned() });
            lines.extend(progress.tell(bead, now, words));
        }
        lines.push(progress.summary());
        insta::assert_snapshot!(lines.join("\n"), @"
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
