//! `gt` is a control plane for coding agents: a declared town that is reconciled until its work has landed.

pub mod api;
pub mod bd;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod engine;
pub mod guard;
pub mod insight;
pub mod manifests;
pub mod town;
pub mod world;
