//! What a change does to the world: what is done with it and not without it, and what is not done any more.
//!
//! What would happen anyway is in both runs, and is not blamed on the change.

use std::collections::BTreeMap;

use gastown_controllers::world::Job;
use gastown_crds::url::redact;
use serde::Serialize;
use serde_json::Value;

use super::recorder::Deed;
use super::simulation::{Before, Objects, Run, Runs};

/// What happens, by what it is about. An object is not ready if it cannot be used as it is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    SessionsStarted,
    SessionsRestarted,
    SessionsStopped,
    SessionsFrozen,
    SessionsThawed,
    SandboxesMade,
    SandboxesRenewed,
    SandboxesRemoved,
    BeadsMade,
    BeadsReady,
    BeadsWithdrawn,
    BeadsDeleted,
    Clones,
    Setups,
    Verifications,
    Pushes,
    BranchesRemoved,
    NotReady,
}

impl Event {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::SessionsStarted => "sessions started",
            Self::SessionsRestarted => "sessions restarted",
            Self::SessionsStopped => "sessions stopped",
            Self::SessionsFrozen => "sessions frozen",
            Self::SessionsThawed => "sessions that go on",
            Self::SandboxesMade => "sandboxes made",
            Self::SandboxesRenewed => "sandboxes renewed",
            Self::SandboxesRemoved => "sandboxes removed",
            Self::BeadsMade => "beads made",
            Self::BeadsReady => "beads ready",
            Self::BeadsWithdrawn => "beads withdrawn",
            Self::BeadsDeleted => "beads deleted",
            Self::Clones => "clones",
            Self::Setups => "setups run",
            Self::Verifications => "verifications run",
            Self::Pushes => "pushes",
            Self::BranchesRemoved => "branches removed",
            Self::NotReady => "objects not ready",
        }
    }
}

/// Things of one sort: each by what it is told apart by, and in words.
type Things = BTreeMap<String, String>;

/// The consequences of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consequences {
    /// What happens with the change only.
    pub happens: BTreeMap<Event, Vec<String>>,
    /// What would have happened without it, and does not any more.
    pub no_longer: BTreeMap<Event, Vec<String>>,
    /// A run was stopped before it came to rest: more may happen.
    pub cut_short: bool,
}

impl Consequences {
    /// The difference between two runs that began as the town is.
    pub fn of(before: &Before, runs: &Runs) -> Self {
        let (without, with) = (happened(&before.objects, &runs.without), happened(&before.objects, &runs.with));
        Self {
            happens: beyond(&with, &without),
            no_longer: beyond(&without, &with),
            cut_short: runs.without.cut_short || runs.with.cut_short,
        }
    }

    /// All of them with the words for each, those that no longer happen last.
    pub fn all(&self) -> impl Iterator<Item = (String, &Vec<String>)> {
        let more = self.happens.iter().map(|(event, things)| (event.words().to_owned(), things));
        let less = self.no_longer.iter().map(|(event, things)| (format!("no longer: {}", event.words()), things));
        more.chain(less)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.happens.is_empty() && self.no_longer.is_empty()
    }
}

/// What is in one and not in the other.
fn beyond(one: &BTreeMap<Event, Things>, other: &BTreeMap<Event, Things>) -> BTreeMap<Event, Vec<String>> {
    let rest = |event: &Event, things: &Things| -> Vec<String> {
        let is_new = |key: &String| other.get(event).is_none_or(|known| !known.contains_key(key));
        things.iter().filter(|(key, _)| is_new(key)).map(|(_, words)| words.clone()).collect()
    };
    let all = one.iter().map(|(event, things)| (*event, rest(event, things)));
    all.filter(|(_, things)| !things.is_empty()).collect()
}

