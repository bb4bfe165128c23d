//! The controllers: what each plans for a scene of objects and facts, and who looks again when something changes.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot be set up has failed")]

mod common;

mod accounts;
mod activity;
mod backlog;
mod conversation;
mod flow;
mod gates;
mod handoff;

mod bead;
mod convoy;
mod dispatch;
mod formula;
mod handover;
mod holds;
mod lease;
mod merge;
mod merge_request;
mod notify;
mod people;
mod polecat;
mod rig;
mod runtime;
mod sessions;
mod source;
mod town;
mod tracked;
mod wakes;
mod wisp;
