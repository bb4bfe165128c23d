//! The recent changes, held once for all watches: a watch is a cursor into them, so it has no buffer of its own.
//!
//! A watch that falls so far behind that its place is gone ends with 410, and its client lists again. While every open
//! watch has caught up only a short tail is kept, for those that reconnect; a burst's memory is given back afterwards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Event, KindIndex};

/// The most changes that a lagging watch may be behind.
const EVENTS_MAX: usize = 10_000;
/// The most text that the changes hold, in bytes.
const EVENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The changes kept when nobody lags.
const TAIL_EVENTS_MAX: usize = 1_024;
/// The text kept when nobody lags, in bytes.
const TAIL_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most events that one look hands to a watch.
const EVENTS_PER_LOOK_MAX: usize = 64;

/// The answer to one look of a watch.
#[derive(Debug)]
pub enum Next {
    /// Changes after its cursor, in order; the cursor has moved behind them.
    Events(Vec<Arc<Event>>),
    /// Nothing new: wait for `Subscription::changed`.
    Wait,
    /// The changes after its cursor are gone: the client must list again.
    Expired,
    /// The server wants open watches to end; new ones may start.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Ring {
    inner: Mutex<Inner>,
    /// Wakes in the order of waiting; `watch` would draw the order at random, and no run could be repeated.
    wake: Notify,
}

#[derive(Debug)]
struct Inner {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// Changes up to this revision are gone (or were never here).
    compacted: i64,
    head: i64,
    cursors: BTreeMap<u64, i64>,
    next_id: u64,
    /// Raised to end the watches that are open.
    epoch: u64,
    /// Counts what there was to see, so that nothing is missed between a look and a wait.
    news: u64,
}

