//! A `Rig` is a repository: where it is, how a worktree of it is made ready, and how work lands on its target branch.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::common::{Condition, Duration, Person, observed, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};
use crate::{admission, branch};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Rig",
    singular: "rig",
    plural: "rigs",
    short_names: &["rg"],
    purpose: "a repository: url, workspace setup, what verifies it, `Push` to the target or leave a `Branch` for people",
    columns: &[
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::text("Reason", r#".status.conditions[?(@.type=="Ready")].reason"#),
        Column::text("Branch", ".status.branch"),
        Column::number("Queue", ".status.queued"),
        Column::text("Strategy", ".spec.merge.strategy"),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::READY, types::BASE_RED],
    references: &[Reference { field: "runtime", kind: "Runtime" }],
    not_declared: &[],
    check_among: admission::rigs::check,
    named_by: NamedBy::People,
    has_overrides: true,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_rigs.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Rig {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// The desired state of a rig.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Rig",
    doc = "A `Rig` is a repository: where it is, how a worktree of it is made ready, and how work lands on its target branch.",
    namespaced,
    status = "RigStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 40 && !self.metadata.name.contains('.')").message("a rig's name has at most 40 characters and no dot: it starts the names of its polecats and beads")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.prefix) == has(oldSelf.prefix) && (!has(self.prefix) || self.prefix == oldSelf.prefix)").message("prefix is immutable: the beads of this rig are named by it"))]
pub struct RigSpec {
    /// Where the repository is.
    pub repo: Repo,
    /// What its beads' names start with. Default: the rig's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub prefix: Option<String>,
    /// Its workers.
    #[serde(default)]
    pub polecats: Pool,
    /// How a fresh worktree is made ready.
    #[serde(default)]
    pub workspace: Workspace,
    /// How work lands.
    pub merge: Merge,
    /// Who the commits are by.
    #[serde(default)]
    pub identity: Identity,
    /// The Runtime that works here, unless the bead, its convoy or its polecat names another. Default: the town's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// Parked: nothing is dispatched, fetched or landed here. What runs goes on. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// Where a repository is.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repo {
    /// Anything `git clone` takes; only a path or a `file://` address may hold blanks. `gt apply` makes a path that starts with `./` or `../` absolute, from the manifest's folder; a relative one that came otherwise is seen from the town's folder.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^(([./]|file://)([^\s\x00]| )*|[^-\s\x00][^\s\x00]*)$"))]
    pub url: String,
    /// The target branch, by any name that git allows. Default: the remote's HEAD, shown in `status.branch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = branch::CHARS_MAX))]
    #[x_kube(validation = Rule::new(branch::RULE).message(branch::MESSAGE))]
    pub branch: Option<String>,
    /// How often the remote is asked for news while beads are open here. Default: `5m`, at least `1m`. Never asked when all is quiet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration_of_minutes")]
    pub interval: Option<Duration>,
}

/// The workers of a rig.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pool {
    /// Polecats working here at once. Default: as many as the town allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// Names to give them, in this order. Default: a built-in list; then `p1`, `p2`, ….
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 200),
        inner(length(min = 1, max = 20), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    pub names: Vec<String>,
}

/// How a fresh worktree is made ready.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workspace {
    /// Shell commands, run in order in the worktree whenever it is made ready for a bead. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 8192)))]
    pub setup: Vec<String>,
    /// Files that git does not hold, such as `.env.local`, copied in from `copyFrom`; excluded from commits. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255), regex(pattern = r"^[^/\x00][^\x00]*$")))]
    pub copy: Vec<String>,
    /// The directory on this machine that `copy` is taken from; a relative one is seen from the town's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub copy_from: Option<String>,
    /// How long all of `setup` may take. Default: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration")]
    pub setup_timeout: Option<Duration>,
}

/// How work lands.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.verify) && size(self.verify) > 0) || (has(self.allowUnverified) && self.allowUnverified)").message("nothing would be verified before it lands: give `verify` a command, or say `allowUnverified: true`"))]
pub struct Merge {
    /// What happens with a verified branch.
    pub strategy: Strategy,
    /// Commands that must pass on the merged tree, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub verify: Vec<Check>,
    /// Lets work land without any check. Default: false.
    #[serde(default)]
    pub allow_unverified: bool,
    /// How many merge requests are verified together at most. Default: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub batch: Option<u32>,
    /// What a push does where `repo.url` is a working copy that has the target checked out. Default: `Refuse`.
    #[serde(default)]
    pub when_checked_out: WhenCheckedOut,
}

/// What happens with a verified branch.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum Strategy {
    /// The target is fast-forwarded to it.
    Push,
    /// It is rebased and left as `gastown/<bead>` for people to merge; it counts as merged once it is found on the target.
    Branch,
}

/// What a push does to a working copy that has the target checked out.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum WhenCheckedOut {
    /// It is refused, and the rig says `TargetCheckedOut`.
    #[default]
    Refuse,
    /// The working copy is updated too, if it has no uncommitted changes (git's `updateInstead`).
    Update,
}

/// One verification command.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// What it is called in logs; unique in the list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// Shell text, run in a clean worktree of the merged tree.
    #[schemars(length(min = 1, max = 8192))]
    pub run: String,
    /// How long it may take. Default: `10m`. Over it, the check could not run: tried again, and red if it stays so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration")]
    pub timeout: Option<Duration>,
}

/// Who the commits are by.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// The author of polecats' commits. Default: `<polecat> <polecat@town.invalid>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Person>,
    /// The committer of what lands. Default: `Gas Town <refinery@town.invalid>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committer: Option<Person>,
}

/// The status of a rig, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RigStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `BaseRed`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The target branch in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit at its tip, as last fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// When the remote was last asked for news, other than because of a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub fetched: Option<Timestamp>,
    /// The value of the annotation `gastown.io/refresh` for which that was done last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub refreshed: Option<String>,
    /// Merge requests that have not landed yet.
    #[serde(default)]
    pub queued: u32,
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

observed!(RigStatus, consecutive_failures);
