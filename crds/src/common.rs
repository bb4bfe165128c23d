//! The shared pieces of every kind: conditions, references by name, durations and small text types.

use jiff::Timestamp;
pub use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of every kind.
pub const GROUP: &str = "gastown.io";
/// The one version served.
pub const VERSION: &str = "v1alpha1";
/// The category of every kind: `kubectl get gastown` lists them all.
pub const CATEGORY: &str = "gastown";
/// `apiVersion` as it stands in a manifest.
pub const API_VERSION: &str = "gastown.io/v1alpha1";

/// Label on what controllers make: who manages it, as tools of Kubernetes expect it.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL_MANAGED_BY`].
pub const MANAGED_BY: &str = "gt";
/// Label on a Bead: the Convoy that wants it.
pub const LABEL_CONVOY: &str = "gastown.io/convoy";
/// Label on a Bead: what its Convoy calls it.
pub const LABEL_BEAD: &str = "gastown.io/bead";
/// Annotation on a Bead: when people or agents last wrote it, with `bd`.
pub const ANNOTATION_UPDATED: &str = "gastown.io/updated-at";
/// Annotation on a Bead of type Gate: what is different each time that somebody asks for a look at once, with `bd gate check`.
pub const ANNOTATION_GATE_ASKED: &str = "gastown.io/gate-asked";
/// Annotation on the Town: the random identity that everything in the world carries.
pub const ANNOTATION_TOWN_UID: &str = "gastown.io/town-uid";
/// Annotation on what `gt apply` of an earlier release wrote: which labels and annotations were in its file.
pub const ANNOTATION_APPLIED: &str = "gastown.io/applied";
/// Annotation on a Rig or Source: its remote is to be looked at now. The value is any word; a new one is a new look, and the
/// object's `status.refreshed` says when it is done.
pub const ANNOTATION_REFRESH: &str = "gastown.io/refresh";
/// Annotation on a Source: this machine is to take the lease of its remote, whoever holds it. The value is any word; a new one
/// takes it anew, and the object's `status.taken` says when it is done.
pub const ANNOTATION_TAKE: &str = "gastown.io/take";
/// Label on what a Source declares: the source's name.
pub const LABEL_SOURCE: &str = "gastown.io/source";
/// Annotation on what a Source declares: a digest of the manifest that was applied.
pub const ANNOTATION_DECLARED: &str = "gastown.io/declared";
/// Annotation on a Source: the revision that may prune as much as it does. The value is the revision.
pub const ANNOTATION_APPROVE: &str = "gastown.io/approve";
/// Annotation on an object: `Disabled` keeps it when its source no longer declares it.
pub const ANNOTATION_PRUNE: &str = "gastown.io/prune";
/// Annotation on an object: `Disabled` lets its source neither change it nor put it back.
pub const ANNOTATION_RECONCILE: &str = "gastown.io/reconcile";
/// The value that turns something off.
pub const DISABLED: &str = "Disabled";
/// Finalizer on a Polecat: its sandbox is rescued and removed before the object goes.
pub const FINALIZER_SANDBOX: &str = "gastown.io/sandbox";
/// Finalizer on a Source of a remote: its lease there is given up, and its clone is removed, before the object goes.
pub const FINALIZER_CLONE: &str = "gastown.io/clone";
/// Finalizer on a Convoy: its unclaimed beads are withdrawn before the object goes.
pub const FINALIZER_BEADS: &str = "gastown.io/beads";
/// Every finalizer. What waits for one is gone in the end, whatever else is deleted with it: a simulated town tries them all.
pub const FINALIZERS: [&str; 3] = [FINALIZER_SANDBOX, FINALIZER_CLONE, FINALIZER_BEADS];
/// Longest text kept in a status, in bytes; the rest is in the log it points to.
pub const STATUS_TEXT_BYTES_MAX: usize = 4096;

/// Gives an enum the names under which people and scripts see it, as [`std::fmt::Display`] and `as_str`. A test holds that
/// they are what the API says.
macro_rules! shown {
    ($Enum:ident { $($Variant:ident => $name:literal),+ $(,)? }) => {
        impl $Enum {
            /// Its name, as the API has it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        #[cfg(test)]
        impl $Enum {
            /// Every variant.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$Variant),+];
        }
    };
}
pub(crate) use shown;

shown!(ConditionStatus { True => "True", False => "False", Unknown => "Unknown" });

/// Whether a condition holds.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It could not be seen.
    Unknown,
}

