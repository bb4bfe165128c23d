//! What the tries at verifying one tree add up to.
//!
//! The first that decides, decides for ever: one green, or two reds. So a verdict never changes as tries are added.

use crate::seen::Oid;
use crate::world::{Exited, JobState, exit};

/// A confirmed red: the second red try at a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Red {
    /// The tree.
    pub tree: Oid,
    /// Which try it was: its job's log holds the rest.
    pub round: u32,
    /// The tail of that log.
    pub tail: String,
}

/// What is known of a tree.
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
        /// What would decide it.
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
    Retry { round: u32, errors: u32, last: Option<Exited> },
}

impl Tried {
    pub(super) fn is_green(&self) -> bool {
        matches!(self, Self::Green { .. })
    }

    pub(super) fn was_red(&self) -> bool {
        matches!(self, Self::Red(_) | Self::Open { was_red: true, .. })
    }
}

/// Adds them up: rounds 1, 2, … in order.
pub(super) fn of(tree: &Oid, tries: Vec<JobState>) -> Tried {
    let mut red = None;
    let (mut round, mut errors, mut last) = (1_u32, 0_u32, None);
    for state in tries {
        match state {
            JobState::Absent => break,
            JobState::Running => return Tried::Open { was_red: red.is_some(), upcoming: Upcoming::Wait { round } },
            JobState::Exited(Exited { code: exit::OK, .. }) => return Tried::Green { refuted: red },
            JobState::Exited(Exited { code: exit::FAILED, tail, .. }) => {
                if red.is_some() {
                    return Tried::Red(Red { tree: tree.clone(), round, tail });
                }
                (red, errors, last) = (Some(round), 0, None);
            }
            JobState::Exited(error) => (errors, last) = (errors.saturating_add(1), Some(error)),
            JobState::Lost => (errors, last) = (errors.saturating_add(1), None),
        }
        round = round.saturating_add(1);
    }
    let upcoming = if errors == 0 { Upcoming::Start { round } } else { Upcoming::Retry { round, errors, last } };
    Tried::Open { was_red: red.is_some(), upcoming }
}
