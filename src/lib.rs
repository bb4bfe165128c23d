//! `gt` is a control plane for coding agents: a declared town that is reconciled until its work has landed.

pub mod api;
pub mod clock;
pub mod engine;
pub mod town;
pub mod world;
