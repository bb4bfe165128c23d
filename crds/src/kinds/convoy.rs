//! A `Convoy` is a batch of work to land, across rigs: a terminal goal, like a Job.

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::admission;
use crate::common::{Condition, NameValue, observed, types};
use crate::kinds::bead::BeadType;
use crate::kinds::{Column, Compiled, Kind, NamedBy, Reference, Registered, Role};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Convoy",
    singular: "convoy",
    plural: "convoys",
    short_names: &["cv"],
    purpose: "a batch of work across rigs; lands once",
    columns: &[
        Column::text("Landed", r#".status.conditions[?(@.type=="Landed")].status"#),
        Column::text("Beads", ".status.progress"),
        Column::text("Reason", r#".status.conditions[?(@.type=="Landed")].reason"#),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::LANDED, types::LEFT_TARGET],
    references: &[
        Reference { field: "rig", kind: "Rig" },
        Reference { field: "formula", kind: "Formula" },
        Reference { field: "runtime", kind: "Runtime" },
        Reference { field: "beads[].rig", kind: "Rig" },
        Reference { field: "beads[].formula", kind: "Formula" },
        Reference { field: "beads[].runtime", kind: "Runtime" },
    ],
    not_declared: &[],
    check_among: admission::convoy::check,
    named_by: NamedBy::People,
    has_overrides: true,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_convoys.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Convoy {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// A batch of work.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Convoy",
    doc = "A `Convoy` is a batch of work to land, across rigs: a terminal goal, like a Job.",
    namespaced,
    status = "ConvoyStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63 && !self.metadata.name.contains('.')").message("a convoy's name has at most 63 characters and no dot: it is a label on its beads")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.beads) && size(self.beads) > 0) || (has(self.tracks) && size(self.tracks) > 0)").message("a convoy says what it wants done: in `beads`, which it makes, or in `tracks`, which are there"))]
pub struct ConvoySpec {
    /// What it is for, in a line; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub title: Option<String>,
    /// The Rig of beads that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub rig: Option<String>,
    /// The Formula of beads that name none. Default: `work`, one step that runs the bead's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub formula: Option<String>,
    /// The Runtime that works on beads that name none. Default: their polecat's, else their rig's, else the town's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// The work that it makes beads for. It may be left out where `tracks` names some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 500))]
    pub beads: Vec<ConvoyBead>,
    /// Beads that are there already, as `bd create` files them; of an epic also its parts, and theirs, as they come.
    /// They are asked for while they stand here, and the convoy lands once they are closed. One that is taken out goes
    /// back to the backlog; what is worked on is finished. Of a bead that another convoy has made, only the end is
    /// waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["bead".into()]))]
    #[schemars(length(max = 500))]
    pub tracks: Vec<ConvoyTrack>,
    /// Beads worked on at once. Default: as many as the town allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub parallelism: Option<u32>,
    /// Nothing more is dispatched; what runs goes on. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// What becomes of a bead that is worked on, or landing, when it is taken out of the convoy, or the convoy is deleted.
    /// Default: `Finish`.
    #[serde(default)]
    pub on_remove: OnRemove,
    /// People are told when it has landed, and when it does not land without one of them, by the command of the Town's `notify`;
    /// also where the `events` of that leave it out. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<bool>,
    /// Counts up to run the whole batch again; a landed bead never runs twice in one run. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub run: Option<u32>,
}

/// What becomes of a bead that is worked on, or landing, when its convoy no longer wants it.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum OnRemove {
    /// It is finished, and lands.
    #[default]
    Finish,
    /// It is withdrawn: its session is ended, what it has made is kept on a rescue ref, and its branch does not land.
    Cancel,
}

/// A bead that a convoy tracks.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConvoyTrack {
    /// The Bead's name. While there is none of this name, the convoy waits, and says so.
    #[schemars(length(min = 1, max = 253))]
    pub bead: String,
}

