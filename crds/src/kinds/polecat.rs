//! A `Polecat` is a worker slot in a rig: a sandbox (worktree and session) that takes one bead after another.
//!
//! Its hook is derived: it has the bead whose `spec.assignee` names it, by name and uid. Dispatch makes polecats as they
//! are needed; one may be declared to give it a name or a runtime of its own.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{Condition, observed, shown, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Polecat",
    singular: "polecat",
    plural: "polecats",
    short_names: &["pc"],
    purpose: "a worker: a worktree and a session, made as they are needed",
    columns: &[
        Column::text("Rig", ".spec.rig"),
        Column::text("State", ".status.state"),
        Column::text("Reason", r#".status.conditions[?(@.type=="Ready")].reason"#),
        Column::text("Bead", ".status.bead"),
        Column::number("Attempt", ".status.attempt"),
        Column::AGE,
    ],
    selectable: &["spec.rig"],
    role: Role::Reconciled,
    conditions: &[types::READY],
    references: &[Reference { field: "rig", kind: "Rig" }, Reference { field: "runtime", kind: "Runtime" }],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::People,
    has_overrides: true,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_polecats.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Polecat {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// A worker slot.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Polecat",
    doc = "A `Polecat` is a worker slot in a rig: a sandbox (worktree and session) that takes one bead after another.",
    namespaced,
    status = "PolecatStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name == self.spec.rig + '-' + self.spec.name").message("a polecat is named `<rig>-<name>`"),
    validation = Rule::new("size(self.metadata.name) <= 63").message("a polecat's name has at most 63 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.rig == oldSelf.rig && self.name == oldSelf.name").message("rig and name are immutable: delete it and make another"))]
pub struct PolecatSpec {
    /// The Rig it works in. Immutable.
    #[schemars(length(min = 1, max = 40))]
    pub rig: String,
    /// Its name within the rig. Immutable.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its Runtime, for beads that name none and whose convoy names none. Default: the rig's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// It gets no new bead; what it works on goes on. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

shown!(PolecatState {
    Idle => "Idle",
    Starting => "Starting",
    Working => "Working",
    Stalled => "Stalled",
    Zombie => "Zombie",
});

/// Where a polecat stands, in one word (seed 004's four, and the way there).
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum PolecatState {
    /// Nothing on its hook; its sandbox, if any, is kept.
    #[default]
    Idle,
    /// It has a bead and is being made ready.
    Starting,
    /// Its session runs.
    Working,
    /// It has a bead, and its session ended without handing in.
    Stalled,
    /// Its session runs although nothing is on its hook.
    Zombie,
}

/// What an agent does, by the reports of its own program.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum ActivityState {
    /// It has been started, and was told nothing yet.
    #[default]
    Starting,
    /// It thinks, or runs a tool.
    Busy,
    /// Its turn has ended: it waits to be told something.
    Idle,
    /// It has asked a question, or for a permission.
    Asking,
    /// Its model's provider has refused it for a rate limit or a spent allowance: so it does all who work by its account.
    Limited,
    /// Its model's provider has refused it for being overloaded itself.
    Overloaded,
    /// Its login is missing or has expired.
    LoginRequired,
}

impl ActivityState {
    /// Whether its model's provider refuses it: not for anything that it did.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Limited | Self::Overloaded | Self::LoginRequired)
    }

    /// Whether it is the account that is refused, whoever works by it.
    pub fn is_of_account(self) -> bool {
        matches!(self, Self::Limited | Self::LoginRequired)
    }
}

/// What an agent does, and since when.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// What it does.
    pub state: ActivityState,
    /// Since when.
    #[schemars(schema_with = "crate::common::instant")]
    pub since: Timestamp,
    /// Its question, or what its program says went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When its provider takes it again, as far as its program says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::instant")]
    pub until: Option<Timestamp>,
    /// The account that it works by: one of the town's, or else its Runtime's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A session of which events say that it began, and that it ended.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionOnRecord {
    /// The bead that it was at work on.
    pub bead: String,
    /// The bead's uid.
    pub bead_uid: String,
    /// Which attempt at it, from 1.
    pub attempt: u32,
    /// Whether its end is on record too.
    #[serde(default)]
    pub over: bool,
}

/// The status of a polecat, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolecatStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Where it stands, in one word.
    #[serde(default)]
    pub state: PolecatState,
    /// The bead on its hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bead: Option<String>,
    /// The branch its worktree is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The attempt its session is, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The last session that there are events of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionOnRecord>,
    /// What its agent does, where the agent's program reports it: see `dialect` of its Runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// The last session that was refused for its account, until another works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Activity>,
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

observed!(PolecatStatus, consecutive_failures);