/// All that happened in a run.
fn happened(before: &Objects, run: &Run) -> BTreeMap<Event, Things> {
    let mut all: BTreeMap<Event, Things> = BTreeMap::new();
    let mut note = |event: Event, key: String, words: String| {
        all.entry(event).or_default().insert(key, words);
    };
    let beads = beads_by_uid(before);
    let (mut started, mut ended) = (BTreeMap::new(), BTreeMap::new());
    for deed in &run.deeds {
        match deed {
            Deed::Started { polecat, bead } => drop(started.insert(bead.clone(), polecat.clone())),
            Deed::Ended { polecat, bead_uid } => {
                // A session that this very run began, and ended again, is not one that people have.
                if let Some(bead) = beads.get(bead_uid.as_str()) {
                    ended.insert((*bead).to_owned(), polecat.clone());
                }
            }
            Deed::Froze { polecat, frozen: true } => note(Event::SessionsFrozen, polecat.clone(), polecat.clone()),
            Deed::Froze { polecat, frozen: false } => note(Event::SessionsThawed, polecat.clone(), polecat.clone()),
            Deed::Prepared { polecat, again: true } => note(Event::SandboxesRenewed, polecat.clone(), polecat.clone()),
            Deed::Prepared { polecat, again: false } => note(Event::SandboxesMade, polecat.clone(), polecat.clone()),
            Deed::Removed { polecat } => note(Event::SandboxesRemoved, polecat.clone(), polecat.clone()),
            Deed::Began(job) => {
                if let Some((event, key, words)) = job_words(job) {
                    note(event, key, words);
                }
            }
        }
    }
    for (bead, polecat) in &started {
        let event = if ended.contains_key(bead) { Event::SessionsRestarted } else { Event::SessionsStarted };
        note(event, bead.clone(), format!("{polecat} on {bead}"));
    }
    for (bead, polecat) in ended.iter().filter(|(bead, _)| !started.contains_key(*bead)) {
        note(Event::SessionsStopped, bead.clone(), format!("{polecat} on {bead}"));
    }
    for (event, name, words) in beads_changed(before, &run.objects) {
        note(event, name, words);
    }
    for (name, words) in not_ready(before, &run.objects) {
        note(Event::NotReady, name, words);
    }
    all
}

fn beads_by_uid(objects: &Objects) -> BTreeMap<&str, &str> {
    let beads = objects.iter().filter(|((kind, _), _)| kind == "Bead");
    beads.filter_map(|((_, name), bead)| Some((bead["metadata"]["uid"].as_str()?, name.as_str()))).collect()
}

/// A job in words, and what it is told apart by. Fetches only ask for news, and people are told when it happens.
fn job_words(job: &Job) -> Option<(Event, String, String)> {
    let rig = &job.owner().name;
    Some(match job {
        Job::Fetch { .. } | Job::Lease { .. } | Job::Notify { .. } | Job::Gate { .. } => return None,
        Job::Clone { url, .. } => (Event::Clones, rig.clone(), format!("{rig} from {}", redact(url))),
        Job::Setup { sandbox, commands, .. } => {
            let key = format!("{}\n{}", sandbox.name, commands.join("\n"));
            (Event::Setups, key, format!("in {}: {}", sandbox.name, redact(&commands.join("; "))))
        }
        Job::Verify { tree, checks, round, .. } => {
            let runs: Vec<&str> = checks.iter().map(|check| check.run.as_str()).collect();
            let key = format!("{rig}\n{tree}\n{round}\n{}", runs.join("\n"));
            (Event::Verifications, key, format!("in {rig}: {}", redact(&runs.join("; "))))
        }
        Job::Push { branch, to, .. } => {
            (Event::Pushes, format!("{rig}\n{branch}\n{to}"), format!("to {branch} of {rig}"))
        }
        Job::RemoveBranch { branch, .. } => {
            (Event::BranchesRemoved, format!("{rig}\n{branch}"), format!("{branch} of {rig}"))
        }
    })
}

