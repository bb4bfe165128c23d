//! Conditions as a controller sets them: the instant of a transition is kept while the status stays the same.

use gastown_crds::common::{Condition, ConditionStatus, STATUS_TEXT_BYTES_MAX, whole_second};
use gastown_crds::reason::Reason;
use jiff::Timestamp;

use crate::told::{self, Told};
use crate::view::{Failure, NotSeen};

/// The conditions of one object while they are computed.
#[derive(Debug)]
pub struct Conditions<'a> {
    old: &'a [Condition],
    now: Timestamp,
    generation: Option<i64>,
    new: Vec<Condition>,
    failures: u32,
    /// Those that report an effect that failed.
    failed: Vec<String>,
}

impl<'a> Conditions<'a> {
    /// Starts from those that stand in the object.
    pub fn new(old: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        let now = whole_second(now);
        Self { old, now, generation, new: Vec::new(), failures: 0, failed: Vec::new() }
    }

    /// Sets one.
    pub fn set(&mut self, type_: &str, status: ConditionStatus, reason: Reason, message: impl Into<String>) {
        let before = self.old.iter().find(|c| c.type_ == type_ && c.status == status);
        self.new.retain(|c| c.type_ != type_);
        self.new.push(Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.as_str().to_owned(),
            message: fitted(&message.into(), STATUS_TEXT_BYTES_MAX),
            last_transition_time: before.map_or(self.now, |c| c.last_transition_time),
            observed_generation: self.generation,
        });
    }

    /// Sets one to True or False.
    pub fn set_bool(&mut self, type_: &str, holds: bool, reason: Reason, message: impl Into<String>) {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        self.set(type_, status, reason, message);
    }

    /// Sets one to what a failed look means: we don't know.
    pub fn unknown(&mut self, type_: &str, not_seen: &NotSeen) {
        self.set(type_, ConditionStatus::Unknown, Reason::Unknown, not_seen.message());
    }

    /// Sets one to False because the last effect failed and is held back.
    pub fn failed(&mut self, type_: &str, failure: &Failure) {
        let message = format!("{} (failed {}, tried again later)", failure.message, times(failure.count));
        self.set(type_, ConditionStatus::False, failure.reason, message);
        self.fails(failure.count);
        self.failed.push(type_.to_owned());
    }

    /// Notes how often in a row something has failed that a condition reports.
    pub fn fails(&mut self, failures: u32) {
        self.failures = self.failures.max(failures);
    }

    /// How often in a row something has failed: for the status, beside the conditions.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Leaves all as they stand in the object.
    pub fn keep(&mut self) {
        self.new = self.old.to_vec();
    }

    /// All that were set, in the order of their types.
    pub fn done(mut self) -> Vec<Condition> {
        self.new.sort_by(|a, b| a.type_.cmp(&b.type_));
        self.new
    }

    /// What is news in them for an object of which the condition `main` says how it is as a whole.
    pub(crate) fn news(&self, main: &str) -> Vec<Told> {
        told::news(main, self.old, &self.new, &self.failed)
    }
}

/// How often, for people.
pub fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// A text that fits: its first line says what it is about, and of what follows the end is worth most.
pub(crate) fn fitted(text: &str, bytes_max: usize) -> String {
    const CUT: &str = "\n…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    match text.split_once('\n') {
        Some((first, rest)) if first.len() + CUT.len() < bytes_max => {
            format!("{first}{CUT}{}", tail(rest, bytes_max - first.len() - CUT.len()))
        }
        _ => tail(text, bytes_max).to_owned(),
    }
}

/// The last bytes of a text, at a character boundary.
pub fn tail(text: &str, bytes_max: usize) -> &str {
    let mut from = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transition_keeps_its_instant_while_the_status_stays() {
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let mut c = Conditions::new(&[], Some(1), first);
        c.set_bool("Ready", false, Reason::Cloning, "");
        let old = c.done();
        let mut c = Conditions::new(&old, Some(1), later);
        c.set_bool("Ready", false, Reason::CloneFailed, "no");
        assert_eq!(c.done()[0].last_transition_time, first);
        let mut c = Conditions::new(&old, Some(1), later);
        c.set_bool("Ready", true, Reason::Ok, "");
        assert_eq!(c.done()[0].last_transition_time, later);
    }

    #[test]
    fn how_often_something_failed_stands_beside_the_conditions() {
        let mut c = Conditions::new(&[], Some(1), Timestamp::UNIX_EPOCH);
        let (reason, until) = (Reason::BackOff, Timestamp::UNIX_EPOCH);
        c.failed("Ready", &Failure { reason, message: "no".into(), count: 1, until });
        assert_eq!(c.failures(), 1);
        assert_eq!(c.done()[0].message, "no (failed once, tried again later)");
    }

    #[test]
    fn a_message_that_is_too_long_keeps_its_first_line_and_its_end() {
        let log = format!("failed 3 times:\n{}the end", "noise\n".repeat(2000));
        let fitted = fitted(&log, STATUS_TEXT_BYTES_MAX);
        assert!(fitted.starts_with("failed 3 times:\n…") && fitted.ends_with("the end"), "{fitted}");
        assert!((STATUS_TEXT_BYTES_MAX - 8..=STATUS_TEXT_BYTES_MAX).contains(&fitted.len()), "{}", fitted.len());
        assert_eq!(super::fitted(&"a".repeat(9), 3), "aaa");
        assert_eq!(super::fitted("a\nb", 3), "a\nb");
    }

    #[test]
    fn a_tail_never_splits_a_character() {
        assert_eq!(tail("aä", 1), "");
        assert_eq!(tail("aä", 2), "ä");
        assert_eq!(tail("abc", 9), "abc");
    }
}
