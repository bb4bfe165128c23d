//! The people's verbs, as people see them: the real program in towns that are down, with everything it prints.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod answers;
mod apply;
mod base;
mod ci;
mod complete;
mod convoys;
mod corpus;
mod diff;
mod events;
mod examples;
mod explain;
mod harness;
mod help;
mod history;
mod hold;
mod import;
mod install;
mod mistakes;
mod nudge;
mod owners;
mod pending;
mod prune;
mod rigs;
mod safe;
mod show;
mod sling;
mod stuck;
mod tidy;
mod towns;
mod up;
mod validate;
mod verbs;
mod waits;
mod words;