/// What became of beads. Steps are parts of one, and are not told of.
fn beads_changed(before: &Objects, after: &Objects) -> Vec<(Event, String, String)> {
    let is_bead = |(kind, _): &(String, String), object: &Value| kind == "Bead" && object["spec"]["type"] != "Step";
    let mut changed = Vec::new();
    for (key, bead) in after.iter().filter(|(key, bead)| is_bead(key, bead)) {
        let (old, name) = (before.get(key), &key.1);
        let title = bead["spec"]["title"].as_str().unwrap_or_default();
        let mut note = |event| changed.push((event, name.clone(), format!("{name} ({title})")));
        if old.is_none() {
            note(Event::BeadsMade);
        }
        let is_ready = |bead: &Value| matches!(bead["status"]["state"].as_str(), Some("Ready" | "Working"));
        if is_ready(bead) && !old.is_some_and(is_ready) {
            note(Event::BeadsReady);
        }
        let is_withdrawn = |bead: &Value| bead["spec"]["closed"]["reason"] == "Withdrawn";
        if is_withdrawn(bead) && !old.is_some_and(is_withdrawn) {
            note(Event::BeadsWithdrawn);
        }
    }
    let gone = before.iter().filter(|(key, bead)| is_bead(key, bead) && !after.contains_key(*key));
    changed.extend(gone.map(|((_, name), _)| (Event::BeadsDeleted, name.clone(), name.clone())));
    changed
}

/// What is declared by people and cannot be used, with why.
fn not_ready(before: &Objects, after: &Objects) -> Vec<(String, String)> {
    let why = |object: &Value| -> Option<String> {
        let conditions = object["status"]["conditions"].as_array()?;
        let ready =
            conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "False")?;
        let message = ready["message"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        Some(format!("{} {message}", ready["reason"].as_str().unwrap_or_default()).trim_end().to_owned())
    };
    let of_people = ["Town", "Rig", "Runtime", "Formula"];
    let declared = after.iter().filter(|((kind, _), _)| of_people.contains(&kind.as_str()));
    let found = declared.filter_map(|(key, object)| {
        let (why, name) = (why(object)?, format!("{}/{}", key.0.to_lowercase(), key.1));
        before.get(key).is_none_or(was_ready).then(|| (name.clone(), format!("{name}: {why}")))
    });
    found.collect()
}

fn was_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().all(|condition| condition["type"] != "Ready" || condition["status"] != "False")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_session_that_ends_and_starts_again_is_restarted_and_one_of_this_run_alone_is_started() {
        let bead = |uid: &str| json!({ "metadata": { "uid": uid }, "spec": {} });
        let names = ["kept", "ended"].map(|name| (("Bead".to_owned(), name.to_owned()), bead(name)));
        let objects = Objects::from(names);
        let started = |bead: &str| Deed::Started { polecat: "nux".to_owned(), bead: bead.to_owned() };
        let ended = |uid: &str| Deed::Ended { polecat: "nux".to_owned(), bead_uid: uid.to_owned() };
        let prepared = |again| Deed::Prepared { polecat: "nux".to_owned(), again };
        let run = |deeds| Run { deeds, objects: objects.clone(), cut_short: false };
        let runs = Runs {
            without: run(vec![ended("ended"), prepared(false)]),
            with: run(vec![
                ended("kept"),
                prepared(true),
                started("kept"),
                started("new"),
                ended("of this run"),
                started("new"),
            ]),
            objects: Vec::new(),
        };
        let (with, without) = (happened(&objects, &runs.with), happened(&objects, &runs.without));
        let named = |event, of: &str| (event, vec![of.to_owned()]);
        assert_eq!(
            beyond(&with, &without),
            BTreeMap::from([
                named(Event::SessionsRestarted, "nux on kept"),
                named(Event::SessionsStarted, "nux on new"),
                named(Event::SandboxesRenewed, "nux"),
            ])
        );
        assert_eq!(
            beyond(&without, &with),
            BTreeMap::from([named(Event::SessionsStopped, "nux on ended"), named(Event::SandboxesMade, "nux")])
        );
    }
}
