//! A `Formula` is a workflow: steps that need each other, poured as step beads for every bead worked by it.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{Condition, observed, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Formula",
    singular: "formula",
    plural: "formulas",
    short_names: &["fm"],
    purpose: "a workflow: steps that need each other, with vars; `work` is built in",
    columns: &[
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::number("Steps", ".status.steps"),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::READY],
    references: &[Reference { field: "steps[].runtime", kind: "Runtime" }],
    not_declared: &[],
    check_among: admission::formula::check,
    named_by: NamedBy::People,
    has_overrides: false,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_formulas.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Formula {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// A workflow.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Formula",
    doc = "A `Formula` is a workflow: steps that need each other, poured as step beads for every bead worked by it.",
    namespaced,
    status = "FormulaStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')").message("a formula's name has at most 63 characters and no dot")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FormulaSpec {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// What may be filled in, as `{{name}}`. Built in: `{{command}}`, `{{title}}`, `{{bead}}`, `{{rig}}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub vars: Vec<Var>,
    /// What is to be done; a step starts when all it needs is closed.
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(min = 1, max = 64))]
    pub steps: Vec<Step>,
}

/// Something to fill in.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Var {
    /// Its name; unique in the list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Its value where a bead gives none. Default: empty, unless `required`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub default: Option<String>,
    /// A bead must give it. Default: false.
    #[serde(default)]
    pub required: bool,
}

/// One step.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Its name; unique in the list.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What is to be done, in a line. Default: the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub title: Option<String>,
    /// What is to be done, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// Steps that must be closed before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub needs: Vec<String>,
    /// Shell text that does it. An agent with judgement may do without. A `{{name}}` in it is a variable of the shell: its value
    /// is never read as shell, and outside of quotes it is split at blanks, but for `{{title}}`, `{{bead}}` and `{{rig}}`.
    /// `{{command}}` alone is put in as it is. With `runtime: script` it is a plain command, which is offered to no agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub run: Option<String>,
    /// The Runtime that works on it, in a session of its own, in the same worktree and on the same branch. Default: that of the
    /// bead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
}

/// The status of a formula, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FormulaStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// How many steps it has.
    #[serde(default)]
    pub steps: u32,
    /// A digest of the spec; beads remember which one they were poured from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

observed!(FormulaStatus);
