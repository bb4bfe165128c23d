//! WHAT to do: per kind a pure function from what is declared and what was seen to a Plan.
//!
//! Invariant: nothing here does I/O, reads a clock or draws at random; the same View gives the same Plan.

pub mod reconcile;

pub mod town;

pub mod runtime;

pub mod formula;

pub mod convoy;

pub mod bead;

pub mod molecule;

pub mod dispatch;

pub mod polecat;

pub mod rig;

pub mod merge;

pub mod landing;

pub mod wakes;

pub mod plan;

pub mod view;

pub mod objects;

pub mod world;

pub mod seen;

pub mod tries;

pub mod settings;

pub mod backoff;

pub mod conditions;
