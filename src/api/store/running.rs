//! A store that runs: its connections, and what becomes of it when a row or the whole file is lost or damaged under it.
//!
//! A damaged row is written anew from the ledger before it is served. Where the file is gone, cut off, replaced or damaged, the store
//! is made anew from the ledger in its place, with the uids and at later revisions; watches end, and whoever watched lists again. So
//! a town goes on without a restart. What no ledger keeps, such as Events, is lost with the file.
//!
//! Invariants: nothing is answered from a file that is not the one in the folder; where no ledger is left, nothing is answered at all:
//! an empty store would be taken for a town in which all was deleted.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gastown_base::causes::in_a_line;
use gastown_base::clock::{Clock, Ids};
use jiff::Timestamp;
use rusqlite::Connection;

use super::facts::Facts;
use super::restore::move_aside;
use super::ring::Rings;
use super::standing::Standing;
use super::{Counts, Event, KindIndex, Loss, Op, OpenError, Place, Refusal, Reply, Restored, Store, Writer, db, told};

/// How often a store is opened that is taken away while it is opened.
const OPENS_MAX: u32 = 3;

/// What is opened of a store.
struct Files {
    store: Store,
    restored: Option<Restored>,
    reader: Option<Connection>,
    /// None where there is no ledger, or no file.
    standing: Option<Standing>,
}

impl Files {
    fn open(
        place: &Place,
        writer: Writer,
        kinds: &[KindIndex],
        facts: Option<&Path>,
        at: (Timestamp, &dyn Ids),
    ) -> Result<Self, OpenError> {
        let (store, restored) = match facts {
            // Whoever opens it for long looks at all of it.
            Some(facts) => Store::open_beside(place, kinds, facts.to_owned(), writer == Writer::Threaded, at)?,
            None => (Store::open(place, kinds.to_vec(), at.0)?, None),
        };
        let reader = match writer {
            Writer::Threaded => db::open_reader(place)?,
            Writer::Inline => None,
        };
        let standing = facts.and_then(|_| Standing::of(place));
        if let (Some(_), None, Place::File(path)) = (facts, &standing, place)
            && let Err(source) = fs_err::metadata(path)
        {
            return Err(OpenError::File { path: path.clone(), source });
        }
        Ok(Self { store, restored, reader, standing })
    }
}

/// Whether a store could not be opened because somebody took its files away meanwhile, as far as that can be told: what is there now is
/// another one, or none.
fn was_taken_away(error: &OpenError) -> bool {
    matches!(error, OpenError::Sqlite { .. } | OpenError::NotRestored { .. } | OpenError::File { .. })
}

/// A store with its connections.
pub(super) struct Running {
    store: Mutex<Store>,
    /// The file's own reader beside the writer; absent where readers share the writer's connection.
    reader: Option<Mutex<Connection>>,
    pub rings: Rings,
    pub tally: Arc<Counts>,
    place: Place,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// The files as they were last seen; none where there is no ledger to make them anew from.
    standing: Option<Mutex<Standing>>,
    /// How often it was made anew.
    renewed: AtomicU64,
    /// The last try to make it anew has failed, and there is no store.
    is_lost: AtomicBool,
    /// It was closed: its files are no longer its own.
    is_closed: AtomicBool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the store was held left at worst an open transaction, which the next BEGIN reports.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Opens a store, and makes it anew where it was lost.
    pub fn open(
        place: &Place,
        writer: Writer,
        kinds: &[KindIndex],
        facts: Option<&Path>,
        (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>),
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let at = (clock.now(), &*ids);
        let mut tries = 1;
        let Files { store, restored, reader, standing } = loop {
            match Files::open(place, writer, kinds, facts, at) {
                Err(error) if tries < OPENS_MAX && facts.is_some() && was_taken_away(&error) => tries += 1,
                opened => break opened?,
            }
        };
        if let (Some(facts), Some(restored)) = (&store.facts, &restored) {
            told::keep(facts.path(), restored);
        }
        let running = Self {
            rings: Rings::new(&store.kinds, store.revision()),
            tally: store.tally.clone(),
            store: Mutex::new(store),
            reader: reader.map(Mutex::new),
            place: place.clone(),
            clock,
            ids,
            standing: standing.map(Mutex::new),
            renewed: AtomicU64::new(0),
            is_lost: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        };
        Ok((running, restored))
    }