/// One aspect of an object's state, in the form of `metav1.Condition`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// The aspect, in CamelCase; unique in the list.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, as one CamelCase word that programs may compare.
    #[schemars(length(min = 1, max = 63))]
    pub reason: String,
    /// Why, for people, with the next step where there is one.
    #[serde(default)]
    #[schemars(length(max = 8192))]
    pub message: String,
    /// When `status` last changed.
    #[schemars(schema_with = "instant")]
    pub last_transition_time: Timestamp,
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// An RFC 3339 instant; jiff itself writes no schema.
pub(crate) fn instant(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

/// The same, of what may not have happened yet.
pub(crate) fn optional_instant(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time", "nullable": true })
}

/// The form of a duration: Go's form, without a sign. Digits are bounded because their sum must fit 64 bits of seconds.
pub const DURATION_PATTERN: &str = r"^([0-9]{1,12}(\.[0-9]{1,9})?(ns|us|µs|ms|s|m|h))+$";

/// A bounded, positive [`Duration`]; `kube` itself writes no bounds, and an apiserver refuses rules on unbounded text.
pub(crate) fn duration(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "nullable": true, "maxLength": 32, "pattern": DURATION_PATTERN })
}

/// The same, of an hour at most: a command that is run time and again.
pub(crate) fn duration_up_to_an_hour(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string", "nullable": true, "maxLength": 32, "pattern": DURATION_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
            "message": "from `1s` to `1h`",
        }],
    })
}

/// The same, of a minute at least, and ten years at most: what polls others' machines.
pub(crate) fn duration_of_minutes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "string", "nullable": true, "maxLength": 32, "pattern": DURATION_PATTERN,
        "x-kubernetes-validations": [{
            "rule": "duration(self) >= duration('1m')",
            "message": "the remote is asked once a minute at most: give `1m` or more",
        }, {
            "rule": "duration(self) <= duration('87600h')",
            "message": "at most ten years: `87600h`",
        }],
    })
}

/// The merge patch that asks for a look now: see [`ANNOTATION_REFRESH`].
pub fn look_now(word: &str) -> serde_json::Value {
    serde_json::json!({ "metadata": { "annotations": { ANNOTATION_REFRESH: word } } })
}

/// The merge patch that asks this machine to take a lease: see [`ANNOTATION_TAKE`].
pub fn take_now(word: &str) -> serde_json::Value {
    serde_json::json!({ "metadata": { "annotations": { ANNOTATION_TAKE: word } } })
}

/// An instant as the Kubernetes API writes instants: in whole seconds.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Finds the condition of one type.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of one type is `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    condition(conditions, type_).is_some_and(|c| c.status == ConditionStatus::True)
}

/// The part that is the same in the status of every kind.
pub trait Observed: Default + Clone + PartialEq + Serialize {
    /// Its conditions.
    fn conditions(&self) -> &[Condition];

    /// How often in a row something has failed that a condition speaks of; 0 for a kind that has no field for it.
    fn failures(&self) -> u32;

    /// Says what was found, and of which generation of the spec. `failures` counts how often in a row something failed that
    /// a condition speaks of; a kind whose controller never fails has no field for it.
    fn observe(&mut self, generation: Option<i64>, conditions: Vec<Condition>, failures: u32);
}

/// Implements [`Observed`] for a status: `observed!(RigStatus, consecutive_failures)`, or without the field.
macro_rules! observed {
    ($Status:ident $(, $failures:ident)?) => {
        impl $crate::common::Observed for $Status {
            fn conditions(&self) -> &[$crate::common::Condition] {
                &self.conditions
            }

            fn failures(&self) -> u32 {
                0 $(+ self.$failures)?
            }

            fn observe(
                &mut self,
                generation: Option<i64>,
                conditions: Vec<$crate::common::Condition>,
                failures: u32,
            ) {
                self.observed_generation = generation;
                self.conditions = conditions;
                // The kinds without the field have nothing to say here.
                let _ = failures;
                $(self.$failures = failures;)?
            }
        }
    };
}
pub(crate) use observed;

