//! A `Runtime` says how an agent is run: the program, its environment, and what it expects when its work comes back.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{Condition, NameValue, observed, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Registered, Role};
use crate::quantity::{Bytes, Cpu};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Runtime",
    singular: "runtime",
    plural: "runtimes",
    short_names: &["rt"],
    purpose: "how an agent is run; `claude`, `codex`, `gemini`, `opencode` and `script` are built in",
    columns: &[
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::text("Command", ".spec.command[0]"),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::READY, types::LIMITS_ENFORCED],
    references: &[],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::People,
    has_overrides: false,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_runtimes.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Runtime {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// How an agent is run.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Runtime",
    doc = "A `Runtime` says how an agent is run: the program, its environment, and what it expects when its work comes back.",
    namespaced,
    status = "RuntimeStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')").message("a runtime's name has at most 63 characters and no dot")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeSpec {
    /// The program and its arguments, started in the worktree. `gt:script` names the script agent built into `gt`. As in a Pod,
    /// `$(NAME)` stands for a variable of the session, here and in `start`, `resume`, `env` and `files`; `$$(NAME)` for itself.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 4096)))]
    pub command: Vec<String>,
    /// Arguments that follow `command` where a conversation is begun, such as `$(GT_PROMPT)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 4096)))]
    pub start: Vec<String>,
    /// Arguments that follow `command` where the conversation of an earlier attempt at the same bead, in the same worktree, goes on:
    /// `$(GT_CONVERSATION)` names it. Default: each attempt begins a conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 4096)))]
    pub resume: Vec<String>,
    /// How a conversation gets the id that `resume` names it by. Default: `Reported`.
    #[serde(default, skip_serializing_if = "ConversationId::is_default")]
    pub conversation: ConversationId,
    /// The variable in which the agent's tools see the id of its conversation: `gt prime`, `gt hook` and `gt done` report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub session_variable: Option<String>,
    /// What the agent is told first where a conversation begins: `$(GT_PROMPT)`. Default: to run `gt prime` and follow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub prompt: Option<String>,
    /// What the agent is told first where a conversation goes on: `$(GT_PROMPT)`. Default: that it was interrupted, and to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub resume_prompt: Option<String>,
    /// How the agent is given the prompt. Default: `Argument`.
    #[serde(default, skip_serializing_if = "PromptDelivery::is_default")]
    pub prompt_delivery: PromptDelivery,
    /// The form of the reports of its hooks, which call `gt __hook`: what they say becomes the state of its polecats. Default: `None`,
    /// it reports nothing.
    #[serde(default, skip_serializing_if = "Dialect::is_default")]
    pub dialect: Dialect,
    /// How often in a row an agent whose turn ends while there is work on its hook is sent on, by its `Stop` hook, before it is
    /// left idle. What it does of the work meanwhile begins the count anew. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub keep_at_work: Option<u32>,
    /// What becomes of a conversation that is nearly too long for its model, where the agent's program reports that (`PreCompact`).
    /// Default: `Compact`.
    #[serde(default, skip_serializing_if = "OnContextPressure::is_default")]
    pub on_context_pressure: OnContextPressure,
    /// The program and its arguments that ask an earlier conversation a question, for `gt seance`: `$(GT_CONVERSATION)` and
    /// `$(GT_PROMPT)`. It answers on standard output, goes on in a copy, and changes nothing. Default: it cannot be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 4096)))]
    pub seance: Vec<String>,
    /// Whether the agent is told not to ask before it runs a command or changes a file. Its sessions are started only where the
    /// Town has `trust: Full`. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skips_permissions: bool,
    /// Variables added to the session's environment. As in a Pod, `$(NAME)` in a value stands for a variable of the session, one of
    /// an entry before it included. No secrets: they are kept in git, see `envFrom`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub env: Vec<NameValue>,
    /// Where variables come from whose values are nobody's to read here, such as keys: they are read each time a session is started,
    /// and the town keeps them nowhere. Of two with one name, the later entry's counts, and `env` goes before all. `$(NAME)` does not
    /// see them: what it stands for is kept on disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub env_from: Vec<EnvSource>,
    /// Variables that the session does not inherit from the controller; a name that ends in `*` stands for all that begin so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*\*?$")))]
    pub unset_env: Vec<String>,
    /// Files that are written into `$(GT_RUN)`, a folder of the attempt outside the worktree, before the agent is started. For the
    /// eyes of the town's user alone. No secrets: they are kept in git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub files: Vec<RuntimeFile>,
    /// The seconds that a session has to end, with all that its agent started, once it is sent TERM; then it is killed. It holds for
    /// sessions that are started from then on. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 300))]
    pub termination_grace_period_seconds: Option<u32>,
    /// What the branch holds when work comes back red or conflicting. Default: `Continue`.
    #[serde(default)]
    pub on_rework: OnRework,
    /// What one session may use, with all that its agent starts, and what it is taken to need: as a container's `resources`.
    #[serde(default)]
    pub resources: Resources,
}

