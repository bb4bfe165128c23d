//! The end of a session that has handed off: when its turn is over, or when it has had its time.

use std::time::Duration;

use gastown_crds::actor::Worker;
use gastown_crds::bead::Handoff;
use gastown_crds::polecat::{Activity, ActivityState};
use jiff::Timestamp;

use super::LEAVE_DELAY;

/// How long an agent gets to end its turn, where its program reports that. What it does meanwhile stays in the worktree.
const TURN_MAX: Duration = Duration::from_secs(30);

/// When a session is to be ended that has handed off.
pub fn ends_at(handoff: &Handoff, activity: Option<&Activity>, now: Timestamp) -> Timestamp {
    // One whose context is full cannot go on, and a person does not mean it to.
    if handoff.automatic || Worker::parse(&handoff.by).is_none() {
        return now;
    }
    let delay = match activity.map(|activity| activity.state) {
        // Its program reports nothing: it has read what `gt handoff` has answered by then.
        None => LEAVE_DELAY,
        Some(ActivityState::Starting | ActivityState::Busy) => TURN_MAX,
        Some(_) => return now,
    };
    // A clock that went backwards since gives nobody more time.
    handoff.at.min(now) + delay
}
