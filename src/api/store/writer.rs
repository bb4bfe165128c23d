//! The writer of the store: a thread that commits in groups, or the caller itself, one request at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::ring::Rings;
use super::{
    Counters, Counts, Event, Key, KindIndex, Op, OpenError, Page, PageRequest, Place, Refusal, Reply, Restored, Row,
    Store, Subscription, db, read,
};
use gastown_base::clock::{Clock, Ids};

/// Operations that wait for the thread; past it writers wait their turn.
const WAITING_OPS_MAX: usize = 1_024;
/// Operations in one transaction. One sync of the disk is shared by them; more would only delay the first one's answer.
const BATCH_OPS_MAX: usize = 256;

/// The runner of the store's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A thread of its own: concurrent writes share a commit.
    Threaded,
    /// The calling task, synchronously: for one request, and for simulations.
    Inline,
}

type Waiting = (Op, oneshot::Sender<Reply>);

/// A store that is being run.
pub(crate) struct Handle {
    store: Arc<Mutex<Store>>,
    /// The file's own reader beside the writer; absent where readers share the writer's connection.
    reader: Option<Mutex<Connection>>,
    rings: Arc<Rings>,
    tally: Arc<Counts>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    thread: Mutex<Option<(mpsc::Sender<Waiting>, thread::JoinHandle<()>)>>,
    is_closed: std::sync::atomic::AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the store was held left at worst an open transaction, which the next BEGIN reports.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handle {
    pub(crate) fn open(
        place: &Place,
        writer: Writer,
        kinds: Vec<KindIndex>,
        facts: Option<PathBuf>,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let (store, restored) = match facts {
            // Whoever opens it for long looks at all of it.
            Some(facts) => Store::open_beside(place, &kinds, facts, writer == Writer::Threaded, (clock.now(), &*ids))?,
            None => (Store::open(place, kinds, clock.now())?, None),
        };
        let reader = match writer {
            Writer::Threaded => db::open_reader(place)?.map(Mutex::new),
            Writer::Inline => None,
        };
        let rings = Arc::new(Rings::new(&store.kinds, store.revision()));
        let tally = store.tally.clone();
        let store = Arc::new(Mutex::new(store));
        let thread = match writer {
            Writer::Inline => None,
            Writer::Threaded => {
                let (sender, receiver) = mpsc::channel(WAITING_OPS_MAX);
                let (store, rings, clock, ids) = (store.clone(), rings.clone(), clock.clone(), ids.clone());
                let work = move || run(receiver, &store, &rings, &*clock, &*ids);
                let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(work);
                Some((sender, thread.map_err(OpenError::Thread)?))
            }
        };
        let is_closed = std::sync::atomic::AtomicBool::new(false);
        Ok((Self { store, reader, rings, tally, clock, ids, thread: Mutex::new(thread), is_closed }, restored))
    }

    /// Runs one operation; answered after its commit.
    pub(crate) async fn submit(&self, op: Op) -> Reply {
        if self.is_closed.load(std::sync::atomic::Ordering::Acquire) {
            return Err(closed());
        }
        let sender = lock(&self.thread).as_ref().map(|it| it.0.clone());
        let Some(sender) = sender else { return self.inline(op) };
        let (reply, answered) = oneshot::channel();
        if sender.send((op, reply)).await.is_err() {
            return Err(closed());
        }
        drop(sender);
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    fn inline(&self, op: Op) -> Reply {
        let mut store = lock(&self.store);
        let (mut replies, events) = store.apply(vec![op], self.clock.now(), &*self.ids);
        self.rings.publish(events);
        collect(&mut store, &self.rings, &*self.clock, &*self.ids);
        replies.pop().unwrap_or_else(|| Err(closed()))
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Row>, Refusal> {
        self.with_reader(|db| read::get(db, &self.tally, key))
    }

    pub(crate) fn page(&self, request: &PageRequest) -> Result<Page, Refusal> {
        self.with_reader(|db| read::page(db, &self.tally, request))
    }

    /// The newest committed revision.
    pub(crate) fn revision(&self) -> Result<i64, Refusal> {
        self.with_reader(|db| read::revision(db, &self.tally))
    }

    fn with_reader<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        match &self.reader {
            Some(reader) => look(&lock(reader)),
            None => look(&lock(&self.store).db),
        }
    }

    /// A place among the changes of the ring that a kind's go to.
    pub(crate) fn subscribe(&self, kind: &str, after: i64) -> Subscription {
        self.rings.of(kind).subscribe(after)
    }

    /// The newest revision that was published to watches.
    pub(crate) fn published(&self) -> i64 {
        self.rings.head()
    }

    /// The revision up to which watches of a kind cannot resume.
    pub(crate) fn compacted(&self, kind: &str) -> i64 {
        self.rings.of(kind).compacted()
    }

    pub(crate) fn compact(&self) {
        self.rings.compact();
    }

    pub(crate) fn end_watches(&self) {
        self.rings.end_watches();
    }

    pub(crate) fn counters(&self) -> Counters {
        self.tally.read()
    }

    /// Finishes what was accepted, ends the watches and folds the write-ahead log into the file.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, std::sync::atomic::Ordering::Release);
        let thread = lock(&self.thread).take();
        if let Some((sender, thread)) = thread {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the writer thread had panicked");
            }
        }
        self.rings.end_watches();
        lock(&self.store).settle();
        let checkpointed = lock(&self.store).db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpointed {
            // The log is replayed at the next open: nothing is lost.
            tracing::warn!(%error, "checkpoint failed");
        }
    }
}

