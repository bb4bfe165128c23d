//! `gt` is a control plane for coding agents: a declared town that is reconciled until its work has landed.
//!
//! The parts are crates, so that the compiler holds the walls between them; here are people's commands, and the manifests
//! that every town gets. The parts are named here once, for the commands and the tests.

pub mod cli;
pub mod manifests;

pub use gastown_agent as agent;
pub use gastown_api as api;
pub use gastown_base::{causes, clock, text};
pub use gastown_bd as bd;
pub use gastown_connect as connect;
pub use gastown_engine as engine;
pub use gastown_insight as insight;
pub use gastown_ledger as ledger;
pub use gastown_world::{self as world, town};
