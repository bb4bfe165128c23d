//! The processes that this controller started and does not wait for, so that none of them stays a zombie.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

/// Children that outlive whoever started them. One place owns them all: a pid that is reaped elsewhere may be used again.
#[derive(Debug, Default)]
pub struct Children(Mutex<Vec<Child>>);

impl Children {
    /// Looks after a child from now on.
    pub fn adopt(&self, child: Child) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(child);
        self.reap();
    }

    /// Reaps those that have ended. Called at each start and at each end that is noticed.
    pub fn reap(&self) {
        let still_runs = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(still_runs);
    }

    /// The number of children that live, or were not reaped yet.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
