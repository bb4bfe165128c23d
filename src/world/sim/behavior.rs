//! `Behavior`: what no rule decides. How long things take, what a check says, what an agent does, which events get lost.

use std::time::Duration;

use futures::future::BoxFuture;
use gastown_controllers::world::{Job, exit};

use super::AgentHandle;
use super::commits::Tree;

/// How long anything takes where nobody says otherwise.
const TAKES: Duration = Duration::from_secs(1);

/// What a simulated world is left to. Everything has a default: then agents do nothing, for ever, and all else works.
pub trait Behavior: Send + Sync + 'static {
    /// How long something takes, by its name: `fetch/<key>`, `verify/<key>`.
    fn takes(&self, what: &str) -> Duration {
        let _ = what;
        TAKES
    }

    /// How a job that is not refused by the state of the world ends: its exit code (see [`exit`]) and its log. `tree` is
    /// what a verification looks at, and what a setup runs in.
    fn ends(&self, job: &Job, tree: Option<&Tree>) -> (i32, String) {
        let _ = (job, tree);
        (exit::OK, String::new())
    }

    /// Whether the news that something has ended gets through, and after how long. Controllers must do without.
    fn tells(&self, what: &str) -> Option<Duration> {
        let _ = what;
        Some(Duration::ZERO)
    }

    /// Whether a program would start.
    fn has_program(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// An agent at work: works until it ends with an exit code. It is dropped when its session is ended.
    fn agent(&self, handle: AgentHandle) -> BoxFuture<'static, i32> {
        drop(handle);
        Box::pin(std::future::pending())
    }
}

/// The behavior in which agents do nothing: for finding out what controllers would do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Still;

impl Behavior for Still {}
