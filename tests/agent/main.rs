//! The agents' verbs, through the real binary in towns of their own: `gt hook`, `gt prime`, `gt done` and `bd`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod town;

mod bd;
mod bd_forge;
mod bd_recorded;
mod bd_sql;
mod bd_ties;
mod bd_trackers;
mod bd_write;
mod expired;
mod flow;
mod formula;
mod handoff;
mod ledger;
mod lost;
mod mol;
mod nudge;
mod seeds;
mod verbs;
mod wisp;
