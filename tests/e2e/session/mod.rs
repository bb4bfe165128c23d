//! Sessions on real tmux, and on a machine without it: how they live, how they end, and what may befall them.

mod town;

mod life;

mod declared;
mod exits;
mod faults;
mod leftovers;

mod memory;

mod cgroups;