fn closed() -> Refusal {
    Refusal::Failed("it is closed".to_owned())
}

fn run(mut waiting: mpsc::Receiver<Waiting>, store: &Mutex<Store>, rings: &Rings, clock: &dyn Clock, ids: &dyn Ids) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first.0];
        let mut answers = vec![first.1];
        while batch.len() < BATCH_OPS_MAX
            && let Ok((op, answer)) = waiting.try_recv()
        {
            batch.push(op);
            answers.push(answer);
        }
        let mut store = lock(store);
        let (replies, events) = store.apply(batch, clock.now(), ids);
        rings.publish(events);
        for (answer, reply) in answers.into_iter().zip(replies) {
            // Whoever asked may have gone; the change stands.
            let _gone = answer.send(reply);
        }
        if waiting.is_empty() {
            collect(&mut store, rings, clock, ids);
        }
    }
}

/// Collects what is left of removed owners' dependents, a bounded transaction at a time.
fn collect(store: &mut Store, rings: &Rings, clock: &dyn Clock, ids: &dyn Ids) {
    while store.has_garbage() {
        let before = store.counters().commits;
        let (_, events): (_, Vec<Event>) = store.apply(Vec::new(), clock.now(), ids);
        rings.publish(events);
        if store.counters().commits == before {
            // Either nothing was left, or the commit failed: the next write tries again.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use gastown_base::clock::{CountingIds, SystemClock};
    use serde_json::json;

    use super::super::{Expect, Next};
    use super::*;

    fn kind(plural: &str, is_record: bool) -> KindIndex {
        let (kind, group) = (format!("{plural}.t"), "t".to_owned());
        let (fields, row_fields) = (Vec::new(), Vec::new());
        KindIndex { kind, group, object_kind: plural.to_owned(), fields, row_fields, is_record, retention: None }
    }

    #[tokio::test]
    async fn a_burst_of_records_ends_no_watch_of_another_kind() {
        let kinds = vec![kind("things", false), kind("notes", true)];
        let clock = Arc::new(SystemClock);
        let at: (Arc<dyn Clock>, Arc<dyn Ids>) = (clock, Arc::new(CountingIds::new(1)));
        let (store, _) = Handle::open(&Place::Memory, Writer::Inline, kinds, None, at).unwrap();
        let mut things = store.subscribe("things.t", store.published());
        let mut notes = store.subscribe("notes.t", store.published());
        let put = async |kind: &str, name: String| {
            let key = Key { kind: kind.into(), ns: "n".into(), name };
            store.submit(Op::Put { key, expect: Expect::Absent, object: json!({ "metadata": {} }) }).await.unwrap();
        };
        for n in 0..10_001 {
            put("notes.t", n.to_string()).await;
        }
        assert!(matches!(things.look(), Next::Wait));
        assert!(matches!(notes.look(), Next::Expired), "more than a ring holds");
        put("things.t", "a".into()).await;
        let Next::Events(events) = things.look() else { panic!("the thing is news") };
        assert_eq!(events.iter().map(|event| event.key.name.as_str()).collect::<Vec<_>>(), ["a"]);
        // One sequence for all: whoever has listed notes now may watch them from here.
        let mut resumed = store.subscribe("notes.t", store.published());
        assert!(matches!(resumed.look(), Next::Wait));
    }
}
