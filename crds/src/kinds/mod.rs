//! The registry of kinds: each has a row of data beside its type; here they stand in the order in which they are applied.
//!
//! Server, admission, access of agents, CLI and docs read the rows. To add a kind: its file here with type and row, one
//! line in each of the three lists below, and what the test `tidy` then asks for.

mod kind;

pub mod town;

pub mod runtime;

pub mod formula;

pub mod rig;

pub mod polecat;

pub mod convoy;

pub mod bead;

pub mod bead_event;

pub mod merge_request;

pub mod source;

pub use bead::{Bead, BeadSpec, BeadStatus};
pub use bead_event::{BeadEvent, BeadEventSpec};
pub use convoy::{Convoy, ConvoySpec, ConvoyStatus};
pub use formula::{Formula, FormulaSpec, FormulaStatus};
pub use kind::{Column, Compiled, EACH, Kind, NamedBy, Reference, Registered, Retained, Role};
pub use merge_request::{MergeRequest, MergeRequestSpec, MergeRequestStatus};
pub use polecat::{Polecat, PolecatSpec, PolecatStatus};
pub use rig::{Rig, RigSpec, RigStatus};
pub use runtime::{Runtime, RuntimeSpec, RuntimeStatus};
pub use source::{Source, SourceSpec, SourceStatus};
pub use town::{Town, TownSpec, TownStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// Every kind, in the order of their dependencies: a town first, then what beads are made by. Their order is the order in
/// which objects are applied.
pub static KINDS: &[&Kind] = &[
    &town::KIND,
    &source::KIND,
    &runtime::KIND,
    &formula::KIND,
    &rig::KIND,
    &polecat::KIND,
    &convoy::KIND,
    &bead::KIND,
    &bead_event::KIND,
    &merge_request::KIND,
];

/// Every kind's definition as its type and its row say it: what the committed YAML is generated from and compared with.
/// Slow, because the schemas are derived anew: programs read [`Kind::definition`].
pub fn generated() -> Vec<CustomResourceDefinition> {
    vec![
        kind::generated::<Town>(),
        kind::generated::<Source>(),
        kind::generated::<Runtime>(),
        kind::generated::<Formula>(),
        kind::generated::<Rig>(),
        kind::generated::<Polecat>(),
        kind::generated::<Convoy>(),
        kind::generated::<Bead>(),
        kind::generated::<BeadEvent>(),
        kind::generated::<MergeRequest>(),
    ]
}
