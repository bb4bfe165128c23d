//! The variables that every session has, and `$(NAME)`, by which a Runtime uses them.
//!
//! Invariant: this is the one list of their names. What gives them their values is `controllers/src/kinds/polecat/environment.rs`
//! and `src/world/session`; tests there compare.

/// A variable that a session has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionVariable {
    /// Its name.
    pub name: &'static str,
    /// Its meaning, for people.
    pub meaning: &'static str,
    /// Whether each session has it.
    pub always: bool,
}

const fn always(name: &'static str, meaning: &'static str) -> SessionVariable {
    SessionVariable { name, meaning, always: true }
}

const fn sometimes(name: &'static str, meaning: &'static str) -> SessionVariable {
    SessionVariable { name, meaning, always: false }
}

/// All of them, but those by which git is set up (`GIT_CONFIG_*`).
pub static SESSION_VARIABLES: &[SessionVariable] = &[
    always("GT_PROMPT", "what the agent is told first"),
    sometimes("GT_CONVERSATION", "the id of its conversation; not set while only the agent's program knows it"),
    always("GT_WORKTREE", "the worktree's folder, which the agent is started in"),
    always("GT_RUN", "a folder of the attempt outside the worktree: `files` are there"),
    always("GT_BEAD", "the bead's name"),
    always("GT_ATTEMPT", "which attempt at the bead this is, from 1"),
    always("GT_RIG", "the rig's name"),
    always("GT_POLECAT", "the polecat's name within its rig"),
    always("GT_ROLE", "`polecat`"),
    always("GT_BRANCH", "the branch to work on"),
    always("GT_RUNTIME", "the name of the session's Runtime"),
    sometimes("GT_BEAD_RUNTIME", "the Runtime of the bead's steps that name none, if it is another"),
    sometimes("GT_ACCOUNT", "the account of the town's that the session works by"),
    always("GT_BASE", "the commit that the branch began at"),
    always("GT_REWORK", "empty, `Red` or `Conflict`: why the work came back"),
    always("GT_REWORK_LOG", "the file with the log, or with the conflicting files; empty without rework"),
    always("GT_KEEP_AT_WORK", "how often in a row the agent is sent on"),
    sometimes("GT_SESSION_VARIABLE", "the Runtime's `sessionVariable`"),
    sometimes("GT_MEMORY_LIMIT", "the memory that the session may use"),
    sometimes("GT_LAST_ATTEMPT", "`OutOfMemory` if the attempt before was killed for memory"),
    sometimes("GT_DEGRADED", "`true` without tmux"),
    always("GT_TOWN", "the town's folder"),
    always("GT_TOWN_UID", "the town's uid"),
    always("GT_SANDBOX", "the mark of all that the agent starts"),
    always("GT_DATA", "where the town's data lies"),
    always("GT_STATE", "where the town's state lies"),
    always("GT_ACTOR", "`<rig>/polecats/<polecat>`"),
    always("BD_ACTOR", "the same"),
    always("GIT_AUTHOR_NAME", "who its commits are by"),
    always("GIT_AUTHOR_EMAIL", "their address"),
    always("GIT_COMMITTER_NAME", "the same as the author"),
    always("GIT_COMMITTER_EMAIL", "the same as the author's"),
    always("GIT_TERMINAL_PROMPT", "`0`: git asks nobody"),
];

/// The names that `$(NAME)` uses in a text, in its order: as in a Pod, `$$(NAME)` uses none. Only what looks like the name of a
/// variable, in capitals, counts: `$(date)` is a shell's.
pub fn used(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let is_escaped = rest[..at].ends_with('$');
        rest = &rest[at + 2..];
        if let Some((name, _)) = rest.split_once(')')
            && !is_escaped
            && is_name(name)
        {
            found.push(name);
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_') && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_variable_is_one() {
        assert_eq!(used("$(GT_BEAD)/$(A1)$$(NO) $(date) $(NO $(IN) ${NO} $(2A) $()"), ["GT_BEAD", "A1", "IN"]);
    }

    #[test]
    fn each_is_named_once() {
        let mut names: Vec<_> = SESSION_VARIABLES.iter().map(|it| it.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SESSION_VARIABLES.len());
    }
}
