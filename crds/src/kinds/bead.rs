//! A `Bead` is one piece of work: what is to be done, what it waits for, who has it, and how it was closed.
//!
//! `spec` is what people and agents write (with `bd` or through a convoy); `status` is computed by the bead's controller
//! alone. Invariant: a bead has at most one worker, because the claim is one conditional write of `spec.assignee`.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::{AgentAccess, AgentWrite};
use crate::actor::Actor;
use crate::admission;
use crate::common::{Condition, NameValue, observed, shown, types};
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
    selectable: &["spec.rig", "spec.type", "spec.parent", "spec.priority", "status.state", "spec.needs[]"],
    role: Role::Reconciled,
    conditions: &[types::READY, types::CLOSED, types::SET_ASIDE, types::LEFT_TARGET, types::BEAD_CHANGED],
    references: &[
        Reference { field: "rig", kind: "Rig" },
        Reference { field: "formula", kind: "Formula" },
        Reference { field: "runtime", kind: "Runtime" },
    ],
    not_declared: &["assignee", "questions", "handoffs", "retry", "closed"],
    check_among: admission::nothing_more,
    named_by: NamedBy::Gt,
    has_overrides: true,
    agents: AgentAccess::Write(check_agent),
    yaml: include_str!("../../gastown.io_beads.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Bead {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// The override of a bead, as a JSON pointer: [`crate::overrides::ANNOTATION_OVERRIDE`].
const OVERRIDE: &str = "/metadata/annotations/gastown.io~1override";

/// What an agent may not write of a bead: its command, its runtime, an assignment, and what is on another's hook.
fn check_agent(write: &AgentWrite<'_>) -> Result<(), String> {
    let agent = write.agent;
    let Some(new) = write.new else { return Err(format!("{agent} may not delete beads: close them")) };
    if write.changes("/spec/command") {
        return Err(format!("{agent} may not write `spec.command`: it would run as code"));
    }
    if write.changes("/spec/runtime") {
        return Err(format!("{agent} may not write `spec.runtime`: people choose which program works on a bead"));
    }
    if write.changes("/spec/retry") {
        return Err(format!("{agent} may not write `spec.retry`: people say when failures no longer count"));
    }
    if write.changes(OVERRIDE) {
        return Err(format!("{agent} may not stop, pause or resume beads: people do"));
    }
    if answers(new) != write.old.map(answers).unwrap_or_default() {
        return Err(format!("{agent} may not answer questions: people do"));
    }
    if write.changes("/spec/assignee") && new.pointer("/spec/assignee").is_some() {
        return Err(format!("{agent} may not assign beads: dispatch does"));
    }
    let holder = write.old.and_then(|old| old.pointer("/spec/assignee/polecat")).and_then(Value::as_str);
    match (holder, agent) {
        (None, _) => Ok(()),
        (Some(holder), Actor::Polecat(worker)) if worker.object() == holder => Ok(()),
        (Some(holder), _) => Err(format!("{agent} may not write this bead: it is on the hook of {holder}")),
    }
}

/// The questions that have an answer.
fn answers(bead: &Value) -> Vec<&Value> {
    let questions = bead.pointer("/spec/questions").and_then(Value::as_array);
    questions.into_iter().flatten().filter(|question| question.get("answer").is_some()).collect()
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
#[x_kube(validation = Rule::new("self.rig == oldSelf.rig").message("a bead stays in its rig: its branches are there"))]
#[x_kube(validation = Rule::new("!has(oldSelf.closed) || (has(self.closed) && self.closed == oldSelf.closed)").message("a closed bead stays closed: file a new one"))]
#[x_kube(validation = Rule::new("!(has(self.closed) && has(self.assignee))").message("a closed bead has no assignee"))]
#[x_kube(validation = Rule::new("has(self.closed) || (self.type == 'Step') == has(self.parent)").message("a step has a parent, and nothing else has one: steps are poured from a formula"))]
pub struct BeadSpec {
    /// What is to be done, in a line; the subject of its commit.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// What is to be done, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub description: Option<String>,
    /// What sort of work it is.
    #[serde(default, rename = "type")]
    pub type_: BeadType,
    /// 0 (first) to 4 (last).
    #[serde(default = "default_priority")]
    #[schemars(range(min = 0, max = 4))]
    pub priority: u32,
    /// The Rig it is for. Immutable.
    #[schemars(length(min = 1, max = 63))]
    pub rig: String,
    /// Beads that must be closed before. One that does not exist does not block; it is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
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
    /// A step: the bead it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub parent: Option<String>,
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

/// What sort of work a bead is.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum BeadType {
    /// A piece of work.
    #[default]
    Task,
    /// A defect to fix.
    Bug,
    /// Something new.
    Feature,
    /// Upkeep.
    Chore,
    /// A part of another bead, poured from its formula; never dispatched.
    Step,
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
shown!(BeadType { Task => "Task", Bug => "Bug", Feature => "Feature", Chore => "Chore", Step => "Step" });
shown!(CloseReason { Merged => "Merged", NoChanges => "NoChanges", Done => "Done", Withdrawn => "Withdrawn" });
shown!(BeadState {
    Waiting => "Waiting",
    Ready => "Ready",
    Working => "Working",
    Landing => "Landing",
    SetAside => "SetAside",
    Closed => "Closed",
});
shown!(ReworkKind { Red => "Red", Conflict => "Conflict" });

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

/// What an agent has asked people.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentQuestion {
    /// Its name in the list, such as `q1`.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^q[1-9][0-9]?$"))]
    pub name: String,
    /// The question; of an agent that is stuck, why it cannot go on.
    #[schemars(length(min = 1, max = 4096))]
    pub text: String,
    /// The answers that it offers; any other is one, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 9), inner(length(min = 1, max = 200)))]
    pub options: Vec<String>,
    /// The agent cannot go on: the bead is set aside until a person says how.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stuck: bool,
    /// The attempt that asked. It is not charged.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// Who asked: `<rig>/polecats/<name>`.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When it was asked.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// What a person has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

impl AgentQuestion {
    /// The question and its answer, as an agent is told them; none while there is none.
    pub fn told(&self) -> Option<String> {
        let Answer { text, by, .. } = self.answer.as_ref()?;
        let asked = if self.stuck { "You said that you cannot go on" } else { "You asked" };
        Some(format!("{asked}: {}\n\nThe answer, by {by}: {text}", self.text))
    }
}

/// What a person has said to a question.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The answer.
    #[schemars(length(min = 1, max = 4096))]
    pub text: String,
    /// Who said so.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
}

/// What an attempt has left to the next one.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handoff {
    /// The attempt that is over with it. It is not charged, unless several in a row have got nowhere.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// What the next attempt has to know. Only the newest handoffs of a bead keep theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub message: Option<String>,
    /// Who handed off: `<rig>/polecats/<name>`, or a person.
    #[schemars(length(min = 1, max = 253))]
    pub by: String,
    /// When.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// How far the work was: the open steps, and the commit. Two handoffs with the same one got nowhere between them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 200))]
    pub progress: String,
    /// Its context was full, and the town wrote the note: `onContextPressure` of the Runtime.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
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
}

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
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Verb, check};
    use serde_json::json;

    fn asked(old: &Value, new: &Value) -> Result<(), String> {
        let agent = Actor::parse("shop/polecats/nux");
        check("Bead", &AgentWrite { agent: &agent, verb: Verb::Update, old: Some(old), new: Some(new) })
    }

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
    fn an_agent_leaves_alone_what_is_on_the_hook_of_another() {
        let on_hook = |polecat: &str| json!({ "spec": { "assignee": { "polecat": polecat, "uid": "1" } } });
        let closed = json!({ "spec": { "closed": {} } });
        assert_eq!(asked(&on_hook("shop-nux"), &closed), Ok(()));
        assert!(asked(&on_hook("shop-toast"), &closed).unwrap_err().contains("shop-toast"));
    }

    #[test]
    fn an_agent_may_close_a_step_and_may_not_write_a_command() {
        let (open, closed) = (json!({"spec": {"command": "x"}}), json!({"spec": {"command": "x", "closed": {}}}));
        assert!(asked(&open, &closed).is_ok());
        let other = json!({"spec": {"command": "rm -rf ~"}});
        assert!(asked(&open, &other).unwrap_err().contains("spec.command"));
    }

    #[test]
    fn an_agent_may_ask_and_may_not_answer() {
        let bead = |questions: Value| json!({ "spec": { "questions": questions } });
        let (open, answered) = (json!({"name": "q1"}), json!({"name": "q1", "answer": {"text": "yes"}}));
        assert_eq!(asked(&json!({"spec": {}}), &bead(json!([open]))), Ok(()));
        assert_eq!(asked(&bead(json!([answered])), &bead(json!([answered, {"name": "q2"}]))), Ok(()));
        for (old, new) in
            [(json!([open]), json!([answered])), (json!([answered]), json!([open])), (json!([answered]), json!([]))]
        {
            assert!(asked(&bead(old), &bead(new)).unwrap_err().contains("may not answer"));
        }
    }

    #[test]
    fn an_agent_may_not_choose_the_program_that_works_on_a_bead() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"runtime": "mine"}}));
        assert!(asked(&none, &some).unwrap_err().contains("spec.runtime"));
        assert!(asked(&some, &none).is_err());
        assert!(asked(&some, &some).is_ok());
    }

    #[test]
    fn an_agent_may_not_have_its_failures_forgotten() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"retry": 1}}));
        assert!(asked(&none, &some).unwrap_err().contains("spec.retry"));
    }

    #[test]
    fn an_agent_may_not_resume_what_a_person_has_stopped() {
        use crate::overrides::ANNOTATION_OVERRIDE;
        let stopped = json!({"metadata": {"annotations": {ANNOTATION_OVERRIDE: "{}"}}, "spec": {}});
        let resumed = json!({"metadata": {}, "spec": {}});
        assert!(asked(&stopped, &resumed).unwrap_err().contains("resume"));
        assert!(asked(&stopped, &stopped).is_ok());
    }

    #[test]
    fn an_agent_may_give_work_back_and_may_not_assign_it() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"assignee": {"polecat": "shop-nux", "uid": "1"}}}));
        assert!(asked(&none, &some).is_err());
        assert!(asked(&some, &none).is_ok());
    }
}
