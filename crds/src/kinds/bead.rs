//! A `Bead` is one piece of work: what is to be done, what it waits for, who has it, and how it was closed.
//!
//! `spec` is what people and agents write (with `bd` or through a convoy); `status` is computed by the bead's controller
//! alone. Invariant: a bead has at most one worker, because the claim is one conditional write of `spec.assignee`.

mod access;

mod exchange;

mod flow;

mod gate;

mod record;

mod sort;

mod status;

pub use exchange::{AgentQuestion, Answer, Handoff};
pub use flow::{
    Flow, ForEach, ITEMS_MAX, MADE_MAX, MADE_OF_ALL_MAX, Made, OnExhausted, Repeat, Retry, output, text_of,
};
pub use gate::{Gate, GateType, OnFailure, OnTimeout, WispType};
pub use record::{
    COMMENTS_MAX, CONDITIONAL_BLOCKS, ChildrenGate, Comment, Link, MERGE_SLOT, PARENTS_MAX, PINNED, WAITS_FOR,
};
pub use sort::BeadType;
pub use status::{BeadState, BeadStatus, GateStatus, Rework, ReworkKind};

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{NameValue, shown, types, whole_second};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Bead",
    singular: "bead",
    plural: "beads",
    short_names: &["bd"],
    purpose: "one piece of work: made by convoys, closed when it has landed",
    columns: &[
        Column::text("State", ".status.state"),
        // Of an open bead, `Closed` says `Open` and `Ready` says more; a closed one has no `Ready`.
        Column::text("Reason", r#".status.conditions[?(@.reason!="Open")].reason"#),
        Column::number("Pri", ".spec.priority"),
        Column::text("Polecat", ".spec.assignee.polecat"),
        Column::number("Attempts", ".status.attempts"),
        Column::text("Title", ".spec.title"),
        Column::AGE,
    ],
    selectable: &[
        "spec.rig",
        "spec.type",
        "spec.parent",
        "spec.priority",
        "spec.closed.reason",
        "status.state",
        "spec.needs[]",
        "spec.labels[]",
        "spec.links[].to",
    ],
    role: Role::Reconciled,
    conditions: &[types::READY, types::CLOSED, types::SET_ASIDE, types::LEFT_TARGET, types::BEAD_CHANGED],
    references: &[
        Reference { field: "rig", kind: "Rig" },
        Reference { field: "formula", kind: "Formula" },
        Reference { field: "runtime", kind: "Runtime" },
    ],
    not_declared: &[
        "assignee",
        "questions",
        "handoffs",
        "retry",
        "closed",
        "held",
        "assignedTo",
        "startedAt",
        "comments",
        "notes",
        "createdBy",
    ],
    check_among: admission::nothing_more,
    named_by: NamedBy::Gt,
    has_overrides: true,
    agents: AgentAccess::Write(access::check_agent),
    yaml: include_str!("../../gastown.io_beads.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Bead {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// One piece of work.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Bead",
    doc = "A `Bead` is one piece of work: what is to be done, what it waits for, who has it, and how it was closed.",
    namespaced,
    status = "BeadStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(oldSelf.rig) || (has(self.rig) && self.rig == oldSelf.rig)").message("a bead stays in its rig: its branches are there"))]
