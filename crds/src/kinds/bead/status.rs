//! The status of a bead: where it stands, as its controller observes it.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::{Condition, observed, shown};

/// Where a bead stands, in one word.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum BeadState {
    /// It waits for something; the Ready condition says for what.
    #[default]
    Waiting,
    /// It may be dispatched.
    Ready,
    /// A polecat works on it.
    Working,
    /// Its branch is in the merge queue.
    Landing,
    /// It failed too often, or its branch was deleted, and waits for a person.
    SetAside,
    /// It is closed.
    Closed,
    /// It may be taken up, and nobody has asked for it: it is suspended. `gt sling BEAD` has it worked on.
    Backlog,
    /// Nobody has asked for it, and it waits for something, too; the Ready condition says for what.
    Blocked,
}

/// The status of a bead, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BeadStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Closed`, `SetAside`, `LeftTarget`, `BeadChanged`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Where it stands, in one word.
    #[serde(default)]
    pub state: BeadState,
    /// How many sessions were started for it.
    #[serde(default)]
    pub attempts: u32,
    /// How many of them failed since its text last changed; at the town's `backoffLimit` it is set aside.
    #[serde(default)]
    pub failures: u32,
    /// Why its last branch came back, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rework: Option<Rework>,
    /// The digest of the formula it was poured from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula_digest: Option<String>,
    /// The polecat that had it last: its sandbox is warm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_polecat: Option<String>,
    /// Of a gate that asks a program: what that has said so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateStatus>,
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

/// What the program of a gate has said so far.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// A digest of what is asked: another question is asked anew.
    #[schemars(length(max = 64))]
    pub question: String,
    /// How often it was asked.
    pub looks: u32,
    /// When the last answer came.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// Its exit code.
    pub code: i32,
    /// The end of what it printed.
    #[schemars(length(max = 1024))]
    pub said: String,
    /// The job that asked last: `gt logs job/KEY`.
    #[schemars(length(max = 64))]
    pub job: String,
}

observed!(BeadStatus, consecutive_failures);

/// Why a branch came back.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Rework {
    /// Red or Conflict.
    pub kind: ReworkKind,
    /// The merge request that says more.
    #[schemars(length(max = 253))]
    pub merge_request: String,
    /// The commit that was handed in; it stays reachable.
    #[schemars(length(max = 64))]
    pub head: String,
    /// The tail of the failing log, or the conflicting files.
    #[schemars(length(max = 8192))]
    pub log: String,
}

/// Why a branch came back, in one word: what an agent sees as `GT_REWORK`.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum ReworkKind {
    /// It makes a green target red.
    Red,
    /// It conflicts with the target.
    Conflict,
}

shown!(BeadState {
    Waiting => "Waiting",
    Ready => "Ready",
    Working => "Working",
    Landing => "Landing",
    SetAside => "SetAside",
    Closed => "Closed",
    Backlog => "Backlog",
    Blocked => "Blocked",
});
shown!(ReworkKind { Red => "Red", Conflict => "Conflict" });
