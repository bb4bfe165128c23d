//! crds

pub mod schema;
