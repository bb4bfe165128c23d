//! What has become of all that was to be taken in: how much of it, and what has failed.

use futures::{StreamExt as _, stream};
use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_crds::{Bead, BeadEvent};
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::AT_ONCE;
use super::merge::{Speaks, Taken};
use super::mistakes::MISTAKES_MAX;
use crate::{memory, print};

/// What has become of it; of a dry run, what would.
#[derive(Debug, Default)]
pub struct Outcome {
    dry_run: bool,
    older: usize,
    created: usize,
    updated: usize,
    unchanged: usize,
    events: usize,
    memories: usize,
    left: usize,
    pull_requests: usize,
    at_work: usize,
    /// What has failed, and why.
    failed: Vec<String>,
}

impl Outcome {
    /// Of what was left out from the start.
    pub fn new(dry_run: bool, left: usize, pull_requests: usize) -> Self {
        Self { dry_run, left, pull_requests, ..Self::default() }
    }

    /// Adds what has become of beads.
    pub fn add_beads(&mut self, beads: &[(Bead, Speaks)], taken: Vec<Result<Taken, Error>>) -> Result<(), Error> {
        for ((bead, _), taken) in beads.iter().zip(taken) {
            match taken {
                Ok(Taken::Created) => self.created += 1,
                Ok(Taken::Updated) => self.updated += 1,
                Ok(Taken::Unchanged) => self.unchanged += 1,
                Ok(Taken::AtWork) => self.at_work += 1,
                Ok(Taken::Older) => self.older += 1,
                Err(error) => self.fail(&bead.name_any(), error)?,
            }
        }
        Ok(())
    }

    /// Records events.
    pub async fn add_events(&mut self, events: &[BeadEvent], context: &Context) -> Result<(), Error> {
        let api: Api<BeadEvent> = Api::default_namespaced(context.client.clone());
        let write = PostParams { dry_run: self.dry_run, ..PostParams::default() };
        let create = |event| {
            let (api, write) = (api.clone(), write.clone());
            async move { api.create(&write, event).await }
        };
        let results: Vec<_> = stream::iter(events).map(create).buffered(AT_ONCE).collect().await;
        for (event, result) in events.iter().zip(results) {
            match result {
                Ok(_) => self.events += 1,
                // It has happened once.
                Err(kube::Error::Api(status)) if status.code == 409 => self.unchanged += 1,
                Err(error) => self.fail(&event.name_any(), Error::api("take in an event")(error))?,
            }
        }
        Ok(())
    }

    /// Remembers words.
    pub async fn add_memories(&mut self, memories: &[(String, String)], context: &Context) -> Result<(), Error> {
        for (key, value) in memories {
            if !self.dry_run {
                memory::take_in(key, value, context).await?;
            }
            self.memories += 1;
        }
        Ok(())
    }

    /// Notes that something has failed; an error where the town is lost, and nothing more can be done.
    fn fail(&mut self, name: &str, error: Error) -> Result<(), Error> {
        if error.is_lost() {
            return Err(error);
        }
        self.failed.push(format!("{name}: {}", error.line()));
        Ok(())
    }

    /// Whether anything has failed.
    pub fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// What has failed, in lines: the first ones.
    pub fn failures(&self) -> String {
        self.failed.iter().take(MISTAKES_MAX).map(|failure| format!("not taken in: {failure}\n")).collect()
    }

    /// How much of it there is.
    pub fn text(&self, is_json: bool) -> String {
        let failed = self.failed.len();
        if is_json {
            return print::object(&json!({
                "created": self.created, "updated": self.updated, "unchanged": self.unchanged,
                "events": self.events, "memories": self.memories, "skipped": self.left,
                "pull_requests": self.pull_requests, "older": self.older, "at_work": self.at_work,
                "failed": failed, "dry_run": self.dry_run,
            }));
        }
        let counted = [
            (self.created, "new"),
            (self.updated, "changed"),
            (self.unchanged, "as they were"),
            (self.older, "older than what is here, left as they are"),
            (self.events, "events"),
            (self.memories, "memories"),
            (self.left, "left out (deleted, wisps, duplicates)"),
            (self.pull_requests, "pull requests left out"),
            (self.at_work, "left alone: a polecat has them"),
            (failed, "failed"),
        ];
        let parts: Vec<String> =
            counted.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        let word = if self.dry_run { "would import" } else { "imported" };
        if parts.is_empty() { format!("{word}: nothing\n") } else { format!("{word}: {}\n", parts.join(", ")) }
    }
}
