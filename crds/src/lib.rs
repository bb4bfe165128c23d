//! WHAT can be asked: the kinds of a town as Kubernetes custom resources, and what a manifest may say of them.
//!
//! Invariant: nothing here reads a file, a clock or the environment.

pub mod kinds;

pub mod common;

pub mod quantity;

pub mod reason;

pub mod access;

pub mod overrides;

pub mod actor;

pub mod names;

pub mod branch;

pub mod suggest;

pub mod merge_patch;

pub mod schema;

pub mod apply;

pub mod manifest;

pub mod admission;

pub mod declared;

pub mod graph;

pub mod order;

pub mod formula_text;

mod shell_text;

pub mod session_variables;

pub mod url;

pub use kinds::*;
