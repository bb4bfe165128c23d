//! What is wrong with a rig, in the words that `gt status`, `gt describe` and `gt wait` share.

use gastown_controllers::conditions::times_told;
use gastown_crds::Rig;
use gastown_crds::common::{Condition, ConditionStatus, condition, reasons, types};

use super::table::plain;

/// Failures in a row that a person is not told of: what fails twice and then works was busy, locked or out of reach.
const HICCUPS_MAX: u32 = 2;

/// Why nothing can be dispatched or landed here: it is not Ready, or its branch fails its own checks.
pub fn of(rig: &Rig) -> Option<&Condition> {
    let conditions = &rig.status.as_ref()?.conditions;
    let not_ready = condition(conditions, types::READY).filter(|ready| ready.status != ConditionStatus::True);
    not_ready.or_else(|| base_red(rig))
}

/// Its branch fails its own checks.
pub fn base_red(rig: &Rig) -> Option<&Condition> {
    condition(&rig.status.as_ref()?.conditions, types::BASE_RED).filter(|red| red.status == ConditionStatus::True)
}

/// What a person has to see to: not what a person asked for, nor what is under way.
pub fn for_a_person(rig: &Rig) -> Option<&Condition> {
    let passes = |found: &Condition| {
        found.status == ConditionStatus::Unknown || [reasons::SUSPENDED, reasons::CLONING].contains(&&*found.reason)
    };
    of(rig).filter(|found| !passes(found)).or_else(|| base_red(rig))
}

/// Whether this failed so often in a row that a person has to see to it; its message says how often.
pub fn keeps_failing(found: &Condition) -> bool {
    // A setup is told of from the first failure on.
    found.status == ConditionStatus::False
        && found.reason != reasons::SETUP_FAILED
        && times_told(&found.message).is_some_and(|failures| failures > HICCUPS_MAX)
}

/// Whether it is Ready; else why not, in a word or two.
pub fn not_ready(rig: &Rig) -> Option<String> {
    let conditions = rig.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    match condition(conditions, types::READY) {
        Some(ready) if ready.status == ConditionStatus::True => None,
        Some(ready) => Some(ready.reason.clone()),
        None => Some("not looked at yet".to_owned()),
    }
}

/// `BaseRed: the target itself fails verification`.
pub fn words(found: &Condition) -> String {
    let message = plain(&found.message);
    if message.is_empty() { found.reason.clone() } else { format!("{}: {message}", found.reason) }
}
