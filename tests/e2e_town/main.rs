//! Whole towns through the `gt` program, on real tmux and real git.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot be set up has failed")]

mod faults;
mod harness;
mod kills;
