//! Types, statuses and priorities in Beads' words, and back.

use gastown_crds::actor::Worker;
use gastown_crds::bead::{Assignee, BeadState, BeadType, CloseReason, GateType, WispType};

/// Every type with its word, and with the other words that people use for it.
const TYPES: [(BeadType, &str, &[&str]); 19] = [
    (BeadType::Task, "task", &[]),
    (BeadType::Bug, "bug", &[]),
    (BeadType::Feature, "feature", &["enhancement", "feat"]),
    (BeadType::Chore, "chore", &[]),
    (BeadType::Step, "step", &[]),
    (BeadType::Epic, "epic", &[]),
    (BeadType::Decision, "decision", &["dec", "adr"]),
    (BeadType::Spike, "spike", &["investigation", "timebox"]),
    (BeadType::Story, "story", &["user-story"]),
    (BeadType::Milestone, "milestone", &["ms"]),
    (BeadType::Molecule, "molecule", &[]),
    (BeadType::Gate, "gate", &[]),
    (BeadType::Message, "message", &[]),
    (BeadType::Role, "role", &[]),
    (BeadType::Agent, "agent", &[]),
    (BeadType::Rig, "rig", &[]),
    (BeadType::Convoy, "convoy", &[]),
    (BeadType::MergeRequest, "merge-request", &["mr", "merge_request"]),
    (BeadType::Memory, "memory", &[]),
];

/// The type of what has happened: such are objects of their own kind.
pub const EVENT: &str = "event";

/// Every type of gate with its word. Beads knows no `run`, and no `condition`.
const GATES: [(GateType, &str); 8] = [
    (GateType::Human, "human"),
    (GateType::Timer, "timer"),
    (GateType::Bead, "bead"),
    (GateType::Condition, "condition"),
    (GateType::Event, "event"),
    (GateType::Run, "run"),
    (GateType::GithubRun, "gh:run"),
    (GateType::GithubPullRequest, "gh:pr"),
];

/// The statuses that Beads knows from the start.
pub const STATUSES: [&str; 7] = ["open", "in_progress", "blocked", "deferred", "closed", "pinned", "hooked"];

/// Every type that has a word of its own.
pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().map(|(_, word, _)| *word).chain([EVENT])
}

/// A type in Beads' words; `custom` is the word of a custom one.
pub fn type_name(type_: BeadType, custom: Option<&str>) -> &str {
    let known = TYPES.iter().find(|(it, ..)| *it == type_).map(|(_, word, _)| *word);
    known.unwrap_or_else(|| custom.unwrap_or("task"))
}

/// The type that a word means, with the word of a custom one; none of what cannot be a type, or is [`EVENT`].
pub fn type_of(word: &str) -> Option<(BeadType, Option<String>)> {
    let word = word.trim().to_lowercase();
    let known = TYPES.iter().find(|(_, name, others)| *name == word || others.contains(&word.as_str()));
    if let Some((type_, ..)) = known {
        return Some((*type_, None));
    }
    let is_word =
        !word.is_empty() && word.len() <= 63 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (is_word && word != EVENT).then_some((BeadType::Custom, Some(word)))
}

/// A bead's status in Beads' words. Handed in is still in progress; set aside is blocked, until a person acts.
pub fn status(closed: bool, held: Option<&str>, assigned: bool, state: BeadState) -> &str {
    match (closed, held, assigned, state) {
        (true, ..) => "closed",
        (false, Some(held), ..) => held,
        (false, None, true, _) | (false, None, false, BeadState::Landing) => "in_progress",
        (false, None, false, BeadState::SetAside) => "blocked",
        (false, None, false, _) => "open",
    }
}

/// Whether a word can be a status: one of Beads', or of the reader's own.
pub fn is_status(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && word.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

/// `<rig>/polecats/<name>`: a polecat works in the bead's own rig.
pub fn assignee_name(rig: &str, assignee: &Assignee) -> String {
    Worker::of_object(rig, &assignee.polecat).unwrap_or_else(|| Worker::new(rig, &assignee.polecat)).to_string()
}

/// Why a bead was closed, where nobody has said it in words.
pub fn reason_name(reason: CloseReason) -> &'static str {
    match reason {
        // Beads' own default.
        CloseReason::Done => "Closed",
        CloseReason::Merged => "Merged",
        CloseReason::NoChanges => "no-changes",
        CloseReason::Withdrawn => "Withdrawn",
        CloseReason::Skipped => "Skipped",
    }
}

/// What a gate waits for, in Beads' words.
pub fn gate_name(type_: GateType) -> &'static str {
    GATES.iter().find(|(it, _)| *it == type_).map_or("human", |(_, word)| word)
}

/// The words for what gates wait for.
pub fn gate_names() -> impl Iterator<Item = &'static str> {
    GATES.iter().map(|(_, word)| *word)
}

/// What a gate waits for, by Beads' word for it.
pub fn gate_type(word: &str) -> Option<GateType> {
    GATES.iter().find(|(_, it)| *it == word).map(|(type_, _)| *type_)
}

/// How long a wisp is kept, in Beads' words.
pub fn wisp_name(wisp: WispType) -> &'static str {
    match wisp {
        WispType::Heartbeat => "heartbeat",
        WispType::Patrol => "patrol",
        WispType::Recovery => "recovery",
    }
}

/// How long a wisp is kept, by Beads' word for it; Beads has several for each.
pub fn wisp_type(word: &str) -> Result<WispType, String> {
    match word.to_lowercase().as_str() {
        "heartbeat" | "ping" => Ok(WispType::Heartbeat),
        "patrol" | "gc_report" => Ok(WispType::Patrol),
        "recovery" | "error" | "escalation" => Ok(WispType::Recovery),
        _ => Err("a wisp is a heartbeat (6 hours), patrol (a day) or recovery (7 days)".to_owned()),
    }
}

/// Beads' labels are plain texts, by convention `dimension:value`.
pub fn label_name(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}:{value}") }
}

/// A priority: `1` or `P1`.
pub fn priority(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix(['P', 'p']).unwrap_or(text);
    digits.parse().ok().filter(|p| *p <= 4).ok_or_else(|| "a priority is 0 (first) to 4 (last)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_read_as_it_is_written() {
        for (type_, word, others) in TYPES {
            assert_eq!(type_of(word), Some((type_, None)));
            assert_eq!(type_name(type_, None), word);
            assert!(others.iter().all(|other| type_of(other) == Some((type_, None))));
        }
        for (type_, word) in GATES {
            assert_eq!((gate_name(type_), gate_type(word)), (word, Some(type_)));
        }
        assert_eq!(type_of("Docs"), Some((BeadType::Custom, Some("docs".into()))));
        assert_eq!(type_name(BeadType::Custom, Some("docs")), "docs");
        assert!([EVENT, "", "two words", &"x".repeat(64)].iter().all(|word| type_of(word).is_none()));
    }

    #[test]
    fn a_status_is_what_is_known_of_the_work_unless_somebody_set_it() {
        assert_eq!(status(true, Some("blocked"), true, BeadState::Working), "closed");
        assert_eq!(status(false, Some("blocked"), true, BeadState::Working), "blocked");
        assert_eq!(status(false, None, true, BeadState::Ready), "in_progress");
        assert_eq!(status(false, None, false, BeadState::Landing), "in_progress");
        assert_eq!(status(false, None, false, BeadState::SetAside), "blocked");
        assert_eq!(status(false, None, false, BeadState::Backlog), "open");
        assert!(is_status("staged_ready") && !is_status("Open") && !is_status(""));
    }
}
