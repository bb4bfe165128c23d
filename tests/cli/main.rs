//! The people's verbs, as people see them: the real program in towns that are down, with everything it prints.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod apply;
mod complete;
mod explain;
mod harness;
mod help;
mod hold;
mod mistakes;
mod rigs;
mod safe;
mod show;
mod stuck;
mod towns;
mod up;
mod validate;
mod waits;
