//! Whole towns through the `gt` program, on real tmux and real git.

mod drill;
mod faults;
mod harness;
mod kills;
mod people;
mod stops;