    /// Runs a batch, publishes it and has it answered; then, where nobody waits by now, collects what is left of removed owners'
    /// dependents.
    pub fn apply<T>(
        &self,
        batch: Vec<Op>,
        may_collect: impl FnOnce() -> bool,
        answer: impl FnOnce(Vec<Reply>) -> T,
    ) -> T {
        let seen = match self.stands() {
            Ok(seen) => seen,
            Err(refusal) => return answer(batch.iter().map(|_| Err(refusal.clone())).collect()),
        };
        let mut store = lock(&self.store);
        let (replies, events) = store.apply(batch, self.clock.now(), &*self.ids);
        self.rings.publish(events);
        let damage = replies.iter().find_map(|reply| match reply {
            Err(Refusal::Damaged(why)) => Some(why.clone()),
            _ => None,
        });
        let answered = answer(replies);
        if let Some(why) = damage {
            drop(store);
            // Nothing of the batch was done, and whoever asked was told to try again.
            let _said = self.renew(seen, &Loss::Damaged(why));
        } else if may_collect() {
            self.collect(&mut store);
        }
        answered
    }

    /// Looks at the store: at one that stands, with no damaged row in what is looked at as far as the ledger knows it.
    pub fn read<T>(&self, look: impl Fn(&Connection) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let seen = self.stands()?;
        match self.with_reader(&look) {
            Err(Refusal::Corrupt(key)) => {
                if !lock(&self.store).mend_running(&key) {
                    return Err(Refusal::Corrupt(key));
                }
                self.with_reader(&look)
            }
            Err(Refusal::Damaged(why)) => {
                self.renew(seen, &Loss::Damaged(why))?;
                self.with_reader(&look)
            }
            answer => answer,
        }
    }

    fn with_reader<T>(&self, look: impl Fn(&Connection) -> T) -> T {
        match &self.reader {
            Some(reader) => look(&lock(reader)),
            None => look(&lock(&self.store).db),
        }
    }

    /// Ends the watches, says to the ledger that it is whole, and folds the write-ahead log into the file.
    pub fn close(&self) {
        self.rings.end_watches();
        self.is_closed.store(true, Ordering::Release);
        let mut store = lock(&self.store);
        store.settle();
        let checkpointed = store.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = checkpointed {
            // The log is replayed at the next open: nothing is lost.
            tracing::warn!(%error, "checkpoint failed");
        }
    }

    /// Collects what is left of removed owners' dependents, a bounded transaction at a time.
    fn collect(&self, store: &mut Store) {
        while store.has_garbage() {
            let before = store.counters().commits;
            let (_, events): (_, Vec<Event>) = store.apply(Vec::new(), self.clock.now(), &*self.ids);
            self.rings.publish(events);
            if store.counters().commits == before {
                // Either nothing was left, or the commit failed: the next write tries again.
                return;
            }
        }
    }

    /// Makes sure that the file is the one that was opened; how often it was made anew.
    fn stands(&self) -> Result<u64, Refusal> {
        let seen = self.renewed.load(Ordering::Acquire);
        let Some(standing) = &self.standing else { return Ok(seen) };
        if self.is_closed.load(Ordering::Acquire) {
            return Ok(seen);
        }
        let lost = lock(standing).lost(|| false);
        let lost = lost.or_else(|| self.is_lost.load(Ordering::Acquire).then_some(Loss::Missing));
        match lost {
            Some(loss) => self.renew(seen, &loss).map(|()| self.renewed.load(Ordering::Acquire)),
            None => Ok(seen),
        }
    }

