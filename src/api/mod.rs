//! The embedded Kubernetes API.

pub mod store;
