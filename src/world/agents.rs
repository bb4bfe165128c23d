//! Agents that are built in: the shell text of each, inside the program.

/// Command words of agents that are built in, and the shell text each stands for.
pub const AGENTS: [(&str, &str); 1] = [("gt:script", include_str!("../../manifests/script.sh"))];
