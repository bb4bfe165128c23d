//! The agents' verbs, through the real binary in towns of their own: `gt hook`, `gt prime`, `gt done` and `bd`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod town;

mod bd;
mod expired;
mod handoff;
mod lost;
mod nudge;
mod verbs;
