//! Git on real repositories: clones, worktrees, guards, replay, verification and push, in temporary folders.

mod aside;
mod guard;
mod jobs;
mod push;
mod replay;
mod sandbox;
mod town;