    /// Makes the store anew from the ledger, unless somebody has done so since it was `seen`.
    fn renew(&self, seen: u64, loss: &Loss) -> Result<(), Refusal> {
        let mut store = lock(&self.store);
        let mut reader = self.reader.as_ref().map(lock);
        let Some(mut standing) = self.standing.as_ref().map(lock) else {
            return Err(Refusal::Failed(loss.to_string()));
        };
        if self.renewed.load(Ordering::Acquire) != seen {
            return Ok(());
        }
        let is_lost = self.is_lost.load(Ordering::Acquire);
        if !is_lost && matches!(loss, Loss::Overwritten(_)) && standing.lost(|| is_folded(&store.db)).is_none() {
            return Ok(());
        }
        match self.made_anew(&mut store, reader.as_deref_mut(), is_lost) {
            Ok(restored) => {
                let restored = Restored { loss: loss.clone(), ..restored };
                tracing::error!("{restored}");
                if let Some(facts) = &store.facts {
                    told::keep(facts.path(), &restored);
                }
                if let Some(anew) = Standing::of(&self.place) {
                    *standing = anew;
                }
                self.renewed.fetch_add(1, Ordering::AcqRel);
                self.is_lost.store(false, Ordering::Release);
                self.rings.restart(store.revision());
                Ok(())
            }
            Err(error) => {
                let why = in_a_line(&*error);
                if !self.is_lost.swap(true, Ordering::AcqRel) {
                    tracing::error!("{loss}, and could not be made anew: {why}; nothing is done until it can be");
                }
                Err(Refusal::Failed(format!("{loss}, and could not be made anew: {why}")))
            }
        }
    }

    /// Lets go of the file, whatever it is now, moves what is there out of the way, and opens a store that is made from the ledger.
    fn made_anew(
        &self,
        store: &mut Store,
        mut reader: Option<&mut Connection>,
        is_lost: bool,
    ) -> Result<Restored, Box<dyn std::error::Error>> {
        let facts = store.facts.as_mut().ok_or("it has no ledger")?;
        let path = facts.path().to_owned();
        if !is_lost {
            // A file that was removed is open still: what the ledger lacks is taken from it.
            if !facts.is_whole() || !facts.stands() {
                facts.make_up(&store.db, &store.kinds, store.revision);
            }
            facts.settle(store.revision);
        }
        // Once it was lost, what is there now was put there by somebody.
        let is_put_back = || Facts::open(path.clone()).is_ok_and(|it| !it.is_empty());
        let has_ledger = if is_lost { is_put_back() } else { facts.is_whole() && facts.stands() };
        if !has_ledger {
            return Err(format!("its ledger {} is gone too: put that back", path.display()).into());
        }
        // SQLite removes the log beside a file that it lets go of, by its name: so that is done before there is another.
        store.db = Connection::open_in_memory()?;
        if let Some(reader) = &mut reader {
            **reader = Connection::open_in_memory()?;
        }
        // What an earlier try has left is empty, or somebody has put it there.
        let aside = if is_lost { None } else { Some(move_aside(&self.place, self.clock.now())?) };
        let at = (self.clock.now(), &*self.ids);
        let (mut anew, restored) = Store::open_beside(&self.place, &store.kinds, path, true, at)?;
        if let (Some(reader), Some(opened)) = (reader, db::open_reader(&self.place)?) {
            *reader = opened;
        }
        anew.tally = self.tally.clone();
        anew.advance(store.revision)?;
        *store = anew;
        let aside = aside.filter(|aside| aside.exists()).or(restored.as_ref().and_then(|it| it.aside.clone()));
        Ok(Restored { loss: Loss::Missing, objects: restored.map_or(0, |it| it.objects), aside })
    }
}

/// Whether the file holds all that its write-ahead log held, as far as SQLite knows.
fn is_folded(db: &Connection) -> bool {
    let frames = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1));
    frames.is_ok_and(|frames| frames <= 0)
}
