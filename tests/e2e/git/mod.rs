//! Git on real repositories: clones, worktrees, guards, replay, verification and push, in temporary folders.

mod isolation;
mod jobs;
mod leftovers;
mod push;
mod quarantine;
mod remotes;
mod replay;
mod sandbox;
mod signatures;
mod sources;
mod tools;
mod town;
