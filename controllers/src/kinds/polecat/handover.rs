//! The handover of a bead within it: once the steps that may be done are another Runtime's, its session has done its part. It ends,
//! and one of that Runtime goes on in the same worktree.

use std::time::Duration;

use gastown_crds::Bead;
use gastown_crds::polecat::{Activity, ActivityState};
use jiff::Timestamp;

use super::LEAVE_DELAY;
use crate::kinds::bead::ready_steps;

/// How long an agent whose turn goes on is left at it after it closed the last step of its part.
const TURN_MAX: Duration = Duration::from_mins(5);

/// The first of these steps, of one round, that may be done, if all that may be are of other Runtimes than the one whose session
/// runs. `of_bead` is the one of steps that name none.
pub fn next_of_another<'a>(steps: &[&'a Bead], running: &str, of_bead: &str) -> Option<&'a Bead> {
    let is_own = |step: &Bead| step.spec.runtime.as_deref().unwrap_or(of_bead) == running;
    // Where no step names one, a session goes on although its bead is to be worked by another from its next one on.
    steps.iter().find(|step| step.spec.runtime.is_some())?;
    let ready = ready_steps(steps);
    ready.first().copied().filter(|_| !ready.iter().any(|step| is_own(step)))
}

/// When a session that has done its part is ended, if it does not end by itself: at the end of its turn, where that is known.
pub fn ends_at(steps: &[&Bead], activity: Option<&Activity>, now: Timestamp) -> Timestamp {
    let closed = steps.iter().filter_map(|step| Some(step.spec.closed.as_ref()?.at)).max();
    // A clock that went backwards since gives nobody more time.
    let since = closed.unwrap_or(now).min(now);
    match activity.map(|activity| activity.state) {
        Some(ActivityState::Idle) => now,
        Some(ActivityState::Busy) => since + TURN_MAX,
        _ => since + LEAVE_DELAY,
    }
}
