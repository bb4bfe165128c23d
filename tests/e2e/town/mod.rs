//! Whole towns through the `gt` program, on real tmux and real git.

mod asks;
mod backlog;
mod diff;
pub mod drill;
mod faults;
mod gates;
pub mod harness;
mod http;
mod kills;
mod lease;
mod lost;
mod people;
mod private;
mod relative;
mod source;
mod stops;
mod verbs;
mod webhook;