impl Ring {
    fn new(head: i64) -> Self {
        let inner = Inner {
            events: VecDeque::new(),
            bytes: 0,
            compacted: head,
            head,
            cursors: BTreeMap::new(),
            next_id: 0,
            epoch: 0,
            news: 0,
        };
        Self { inner: Mutex::new(inner), wake: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under this lock can panic half way through a change of it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds changes; `head` is the newest revision of the whole store, whatever ring it went to.
    fn publish(&self, events: Vec<Event>, head: i64) {
        let mut inner = self.lock();
        inner.head = head;
        if events.is_empty() {
            return;
        }
        for event in events {
            inner.bytes += bytes(&event);
            inner.events.push_back(Arc::new(event));
        }
        inner.trim();
        drop(inner);
        self.notify();
    }

    fn head(&self) -> i64 {
        self.lock().head
    }

    /// The revision up to which changes are gone.
    pub(super) fn compacted(&self) -> i64 {
        self.lock().compacted
    }

    fn compact(&self) {
        let mut inner = self.lock();
        inner.drop_while(|_| true);
        drop(inner);
        self.notify();
    }

    /// Begins anew at a revision: watches end, and none resumes from before.
    fn restart(&self, head: i64) {
        let mut inner = self.lock();
        inner.drop_while(|_| true);
        inner.epoch += 1;
        (inner.compacted, inner.head) = (head, head);
        drop(inner);
        self.notify();
    }

    fn notify(&self) {
        self.lock().news += 1;
        self.wake.notify_waiters();
    }

    fn end_watches(&self) {
        self.lock().epoch += 1;
        self.notify();
    }

    pub(super) fn subscribe(self: &Arc<Self>, after: i64) -> Subscription {
        let mut inner = self.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.cursors.insert(id, after);
        let epoch = inner.epoch;
        drop(inner);
        Subscription { ring: self.clone(), news: 0, id, epoch }
    }
}

/// The rings of a store. Records have one of their own: they may come by the thousand, and would push out of it what
/// controllers have yet to see.
#[derive(Debug)]
pub(crate) struct Rings {
    objects: Arc<Ring>,
    records: Arc<Ring>,
    /// The kinds whose objects are records, as keys name them.
    kinds_of_records: Vec<String>,
}

impl Rings {
    /// The rings of a store of these kinds whose newest revision is `head`.
    pub(super) fn new(kinds: &[KindIndex], head: i64) -> Self {
        let kinds_of_records = kinds.iter().filter(|kind| kind.is_record).map(|kind| kind.kind.clone()).collect();
        Self { objects: Arc::new(Ring::new(head)), records: Arc::new(Ring::new(head)), kinds_of_records }
    }

    /// The ring that the changes of a kind go to.
    pub(super) fn of(&self, kind: &str) -> &Arc<Ring> {
        if self.is_record(kind) { &self.records } else { &self.objects }
    }

    fn is_record(&self, kind: &str) -> bool {
        self.kinds_of_records.iter().any(|it| it == kind)
    }

    /// Publishes what one commit has changed, in order.
    pub(super) fn publish(&self, events: Vec<Event>) {
        let Some(head) = events.last().map(|event| event.revision) else { return };
        let (records, objects) = events.into_iter().partition(|event| self.is_record(&event.key.kind));
        self.objects.publish(objects, head);
        self.records.publish(records, head);
    }

    /// The newest published revision.
    pub(super) fn head(&self) -> i64 {
        // Published last: what it knows, both do.
        self.records.head()
    }

    /// Forgets every change that a watch could resume from, as if the bound had been reached.
    pub(super) fn compact(&self) {
        self.objects.compact();
        self.records.compact();
    }

    /// Begins anew at a revision, as the rings of a store that was made anew: whoever watched lists again.
    pub(super) fn restart(&self, head: i64) {
        self.objects.restart(head);
        self.records.restart(head);
    }

    /// Ends the watches that are open now.
    pub(super) fn end_watches(&self) {
        self.objects.end_watches();
        self.records.end_watches();
    }
}

fn bytes(event: &Event) -> usize {
    event.object.len() + event.old.as_ref().map_or(0, |it| it.0.len())
}

impl Inner {
    fn trim(&mut self) {
        let slowest = self.cursors.values().copied().min().unwrap_or(i64::MAX);
        loop {
            let Some(oldest) = self.events.front() else { return };
            let is_over = self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX;
            let is_read = oldest.revision <= slowest;
            let is_over_tail = self.events.len() > TAIL_EVENTS_MAX || self.bytes > TAIL_BYTES_MAX;
            let is_to_go = is_over || (is_read && is_over_tail);
            if !is_to_go {
                return;
            }
            let mut is_first = true;
            self.drop_while(|_| std::mem::take(&mut is_first));
        }
    }

    fn drop_while(&mut self, mut wanted: impl FnMut(&Event) -> bool) {
        while let Some(oldest) = self.events.pop_front() {
            if !wanted(&oldest) {
                self.events.push_front(oldest);
                return;
            }
            self.bytes -= bytes(&oldest);
            self.compacted = oldest.revision;
        }
    }
}

/// A watch's place among the changes.
#[derive(Debug)]
pub struct Subscription {
    ring: Arc<Ring>,
    id: u64,
    epoch: u64,
    /// The news up to the last look.
    news: u64,
}

impl Subscription {
    /// Looks for changes after the cursor, and moves it.
    pub fn look(&mut self) -> Next {
        let mut inner = self.ring.lock();
        self.news = inner.news;
        if inner.epoch != self.epoch {
            return Next::Ended;
        }
        let cursor = inner.cursors.get(&self.id).copied().unwrap_or(i64::MAX);
        if cursor < inner.compacted {
            return Next::Expired;
        }
        let start = inner.events.partition_point(|it| it.revision <= cursor);
        let events: Vec<_> = inner.events.range(start..).take(EVENTS_PER_LOOK_MAX).cloned().collect();
        let Some(last) = events.last() else { return Next::Wait };
        inner.cursors.insert(self.id, last.revision);
        inner.trim();
        Next::Events(events)
    }

    /// The revision up to which this watch has seen everything.
    pub fn seen(&self) -> i64 {
        self.ring.lock().cursors.get(&self.id).copied().unwrap_or_default()
    }

    /// Waits until there may be something to see.
    pub async fn changed(&mut self) {
        let woken = self.ring.wake.notified();
        tokio::pin!(woken);
        // Registered before the check: what is published after it wakes us.
        woken.as_mut().enable();
        let news = self.ring.lock().news;
        if news == self.news {
            woken.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.ring.lock();
        inner.cursors.remove(&self.id);
        inner.trim();
    }
}
