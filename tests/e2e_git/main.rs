//! Git on real repositories: clones, worktrees, guards, replay, verification and push, in temporary folders.

#![expect(
    clippy::unwrap_used,
    reason = "a test that panics says where; the lint spares only functions marked as tests"
)]

mod aside;
mod guard;
mod jobs;
mod push;
mod replay;
mod sandbox;
mod town;
