//! What a label of a forge says of the priority and the type of an issue, by the names that projects give such labels.

/// The value of a label that has one of these names: `name/value`, `name: value`, `name::value`, `name-value`.
fn value_of<'a>(label: &'a str, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| {
        let rest = label.strip_prefix(name)?;
        let value = rest.trim_start_matches(['/', ':', '-', '=', ' ']);
        (value.len() < rest.len() && !value.is_empty()).then_some(value)
    })
}

/// The priority that a label speaks of: `P1`, `priority/P1`, `priority: high`.
pub fn priority(label: &str) -> Option<u32> {
    let label = label.trim().to_lowercase();
    let value = value_of(&label, &["priority", "prio"]);
    let word = value.unwrap_or(&label);
    let digits = if value.is_some() { word.strip_prefix('p').unwrap_or(word) } else { word.strip_prefix('p')? };
    match (digits, value.is_some()) {
        ("0", _) | ("critical" | "urgent" | "blocker" | "highest" | "critical-urgent", true) => Some(0),
        ("1", _) | ("high" | "important-soon", true) => Some(1),
        ("2", _) | ("medium" | "normal" | "moderate", true) => Some(2),
        ("3", _) | ("low" | "important-longterm", true) => Some(3),
        ("4", _) | ("lowest" | "backlog" | "trivial" | "awaiting-more-evidence", true) => Some(4),
        _ => None,
    }
}

/// The type that a label speaks of, in Beads' words: `bug`, `kind/bug`, `type: enhancement`.
pub fn type_(label: &str) -> Option<&'static str> {
    let label = label.trim().to_lowercase();
    match value_of(&label, &["type", "kind"]).unwrap_or(&label) {
        "bug" | "defect" | "regression" => Some("bug"),
        "enhancement" | "feature" | "feature request" | "feature-request" | "improvement" => Some("feature"),
        "documentation" | "docs" | "chore" | "maintenance" | "refactor" | "refactoring" | "cleanup" | "tech-debt"
        | "test" | "tests" | "ci" | "dependencies" => Some("chore"),
        "epic" => Some("epic"),
        "spike" | "investigation" | "research" => Some("spike"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_speak_of_priority_and_type() {
        let words = [
            "P0",
            "p4",
            "priority/P1",
            "priority: high",
            "priority::3",
            "prio-low",
            "Priority: Critical",
            "P9",
            "high",
            "pink",
            "2",
        ];
        let said: Vec<_> = words.iter().map(|word| priority(word)).collect();
        assert_eq!(said, [Some(0), Some(4), Some(1), Some(1), Some(3), Some(3), Some(0), None, None, None, None]);
        let words = ["bug", "kind/bug", "Type: Enhancement", "documentation", "good first issue", "typed"];
        let said: Vec<_> = words.iter().map(|word| type_(word)).collect();
        assert_eq!(said, [Some("bug"), Some("bug"), Some("feature"), Some("chore"), None, None]);
    }
}