/// One bead of a convoy, as people write it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.type) || self.type in ['Task', 'Bug', 'Feature', 'Chore', 'Decision', 'Spike', 'Story']").message("nobody is sent to work on a bead of this type: choose another, such as Task"))]
pub struct ConvoyBead {
    /// Its name; unique in the convoy.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What is to be done, in a line; the subject of its commit.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// What is to be done, in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub description: Option<String>,
    /// What sort of work it is. Default: `Task`.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "type")]
    pub type_: Option<BeadType>,
    /// 0 (first) to 4 (last). Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4))]
    pub priority: Option<u32>,
    /// Beads that must be closed before: those of this convoy by their names in it, those of another as `convoy/bead`,
    /// and any other by the name of its object. It is made once they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    pub needs: Vec<String>,
    /// One of several attempts at the same thing, those of the convoy that say the same word here. The first that lands
    /// wins; the others are withdrawn, and what they have made is kept, on rescue refs and with their merge requests.
    /// They count as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub competition: Option<String>,
    /// The Rig it is for. Default: the convoy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub rig: Option<String>,
    /// The Formula it is worked by. Default: the convoy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub formula: Option<String>,
    /// The Runtime that works on it, from the next attempt on. Default: the convoy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub runtime: Option<String>,
    /// Shell text that does it, for the `script` runtime; `{{command}}` in a formula.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub command: Option<String>,
    /// Values for the formula's vars.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 64))]
    pub vars: Vec<NameValue>,
}

/// What a bead of a convoy needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need<'a> {
    /// A bead of the same convoy, by its name in it.
    Own(&'a str),
    /// A bead of another convoy.
    Of {
        /// The convoy.
        convoy: &'a str,
        /// The bead's name in it.
        bead: &'a str,
    },
    /// Any bead, by the name of its object.
    Bead(&'a str),
}

impl ConvoySpec {
    /// What a need of one of its beads names; `own` is the convoy's name.
    pub fn need<'a>(&self, own: &str, need: &'a str) -> Need<'a> {
        match need.split_once('/') {
            Some((convoy, bead)) if convoy == own => Need::Own(bead),
            Some((convoy, bead)) => Need::Of { convoy, bead },
            None if self.bead(need).is_some() => Need::Own(need),
            None => Need::Bead(need),
        }
    }

    /// The bead that it calls so.
    pub fn bead(&self, name: &str) -> Option<&ConvoyBead> {
        self.beads.iter().find(|bead| bead.name == name)
    }

    /// How many pieces of work it wants of its own: attempts at the same thing are one.
    pub fn units(&self) -> usize {
        let competitions: BTreeSet<&str> = self.beads.iter().filter_map(|bead| bead.competition.as_deref()).collect();
        self.beads.iter().filter(|bead| bead.competition.is_none()).count() + competitions.len()
    }

    /// How many pieces of work it wants, those of others that it names included; of an epic's parts nothing is known.
    pub fn size(&self) -> usize {
        self.units() + self.tracks.len()
    }

    /// The other attempts at the same thing as that of the bead that it calls so.
    pub fn rivals(&self, name: &str) -> impl Iterator<Item = &ConvoyBead> {
        let competition = self.bead(name).and_then(|bead| bead.competition.as_ref());
        let others = self.beads.iter().filter(move |bead| bead.name != name);
        others.filter(move |bead| competition.is_some() && bead.competition.as_ref() == competition)
    }

    /// Whether a bead of it needs one that is not of it.
    pub fn needs_others(&self, own: &str) -> bool {
        let mut needs = self.beads.iter().flat_map(|bead| &bead.needs);
        needs.any(|need| !matches!(self.need(own, need), Need::Own(_)))
    }
}

/// The status of a convoy, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConvoyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Landed`, `LeftTarget`.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Closed beads of all, such as `5/6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Beads that a polecat works on.
    #[serde(default)]
    pub working: u32,
    /// Beads that wait for something.
    #[serde(default)]
    pub waiting: u32,
    /// Beads in the merge queue.
    #[serde(default)]
    pub landing: u32,
    /// Beads closed.
    #[serde(default)]
    pub closed: u32,
    /// Beads set aside for a person.
    #[serde(default)]
    pub set_aside: u32,
    /// How many times in a row the thing has failed that its conditions report; it is tried again, with back-off. 0 while
    /// nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

observed!(ConvoyStatus, consecutive_failures);
