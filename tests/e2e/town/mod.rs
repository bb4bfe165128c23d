//! Whole towns through the `gt` program, on real tmux and real git.

mod asks;
mod diff;
pub mod drill;
mod faults;
pub mod harness;
mod http;
mod kills;
mod lease;
mod people;
mod private;
mod relative;
mod source;
mod stops;
mod verbs;
mod webhook;
