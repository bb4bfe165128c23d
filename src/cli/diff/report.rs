//! A difference, as people, programs and reviewers read it.

mod human;
mod markdown;

use serde::Serialize;

use super::consequences::Consequences;
use super::objects::{Action, ObjectChange};
use super::source::OfSource;

/// The difference that a change makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The sources that would do it; empty for what `gt apply` does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<OfSource>,
    /// How many objects there are of each action.
    pub summary: Summary,
    /// The objects that are not as they were.
    pub objects: Vec<ObjectChange>,
    /// What it does to the world.
    pub world: Consequences,
    /// What could not be seen, and was taken as not there.
    pub unseen: Vec<String>,
}

/// How many objects there are of each action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// New ones.
    pub created: usize,
    /// Those that differ.
    pub configured: usize,
    /// Those that go.
    pub pruned: usize,
    /// Those that stay as they are.
    pub unchanged: usize,
    /// Whether commands that are run on this machine are new or changed.
    pub runs_commands: bool,
}

impl Report {
    /// Of what both runs have shown.
    pub fn of(mut objects: Vec<ObjectChange>, world: Consequences, unseen: Vec<String>) -> Self {
        let count = |action| objects.iter().filter(|object| object.action == action).count();
        let summary = Summary {
            created: count(Action::Created),
            configured: count(Action::Configured),
            pruned: count(Action::Pruned),
            unchanged: count(Action::Unchanged),
            runs_commands: objects.iter().any(|object| !object.runs_commands.is_empty()),
        };
        objects.retain(|object| object.action != Action::Unchanged);
        Self { sources: Vec::new(), summary, objects, world, unseen }
    }

    /// Whether anything differs.
    pub fn differs(&self) -> bool {
        !self.objects.is_empty() || !self.world.is_empty()
    }

    /// Whether it waits for a person.
    pub fn is_held(&self) -> bool {
        self.sources.iter().any(|of| of.held.is_some())
    }

    /// What is said first: which sources would do it, and when.
    fn heads(&self) -> Vec<String> {
        self.sources.iter().flat_map(OfSource::heads).collect()
    }

    /// For programs.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(crate::text::escaped)
    }
}

impl Summary {
    /// In a line.
    pub fn words(self) -> String {
        let Self { created, configured, pruned, unchanged, runs_commands: _ } = self;
        let counts = [(created, "created"), (configured, "configured"), (pruned, "pruned"), (unchanged, "unchanged")];
        let some: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        if some.is_empty() { "no objects".to_owned() } else { some.join(", ") }
    }
}
