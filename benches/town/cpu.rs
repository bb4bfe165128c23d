//! How long this process has computed, by thread: so that a figure can say where its time went.

use std::collections::BTreeMap;
use std::time::Duration;

/// CPU time by the name of the thread.
#[derive(Debug, Clone, Default)]
pub struct Cpu(BTreeMap<String, Duration>);

impl Cpu {
    /// Of the threads that live now; one that has ended is in no sum.
    pub fn now() -> Self {
        let mut all = BTreeMap::new();
        for task in fs_err::read_dir("/proc/self/task").unwrap().flatten() {
            let read = |file: &str| fs_err::read_to_string(task.path().join(file)).unwrap_or_default();
            // The first number of schedstat: nanoseconds on a core.
            let spent = read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
            *all.entry(read("comm").trim().to_owned()).or_default() += Duration::from_nanos(spent);
        }
        Self(all)
    }

    /// What was spent since.
    pub fn since(&self, before: &Self) -> Self {
        let spent = |(name, now): (&String, &Duration)| {
            (name.clone(), now.saturating_sub(before.0.get(name).copied().unwrap_or_default()))
        };
        Self(self.0.iter().map(spent).collect())
    }

    /// Of all threads.
    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }

    /// Of one thread.
    pub fn of(&self, name: &str) -> Duration {
        self.0.get(name).copied().unwrap_or_default()
    }
}
