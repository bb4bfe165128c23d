//! Which of the many things that happen are written, and as what: one Event for what repeats, one for what is nearly the
//! same, and no more for one object than it bears. As client-go's `EventCorrelator`, on a clock of the caller's.
//!
//! Everything here has a bound: what is forgotten for want of room is only counted anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gastown_controllers::world::Owner;
use gastown_crds::names;
use jiff::Timestamp;

/// What is remembered of each sort: some 500 bytes each. A town works at some dozen objects at a time.
const REMEMBERED_MAX: usize = 1_024;
/// Events of one object and reason that differ in nothing but their message, within [`ALIKE_WITHIN`]: more are one.
const ALIKE_MAX: usize = 10;
const ALIKE_WITHIN: Duration = Duration::from_mins(10);
/// Writes of one object at once, and the time after which it may have one more. client-go waits five minutes, for clusters
/// with a hundred thousand objects; the busiest object of a town changes a few times a minute.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_mins(1);

/// Something that happened, without the time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Happened {
    /// The object.
    pub regarding: Owner,
    /// Another object that it is about.
    pub related: Option<Owner>,
    /// Whether something went wrong.
    pub warns: bool,
    /// The reason.
    pub reason: String,
    /// What was done.
    pub action: &'static str,
    /// For people.
    pub message: String,
    /// The controller that tells it.
    pub controller: &'static str,
}

/// One Event: what happened once or again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The name of the Event.
    pub name: String,
    /// When it happened first.
    pub first: Timestamp,
    /// When it happened last.
    pub last: Timestamp,
    /// How often.
    pub count: u32,
    /// The message: of what is nearly the same, the last one.
    pub message: String,
    /// Whether the Event is in the store.
    pub is_stored: bool,
}

/// What belongs to one Event.
pub type Identity = Arc<Happened>;

/// What has happened lately.
#[derive(Debug)]
pub struct Correlator {
    series: Recent<Identity, Series>,
    alike: Recent<Happened, Alike>,
    buckets: Recent<(Owner, Option<Owner>), Bucket>,
}

/// Messages that came of late with one object and reason.
#[derive(Debug)]
struct Alike {
    messages: BTreeSet<String>,
    last: Timestamp,
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: u32,
    /// When the last token was added.
    refilled: Timestamp,
}

impl Default for Correlator {
    fn default() -> Self {
        Self { series: Recent::new(), alike: Recent::new(), buckets: Recent::new() }
    }
}

impl Correlator {
    /// Counts something that happened. Answers the Event that is to be written for it; none if its object has had enough.
    pub fn count(&mut self, happened: &Happened, now: Timestamp) -> Option<Identity> {
        let identity = self.combined(happened, now);
        let new = || Series {
            name: name(&identity, now),
            first: now,
            last: now,
            count: 0,
            message: String::new(),
            is_stored: false,
        };
        let series = self.series.entry(&identity, new);
        series.count = series.count.saturating_add(1);
        // A clock that was set back does not make it older.
        series.last = series.last.max(now);
        series.message = if identity.message.is_empty() {
            format!("(combined from similar events): {}", happened.message)
        } else {
            happened.message.clone()
        };
        let bucket = (happened.regarding.clone(), happened.related.clone());
        let full = || Bucket { tokens: BURST, refilled: now };
        self.buckets.entry(&bucket, full).take(now).then_some(identity)
    }

    /// An Event as it is now; none if it is forgotten.
    pub fn series(&mut self, identity: &Identity) -> Option<&mut Series> {
        self.series.get_mut(identity)
    }

    /// Forgets an Event: what happens again is another one.
    pub fn forget(&mut self, identity: &Identity) {
        self.series.remove(identity);
    }

    /// What it belongs to: itself, or, where messages differ too often, all that differ in nothing else.
    fn combined(&mut self, happened: &Happened, now: Timestamp) -> Identity {
        let group = Happened { message: String::new(), ..happened.clone() };
        let alike = self.alike.entry(&group, || Alike { messages: BTreeSet::new(), last: now });
        if now.duration_since(alike.last).unsigned_abs() > ALIKE_WITHIN {
            alike.messages.clear();
        }
        alike.last = now;
        if alike.messages.len() < ALIKE_MAX || alike.messages.contains(&happened.message) {
            alike.messages.insert(happened.message.clone());
            return Arc::new(happened.clone());
        }
        Arc::new(group)
    }
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let elapsed = Duration::try_from(now.duration_since(self.refilled)).unwrap_or_default();
        let more = u32::try_from(elapsed.as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(more).min(BURST);
        // What is left of a minute counts on; a clock that was set back begins anew.
        self.refilled = if self.refilled > now || self.tokens == BURST { now } else { self.refilled + REFILL * more };
        let has_one = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        has_one
    }
}

