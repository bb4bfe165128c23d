//! A `MergeRequest` is a branch handed in with `gt done`: one write, named by its content, so that twice is "already so".

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::Condition;

/// A branch handed in.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "MergeRequest",
    doc = "A `MergeRequest` is a branch handed in with `gt done`: one write, named by its content, so that twice is \"already so\".",
    namespaced,
    status = "MergeRequestStatus",
    derive = "PartialEq",
    shortname = "mr",
    category = "gastown",
    selectable = ".spec.rig",
    selectable = ".spec.bead",
    selectable = ".status.state",
    printcolumn(name = "Bead", type_ = "string", json_path = ".spec.bead"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Merged\")].reason"),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".spec.attempt"),
    printcolumn(name = "Landed", type_ = "string", json_path = ".status.landed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a merge request is immutable: hand in another with `gt done`"))]
pub struct MergeRequestSpec {
    /// The Bead it is for.
    #[schemars(length(min = 1, max = 253))]
    pub bead: String,
    /// The Rig it lands in.
    #[schemars(length(min = 1, max = 63))]
    pub rig: String,
    /// The Polecat that handed it in.
    #[schemars(length(min = 1, max = 253))]
    pub polecat: String,
    /// The commit handed in.
    #[schemars(length(min = 40, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub head: String,
    /// Where its branch began: the commits after it are what lands.
    #[schemars(length(min = 40, max = 64), regex(pattern = r"^[0-9a-f]+$"))]
    pub base: String,
    /// Which attempt at the bead it is; counts up from 1.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub attempt: u32,
}

/// Where a merge request stands, in one word.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum MergeState {
    /// It waits for its turn, or is being verified or pushed.
    #[default]
    Queued,
    /// Verified and left as a branch for people to merge.
    BranchReady,
    /// Found on the target. For ever.
    Merged,
    /// It came back: red or conflicting. For ever; the rework is another merge request.
    Rejected,
    /// Its bead was closed otherwise. For ever.
    Withdrawn,
}

impl MergeState {
    /// Whether it is over.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Merged | Self::Rejected | Self::Withdrawn)
    }
}

/// What was seen of a merge request.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MergeRequestStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Merged`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Where it stands, in one word.
    #[serde(default)]
    pub state: MergeState,
    /// The commit that landed, or that is left as a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landed: Option<String>,
    /// Rejected: the tail of the failing log, or the conflicting files, one a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub log: Option<String>,
    /// Rejected: the job whose log holds the rest. Else a verification that was red before another of the same tree was
    /// green: its checks are flaky (`gt logs mr/<name>`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub job: Option<String>,
}
