//! Reading one's own writes: how far the watch has come, and what was written that it has not shown yet.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_crds::kinds::Kind;
use jiff::Timestamp;

use super::{earlier, wait};

/// How long to wait for the watch to show an own write before listing again.
pub const LAG_MAX: Duration = Duration::from_secs(10);

/// By kind, the newest resourceVersion seen, and the newest written and not seen yet.
#[derive(Debug, Default)]
pub struct Lag {
    seen: BTreeMap<&'static Kind, u64>,
    wrote: BTreeMap<&'static Kind, (u64, Timestamp)>,
}

impl Lag {
    /// The watch has shown this version.
    pub fn saw(&mut self, kind: &'static Kind, version: u64) {
        let seen = self.seen.entry(kind).or_default();
        *seen = version.max(*seen);
        if self.wrote.get(kind).is_some_and(|(wrote, _)| *wrote <= *seen) {
            self.wrote.remove(kind);
        }
    }

    /// A list has shown everything written before it.
    pub fn listed(&mut self, kind: &'static Kind) {
        self.wrote.remove(kind);
    }

    /// This version was written.
    pub fn wrote(&mut self, kind: &'static Kind, version: u64, now: Timestamp) {
        if self.seen.get(kind).copied().unwrap_or(0) < version {
            let newest = self.wrote.get(kind).map_or(version, |(before, _)| version.max(*before));
            self.wrote.insert(kind, (newest, now));
        }
    }

    /// Whether something written is not seen yet, and may still come.
    pub fn lags(&self, now: Timestamp) -> bool {
        self.wrote.values().any(|(_, since)| wait(*since, now) < LAG_MAX)
    }

    /// The kinds whose watch should have shown something written by now. They are not waited for any more.
    pub fn take_overdue(&mut self, now: Timestamp) -> Vec<&'static Kind> {
        let overdue = |(_, since): &(u64, Timestamp)| wait(*since, now) >= LAG_MAX;
        self.wrote.extract_if(.., |_, wrote| overdue(wrote)).map(|(kind, _)| kind).collect()
    }

    /// The clock went back by so much.
    pub fn clock_went_back(&mut self, by: Duration) {
        for (_, since) in self.wrote.values_mut() {
            *since = earlier(*since, by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::kinds::{bead, rig};

    #[test]
    fn what_was_written_lags_until_it_is_seen_listed_or_given_up() {
        let now = Timestamp::UNIX_EPOCH;
        let mut lag = Lag::default();
        lag.wrote(&bead::KIND, 7, now);
        lag.saw(&bead::KIND, 6);
        lag.saw(&rig::KIND, 8);
        assert!(lag.lags(now));
        assert!(!lag.lags(now + LAG_MAX), "given up");
        assert_eq!(lag.take_overdue(now), [] as [&Kind; 0]);
        lag.saw(&bead::KIND, 7);
        assert!(!lag.lags(now));
        lag.wrote(&bead::KIND, 6, now);
        assert!(!lag.lags(now), "it was seen already");
        lag.wrote(&bead::KIND, 9, now);
        lag.listed(&bead::KIND);
        assert!(!lag.lags(now));
        lag.wrote(&bead::KIND, 10, now);
        assert_eq!(lag.take_overdue(now + LAG_MAX), [&bead::KIND]);
        assert!(!lag.lags(now), "it is listed again");
    }
}
