//! The parts of a bead that people and agents keep about the work: its ties to other beads, and what was said of it.
//!
//! The words are those of Beads, whose record this is (its `dependencies` and `comments`).

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::shown;

/// The type of a link to a bead that must have failed before this one is of use: the other blocks until it is closed, and where
/// that went well, this one is skipped.
pub const CONDITIONAL_BLOCKS: &str = "conditional-blocks";
/// The custom type of a merge slot: a bead whose metadata says who may merge now.
pub const MERGE_SLOT: &str = "slot";
/// The most comments on a bead, as its schema has it.
pub const COMMENTS_MAX: usize = 200;
/// The type of a link to a bead whose children must be closed before: see [`ChildrenGate`].
pub const WAITS_FOR: &str = "waits-for";
/// The status of a bead that stays open for ever, blocks nothing and is never ready: a note to whoever comes by.
pub const PINNED: &str = "pinned";

/// Parents above a bead that are looked at: Beads has three levels.
pub const PARENTS_MAX: usize = 16;

/// A tie to another bead, beyond what must be closed before (`needs`) and what it is a part of (`parent`).
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// The other bead. One that does not exist blocks nothing.
    #[schemars(length(min = 1, max = 253))]
    pub to: String,
    /// How they are tied, in Beads' words. `waits-for` and `conditional-blocks` block; others, such as `discovered-from`,
    /// `related`, `duplicates`, `supersedes` or a word of your own, are for people to read.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 50))]
    pub type_: String,
    /// Of `waits-for`: how many children of the other bead are waited for. Default: AllChildren.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<ChildrenGate>,
}

impl Link {
    /// Whether a bead may have to wait for the other.
    pub fn blocks(&self) -> bool {
        [CONDITIONAL_BLOCKS, WAITS_FOR].contains(&self.type_.as_str())
    }
}

/// How many children of a bead are waited for.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum ChildrenGate {
    /// All of them are closed.
    #[default]
    AllChildren,
    /// One of them is closed.
    AnyChildren,
}

shown!(ChildrenGate { AllChildren => "AllChildren", AnyChildren => "AnyChildren" });

/// Something that was said about a bead.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Comment {
    /// Its name in the list.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Who said it.
    #[schemars(length(max = 253))]
    pub author: String,
    /// What was said.
    #[schemars(length(max = 65536))]
    pub text: String,
    /// When.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
}
