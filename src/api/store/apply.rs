//! The state machine: one batch of operations, one transaction, one answer each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, params};
use serde_json::{Value, json};

use super::db::{self, OpenError, Opened, checksum, sound, to_text};
use super::facts::Facts;
use super::garbage::{Pending, propagate};
use super::index_entries::{IndexEntries, KindIndex, OWNER};
use super::restore::Unknown;
use super::retention::PRUNE_EVERY;
use super::{Change, Counts, Event, Expect, Key, Op, Outcome, Place, Propagation, Refusal, Reply, Verb};
use gastown_base::clock::Ids;
use gastown_crds::common::whole_second;

/// The writing side of a store.
#[derive(Debug)]
pub struct Store {
    pub(super) db: Connection,
    pub(super) kinds: Vec<KindIndex>,
    pub(super) revision: i64,
    pub(super) tally: Arc<Counts>,
    has_garbage: bool,
    /// Records that came since it was last looked which of them are to go.
    unpruned: usize,
    /// Whether the transaction under way has written anything.
    wrote: Cell<bool>,
    /// What is appended to beside it.
    pub(super) facts: Option<Facts>,
    /// Damaged rows of which that knows nothing.
    pub(super) unknown: RefCell<Unknown>,
}

/// A row as the writer reads it.
pub(super) struct Current {
    pub(super) id: i64,
    pub(super) revision: i64,
    pub(super) marks: String,
    pub(super) object: String,
}

/// One transaction under way: what it has published so far, and what it left to collect.
pub(super) struct Batch<'a> {
    pub(super) store: &'a Store,
    pub(super) now: Timestamp,
    pub(super) ids: &'a dyn Ids,
    pub(super) revision: i64,
    pub(super) events: Vec<Event>,
    pub(super) garbage: VecDeque<Pending>,
    /// New objects of kinds that are kept for a time only.
    pub(super) passing: usize,
}

impl Store {
    /// Opens or makes a store.
    pub fn open(place: &Place, kinds: Vec<KindIndex>, now: Timestamp) -> Result<Self, OpenError> {
        Self::of(db::open(place, &kinds, now)?, place, kinds)
    }

    /// The store of a file that was opened.
    pub(super) fn of(opened: Opened, place: &Place, kinds: Vec<KindIndex>) -> Result<Self, OpenError> {
        let Opened { db, revision, .. } = opened;
        let count = db.query_row("SELECT count(*) FROM garbage", [], |row| row.get::<_, i64>(0));
        let has_garbage = count.map_err(|source| OpenError::Sqlite { path: db::path_of(place), source })? > 0;
        Ok(Self {
            db,
            kinds,
            revision,
            tally: Arc::default(),
            has_garbage,
            unpruned: PRUNE_EVERY,
            wrote: Cell::new(false),
            facts: None,
            unknown: RefCell::default(),
        })
    }

    /// The newest resourceVersion.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Whether dependents of removed owners wait for the next batch; an empty batch collects some.
    pub fn has_garbage(&self) -> bool {
        self.has_garbage
    }

    /// The work done so far.
    pub fn counters(&self) -> super::Counters {
        self.tally.read()
    }

    /// Bounds the file, in pages of 4 KiB; past it writes are refused with `Refusal::Full`, as on a full disk.
    pub fn limit_pages(&self, pages_max: u32) -> rusqlite::Result<()> {
        self.db.query_row(&format!("PRAGMA max_page_count = {pages_max}"), [], |_| Ok(()))
    }

    /// Runs a batch as one transaction; on a failure nothing of it is done, and every operation is answered with the failure.
    pub fn apply(&mut self, batch: Vec<Op>, now: Timestamp, ids: &dyn Ids) -> (Vec<Reply>, Vec<Event>) {
        let operations = batch.len();
        match self.transact(batch, now, ids) {
            Ok(done) => done,
            Err(error) => {
                // After a failed COMMIT the transaction may still be open; after other failures it surely is.
                if !self.db.is_autocommit() {
                    let rolled_back = self.db.execute_batch("ROLLBACK");
                    tracing::warn!(?error, ?rolled_back, operations, "batch failed");
                }
                (vec![Err(Refusal::of(&error)); operations], Vec::new())
            }
        }
    }

