//! WHAT to do: per kind a pure function from what is declared and what was seen to a Plan.
//!
//! Invariant: nothing here does I/O, reads a clock or draws at random; the same World gives the same Plan.

pub mod seen;

pub mod world;

pub mod backoff;
pub mod landing;
