//! Landing what was handed in: replayed onto the target ([`replay`]), checked ([`verify`], which knows a full disk from a
//! failed check by [`disk_space`]), and pushed ([`push`]), one push at a time to each target ([`target`]).

mod disk_space;
mod large_files;
pub(super) mod push;
mod replay;
pub(super) mod target;
mod verify;
