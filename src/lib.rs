//! `gt` is a control plane for coding agents: a declared town that is reconciled until its work has landed.

pub mod api;
pub mod clock;
pub mod world;
