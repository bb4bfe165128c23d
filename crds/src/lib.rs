//! WHAT can be asked: the kinds of a town as Kubernetes custom resources, each in a file of its own with its CRD beside it.
//!
//! Invariant: nothing here reads a file, a clock or the environment.

pub mod common;

pub mod town;

pub mod rig;

pub mod runtime;

pub mod formula;

pub mod convoy;

pub mod bead;

pub mod polecat;

pub mod merge_request;

pub mod names;

pub mod schema;

pub mod manifest;

pub mod admission;

pub mod graph;

pub mod formula_text;

pub use bead::{Bead, BeadSpec, BeadStatus};
pub use convoy::{Convoy, ConvoySpec, ConvoyStatus};
pub use formula::{Formula, FormulaSpec, FormulaStatus};
pub use merge_request::{MergeRequest, MergeRequestSpec, MergeRequestStatus};
pub use polecat::{Polecat, PolecatSpec, PolecatStatus};
pub use rig::{Rig, RigSpec, RigStatus};
pub use runtime::{Runtime, RuntimeSpec, RuntimeStatus};
pub use town::{Town, TownSpec, TownStatus};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// Every kind's definition, in the order in which a reader meets them.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        Town::crd(),
        Rig::crd(),
        Runtime::crd(),
        Formula::crd(),
        Convoy::crd(),
        Bead::crd(),
        Polecat::crd(),
        MergeRequest::crd(),
    ]
}
