//! What an agent does by its own reports, as where its polecat stands. A slow agent is not a stalled one: as long as it is busy, or
//! nothing is known, it works.

use std::time::Duration;

use gastown_crds::polecat::{Activity, ActivityState, PolecatState};
use gastown_crds::reason::Reason;
use jiff::Timestamp;

/// How long an agent's program may take to its first report. They take one to five seconds.
const START_MAX: Duration = Duration::from_mins(1);

/// How long an agent that its model's provider refuses is left at its own tries, which take some minutes; then it is ended, and
/// started again later.
const LIMITED_MAX: Duration = Duration::from_mins(5);

/// What comes of an agent's activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The polecat's state.
    pub state: PolecatState,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
    /// When it is another, if nothing is reported until then.
    pub until: Option<Timestamp>,
    /// Whether its session is ended now, to be started again.
    pub ends: bool,
}

/// Where a polecat stands whose session runs.
pub fn standing(activity: Option<&Activity>, now: Timestamp) -> Standing {
    let standing = |state, reason, message: &str| Standing {
        state,
        reason,
        message: message.to_owned(),
        until: None,
        ends: false,
    };
    let working = standing(PolecatState::Working, Reason::Working, "");
    let Some(Activity { state, since, message, .. }) = activity else { return working };
    let said = message.as_deref().unwrap_or_default();
    // A clock that went backwards makes nothing late.
    let due = |after: Duration| *since + after;
    match state {
        ActivityState::Busy => working,
        ActivityState::Starting if now < due(START_MAX) => Standing { until: Some(due(START_MAX)), ..working },
        ActivityState::Starting => {
            let message =
                "its agent's program has reported nothing since it was started: it waits at a dialog, most likely";
            standing(PolecatState::Stalled, Reason::DialogOpen, message)
        }
        ActivityState::Idle if said.is_empty() => {
            standing(PolecatState::Stalled, Reason::TurnEnded, "its turn has ended with work on its hook")
        }
        ActivityState::Idle => standing(PolecatState::Stalled, Reason::TurnEnded, said),
        ActivityState::Asking => standing(PolecatState::Stalled, Reason::Asking, said),
        ActivityState::LoginRequired => standing(PolecatState::Stalled, Reason::LoginRequired, said),
        ActivityState::Limited | ActivityState::Overloaded => Standing {
            until: Some(due(LIMITED_MAX)),
            ends: now >= due(LIMITED_MAX),
            ..standing(PolecatState::Stalled, Reason::Limited, said)
        },
    }
}
