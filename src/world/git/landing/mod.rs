//! Landing what was handed in: replayed onto the target ([`replay`], one with merges as a [`squash`]), checked ([`verify`],
//! which knows a full disk from a failed check by [`disk_space`]), pushed ([`push`], after its [`large_files`]; one push at a
//! time to each target, [`target`], and what is a person's in a [`working_copy`] is spared) or left as a branch
//! ([`own_branch`]); and found there, whoever merged it ([`merged`], which knows a change again by its [`patch`]).

mod disk_space;
mod large_files;
pub(super) mod merged;
pub(super) mod own_branch;
pub(super) mod patch;
pub(super) mod push;
mod replay;
mod squash;
pub(super) mod target;
mod verify;
mod working_copy;