/// A name and a value, for lists that a map would make unmergeable.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameValue {
    /// The name; unique in its list.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_.-]*$"))]
    pub name: String,
    /// The value, as text.
    #[schemars(length(max = 8192))]
    pub value: String,
}

/// The author or committer of a commit.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// The name as git prints it.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^<>\n\x00]+$"))]
    pub name: String,
    /// The e-mail address.
    #[schemars(length(min = 3, max = 254), regex(pattern = r"^[^<>\s]+@[^<>\s]+$"))]
    pub email: String,
}

/// Condition types, as constants.
pub mod types {
    /// The object is up and may be used.
    pub const READY: &str = "Ready";
    /// A convoy: every bead it wants is closed.
    pub const LANDED: &str = "Landed";
    /// A merge request: its commits are on the freshly fetched target.
    pub const MERGED: &str = "Merged";
    /// A merge request, bead or convoy: what had landed is not on the target any more.
    pub const LEFT_TARGET: &str = "LeftTarget";
    /// A bead: it is closed.
    pub const CLOSED: &str = "Closed";
    /// A bead: it failed too often, or its branch was deleted, and it waits for a person.
    pub const SET_ASIDE: &str = "SetAside";
    /// A bead: its convoy says otherwise of it, or no longer wants it, since it was begun.
    pub const BEAD_CHANGED: &str = "BeadChanged";
    /// A rig: its own target does not pass verification.
    pub const BASE_RED: &str = "BaseRed";
    /// A town: something it would use is missing here.
    pub const DEGRADED: &str = "Degraded";
    /// An account of a town: sessions are started by it.
    pub const AVAILABLE: &str = "Available";
    /// A town: its `notify` fails, so that people are not told.
    pub const NOTIFY_FAILED: &str = "NotifyFailed";
    /// A town: so little memory is free that no session is started. As of a Kubernetes Node.
    pub const MEMORY_PRESSURE: &str = "MemoryPressure";
    /// A town: so little disk is free that no session is started. As of a Kubernetes Node.
    pub const DISK_PRESSURE: &str = "DiskPressure";
    /// A source: something that it declares was changed by somebody else, and is not put back yet.
    pub const DRIFTED: &str = "Drifted";
    /// A source: a revision is being applied. As kstatus has it, only while it is so.
    pub const RECONCILING: &str = "Reconciling";
    /// A source: a revision cannot be applied before a person does something. As kstatus has it, only while it is so.
    pub const STALLED: &str = "Stalled";
    /// A runtime: this machine holds its sessions to `resources.limits`.
    pub const LIMITS_ENFORCED: &str = "LimitsEnforced";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bead::{
        BeadState, BeadType, ChildrenGate, CloseReason, GateType, OnTimeout, ReworkKind, Waiting, WispType,
    };
    use crate::merge_request::MergeState;
    use crate::overrides::Mode;
    use crate::polecat::PolecatState;
    use crate::source::RevisionResult;

    fn assert_shown_as_written<T: Serialize + std::fmt::Display>(all: &[T]) {
        for value in all {
            assert_eq!(serde_json::to_value(value).unwrap(), value.to_string());
        }
    }

    #[test]
    fn enums_are_shown_as_the_api_writes_them() {
        assert_shown_as_written(ConditionStatus::ALL);
        assert_shown_as_written(Waiting::ALL);
        assert_shown_as_written(BeadType::ALL);
        assert_shown_as_written(ChildrenGate::ALL);
        assert_shown_as_written(GateType::ALL);
        assert_shown_as_written(OnTimeout::ALL);
        assert_shown_as_written(WispType::ALL);
        assert_shown_as_written(CloseReason::ALL);
        assert_shown_as_written(BeadState::ALL);
        assert_shown_as_written(ReworkKind::ALL);
        assert_shown_as_written(MergeState::ALL);
        assert_shown_as_written(PolecatState::ALL);
        assert_shown_as_written(Mode::ALL);
        assert_shown_as_written(RevisionResult::ALL);
    }
}
