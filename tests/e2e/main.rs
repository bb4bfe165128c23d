//! End to end, on real tmux and real git: sessions, repositories, one bead, whole towns, and the quickstart.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot be set up has failed")]

mod alone;

mod agents;
mod git;
mod session;
mod thread;
mod town;

mod quickstart;
