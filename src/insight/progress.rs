//! Progress of a convoy: what happens to its beads, found from one state of a bead to the next, and how far each is.

use std::collections::BTreeMap;
use std::fmt;

use gastown_controllers::world::Attempt;
use gastown_crds::bead::{Assignee, BeadState, CloseReason, ReworkKind};
use gastown_crds::{Bead, BeadStatus};
use kube::ResourceExt;

use super::kinds::bead;
use super::last_words::{ENDED, LastWords};
use super::text::plain;

/// Most files that are named of those that conflict.
const FILES_MAX: usize = 3;

/// The beads of a convoy, as they were seen last.
#[derive(Debug, Default)]
pub struct Progress {
    beads: BTreeMap<String, Seen>,
}

/// The parts of a bead whose changes are events.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    state: BeadState,
    failures: u32,
    attempts: u32,
    rework: Option<String>,
    polecat: Option<String>,
}

impl Seen {
    fn of(bead: &Bead) -> Self {
        let status = bead.status.clone().unwrap_or_default();
        // One that waits is still its polecat's; one whose claim its controller has not seen is nobody's yet.
        let seen = |it: &&Assignee| status.state == BeadState::Working || it.waiting.is_some();
        Self {
            polecat: bead.spec.assignee.as_ref().filter(seen).map(|assignee| assignee.polecat.clone()),
            state: bead::state(bead),
            failures: status.failures,
            attempts: status.attempts,
            rework: status.rework.map(|rework| rework.merge_request),
        }
    }
}

/// Something that happened to a bead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The bead.
    pub bead: String,
    /// The bead's title.
    pub title: String,
    /// The change.
    pub what: Happened,
}

/// A change of a bead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// This polecat took it.
    TakenBy(String),
    /// The attempt of this number at it began; it is not the first.
    Retried(u32),
    /// Its agent ended without handing in; how, as far as that is known.
    AgentEnded(Option<LastWords>),
    /// Its branch was handed in.
    HandedIn,
    /// Its branch came back because it is red.
    CameBackRed,
    /// Its branch came back because it conflicts with the target in these files.
    CameBackConflicting(Vec<String>),
    /// It failed so often that it needs a person.
    SetAside {
        /// The number of failures.
        failures: u32,
    },
    /// It was closed.
    Closed {
        /// The reason.
        why: CloseReason,
        /// The commit that landed, if one did and it is known.
        commit: Option<String>,
    },
}

impl Event {
    /// The event in words, of at most `chars_max` characters where an agent's last words can be cut.
    pub fn words(&self, chars_max: usize) -> String {
        match &self.what {
            Happened::TakenBy(polecat) => format!("taken by {polecat}"),
            Happened::Retried(attempt) => format!("attempt {attempt} started"),
            Happened::AgentEnded(None) => ENDED.to_owned(),
            Happened::AgentEnded(Some(words)) => words.text(chars_max),
            Happened::HandedIn => "handed in".to_owned(),
            Happened::CameBackRed => "came back red".to_owned(),
            Happened::CameBackConflicting(files) => format!("came back: conflicts in {}", files.join(", ")),
            Happened::SetAside { failures } => {
                format!("failed {failures} times; needs a person: gt describe bead/{}", self.bead)
            }
            Happened::Closed { why: CloseReason::Merged, commit } => match commit {
                Some(commit) => format!("landed as {}", commit.get(..9).unwrap_or(commit)),
                None => "landed".to_owned(),
            },
            Happened::Closed { why: CloseReason::NoChanges, .. } => "closed: nothing to change".to_owned(),
            Happened::Closed { why: CloseReason::Withdrawn, .. } => "withdrawn".to_owned(),
            Happened::Closed { why: CloseReason::Done, .. } => "done".to_owned(),
            Happened::Closed { why: CloseReason::Skipped, .. } => "skipped".to_owned(),
        }
    }
}

impl Progress {
    /// The events between the last observation of a bead and this one. `attempts` reads the attempts at the bead, and is
    /// only called if an agent has ended.
    pub fn observe(&mut self, bead: &Bead, attempts: impl FnOnce(&Bead) -> Vec<Attempt>) -> Vec<Event> {
        let new = Seen::of(bead);
        let old = self.beads.insert(bead.name_any(), new.clone());
        let status = bead.status.clone().unwrap_or_default();
        // What is so at the beginning is only an event where something happens.
        let was = old.unwrap_or(Seen { state: BeadState::Waiting, polecat: None, ..new.clone() });
        let mut events = Vec::new();
        if new.rework.is_some() && new.rework != was.rework {
            events.push(came_back(&status));
        } else if new.failures > was.failures {
            events.push(Happened::AgentEnded(LastWords::of(bead, &attempts(bead))));
        }
        match new.state {
            BeadState::Working if new.polecat != was.polecat => {
                // Without one it is between two: its polecat was let go, and what becomes of it is about to be seen.
                events.extend(new.polecat.map(Happened::TakenBy));
            }
            BeadState::Working if new.attempts > was.attempts && new.attempts > 1 => {
                events.push(Happened::Retried(new.attempts));
            }
            BeadState::Landing if was.state != BeadState::Landing => events.push(Happened::HandedIn),
            BeadState::SetAside if was.state != BeadState::SetAside => {
                events.push(Happened::SetAside { failures: new.failures });
            }
            BeadState::Closed if was.state != BeadState::Closed => events.extend(closed(bead)),
            _ => {}
        }
        let event = |what| Event { bead: bead.name_any(), title: plain(&bead.spec.title), what };
        events.into_iter().map(event).collect()
    }

