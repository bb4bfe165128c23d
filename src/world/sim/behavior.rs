//! `Behavior`: what no rule decides. How long things take, the verdict of a check, an agent's work, which events get lost.

use std::time::Duration;

use futures::future::BoxFuture;
use gastown_controllers::world::{Job, exit};

use super::AgentHandle;
use super::commits::Tree;

/// The default duration of anything.
const TAKES: Duration = Duration::from_secs(1);

/// The behavior of a simulated world. Everything has a default: then agents do nothing, for ever, and all else works.
pub trait Behavior: Send + Sync + 'static {
    /// The duration of a job or an agent's work, by its name: `fetch/<key>`, `verify/<key>`.
    fn takes(&self, what: &str) -> Duration {
        let _ = what;
        TAKES
    }

    /// The end of a job that is not refused by the state of the world: its exit code (see [`exit`]) and its log. `tree` is
    /// what a verification looks at, and what a setup runs in.
    fn ends(&self, job: &Job, tree: Option<&Tree>) -> (i32, String) {
        let _ = (job, tree);
        (exit::OK, String::new())
    }

    /// The delay of an event, by its name; none: the event is lost. Controllers must do without events.
    fn delay_of(&self, what: &str) -> Option<Duration> {
        let _ = what;
        Some(Duration::ZERO)
    }

    /// Whether a program is there and can be started.
    fn has_program(&self, name: &str) -> bool {
        let _ = name;
        true
    }

    /// The memory that an agent needs for a bead, by its name: with less, it is killed at its limit.
    fn memory_of(&self, bead: &str) -> u64 {
        let _ = bead;
        0
    }

    /// An agent at work: works until it ends with an exit code. It is dropped when its session is ended.
    fn agent(&self, handle: AgentHandle) -> BoxFuture<'static, i32> {
        drop(handle);
        Box::pin(std::future::pending())
    }
}

/// The behavior in which agents do nothing: for finding out what controllers would do.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdleAgents;

impl Behavior for IdleAgents {}
