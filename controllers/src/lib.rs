//! WHAT to do: per kind a pure function from what is declared and what was seen to a Plan.
//!
//! Invariant: nothing here does I/O, reads a clock or draws at random; the same View gives the same Plan.

pub mod kinds;

pub mod key;

pub mod objects;

pub mod watches;

pub mod view;

pub mod plan;

pub mod conditions;

pub mod happened;
pub mod holds;

pub mod draft;

pub mod told;
pub mod tries;

pub mod backoff;

pub mod world;

pub mod seen;

pub use kinds::*;
