//! A `Town` is the whole: how much may run here at once, and how failures are retried. There is one per namespace.

mod accounts;

pub use accounts::{Account, AccountStatus};

mod notify;

pub use notify::{NOTIFICATIONS_MAX, Notification, NotificationState, Notify, NotifyEvent};

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{Condition, Duration, observed, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};
use crate::quantity::Bytes;

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Town",
    singular: "town",
    plural: "towns",
    short_names: &["tn"],
    purpose: "how much may run at once, how failures are retried; one per namespace",
    columns: &[
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::number("Working", ".status.polecatsWorking"),
        Column::number("Capacity", ".status.polecatsMax"),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::READY, types::DEGRADED, types::MEMORY_PRESSURE, types::DISK_PRESSURE, types::NOTIFY_FAILED],
    references: &[
        Reference { field: "runtime", kind: "Runtime" },
        Reference { field: "accounts[].runtimes[]", kind: "Runtime" },
    ],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::People,
    has_overrides: true,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_towns.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Town {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// The desired state of a town.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Town",
    doc = "A `Town` is the whole: how much may run here at once, and how failures are retried. There is one per namespace.",
    namespaced,
    status = "TownStatus",
    derive = "PartialEq",
    validation = Rule::new("self.metadata.name == 'town'").message("a town's name must be `town`: there is one per namespace")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TownSpec {
    /// Parked: nothing is dispatched, fetched or landed in the whole town. What runs goes on. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// How much may run at once.
    #[serde(default)]
    pub capacity: Capacity,
    /// The Runtime that works on beads whose rig names none. Default: `script`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// How far agents are trusted. Default: `None`.
    #[serde(default, skip_serializing_if = "Trust::is_default")]
    pub trust: Trust,
    /// How failures are retried.
    #[serde(default)]
    pub retry: Retry,
    /// How many failed attempts a bead gets before it is set aside for a person. Default: 6, as a Job's `backoffLimit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub backoff_limit: Option<u32>,
    /// A command that tells people that something needs them. Default: nobody is told, but by `gt status` and
    /// `gt wait --needs-me`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
    /// The accounts that sessions work by, those first that are used first. Default: each Runtime has one, which is its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 32))]
    pub accounts: Vec<Account>,
}

/// How far agents are trusted. A person decides it, once for the town.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum Trust {
    /// No session is started of a Runtime that has `skipsPermissions: true`.
    #[default]
    None,
    /// Agents may run any command and change any file as the user that the town runs as, and nobody is asked.
    Full,
}

impl Trust {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much may run at once.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// Polecats working at once in the whole town; with 0 nothing is dispatched. Default: `max(1, min(3, cores/2))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub polecats: Option<u32>,
    /// Jobs of this machine (setup, verify, and whatever is done with a repository here) at once in the whole town. Default:
    /// the number of cores, at least 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub jobs: Option<u32>,
    /// Clones, fetches and pushes over the network at once in the whole town. They mostly wait. Default: 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub transfers: Option<u32>,
    /// No session is started while less memory is free, such as `2Gi`. Default: `1Gi`, or a quarter of the machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub min_free_memory: Option<Bytes>,
    /// No session is started while less disk is free where the town keeps its data, such as `10Gi`. Default: `5Gi`, or a
    /// twentieth of that disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub min_free_disk: Option<Bytes>,
}

/// Exponential back-off with jitter.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// The first delay, such as `1s`. Default: `1s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration")]
    pub initial_delay: Option<Duration>,
    /// The longest delay, such as `5m`. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration")]
    pub max_delay: Option<Duration>,
}

/// What events say of a town's mode.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ModeOnRecord {
    /// Whether it is degraded.
    pub degraded: bool,
    /// How often that has changed.
    pub changes: u32,
}

/// The status of a town, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TownStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Degraded`, `MemoryPressure`, `DiskPressure`; with `notify` also `NotifyFailed`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Polecats with a bead on their hook, without those that wait with it.
    #[serde(default)]
    pub polecats_working: u32,
    /// The capacity in effect: the smallest of the town's and the machine's.
    #[serde(default)]
    pub polecats_max: u32,
    /// No session is started while less memory is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub min_free_memory: Option<Bytes>,
    /// No session is started while less disk is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::quantity::bytes")]
    pub min_free_disk: Option<Bytes>,
    /// What events last said of its mode; none while it has never been degraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ModeOnRecord>,
    /// What people were told by `notify`, and are to be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub notifications: Vec<Notification>,
    /// The accounts that are declared, and those that were refused lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 100))]
    pub accounts: Vec<AccountStatus>,
}

observed!(TownStatus);
