//! A bead as far as Beads' record has it: a part of what the API answers, so that ten thousand are read in one pass.

use std::collections::BTreeMap;

use gastown_crds::Bead;
use gastown_crds::bead::{Assignee, BeadState, BeadType, CloseReason, Closed, Comment, Gate, Link, WispType};
use jiff::Timestamp;
use serde::Deserialize;

use crate::kept::Kept;
use crate::words;

/// The part of a bead that decides whether it is printed, and what is printed of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Slim {
    /// The name, age, labels and generation.
    pub metadata: SlimMetadata,
    /// What is to be done, who has it, how it was closed.
    pub spec: SlimSpec,
    /// The state as its controller has written it.
    #[serde(default)]
    pub status: SlimStatus,
}

/// A part of a bead's metadata.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimMetadata {
    /// The name.
    pub name: String,
    /// What tells it from another of its name.
    pub uid: Option<String>,
    /// The time at which it was made.
    pub creation_timestamp: Option<Timestamp>,
    /// The number of the spec's last change.
    pub generation: Option<i64>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// What is kept of a line that it was made of.
    pub annotations: SlimAnnotations,
}

/// The annotation that matters here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SlimAnnotations {
    /// [`crate::kept::ANNOTATION`].
    #[serde(rename = "gastown.io/beads", deserialize_with = "kept")]
    pub beads: Option<Kept>,
    /// [`gastown_crds::common::ANNOTATION_UPDATED`].
    #[serde(rename = "gastown.io/updated-at", deserialize_with = "instant")]
    pub updated: Option<Timestamp>,
}

fn instant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok()))
}

/// What cannot be read is as if it were not there: the object's own fields say the same, in other words.
fn kept<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Kept>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| Kept::parse(&text)))
}

/// A part of a bead's spec.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimSpec {
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    pub description: Option<String>,
    /// The type of work.
    #[serde(rename = "type")]
    pub type_: BeadType,
    /// The word for a custom type.
    pub custom_type: Option<String>,
    /// 0 (first) to 4 (last).
    pub priority: u32,
    /// The rig; empty for none.
    pub rig: String,
    /// Whether nobody has asked for it so far.
    pub suspend: bool,
    /// The beads that must be closed before.
    pub needs: Vec<String>,
    /// The bead it is a part of.
    pub parent: Option<String>,
    /// Other ties.
    pub links: Vec<Link>,
    /// Beads' own labels.
    pub labels: Vec<String>,
    /// How it is to be done.
    pub design: Option<String>,
    /// How one sees that it is done.
    pub acceptance_criteria: Option<String>,
    /// What was found out.
    pub notes: Option<String>,
    /// What was said.
    pub comments: Vec<Comment>,
    /// The status that somebody has set.
    pub held: Option<String>,
    /// Who has it, where that is no polecat.
    pub assigned_to: Option<String>,
    /// When somebody took it up.
    pub started_at: Option<Timestamp>,
    /// Not before.
    pub defer_until: Option<Timestamp>,
    /// When it should be done.
    pub due: Option<Timestamp>,
    /// How long it should take.
    pub estimated_minutes: Option<u32>,
    /// The same in another tracker.
    pub external_ref: Option<String>,
    /// The specification that it comes from.
    pub spec_id: Option<String>,
    /// A JSON object as text.
    pub metadata: Option<String>,
    /// Whether it is a wisp.
    pub ephemeral: bool,
    /// How long a wisp is kept.
    pub wisp_type: Option<WispType>,
    /// What a gate waits for.
    pub gate: Option<Gate>,
    /// Who filed it.
    pub created_by: Option<String>,
    /// When it was filed elsewhere.
    pub created_at: Option<Timestamp>,
    /// The polecat that has it.
    pub assignee: Option<Assignee>,
    /// How it was closed.
    pub closed: Option<Closed>,
}

/// A part of a bead's status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlimStatus {
    /// The state.
    pub state: BeadState,
    /// The generation of the spec that the state is about.
    pub observed_generation: Option<i64>,
    /// When its conditions changed.
    pub conditions: Vec<Changed>,
}

/// A part of a condition.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The aspect.
    #[serde(rename = "type")]
    pub type_: String,
    /// Why it is so.
    pub reason: String,
    /// Why, for people.
    #[serde(default)]
    pub message: String,
    /// The time of its last change.
    pub last_transition_time: Timestamp,
}

impl Slim {
    /// The part of a whole bead.
    pub fn of(bead: &Bead) -> Result<Self, serde_json::Error> {
        serde_json::to_value(bead).and_then(serde_json::from_value)
    }

    /// Whether the bead was closed without being done: it has failed, or nobody wants it any more.
    pub fn is_given_up(&self) -> bool {
        self.spec.closed.as_ref().is_some_and(|closed| closed.reason == CloseReason::Withdrawn)
    }

    /// Whether the bead is closed.
    pub fn is_closed(&self) -> bool {
        self.spec.closed.is_some()
    }

    /// Whether the bead is a part of another that was poured from a formula.
    pub fn is_step(&self) -> bool {
        self.spec.type_ == BeadType::Step
    }

    /// The time at which it was filed.
    pub fn created(&self) -> Timestamp {
        self.spec.created_at.or(self.metadata.creation_timestamp).unwrap_or_default()
    }

    /// The time of the last known change: of its spec, its conditions or its close. Of one that was taken in and not changed since, the
    /// time that it came with.
    pub fn updated(&self) -> Timestamp {
        let kept = self.metadata.annotations.beads.as_ref();
        if let Some(at) = kept.and_then(|kept| kept.updated_at(self.metadata.generation)) {
            return at;
        }
        let conditions = self.status.conditions.iter().map(|condition| condition.last_transition_time);
        let written = self.metadata.annotations.updated;
        let closed = self.spec.closed.iter().map(|closed| closed.at);
        conditions.chain(written).chain(closed).chain([self.created()]).max().unwrap_or_default()
    }

    /// The id that people know it by: its name, or the one that it was taken in with.
    pub fn id(&self) -> String {
        let kept = self.metadata.annotations.beads.as_ref();
        kept.and_then(|kept| kept.id.clone()).unwrap_or_else(|| self.metadata.name.clone())
    }

    /// Its status in Beads' words.
    pub fn status(&self) -> &str {
        let spec = &self.spec;
        words::status(self.is_closed(), spec.held.as_deref(), spec.assignee.is_some(), self.status.state)
    }

    /// Its type in Beads' words.
    pub fn type_name(&self) -> &str {
        words::type_name(self.spec.type_, self.spec.custom_type.as_deref())
    }

    /// Who has it, in Beads' words.
    pub fn assignee(&self) -> Option<String> {
        let polecat = self.spec.assignee.as_ref().map(|it| words::assignee_name(&self.spec.rig, it));
        polecat.or_else(|| self.spec.assigned_to.clone())
    }

    /// Its labels in Beads' words: its own, and those of its object.
    pub fn labels(&self) -> impl Iterator<Item = String> {
        let own = self.metadata.labels.iter().map(|(key, value)| words::label_name(key, value));
        self.spec.labels.iter().cloned().chain(own)
    }
}
