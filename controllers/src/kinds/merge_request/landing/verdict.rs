//! What the tries at verifying one tree add up to.
//!
//! The first that decides, decides for ever: one green, two reds, or checks that could not run or killed what ran them, time
//! and again. So a verdict never changes as tries are added; but for the target's own, whose red may end, and what was red
//! together with it.

use jiff::Timestamp;

use crate::seen::Oid;
use crate::world::{Exited, JobState, exit};

/// A confirmed red: the second red try at a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Red {
    /// The tree.
    pub tree: Oid,
    /// The number of the try; the log of its job holds the rest.
    pub round: u32,
    /// Whether a check failed; else it could not run, did not end, or killed what ran it.
    pub failed: bool,
    /// The tail of that log.
    pub tail: String,
}

/// A try that could not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// When it ended; of one that was lost, when it had begun.
    pub at: Timestamp,
    /// The tail of its log.
    pub tail: String,
}

/// So many reds confirm one another.
const REDS_MAX: u32 = 2;

/// A tree at which the checks so often could not run, or did not end, is red: they can on the target.
const UNABLE_MAX: u32 = 3;

/// A tree at which the verification's own process was killed so often is red: machines are not restarted that often.
const LOST_MAX: u32 = 5;

/// The message about a try whose process was killed.
const LOST: &str = "its process was killed";

/// The verdict on a tree, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    /// Green, once for all.
    Green {
        /// The red try before it, if there was one: the tree is flaky.
        refuted: Option<u32>,
    },
    /// Red, confirmed.
    Red(Red),
    /// Not decided.
    Open {
        /// It was red once. Enough to bisect with, not to blame.
        was_red: bool,
        /// The try that would decide it.
        upcoming: Upcoming,
    },
}

/// The next try at an open tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upcoming {
    /// It can start.
    Start { round: u32 },
    /// It runs.
    Wait { round: u32 },
    /// The one before could not run, for the `errors`th time in a row.
    Retry { round: u32, errors: u32, last: Failed },
}

impl Tried {
    pub(super) fn is_green(&self) -> bool {
        matches!(self, Self::Green { .. })
    }

    pub(super) fn was_red(&self) -> bool {
        matches!(self, Self::Red(_) | Self::Open { was_red: true, .. })
    }
}

/// The verdict on the target's own tree, as far as it is known.
pub(super) enum Target {
    /// It is green.
    Green {
        /// The red try before it, if there was one.
        refuted: Option<u32>,
        /// It was red before, twice or more, and until then: what else was red meanwhile says nothing.
        since: Option<Timestamp>,
    },
    /// It is red, and may be tried again.
    Red(Red, Again),
    /// Not decided.
    Open(Upcoming),
}

/// How a red target is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Again {
    /// This try runs.
    Wait { round: u32 },
    /// This one can start, some time after the one before was over.
    After { round: u32, over: Timestamp },
}

/// Adds up the tries at the target's own tree. Its red charges nobody and stops everybody, so it is not for ever: checks
/// may be red for a reason outside the tree. It is tried again, and one green refutes it.
pub(super) fn of_target(tree: &Oid, tries: &[JobState]) -> Target {
    let first = match of(tree, tries, None) {
        Tried::Green { refuted } => return Target::Green { refuted, since: None },
        Tried::Open { upcoming, .. } => return Target::Open(upcoming),
        Tried::Red(red) => red,
    };
    let (mut red, mut again) = (first, Again::Wait { round: 1 });
    for (round, state) in (1..).zip(tries) {
        let over = match state {
            JobState::Absent => break,
            JobState::Running => {
                again = Again::Wait { round };
                break;
            }
            JobState::Exited(Exited { code: exit::OK, at, .. }) => {
                return Target::Green { refuted: Some(red.round), since: Some(*at) };
            }
            JobState::Exited(Exited { code: code @ (exit::FAILED | exit::UNABLE), at, tail }) => {
                red = Red { tree: tree.clone(), round, failed: *code == exit::FAILED, tail: tail.clone() };
                *at
            }
            JobState::Exited(Exited { at, .. }) | JobState::Lost { at } => *at,
        };
        again = Again::After { round: round.saturating_add(1), over };
    }
    Target::Red(red, again)
}

/// Adds them up: rounds 1, 2, … in order. What decided it until `since` is not counted: the target was red then, too.
/// There was no more of that than decides, so a later one counts even if a clock that was set back dates it earlier.
pub(super) fn of(tree: &Oid, tries: &[JobState], since: Option<Timestamp>) -> Tried {
    let (mut red, mut unable, mut lost) = (None, 0_u32, 0_u32);
    let (mut reds, mut unables) = (0_u32, 0_u32);
    let (mut round, mut errors, mut last) = (1_u32, 0_u32, None);
    for state in tries {
        match state {
            JobState::Absent => break,
            JobState::Running => return Tried::Open { was_red: red.is_some(), upcoming: Upcoming::Wait { round } },
            JobState::Exited(Exited { code: exit::OK, .. }) => return Tried::Green { refuted: red },
            JobState::Exited(Exited { code: exit::FAILED, at, tail }) => {
                if red.is_some() {
                    return Tried::Red(Red { tree: tree.clone(), round, failed: true, tail: tail.clone() });
                }
                reds = reds.saturating_add(1);
                let counts = reds > REDS_MAX || since.is_none_or(|since| *at > since);
                (red, errors, last) = (counts.then_some(round), 0, None);
            }
            JobState::Exited(Exited { code, at, tail }) => {
                if *code == exit::UNABLE {
                    unables = unables.saturating_add(1);
                    unable += u32::from(unables > UNABLE_MAX || since.is_none_or(|since| *at > since));
                }
                if unable >= UNABLE_MAX {
                    return Tried::Red(Red { tree: tree.clone(), round, failed: false, tail: tail.clone() });
                }
                (errors, last) = (errors.saturating_add(1), Some(Failed { at: *at, tail: tail.clone() }));
            }
            JobState::Lost { at } => {
                lost = lost.saturating_add(1);
                if lost >= LOST_MAX {
                    return Tried::Red(Red { tree: tree.clone(), round, failed: false, tail: LOST.to_owned() });
                }
                (errors, last) = (errors.saturating_add(1), Some(Failed { at: *at, tail: LOST.to_owned() }));
            }
        }
        round = round.saturating_add(1);
    }
    let upcoming = match last {
        None => Upcoming::Start { round },
        Some(last) => Upcoming::Retry { round, errors, last },
    };
    Tried::Open { was_red: red.is_some(), upcoming }
}
