//! A bead as far as `bd` prints it in a list: a part of what the API answers, so that ten thousand are read in one pass.

use std::collections::BTreeMap;

use gastown_agent::error::{ApiFailure, Error};
use gastown_crds::Bead;
use gastown_crds::bead::{Assignee, BeadState, BeadType, Closed};
use jiff::Timestamp;
use serde::Deserialize;

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
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlimMetadata {
    /// The name.
    pub name: String,
    /// The time at which it was made.
    #[serde(default)]
    pub creation_timestamp: Option<Timestamp>,
    /// The number of the spec's last change.
    #[serde(default)]
    pub generation: Option<i64>,
    /// The labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// A part of a bead's spec.
#[derive(Debug, Clone, Deserialize)]
pub struct SlimSpec {
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    #[serde(default)]
    pub description: Option<String>,
    /// The type of work.
    #[serde(default, rename = "type")]
    pub type_: BeadType,
    /// 0 (first) to 4 (last).
    #[serde(default)]
    pub priority: u32,
    /// The rig.
    pub rig: String,
    /// The beads that must be closed before.
    #[serde(default)]
    pub needs: Vec<String>,
    /// The bead it is a part of.
    #[serde(default)]
    pub parent: Option<String>,
    /// The assignee.
    #[serde(default)]
    pub assignee: Option<Assignee>,
    /// How it was closed.
    #[serde(default)]
    pub closed: Option<Closed>,
}

/// A part of a bead's status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlimStatus {
    /// The state.
    #[serde(default)]
    pub state: BeadState,
    /// The generation of the spec that the state is about.
    #[serde(default)]
    pub observed_generation: Option<i64>,
    /// When its conditions changed.
    #[serde(default)]
    pub conditions: Vec<Changed>,
}

/// A part of a condition.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// The time of its last change.
    pub last_transition_time: Timestamp,
}

impl Slim {
    /// The part of a whole bead.
    pub fn of(bead: &Bead) -> Result<Self, Error> {
        serde_json::to_value(bead).and_then(serde_json::from_value).map_err(unreadable)
    }

    /// Whether the bead is closed.
    pub fn is_closed(&self) -> bool {
        self.spec.closed.is_some()
    }

    /// Whether the bead is a part of another.
    pub fn is_step(&self) -> bool {
        self.spec.type_ == BeadType::Step
    }

    /// The time at which it was made.
    pub fn created(&self) -> Timestamp {
        self.metadata.creation_timestamp.unwrap_or_default()
    }

    /// The time of the last known change: its conditions and its close are the only record.
    pub fn updated(&self) -> Timestamp {
        let conditions = self.status.conditions.iter().map(|condition| condition.last_transition_time);
        let closed = self.spec.closed.iter().map(|closed| closed.at);
        conditions.chain(closed).chain([self.created()]).max().unwrap_or_default()
    }
}

/// The failure to read what the API answered.
pub fn unreadable(error: serde_json::Error) -> Error {
    Error::Api { what: "read what the API answered".into(), source: ApiFailure::Client(kube::Error::SerdeError(error)) }
}