    fn transact(
        &mut self,
        batch: Vec<Op>,
        now: Timestamp,
        ids: &dyn Ids,
    ) -> rusqlite::Result<(Vec<Reply>, Vec<Event>)> {
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.wrote.set(false);
        let this = &*self;
        let (events, garbage) = (Vec::new(), VecDeque::new());
        let mut run = Batch { store: this, now, ids, revision: this.revision, events, garbage, passing: 0 };
        let mut replies = Vec::with_capacity(batch.len());
        for op in batch {
            replies.push(match op {
                Op::Put { key, expect, object } => run.put(key, expect, object)?,
                Op::Delete { key, uid, revision, propagation } => {
                    run.delete(&key, uid.as_deref(), revision, propagation)?
                }
            });
        }
        let unpruned = run.prune_now_and_then(this.unpruned)?;
        let has_garbage = run.collect(this.has_garbage)?;
        let Batch { revision, events, .. } = run;
        if !this.wrote.get() {
            self.has_garbage = has_garbage;
            self.db.prepare_cached("ROLLBACK")?.execute([])?;
            return Ok((replies, events));
        }
        this.run("UPDATE meta SET revision = ?1", [revision])?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        self.tally.commit();
        self.revision = revision;
        self.has_garbage = has_garbage;
        self.unpruned = unpruned;
        if let Some(facts) = &mut self.facts {
            facts.follow(&events, &self.db, &self.kinds, revision);
        }
        Ok((replies, events))
    }

    pub(super) fn run(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.tally.statement();
        self.wrote.set(true);
        self.db.prepare_cached(sql)?.execute(params)
    }

    /// The row of an object; a damaged one is written anew first, where the ledger knows it.
    pub(super) fn current(&self, key: &Key) -> rusqlite::Result<Option<Result<Current, Refusal>>> {
        match self.read(key)? {
            Some(Err(_)) if self.mend_in_batch(key)? => self.read(key),
            row => Ok(row),
        }
    }

    fn read(&self, key: &Key) -> rusqlite::Result<Option<Result<Current, Refusal>>> {
        self.tally.statement();
        let sql = "SELECT id, revision, marks, object, checksum FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let row = statement.query_row(params![&*key.kind, key.ns, key.name], |row| {
            let id = row.get(0)?;
            let current = |(revision, object): (i64, &str)| {
                let marks = row.get_ref(2).ok()?.as_str().ok()?.to_owned();
                Some(Current { id, revision, marks, object: object.to_owned() })
            };
            Ok(sound(key, row, [1, 4, 3]).and_then(current))
        });
        Ok(row.optional()?.map(|current| current.ok_or_else(|| Refusal::corrupt(key))))
    }

    /// What of an object is indexed.
    pub(super) fn marks(&self, key: &Key, object: &Value) -> IndexEntries {
        self.kind(&key.kind).map(|kind| IndexEntries::of(kind, &self.kinds, object)).unwrap_or_default()
    }

    pub(super) fn kind(&self, name: &str) -> Option<&KindIndex> {
        self.kinds.iter().find(|it| it.kind == name)
    }
}

