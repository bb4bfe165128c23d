//! A `MergeRequest` is a branch handed in with `gt done`: one write, named by its content, so that twice is "already so".

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{AgentAccess, AgentWrite, Verb};
use crate::actor::Actor;
use crate::admission;
use crate::common::{Condition, observed, shown, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Registered, Role};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "MergeRequest",
    singular: "mergerequest",
    plural: "mergerequests",
    short_names: &["mr"],
    purpose: "a branch handed in with `gt done`",
    columns: &[
        Column::text("Bead", ".spec.bead"),
        Column::text("State", ".status.state"),
        Column::text("Reason", r#".status.conditions[?(@.type=="Merged")].reason"#),
        Column::number("Attempt", ".spec.attempt"),
        Column::text("Landed", ".status.landed"),
        Column::AGE,
    ],
    selectable: &["spec.rig", "spec.bead", "status.state"],
    role: Role::Reconciled,
    conditions: &[types::MERGED, types::LEFT_TARGET],
    references: &[],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::Gt,
    has_overrides: false,
    agents: AgentAccess::Write(check_agent),
    yaml: include_str!("../../gastown.io_mergerequests.yaml"),
    compiled: Compiled::new(),
};

impl Registered for MergeRequest {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// An agent hands in its own work, and changes nothing of it afterwards.
fn check_agent(write: &AgentWrite<'_>) -> Result<(), String> {
    let polecat = write.new.and_then(|new| new.pointer("/spec/polecat")).and_then(Value::as_str);
    match write.agent {
        Actor::Polecat(worker) if write.verb == Verb::Create && polecat == Some(&worker.object()) => Ok(()),
        agent => Err(format!("{agent} may hand in as itself only: run `gt done` in its session")),
    }
}

/// A branch handed in.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "MergeRequest",
    doc = "A `MergeRequest` is a branch handed in with `gt done`: one write, named by its content, so that twice is \"already so\".",
    namespaced,
    status = "MergeRequestStatus",
    derive = "PartialEq"
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

shown!(MergeState {
    Queued => "Queued",
    BranchReady => "BranchReady",
    BranchDeleted => "BranchDeleted",
    Merged => "Merged",
    Rejected => "Rejected",
    Withdrawn => "Withdrawn",
});

/// Where a merge request stands, in one word.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum MergeState {
    /// It waits for its turn, or is being verified or pushed.
    #[default]
    Queued,
    /// Verified and left as a branch for people to merge; they may have merged a part of it.
    BranchReady,
    /// People have deleted its branch and not merged it: its bead waits for a person.
    BranchDeleted,
    /// Found on the target. For ever, though it may leave the target later.
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

/// The status of a merge request, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MergeRequestStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Merged`, `LeftTarget`.
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
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

observed!(MergeRequestStatus, consecutive_failures);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::check;
    use serde_json::json;

    #[test]
    fn an_agent_hands_in_its_own_work_only() {
        let agent = Actor::parse("shop/polecats/nux");
        let hand_in = |polecat: &str, verb| {
            let new = json!({ "spec": { "polecat": polecat } });
            check("MergeRequest", &AgentWrite { agent: &agent, verb, old: None, new: Some(&new) })
        };
        assert_eq!(hand_in("shop-nux", Verb::Create), Ok(()));
        assert!(hand_in("shop-toast", Verb::Create).is_err());
        assert!(hand_in("shop-nux", Verb::Update).is_err());
        let gone = AgentWrite { agent: &agent, verb: Verb::Delete, old: None, new: None };
        assert!(check("MergeRequest", &gone).is_err());
    }
}