    /// The number of beads in each state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for seen in self.beads.values() {
            *counts.0.entry(seen.state).or_default() += 1;
        }
        counts
    }
}

fn came_back(status: &BeadStatus) -> Happened {
    match status.rework.as_ref().map(|rework| (rework.kind, rework.log.as_str())) {
        Some((ReworkKind::Conflict, files)) => {
            Happened::CameBackConflicting(files.lines().take(FILES_MAX).map(plain).collect())
        }
        _ => Happened::CameBackRed,
    }
}

fn closed(bead: &Bead) -> Option<Happened> {
    let closed = bead.spec.closed.as_ref()?;
    let commit = closed.message.as_deref().and_then(|message| message.strip_prefix("landed as "));
    Some(Happened::Closed { why: closed.reason, commit: commit.map(str::to_owned) })
}

/// The number of beads in each state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<BeadState, usize>);

impl Counts {
    /// The number of beads in one state.
    pub fn of(&self, state: BeadState) -> usize {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// The number of all beads.
    pub fn all(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} closed", self.of(BeadState::Closed), self.all())?;
        for (state, word) in [
            (BeadState::Working, "working"),
            (BeadState::Landing, "landing"),
            (BeadState::Ready, "ready"),
            (BeadState::Waiting, "waiting"),
        ] {
            if self.of(state) > 0 {
                write!(f, " · {} {word}", self.of(state))?;
            }
        }
        match self.of(BeadState::SetAside) {
            0 => Ok(()),
            1 => f.write_str(" · 1 needs a person"),
            n => write!(f, " · {n} need a person"),
        }
    }
}

/// An open bead, its state and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenBead {
    /// The bead.
    pub bead: String,
    /// Its state.
    pub state: BeadState,
    /// The controller's message with the blockers added; may be empty.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::super::testing::{bead_of_convoy, convoy, object, town};
    use super::*;
    use serde_json::{Value, json};

    fn bead(status: &Value) -> Bead {
        object("Bead", "shop-a", &json!({"assignee": {"polecat": "shop-nux", "uid": "1"}}), status)
    }

    #[test]
    fn what_is_so_at_the_beginning_is_an_event_only_where_something_happens() {
        let first = |status: &Value| Progress::default().observe(&bead(status), |_| panic!("no agent has ended"));
        assert_eq!(first(&json!({"state": "Waiting", "failures": 2, "attempts": 2})), []);
        assert_eq!(first(&json!({"state": "Working"}))[0].what, Happened::TakenBy("shop-nux".to_owned()));
        assert_eq!(first(&json!({"state": "Landing"}))[0].what, Happened::HandedIn);
    }

    #[test]
    fn the_same_state_again_is_no_event() {
        let mut progress = Progress::default();
        let works = bead(&json!({"state": "Working", "attempts": 1}));
        assert_eq!(progress.observe(&works, |_| Vec::new()).len(), 1);
        assert_eq!(progress.observe(&works, |_| Vec::new()), []);
    }

    #[test]
    fn how_far_the_beads_are_is_counted() {
        let mut progress = Progress::default();
        for (name, state) in [("a", "Working"), ("b", "Working"), ("c", "SetAside"), ("d", "Closed")] {
            let seen: Bead = object("Bead", name, &json!({}), &json!({"state": state}));
            progress.observe(&seen, |_| Vec::new());
        }
        assert_eq!(progress.counts().to_string(), "1 of 4 closed · 2 working · 1 needs a person");
    }

    #[test]
    fn what_is_open_says_why() {
        let mut town = town();
        let closed = json!({"closed": {"reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt"}});
        town.add([
            bead_of_convoy("shop-a", &json!({}), "SetAside", "TooManyAttempts", "set aside for a person"),
            bead_of_convoy("shop-b", &json!({"needs": ["shop-a"]}), "Waiting", "NeedsOpen", "waits for shop-a"),
            bead_of_convoy("shop-c", &closed, "Landing", "Landing", ""),
        ]);
        let open: Vec<(String, String)> =
            convoy(3).open_beads(&town).into_iter().map(|open| (open.bead, open.why)).collect();
        let expected = [("shop-a", "set aside for a person"), ("shop-b", "waits for shop-a (needs a person)")];
        assert_eq!(open, expected.map(|(bead, why)| (bead.to_owned(), why.to_owned())));
    }
}
