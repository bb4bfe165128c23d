//! Verbs about `bd` itself: `types`, `statuses`, `where`, `version`, `info`.

use std::path::Path;

use clap::Args;
use gastown_agent::context::{self, Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::words;
use serde_json::{Value, json};

use super::memory;
use super::print;

/// No arguments
#[derive(Debug, Clone, Args)]
pub struct NoArgs {}

/// The types that a bead may have.
pub fn types(json: bool) -> Answer {
    let all: Vec<(&str, &str)> = words::types().map(|word| (word, type_means(word))).collect();
    Answer::out(if json {
        let all: Vec<Value> = all.iter().map(|(name, means)| json!({ "name": name, "description": means })).collect();
        print::object(&json!({ "core_types": all }))
    } else {
        table(&all)
    })
}

/// What a type is for.
fn type_means(word: &str) -> &'static str {
    match word {
        "task" => "work; what a bead is unless said otherwise",
        "bug" => "something that is broken",
        "feature" => "something new",
        "chore" => "upkeep",
        "epic" => "work of several parts; closed after them",
        "decision" => "something to decide and write down",
        "spike" => "something to find out, in a limited time",
        "story" => "something new, as a user tells it",
        "milestone" => "a set of work that ends together",
        "step" => "a step of a bead's formula",
        "molecule" => "the root of a formula that was poured",
        "gate" => "what others wait for: a person, a time, another bead",
        "message" => "words for somebody; no work",
        "role" | "agent" | "rig" => "what is known of one; no work",
        "convoy" => "a batch of work, of another tracker; no work",
        "merge-request" => "a branch that is handed in, of another tracker; no work",
        "memory" => "what is remembered: `bd remember`; no work",
        words::EVENT => "something that has happened; not changed any more",
        _ => "",
    }
}

/// The statuses that a bead may have.
pub fn statuses(json: bool) -> Answer {
    Answer::out(if json {
        let one = |(name, category, means): &(&str, &str, &str)| json!({ "name": name, "category": category, "description": means });
        print::object(&json!({ "built_in_statuses": STATUSES.iter().map(one).collect::<Vec<_>>() }))
    } else {
        table(&STATUSES.map(|(name, _, means)| (name, means)))
    })
}

/// The statuses, each with what Beads counts it among, and what it means.
const STATUSES: [(&str, &str, &str); 7] = [
    ("open", "active", "to be done"),
    ("in_progress", "wip", "somebody is at work on it, or its branch is landing"),
    ("blocked", "wip", "it needs a person, or somebody has said so"),
    ("deferred", "frozen", "left for later"),
    ("closed", "done", "done, or not to be done"),
    ("pinned", "frozen", "stays open, and blocks nothing"),
    ("hooked", "wip", "on an agent's hook"),
];

fn table(rows: &[(&str, &str)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, means)| format!("{name:<width$}  {means}\n")).collect()
}

/// The version.
pub fn version(json: bool) -> Answer {
    let version = env!("CARGO_PKG_VERSION");
    Answer::out(if json {
        print::object(&json!({ "version": version, "branch": "", "build": "gt" }))
    } else {
        format!("bd version {version} (gt)\n")
    })
}

/// The town's folder.
pub fn place(town: Option<&Path>, json: bool) -> Result<Answer, Error> {
    let town = context::find_town(town)?;
    let dir = town.dir.display().to_string();
    Ok(Answer::out(if json { print::object(&json!({ "path": dir })) } else { format!("{dir}\n") }))
}

/// What is in the town, in numbers.
pub async fn info(json: bool, context: &Context) -> Result<Answer, Error> {
    let mut all = 0_usize;
    super::scan::scan(context, &super::scan::Query::default(), |slim| {
        all += usize::from(!slim.is_step());
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .await?;
    let config = memory::all("", context).await?.len();
    let mode = if context.controller { "a controller runs" } else { "no controller runs" };
    Ok(Answer::out(if json {
        print::object(&json!({ "issue_count": all, "mode": mode, "config_entries": config }))
    } else {
        format!("{all} beads; {mode}\n")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_status_says_what_it_means() {
        assert!(words::types().all(|word| !type_means(word).is_empty()));
        assert_eq!(STATUSES.map(|(name, ..)| name), words::STATUSES);
    }
}
