//! The embedded API, as an unmodified kube client meets it: its verbs, its watches, and the store below.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod apply;
mod copy;
mod costs;
mod events;
mod ledger;
mod lost;
mod openapi;
mod patch;
mod recorded;
mod semantics;
mod socket;
mod store;
mod strict;
mod watch;
