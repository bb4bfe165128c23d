//! `Told`: what happened to an object and why, in the words that people read as Kubernetes Events.
//!
//! Most of it follows from statuses: a condition that changes its status or its reason is news, once. What no condition
//! says, a controller tells beside it ([`crate::plan::Plan::tell`]). What is told goes with the status that says the same,
//! and is recorded once that is written: so nothing is told twice, however often a plan is made.

use gastown_crds::common::{Condition, ConditionStatus};
use gastown_crds::reason::Reason;
use gastown_crds::url::redact;

use crate::conditions::fitted;
use crate::world::Owner;

/// The longest message of an Event, in bytes: a kube-apiserver refuses more.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whether something went wrong.
    pub warns: bool,
    /// The reason, in one word.
    pub reason: &'static str,
    /// What was done that led to it, in one word.
    pub action: &'static str,
    /// For people.
    pub message: String,
    /// Another object that it is about: a bead's polecat, a polecat's bead.
    pub related: Option<Owner>,
}

impl Told {
    /// Something that a condition does not say. Events are read by more programs than statuses: passwords stay out of them. They
    /// are lines of a list, too: of a log, one line has to do.
    pub fn new(warns: bool, reason: &'static str, action: &'static str, message: &str) -> Self {
        Self { warns, reason, action, message: fitted(&redact(&one_line(message)), MESSAGE_BYTES_MAX), related: None }
    }
}

/// The first line, and of those below it the first error, or else the last.
fn one_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let error = lines.clone().find(|line| line.starts_with("error"));
    error.or(lines.next_back()).map_or_else(|| first.to_owned(), |below| format!("{first} {below}"))
}

/// What is news in the conditions of an object, of which `main` says how it is as a whole. `failed` are those that report an
/// effect that failed: that was told when it did.
pub(crate) fn news(main: &str, old: &[Condition], new: &[Condition], failed: &[String]) -> Vec<Told> {
    let mut news: Vec<Told> = Vec::new();
    for condition in new.iter().filter(|condition| !failed.contains(&condition.type_)) {
        let Some(reason) = Reason::parse(&condition.reason).filter(|reason| is_news(main, old, condition, *reason))
        else {
            continue;
        };
        let message = if condition.message.is_empty() { reason.meaning() } else { &condition.message };
        let warns = reason.warns() || condition.status == ConditionStatus::Unknown;
        let told = Told::new(warns, reason.as_str(), "Reconcile", message);
        // Two conditions with one reason say one thing, and one of them says it at length.
        match news.iter_mut().find(|before| before.reason == told.reason) {
            Some(before) if before.message.len() < told.message.len() => *before = told,
            Some(_) => {}
            None => news.push(told),
        }
    }
    news
}

/// Whether a condition says something new. That an object is made, is as it should be, or waits for its turn is none; nor is
/// it that another condition than the main one does not hold.
fn is_news(main: &str, old: &[Condition], condition: &Condition, reason: Reason) -> bool {
    let holds = condition.status == ConditionStatus::True;
    match old.iter().find(|old| old.type_ == condition.type_) {
        Some(old) if old.status == condition.status && old.reason == condition.reason => false,
        Some(_) => condition.type_ == main || holds,
        None if condition.type_ == main => !holds && !reason.waits(),
        None => holds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn condition(type_: &str, status: ConditionStatus, reason: Reason, message: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status,
            reason: reason.to_string(),
            message: message.to_owned(),
            last_transition_time: Timestamp::UNIX_EPOCH,
            observed_generation: None,
        }
    }

    fn told(old: &[Condition], new: &[Condition]) -> Vec<(bool, &'static str, String)> {
        news("Ready", old, new, &[]).into_iter().map(|told| (told.warns, told.reason, told.message)).collect()
    }

    #[test]
    fn a_new_reason_is_news_and_another_message_is_not() {
        use ConditionStatus::{False, True};
        let ready = |status, reason, message| [condition("Ready", status, reason, message)];
        let claimed = ready(False, Reason::Claimed, "nux works on it");
        assert_eq!(told(&[], &ready(True, Reason::Ready, "")), []);
        assert_eq!(told(&[], &ready(False, Reason::Queued, "")), [], "it waits for its turn");
        let cloning = [(false, "Cloning", "the repository is being cloned".to_owned())];
        assert_eq!(told(&[], &ready(False, Reason::Cloning, "")), cloning);
        assert_eq!(told(&ready(True, Reason::Ready, ""), &claimed), [(false, "Claimed", "nux works on it".to_owned())]);
        assert_eq!(told(&claimed, &ready(False, Reason::Claimed, "toast works on it")), []);
        let red = ready(False, Reason::Red, "makes a green target red");
        assert_eq!(told(&claimed, &red), [(true, "Red", "makes a green target red".to_owned())]);
        assert_eq!(news("Ready", &claimed, &red, &["Ready".to_owned()]), []);
    }

    #[test]
    fn a_message_is_one_line_without_a_password() {
        let message = |text: &str| Told::new(true, "CloneFailed", "Reconcile", text).message;
        assert_eq!(message("cloning failed:\n  try\n\n fatal: no\n"), "cloning failed: fatal: no");
        assert_eq!(
            message("2 mistakes:\nerror: no such field\n --> a.yaml:1:1\nhelp"),
            "2 mistakes: error: no such field"
        );
        assert_eq!(message("cloning `https://me:secret@host/a`"), "cloning `https://host/a`");
        assert_eq!(message(&"x".repeat(2000)).len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn what_two_conditions_say_is_told_once_and_at_length() {
        use ConditionStatus::{False, True};
        let aside = |type_, status, message| condition(type_, status, Reason::TooManyAttempts, message);
        let new = [
            condition("Closed", False, Reason::Open, ""),
            aside("Ready", False, "set aside for a person"),
            aside("SetAside", True, "failed 3 times; fix the cause"),
        ];
        let old = [condition("Ready", False, Reason::Claimed, "")];
        assert_eq!(told(&old, &new), [(true, "TooManyAttempts", "failed 3 times; fix the cause".to_owned())]);
        assert_eq!(told(&new, &[condition("Ready", True, Reason::Ready, ""), aside("SetAside", False, "")]).len(), 1);
    }
}