#[x_kube(validation = Rule::new("has(self.rig) || has(self.closed) || (has(self.suspend) && self.suspend) || !(self.type in ['Task', 'Bug', 'Feature', 'Chore', 'Step'])").message("a bead that is worked on names its rig; one that is suspended may do without"))]
#[x_kube(validation = Rule::new("!has(oldSelf.closed) || (has(self.closed) ? self.closed == oldSelf.closed : !(oldSelf.closed.reason in ['Merged', 'NoChanges']))").message("what has landed stays closed: file a new one"))]
#[x_kube(validation = Rule::new("!(has(self.closed) && has(self.assignee))").message("a closed bead has no assignee"))]
#[x_kube(validation = Rule::new("has(self.closed) || self.type != 'Step' || has(self.parent)").message("a step has a parent: steps are poured from a formula"))]
#[x_kube(validation = Rule::new("(self.type == 'Step') == (oldSelf.type == 'Step')").message("a step stays one, and nothing else becomes one"))]
#[x_kube(validation = Rule::new("!has(self.gate) || self.type == 'Gate'").message("`gate` says what a bead of type Gate waits for"))]
#[x_kube(validation = Rule::new("(self.type == 'Custom') == has(self.customType)").message("`customType` says which, where `type` is Custom"))]
pub struct BeadSpec {
    /// What is to be done, in a line; the subject of its commit.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// What is to be done, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub description: Option<String>,
    /// What sort of work it is.
    #[serde(default, rename = "type")]
    pub type_: BeadType,
    /// 0 (first) to 4 (last).
    #[serde(default = "default_priority")]
    #[schemars(range(min = 0, max = 4))]
    pub priority: u32,
    /// Of `type: Custom`: the word for it, in Beads' spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub custom_type: Option<String>,
    /// The Rig it is for; immutable once it is said. Only what nobody works on, or what is suspended, may name none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub rig: String,
    /// Not to be worked on before somebody asks for it: `gt sling BEAD`. What `bd create` files begins so. Part of an epic that is
    /// not suspended, it is asked for with that. Agents may not clear it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Beads that must be closed before. One that does not exist does not block; it is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 253)))]
    pub needs: Vec<String>,
    /// The Formula it is worked by. Default: `work`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub formula: Option<String>,
    /// The Runtime that works on it, from the next attempt on. Default: its polecat's, else its rig's, else the town's. Agents may
    /// not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// Shell text that does it. Agents may not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub command: Option<String>,
    /// Values for the formula's vars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub vars: Vec<NameValue>,
    /// The bead it is a part of: an epic, or of a step the bead whose formula it was poured from. While that waits for something
    /// that is no part of it, so does this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub parent: Option<String>,
    /// Its ties to other beads, beyond `needs` and `parent`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["to".into(), "type".into()]))]
    #[schemars(length(max = 256))]
    pub links: Vec<Link>,
    /// Words to find it by, by convention `dimension:value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 255)))]
    pub labels: Vec<String>,
    /// How it is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub design: Option<String>,
    /// How one sees that it is done; its agent is shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub acceptance_criteria: Option<String>,
    /// What was found out on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub notes: Option<String>,
    /// What was said about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 200))]
    pub comments: Vec<Comment>,
    /// Its status in Beads' words, where somebody has set it by hand: `in_progress`, `blocked`, `deferred`, `hooked`, `pinned`
    /// (stays open for ever and blocks nothing), or a word of your own. Nobody is dispatched to it. Default: the status that
    /// follows from what is observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-z0-9_-]*$"))]
    pub held: Option<String>,
    /// Who works on it, where that is no polecat: a person, or an agent outside of the pool. Nobody is dispatched to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub assigned_to: Option<String>,
    /// When somebody who is no polecat first took it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub started_at: Option<Timestamp>,
    /// It and its children are not to be taken up before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub defer_until: Option<Timestamp>,
    /// When it should be done; for people to see and to select by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub due: Option<Timestamp>,
    /// How long it should take, in minutes; for people to see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 5_256_000))]
    pub estimated_minutes: Option<u32>,
    /// The same piece of work in another tracker, such as `gh-9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub external_ref: Option<String>,
    /// The specification that it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub spec_id: Option<String>,
    /// A JSON object as text, for tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 65536))]
    pub metadata: Option<String>,
    /// Of `type: Gate`: what it waits for. It is closed once that has happened, or by `gt gate approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Of a step of a formula that was poured: what is decided while it is worked on. Agents may not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<Box<Flow>>,
    /// A wisp: of no use once it is closed, in no export and no history. It is removed some time later: see `wispType`.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ephemeral: bool,
    /// Of a wisp: how long it is kept. Default: Patrol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wisp_type: Option<WispType>,
    /// Who filed it. An agent may write what it has filed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub created_by: Option<String>,
    /// When it was filed, where that was elsewhere, before it came into this town. Default: when the object was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub created_at: Option<Timestamp>,
    /// Who works on it. Written by dispatch; its polecat notes here when it has to wait; cleared when the branch is handed
    /// in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// What its agents have asked people, with the answers: `gt ask`, `gt stuck` and `gt answer`. While one is open, nobody works
    /// on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 20))]
    pub questions: Vec<AgentQuestion>,
    /// What its agents have left to those that go on after them: `gt handoff`. The attempt after one begins a conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub handoffs: Vec<Handoff>,
    /// Counts up to have it tried anew with the same text: what failed before does not count. Written by `gt sling BEAD`; agents
    /// may not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub retry: Option<u32>,
    /// How it was closed. For ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

impl BeadSpec {
    /// A piece of work of which nothing more is said.
    pub fn new(title: impl Into<String>, rig: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: None,
            type_: BeadType::Task,
            priority: default_priority(),
            custom_type: None,
            rig: rig.into(),
            suspend: false,
            needs: Vec::new(),
            formula: None,
            runtime: None,
            command: None,
            vars: Vec::new(),
            parent: None,
            links: Vec::new(),
            labels: Vec::new(),
            design: None,
            acceptance_criteria: None,
            notes: None,
            comments: Vec::new(),
            held: None,
            assigned_to: None,
            started_at: None,
            defer_until: None,
            due: None,
            estimated_minutes: None,
            external_ref: None,
            spec_id: None,
            metadata: None,
            gate: None,
            flow: None,
            ephemeral: false,
            wisp_type: None,
            created_by: None,
            created_at: None,
            assignee: None,
            questions: Vec::new(),
            handoffs: Vec::new(),
            retry: None,
            closed: None,
        }
    }

