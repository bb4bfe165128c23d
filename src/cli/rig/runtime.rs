//! The agent of a new rig: as it was said, else the first that this machine has of those that need no more than being there.

use std::path::PathBuf;

use crate::cli::common::agents::Agents;
use crate::world::session::program::find;

/// The agents that are looked for, the first before the second: each is a program and the built-in Runtime of that name.
const AGENTS: [&str; 2] = ["claude", "codex"];

/// That none of them is there, to complete "… is on PATH".
pub const NOBODY: &str = "neither `claude` nor `codex`";

/// The runtime that a rig is declared with.
#[derive(Debug, Default)]
pub struct Choice {
    /// The Runtime; none: the town's.
    pub runtime: Option<String>,
    /// Whether a person said so.
    is_said: bool,
    /// The program that was found, where nothing was said.
    pub found: Option<PathBuf>,
}

impl Choice {
    /// What was said; else, where the town names none for all rigs, what is found.
    pub fn of(said: Option<&str>, agents: &Agents) -> Self {
        if said.is_some() || agents.of_town().is_some() {
            return Self { runtime: said.map(str::to_owned), is_said: said.is_some(), found: None };
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found = AGENTS.iter().filter_map(|name| Some((*name, find(name, &path)?)));
        found.next().map_or_else(Self::default, |(name, program)| Self {
            runtime: Some(name.to_owned()),
            is_said: false,
            found: Some(program),
        })
    }

    /// The runtimes with which a manifest says the same: what is found changes from day to day, and a manifest that is
    /// there stays.
    pub fn or_as_it_was(&self) -> Vec<Option<&str>> {
        let all = std::iter::once(self.runtime.as_deref());
        if self.is_said {
            return all.collect();
        }
        all.chain(std::iter::once(None)).chain(AGENTS.iter().copied().map(Some)).collect()
    }
}