/// The name of an Event: its object's, and a digest that no other has.
fn name(happened: &Happened, now: Timestamp) -> String {
    /// A name has at most 253 bytes.
    const OBJECT_BYTES_MAX: usize = 253 - 1 - 16;
    let text = format!("{happened:?}");
    let digest = names::digest(&["event", &text, &now.as_nanosecond().to_string()]);
    let object = &happened.regarding.name[..happened.regarding.name.len().min(OBJECT_BYTES_MAX)];
    format!("{}.{}", object.trim_end_matches(['-', '.']), &digest[..16])
}

/// A map that forgets what was not asked for longest.
#[derive(Debug)]
struct Recent<K, V> {
    entries: BTreeMap<K, (u64, V)>,
    /// The keys in the order in which they were asked for.
    order: BTreeMap<u64, K>,
    next: u64,
}

impl<K: Ord + Clone, V> Recent<K, V> {
    fn new() -> Self {
        Self { entries: BTreeMap::new(), order: BTreeMap::new(), next: 0 }
    }

    fn entry(&mut self, key: &K, new: impl FnOnce() -> V) -> &mut V {
        self.next += 1;
        let now = self.next;
        if let Some((before, _)) = self.entries.get(key) {
            self.order.remove(before);
        } else if self.entries.len() >= REMEMBERED_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.order.insert(now, key.clone());
        let (at, value) = self.entries.entry(key.clone()).or_insert_with(|| (now, new()));
        *at = now;
        value
    }

    fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    fn remove(&mut self, key: &K) {
        if let Some((at, _)) = self.entries.remove(key) {
            self.order.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn happened(object: &str, message: &str) -> Happened {
        Happened {
            regarding: Owner { kind: "Bead".into(), name: object.into(), uid: object.into() },
            related: None,
            warns: false,
            reason: "Claimed".into(),
            action: "Reconcile",
            message: message.into(),
            controller: "bead",
        }
    }

    #[test]
    fn what_repeats_is_one_event_that_counts() {
        let mut correlator = Correlator::default();
        let first = correlator.count(&happened("a", "so"), at(0)).unwrap();
        let again = correlator.count(&happened("a", "so"), at(60)).unwrap();
        assert_eq!(first, again);
        let other = correlator.count(&happened("a", "otherwise"), at(60)).unwrap();
        let names: BTreeSet<String> =
            [&first, &other].map(|it| correlator.series(it).unwrap().name.clone()).into_iter().collect();
        assert_eq!(names.len(), 2);
        let series = correlator.series(&first).unwrap();
        assert_eq!((series.count, series.first, series.last, &*series.message), (2, at(0), at(60), "so"));
        assert!(series.name.starts_with("a.") && series.name.len() == 18, "{}", series.name);
    }

    #[test]
    fn what_differs_in_its_message_alone_becomes_one_after_ten() {
        let mut correlator = Correlator::default();
        let mut count = |n: i64, second| correlator.count(&happened("a", &format!("try {n}")), at(second)).unwrap();
        let first: BTreeSet<Identity> = (0..10).map(|n| count(n, n)).collect();
        assert_eq!(first.len(), 10);
        let (eleventh, twelfth, known) = (count(11, 11), count(12, 12), count(3, 13));
        assert_eq!(eleventh, twelfth);
        assert!(!first.contains(&eleventh) && first.contains(&known));
        let later = count(13, 1000);
        assert_ne!(later, eleventh, "after ten quiet minutes each is itself again");
        let combined = correlator.series(&eleventh).unwrap();
        assert_eq!((combined.count, &*combined.message), (2, "(combined from similar events): try 12"));
    }

    #[test]
    fn an_object_has_a_burst_and_then_one_a_minute_and_what_is_not_written_counts() {
        let mut correlator = Correlator::default();
        let mut written = |object: &str, times: i64, from: i64| {
            (0..times).filter(|n| correlator.count(&happened(object, "so"), at(from + n)).is_some()).count()
        };
        assert_eq!(written("a", 100, 0), 26, "and one at the end of a minute");
        assert_eq!(written("b", 1, 0), 1, "others have their own");
        assert_eq!(written("a", 10, 200), 2);
        assert_eq!(written("a", 100, 100_000), 26);
        assert_eq!(written("a", 50, 10), 0, "a clock that was set back gives nothing and takes nothing");
        assert_eq!(written("a", 1, 10 + 50 + 60), 1);
        let identity: Identity = Arc::new(happened("a", "so"));
        assert_eq!(correlator.series(&identity).unwrap().count, 261);
    }

    #[test]
    fn what_was_not_asked_for_longest_is_forgotten() {
        let mut correlator = Correlator::default();
        let first = correlator.count(&happened("first", "so"), at(0)).unwrap();
        for n in 0..REMEMBERED_MAX {
            correlator.count(&happened(&n.to_string(), "so"), at(0));
        }
        assert_eq!(correlator.series(&first), None);
        assert_eq!(correlator.series.entries.len(), REMEMBERED_MAX);
        assert_eq!(correlator.series.order.len(), REMEMBERED_MAX);
    }
}
