//! The state that a polecat is found in, with reason and message.

use gastown_crds::common::ConditionStatus;
use gastown_crds::polecat::PolecatState;
use gastown_crds::reason::Reason;

/// The state that a polecat is found in, with reason and message.
pub struct Doing {
    pub state: PolecatState,
    pub ready: ConditionStatus,
    pub reason: Reason,
    pub message: String,
    /// How often in a row that has failed.
    pub failures: u32,
}

pub fn doing(state: PolecatState, reason: Reason, message: impl Into<String>) -> Doing {
    let ready = match state {
        PolecatState::Idle | PolecatState::Working => ConditionStatus::True,
        _ => ConditionStatus::False,
    };
    Doing { state, ready, reason, message: message.into(), failures: 0 }
}
