//! One folder or file for each kind: its index, its settings, its controllers and what these watch.
//!
//! To add a kind: its file, one line in [`visit_watched`], and one in [`CONTROLLERS`] for each controller that it has.

pub mod town;

pub mod runtime;

pub mod formula;

pub mod convoy;

pub mod bead;

pub mod polecat;

pub mod rig;

pub mod merge_request;

pub mod source;

use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Source, Town};

use crate::key::Controller;
use crate::objects::Watched;

/// Something that is done for each watched kind.
pub trait Visitor {
    /// Does it for one.
    fn visit<K: Watched>(&mut self);
}

/// Visits every kind whose objects are held in memory.
pub fn visit_watched(visitor: &mut impl Visitor) {
    visitor.visit::<Town>();
    visitor.visit::<Rig>();
    visitor.visit::<Runtime>();
    visitor.visit::<Formula>();
    visitor.visit::<Convoy>();
    visitor.visit::<Bead>();
    visitor.visit::<Polecat>();
    visitor.visit::<MergeRequest>();
    visitor.visit::<Source>();
}

/// Every controller, in the order in which their keys come of those that are woken at once.
pub static CONTROLLERS: &[&Controller] = &[
    &town::CONTROLLER,
    &town::NOTIFY,
    &source::CONTROLLER,
    &runtime::CONTROLLER,
    &formula::CONTROLLER,
    &rig::CONTROLLER,
    &convoy::CONTROLLER,
    &bead::CONTROLLER,
    &polecat::DISPATCH,
    &polecat::CONTROLLER,
    &merge_request::QUEUE,
];
