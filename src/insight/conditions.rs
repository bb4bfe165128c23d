//! Conditions as people read them: whether one is for a person to fix, and its words in a line.

use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::reason::Reason;

use super::text::plain;

/// Failures in a row that are not reported to people: what fails twice and then works was busy, locked or out of reach.
const FAILURES_IGNORED: u32 = 2;

/// Whether a condition has reported so many failures in a row that a person has to fix the cause.
pub fn keeps_failing(found: &Condition, failures: u32) -> bool {
    // A setup is reported from the first failure on.
    found.status == ConditionStatus::False && found.reason != Reason::SetupFailed && failures > FAILURES_IGNORED
}

/// The Ready condition that does not hold, for one of these reasons.
pub fn refused<'a>(conditions: &'a [Condition], among: &[Reason]) -> Option<&'a Condition> {
    let ready = condition(conditions, types::READY).filter(|ready| ready.status == ConditionStatus::False);
    ready.filter(|ready| is_one_of(ready, among))
}

/// Whether a condition has one of these reasons.
pub fn is_one_of(found: &Condition, reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| found.reason == *reason)
}

/// `BaseRed: the target itself fails verification`.
pub fn words(found: &Condition) -> String {
    let message = plain(&found.message);
    if message.is_empty() { found.reason.clone() } else { format!("{}: {message}", found.reason) }
}
