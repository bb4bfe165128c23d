//! Conformance: each script of acts and looks is run against the real world and the simulated one, and both must meet it.
//!
//! A script states once what each act answers and each look sees; [`words`] tells facts so that what may differ (object
//! ids, times, log tails, pids) does not show. Simulation proves as much as `SimWorld` is like the real adapter,
//! so what a controller leans on belongs in a script here. Where the worlds part, one of them is mended.
//!
//! # What `SimWorld` leaves out on purpose
//! - Strays (`Session::Strays`): an agent is one task, so nothing of it can outlive it; `tests/e2e/session/life.rs` has them.
//! - What is under way: sessions and jobs begin within their act, and who records an end is gone at once.
//! - What programs do: verdicts, setups, agents, and which programs there are come from `Behavior`, which here reads the
//!   words that the real shell reads. So a command that the adapter would refuse (`gt:nothing`) is behavior's affair too.
//! - What a setup or a check writes: none is run, so the worktree is the same after it.
//! - Passwords and rules of the remote (`exit::AUTH`, a hook's `exit::PROTECTED`): they are the remote's behavior, so `Behavior` says.
//! - A detached HEAD of the remote: controllers meet it as no branch, as they meet a HEAD whose branch is not there.
//! - Merge commits, and branches of more than 50 commits, which land as one: simulated agents make neither.
//! - Renames, file modes, attributes and binary files: a tree is text by path. How its lines merge is in [`merge`].
//! - Repositories within a worktree, and a worktree that is no longer one: what real agents do to git, simulated ones do not.
//! - Ignored files, hooks and the guard: nothing here writes anywhere but to its own worktree and branch.
//! - Log tails, beyond a line: they are for people, and no controller reads them.
//! - Sources elsewhere than in a repository on this machine: the simulated world has no folders, and `tests/e2e` has clones.
//! - Sweeping of old jobs, full disks, damaged records: faults are drawn as blindness and refused acts.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod worlds;

mod story;

mod words;

mod real;

mod git;

mod sim;

mod repo;

mod push;

mod merged;

mod replay;

mod merge;

mod sandbox;

mod session;

mod jobs;

mod sources;

/// Makes two tests of each script: one for each world.
macro_rules! both_worlds {
    ($($script:ident)*) => {
        mod real_world {
            $(#[test] fn $script() { super::$script(&mut crate::story::Story::of(crate::real::RealWorld::new())); })*
        }
        mod simulated {
            $(#[test] fn $script() { super::$script(&mut crate::story::Story::of(crate::sim::Simulated::new())); })*
        }
    };
}
pub(crate) use both_worlds;