/// A source of variables: a file, or a command.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.file) != has(self.command)").message("give either `file` or `command`"))]
pub struct EnvSource {
    /// A file of lines `NAME=VALUE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<EnvFile>,
    /// A command that prints a value, or such lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<EnvCommand>,
}

/// A file of lines `NAME=VALUE`, read as `kubectl create secret --from-env-file` does: a value is all that follows the first `=`,
/// quotes included; blank lines and those that begin with `#` say nothing; a `NAME` alone passes on the controller's own variable.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvFile {
    /// Where it is: absolute, or `~/` and what follows in the home folder of the town's user. It has to belong to that user and be
    /// closed to others (`chmod 600`), and has at most 48 KiB.
    #[schemars(length(min = 1, max = 4096), regex(pattern = r"^(~/|/)."))]
    pub path: String,
    /// Whether a session is started all the same where there is no such file. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A command that the controller runs, in the town's folder and with its own environment. It has to end with 0.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvCommand {
    /// The program and its arguments, such as `[pass, show, anthropic]`. No shell reads them.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 4096)))]
    pub argv: Vec<String>,
    /// The variable whose value it prints, without the newlines at its end. Default: it prints lines `NAME=VALUE`, as in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// The longest that it may take; then it has failed. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 30))]
    pub timeout_seconds: Option<u32>,
}

/// How a conversation gets its id.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum ConversationId {
    /// The agent chooses it, and reports it by its hooks (`gt __hook`) or in `sessionVariable`.
    #[default]
    Reported,
    /// The town chooses a UUID: `$(GT_CONVERSATION)` is set from the start. That it is there is reported all the same.
    Assigned,
}

impl ConversationId {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a conversation that is nearly too long for its model.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum OnContextPressure {
    /// The agent's program makes it shorter, and the agent is told again what `gt prime` says.
    #[default]
    Compact,
    /// It is handed off: the town writes a note, and a successor begins a conversation in the same worktree.
    Handoff,
}

impl OnContextPressure {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How an agent is given its prompt.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum PromptDelivery {
    /// Where the Runtime names it: as `$(GT_PROMPT)` in `start`, `resume`, `env` and `files`.
    #[default]
    Argument,
    /// It is typed, once the program shows an empty prompt on its screen, and sent. For programs that take none as an argument.
    Paste,
    /// The program reads it from its standard input, to the end. For programs without a screen.
    Stdin,
}

impl PromptDelivery {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whose form an agent's reports have.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum Dialect {
    /// It reports nothing.
    #[default]
    None,
    /// That of Claude Code.
    Claude,
    /// That of Codex.
    Codex,
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Claude => "Claude",
            Self::Codex => "Codex",
        })
    }
}

impl Dialect {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A file of an attempt.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeFile {
    /// Its name in `$(GT_RUN)`; unique in its list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// Its text.
    #[schemars(length(max = 65536))]
    pub content: String,
}

/// What one session may use, and what it is taken to need.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.requests) || !has(self.requests.memory) || !has(self.limits) || !has(self.limits.memory) || quantity(string(self.requests.memory)).compareTo(quantity(string(self.limits.memory))) <= 0").message("requests.memory must not be greater than limits.memory"))]
pub struct Resources {
    /// The kernel holds the session to these, where it can: see the condition `LimitsEnforced`.
    #[serde(default)]
    pub limits: Limits,
    /// What must be free for a session to be started.
    #[serde(default)]
    pub requests: Requests,
}

/// What one session may use at most.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.memory) || quantity(string(self.memory)).compareTo(quantity('16Mi')) >= 0").message("a session cannot live in less than 16Mi"))]
#[x_kube(validation = Rule::new("!has(self.cpu) || quantity(string(self.cpu)).compareTo(quantity('10m')) >= 0").message("a session cannot live on less than 10m, a hundredth of a core"))]
pub struct Limits {
    /// Memory, such as `4Gi`, without swap. Over it, the kernel kills the largest of the session's processes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub memory: Option<Bytes>,
    /// Cores, such as `2` or `500m`. Over it, the session waits. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::cpu")]
    pub cpu: Option<Cpu>,
}

/// What one session is taken to need. The kernel is not told: it is for deciding whether there is room for one more.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requests {
    /// Memory, such as `2Gi`: so much has to be free to start a session, beside the town's `capacity.minFreeMemory`, and counts as
    /// used until the session is at work. Default: nothing beside it, and `512Mi`, or the limit if that is less, counts as used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub memory: Option<Bytes>,
}

/// What the branch holds when work comes back.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum OnRework {
    /// The commits handed in; the agent rebases and repairs them.
    #[default]
    Continue,
    /// Nothing: a fresh branch from the present target. For agents that simply do the work again.
    Restart,
}

/// The status of a runtime, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`; with `resources.limits` also `LimitsEnforced`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

observed!(RuntimeStatus);
