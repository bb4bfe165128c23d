//! Beads' own record of a piece of work, and how the beads of a town are told in it and made of it. Pure: nothing is read or written
//! here.
//!
//! The town's own kind is [`gastown_crds::Bead`]; what has happened is a [`gastown_crds::BeadEvent`]. Beads has one record for both,
//! which tools and trackers exchange as lines of JSON. What a line says that the town's kinds have no field for is kept beside the
//! object as it was ([`kept`]), so that what was taken in goes out again byte by byte until somebody changes it.

pub mod words;

pub mod ids;

pub mod slim;

pub mod issue;

pub mod kept;

pub mod line;

pub mod incoming;

pub mod query;

pub mod times;

pub mod plan;

pub mod forge;
pub mod graph_plan;