impl Batch<'_> {
    fn next_revision(&mut self) -> i64 {
        self.revision += 1;
        self.revision
    }

    fn put(&mut self, key: Key, expect: Expect, mut object: Value) -> rusqlite::Result<Reply> {
        let current = match self.store.current(&key)? {
            Some(Err(corrupt)) => return Ok(Err(corrupt)),
            Some(Ok(current)) => Some(current),
            None => None,
        };
        match (expect, current) {
            (Expect::Absent | Expect::AbsentCopy, Some(_)) => Ok(Err(Refusal::AlreadyExists)),
            (Expect::AbsentCopy, None) => self.insert(key, object).map(Ok),
            (Expect::Absent, None) => {
                let metadata = &mut object["metadata"];
                metadata["uid"] = Value::from(self.ids.uid());
                metadata["creationTimestamp"] = Value::from(whole_second(self.now).to_string());
                self.insert(key, object).map(Ok)
            }
            (Expect::Revision(_), None) => Ok(Err(Refusal::NotFound)),
            (Expect::Revision(wanted), Some(current)) if wanted != current.revision => Ok(Err(Refusal::Conflict)),
            (Expect::Revision(_), Some(current)) => {
                let metadata = &object["metadata"];
                let has_finalizers = metadata["finalizers"].as_array().is_some_and(|it| !it.is_empty());
                if !metadata["deletionTimestamp"].is_null() && !has_finalizers {
                    return self.remove(key, current, object).map(Ok);
                }
                self.update(key, current, object).map(Ok)
            }
        }
    }

    pub(super) fn delete(
        &mut self,
        key: &Key,
        uid: Option<&str>,
        revision: Option<i64>,
        propagation: Propagation,
    ) -> rusqlite::Result<Reply> {
        let current = match self.store.current(key)? {
            None => return Ok(Err(Refusal::NotFound)),
            Some(Err(corrupt)) => return Ok(Err(corrupt)),
            Some(Ok(current)) => current,
        };
        let Ok(mut object) = serde_json::from_str::<Value>(&current.object) else {
            return Ok(Err(Refusal::corrupt(key)));
        };
        let is = object["metadata"]["uid"].as_str().unwrap_or_default();
        if let Some(wanted) = uid.filter(|wanted| *wanted != is) {
            let why = format!("UID in precondition: {wanted}, UID in object meta: {is}");
            return Ok(Err(Refusal::Precondition(why)));
        }
        if let Some(wanted) = revision.filter(|wanted| *wanted != current.revision) {
            let why = format!(
                "ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: {}",
                current.revision
            );
            return Ok(Err(Refusal::Precondition(why)));
        }
        let owner = is.to_owned();
        let metadata = &mut object["metadata"];
        let waits = propagate(metadata, propagation);
        if metadata["finalizers"].as_array().is_none_or(Vec::is_empty) {
            return self.remove(key.clone(), current, object).map(Ok);
        }
        if metadata["deletionTimestamp"].is_null() {
            metadata["deletionTimestamp"] = Value::from(whole_second(self.now).to_string());
            metadata["deletionGracePeriodSeconds"] = json!(0);
            metadata["generation"] = json!(metadata["generation"].as_i64().unwrap_or_default() + 1);
        }
        if waits {
            self.garbage.push_back(Pending { owner, after_id: 0, may_be_there: true });
        }
        self.update(key.clone(), current, object).map(Ok)
    }

    fn insert(&mut self, key: Key, mut object: Value) -> rusqlite::Result<Outcome> {
        let revision = self.next_revision();
        let marks = self.store.marks(&key, &object);
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let text = stamped(&mut object, revision);
        let sum = checksum(&key, revision, &text);
        self.store.run(
            "INSERT INTO objects (kind, ns, name, uid, revision, checksum, marks, object) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![&*key.kind, key.ns, key.name, uid, revision, sum, to_text(&marks), text],
        )?;
        let id = self.store.db.last_insert_rowid();
        for (what, value) in marks.indexed() {
            self.store.run("INSERT INTO marks VALUES (?1, ?2, ?3)", params![id, what, value])?;
        }
        for owner in marks.owners() {
            self.garbage_if_gone(owner, id)?;
        }
        if self.store.kind(&key.kind).is_some_and(|kind| kind.retention.is_some()) {
            self.passing += 1;
        }
        Ok(self.publish(Change::Created, Verb::Added, revision, key, text, marks, None))
    }

    pub(super) fn update(&mut self, key: Key, current: Current, mut object: Value) -> rusqlite::Result<Outcome> {
        if stamped(&mut object, current.revision) == current.object {
            return Ok(Outcome { change: Change::Unchanged, object: current.object.into() });
        }
        let revision = self.next_revision();
        let marks = self.store.marks(&key, &object);
        let text = stamped(&mut object, revision);
        let sum = checksum(&key, revision, &text);
        let marks_text = to_text(&marks);
        let old_marks = parsed(&current.marks);
        self.store.run(
            "UPDATE objects SET revision = ?2, checksum = ?3, marks = ?4, object = ?5 WHERE id = ?1",
            params![current.id, revision, sum, marks_text, text],
        )?;
        for (what, value) in old_marks.minus(&marks) {
            let sql = "DELETE FROM marks WHERE id = ?1 AND what = ?2 AND value = ?3";
            self.store.run(sql, params![current.id, what, value])?;
        }
        for (what, value) in marks.minus(&old_marks) {
            self.store.run("INSERT INTO marks VALUES (?1, ?2, ?3)", params![current.id, what, value])?;
            if what == OWNER {
                self.garbage_if_gone(value, current.id)?;
            }
        }
        let old = Some((current.object.into(), Arc::new(old_marks)));
        Ok(self.publish(Change::Updated, Verb::Modified, revision, key, text, marks, old))
    }

    pub(super) fn remove(&mut self, key: Key, current: Current, mut object: Value) -> rusqlite::Result<Outcome> {
        let revision = self.next_revision();
        let old_marks = parsed(&current.marks);
        let text = stamped(&mut object, revision);
        self.release_owners(&object);
        // The marks of the row go with it: ON DELETE CASCADE.
        self.store.run("DELETE FROM objects WHERE id = ?1", [current.id])?;
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.garbage.push_back(Pending { owner: uid.to_owned(), after_id: 0, may_be_there: false });
        }
        let old = Some((current.object.into(), Arc::new(old_marks.clone())));
        Ok(self.publish(Change::Removed, Verb::Deleted, revision, key, text, old_marks, old))
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one event, named at three call sites")]
    fn publish(
        &mut self,
        change: Change,
        verb: Verb,
        revision: i64,
        key: Key,
        text: String,
        marks: IndexEntries,
        old: Option<(Arc<str>, Arc<IndexEntries>)>,
    ) -> Outcome {
        let object: Arc<str> = text.into();
        self.events.push(Event { revision, verb, key, object: object.clone(), marks: Arc::new(marks), old });
        Outcome { change, object }
    }
}

/// The row's text: the object, naming the revision that wrote it. Keys are sorted, so equal objects are equal texts.
fn stamped(object: &mut Value, revision: i64) -> String {
    object["metadata"]["resourceVersion"] = Value::from(revision.to_string());
    object.to_string()
}

fn parsed(marks: &str) -> IndexEntries {
    serde_json::from_str(marks).unwrap_or_default()
}
