//! `SimClock`: wall-clock time that passes as tokio's does, so a paused runtime makes it virtual.

use jiff::Timestamp;
use tokio::time::Instant;

use gastown_base::clock::Clock;

/// A clock that starts at a given instant.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    base: Timestamp,
    started: Instant,
}

impl SimClock {
    /// It is `base` now. In a paused runtime, time then passes only when everything waits.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.base + self.started.elapsed()
    }
}
