//! Time, ids and chance as arguments: the two traits everything that is not pure takes them from.
//!
//! The real town reads the machine; a simulation counts. Invariant: no other file of this crate gives its caller the
//! system's time or randomness, so a run is repeatable from its seed.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// The clock: the source of the present.
pub trait Clock: Send + Sync + 'static {
    /// The wall-clock instant.
    fn now(&self) -> Timestamp;
}

/// The source of new uids.
pub trait Ids: Send + Sync + 'static {
    /// A fresh object uid, in the form of a UUID.
    fn uid(&self) -> String;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random UUIDs from the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

/// Ids that count up from a seed; for simulations and tests.
#[derive(Debug, Default)]
pub struct CountingIds {
    seed: u32,
    next: AtomicU64,
}

impl CountingIds {
    /// Ids of one run; two runs with one seed give the same ids.
    pub fn new(seed: u32) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }
}

impl Ids for CountingIds {
    fn uid(&self) -> String {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-0000-4000-8000-{n:012x}", self.seed)
    }
}