    /// Whether it is a part of another bead that was poured from a formula.
    pub fn is_step(&self) -> bool {
        self.type_ == BeadType::Step
    }

    /// Whether it blocks what needs it: it is open, and not pinned.
    pub fn blocks(&self) -> bool {
        self.closed.is_none() && self.held.as_deref() != Some(PINNED)
    }

    /// The first question that nobody has answered yet.
    pub fn open_question(&self) -> Option<&AgentQuestion> {
        self.questions.iter().find(|question| question.answer.is_none())
    }

    /// The handoff of an attempt.
    pub fn handoff_of(&self, attempt: u32) -> Option<&Handoff> {
        self.handoffs.iter().rev().find(|handoff| handoff.attempt == attempt)
    }
}

fn default_priority() -> u32 {
    2
}

/// The worker that has a bead.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assignee {
    /// The Polecat's name.
    #[schemars(length(min = 1, max = 253))]
    pub polecat: String,
    /// The Polecat's uid: a namesake does not inherit the work.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
    /// It keeps its worktree for the bead and takes no slot while it waits for this. Cleared by dispatch. Default: it is at
    /// work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

impl Assignee {
    /// A worker that is at work.
    pub fn new(polecat: impl Into<String>, uid: impl Into<String>) -> Self {
        Self { polecat: polecat.into(), uid: uid.into(), waiting: None }
    }
}

shown!(Waiting { Bead => "Bead", Rig => "Rig", Slot => "Slot" });
shown!(CloseReason {
    Merged => "Merged",
    NoChanges => "NoChanges",
    Done => "Done",
    Withdrawn => "Withdrawn",
    Skipped => "Skipped",
});

/// What a worker waits for.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(transform = also_place)]
pub enum Waiting {
    /// Something of this bead, such as the end of its back-off. Others of its rig go on, up to a bound.
    Bead,
    /// Something that every bead of its rig needs, such as a setup that works: it holds a slot of its rig, so that not all
    /// of them are begun.
    Rig,
    /// A free slot, and nothing else any more. Earlier releases wrote `Place`, which is still read.
    #[serde(alias = "Place")]
    Slot,
}

/// Admits what earlier releases wrote: a store may hold it.
fn also_place(schema: &mut schemars::Schema) {
    let names = schema.get_mut("oneOf").and_then(|names| names.as_array_mut());
    names.expect("each variant has a text").push(serde_json::json!({ "type": "string", "const": "Place" }));
}

/// How a bead was closed.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Closed {
    /// Why, as one word.
    pub reason: CloseReason,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// The instant of the close.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// Who: `<rig>/polecats/<name>`, `gt`, or a person.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
}

impl Closed {
    /// A close by somebody, in the second of an instant.
    pub fn new(reason: CloseReason, message: Option<String>, at: Timestamp, by: impl Into<String>) -> Self {
        Self { reason, message, at: whole_second(at), by: by.into() }
    }
}

/// Why a bead was closed.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum CloseReason {
    /// Its branch is on the target.
    Merged,
    /// There was nothing to change.
    NoChanges,
    /// A step was done.
    Done,
    /// It was given up: its convoy no longer wants it, or a person closed it before it had landed.
    Withdrawn,
    /// It was to be done only if another failed, and that went well.
    Skipped,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_earlier_release_wrote_is_still_admitted_and_read() {
        let old: Waiting = serde_json::from_value(json!("Place")).unwrap();
        assert_eq!((old, json!(old)), (Waiting::Slot, json!("Slot")));
        let bead = |waiting: &str| {
            json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": { "name": "b" },
                "spec": { "title": "t", "rig": "r", "assignee": { "polecat": "p", "uid": "u", "waiting": waiting } } })
        };
        let refused = |waiting| KIND.schema().validate(&bead(waiting)).len();
        assert_eq!(["Place", "Slot", "Nook"].map(refused), [0, 0, 1]);
    }

    #[test]
    fn what_was_closed_by_hand_may_be_opened_again_and_what_has_landed_may_not() {
        let bead = |closed: Option<&str>| {
            let closed = closed.map(|reason| json!({ "reason": reason, "at": "2026-03-01T10:00:00Z", "by": "kim" }));
            json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": { "name": "b" },
                "spec": { "title": "t", "rig": "r", "type": "Task", "priority": 2, "closed": closed } })
        };
        let reopened = |reason| {
            let mut open = bead(None);
            open["spec"].as_object_mut().unwrap().remove("closed");
            KIND.schema().cel(&open, Some(&bead(Some(reason)))).is_empty()
        };
        assert_eq!(
            ["Done", "Withdrawn", "Skipped", "Merged", "NoChanges"].map(reopened),
            [true, true, true, false, false]
        );
    }
}
