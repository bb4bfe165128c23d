//! The writer of the store: a thread that commits in groups, or the caller itself, one request at a time.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::running::{Running, lock};
use super::{
    Counters, Key, KindIndex, Op, OpenError, Page, PageRequest, Place, Refusal, Reply, Restored, Row, Subscription,
    read,
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
    running: Arc<Running>,
    thread: Mutex<Option<(mpsc::Sender<Waiting>, thread::JoinHandle<()>)>>,
    is_closed: AtomicBool,
}

impl Handle {
    pub(crate) fn open(
        place: &Place,
        writer: Writer,
        kinds: &[KindIndex],
        facts: Option<&Path>,
        at: (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let (running, restored) = Running::open(place, writer, kinds, facts, at)?;
        let running = Arc::new(running);
        let thread = match writer {
            Writer::Inline => None,
            Writer::Threaded => {
                let (sender, receiver) = mpsc::channel(WAITING_OPS_MAX);
                let running = running.clone();
                let work = move || run(receiver, &running);
                let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(work);
                Some((sender, thread.map_err(OpenError::Thread)?))
            }
        };
        Ok((Self { running, thread: Mutex::new(thread), is_closed: AtomicBool::new(false) }, restored))
    }

    /// Runs one operation; answered after its commit.
    pub(crate) async fn submit(&self, op: Op) -> Reply {
        if self.is_closed.load(Ordering::Acquire) {
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
        self.running.apply(vec![op], || true, |mut replies| replies.pop()).unwrap_or_else(|| Err(closed()))
    }

    pub(crate) fn get(&self, key: &Key) -> Result<Option<Row>, Refusal> {
        self.running.read(|db| read::get(db, &self.running.tally, key))
    }

    pub(crate) fn page(&self, request: &PageRequest) -> Result<Page, Refusal> {
        self.running.read(|db| read::page(db, &self.running.tally, request))
    }

    /// The newest committed revision.
    pub(crate) fn revision(&self) -> Result<i64, Refusal> {
        self.running.read(|db| read::revision(db, &self.running.tally))
    }

    /// A place among the changes of the ring that a kind's go to.
    pub(crate) fn subscribe(&self, kind: &str, after: i64) -> Subscription {
        self.running.rings.of(kind).subscribe(after)
    }

    /// The newest revision that was published to watches.
    pub(crate) fn published(&self) -> i64 {
        self.running.rings.head()
    }

    /// The revision up to which watches of a kind cannot resume.
    pub(crate) fn compacted(&self, kind: &str) -> i64 {
        self.running.rings.of(kind).compacted()
    }

    pub(crate) fn compact(&self) {
        self.running.rings.compact();
    }

    pub(crate) fn end_watches(&self) {
        self.running.rings.end_watches();
    }

    pub(crate) fn counters(&self) -> Counters {
        self.running.tally.read()
    }

    /// Finishes what was accepted, ends the watches and folds the write-ahead log into the file.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let thread = lock(&self.thread).take();
        if let Some((sender, thread)) = thread {
            drop(sender);
            if thread.join().is_err() {
                tracing::error!("the writer thread had panicked");
            }
        }
        self.running.close();
    }
}

fn closed() -> Refusal {
    Refusal::Failed("it is closed".to_owned())
}

fn run(mut waiting: mpsc::Receiver<Waiting>, running: &Running) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first.0];
        let mut answers = vec![first.1];
        while batch.len() < BATCH_OPS_MAX
            && let Ok((op, answer)) = waiting.try_recv()
        {
            batch.push(op);
            answers.push(answer);
        }
        let answer = |replies: Vec<Reply>| {
            for (answer, reply) in answers.into_iter().zip(replies) {
                // Whoever asked may have gone; the change stands.
                let _gone = answer.send(reply);
            }
        };
        running.apply(batch, || waiting.is_empty(), answer);
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
        let kinds = [kind("things", false), kind("notes", true)];
        let clock = Arc::new(SystemClock);
        let at: (Arc<dyn Clock>, Arc<dyn Ids>) = (clock, Arc::new(CountingIds::new(1)));
        let (store, _) = Handle::open(&Place::Memory, Writer::Inline, &kinds, None, at).unwrap();
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
