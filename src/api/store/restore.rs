//! A store beside its facts: which of the two is the truth, and how a store that was lost is made anew.
//!
//! The store is, unless it is missing, cannot be read, or is older than the facts: then somebody has removed it, overwritten it, or
//! put a copy of an earlier day in its place, and what it held later is nowhere but in the facts. What is there instead is moved
//! aside, never removed.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use gastown_base::clock::Ids;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, StatementStatus, params};
use serde_json::Value;

use super::db::{self, OpenError, checksum, sound, to_text};
use super::facts::{Facts, FactsError, is_kept};
use super::standing::is_damage;
use super::{Expect, Key, KindIndex, Op, Place, Refusal, Store, owners_first, told};

/// The files that SQLite keeps beside a store.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// That a store was made anew from its ledger, whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was found.
    pub loss: Loss,
    /// How many objects were stored anew.
    pub objects: usize,
    /// Where that lies which was there instead.
    pub aside: Option<PathBuf>,
}

/// What was wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// There was none, or an empty file.
    #[error("the store was missing")]
    Missing,
    /// It was cut off, or another one was put in its place, while it ran.
    #[error("the store was {0} while it was open")]
    Overwritten(&'static str),
    /// It could not be opened.
    #[error("the store was damaged ({0})")]
    Damaged(String),
    /// Its last write is older than the facts' last.
    #[error("the store was older than its ledger")]
    Older,
    /// So many of its rows were not as they were written.
    #[error("{0} rows of the store were damaged")]
    Rows(usize),
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loss, objects, aside } = self;
        let objects = if *objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") };
        write!(f, "{loss}: {objects} were made anew from its ledger")?;
        match aside {
            Some(aside) => write!(f, "; what was there instead is {}", aside.display()),
            None => Ok(()),
        }
    }
}

impl Store {
    /// Opens or makes a store, and follows it with the facts in a file of their own; a store that was lost is made anew from them.
    /// `is_checked`: each row is read, and a damaged one made anew.
    pub fn open_beside(
        place: &Place,
        kinds: &[KindIndex],
        facts: PathBuf,
        is_checked: bool,
        (now, ids): (Timestamp, &dyn Ids),
    ) -> Result<(Self, Option<Restored>), OpenError> {
        let path = facts.clone();
        let unreadable = |source| OpenError::Ledger { path: path.clone(), source };
        let mut facts = Facts::open(facts).map_err(unreadable)?;
        let opened = db::open(place, kinds, now);
        let loss = match &opened {
            _ if facts.is_empty() => None,
            Ok(opened) if opened.is_new => Some(Loss::Missing),
            // Made by one that died before it had stored anything.
            Ok(opened) if facts.revision() != Some(opened.revision) && is_unused(&opened.db) => Some(Loss::Missing),
            Ok(opened) if facts.revision().is_some_and(|last| last > opened.revision) => Some(Loss::Older),
            Ok(opened) if is_checked => checked(&opened.db).map(Loss::Damaged),
            Ok(_) => None,
            Err(error) => damage(error).map(Loss::Damaged),
        };
        let (opened, aside) = match &loss {
            Some(Loss::Damaged(_) | Loss::Older) => {
                // It is closed before it is moved.
                drop(opened);
                let aside = move_aside(place, now)?;
                (db::open(place, kinds, now)?, Some(aside))
            }
            _ => (opened?, None),
        };
        let mut store = Self::of(opened, place, kinds.to_vec())?;
        store
            .advance(facts.revision().unwrap_or(0))
            .map_err(|source| OpenError::Sqlite { path: db::path_of(place), source })?;
        let mut restored = None;
        if let Some(loss) = loss {
            let objects = facts.objects().map_err(unreadable)?;
            let objects = store.load(objects, (now, ids)).map_err(|why| not_restored(place, why))?;
            restored = Some(Restored { loss, objects, aside });
        } else if is_checked && !facts.is_empty() {
            restored = store.mend(&facts).map_err(|error| match error {
                FactsError::Io(source) => unreadable(source),
                FactsError::Sqlite(source) => OpenError::Sqlite { path: db::path_of(place), source },
            })?;
        }
        if restored.is_some() || facts.revision() != Some(store.revision) {
            facts.keep();
            facts.make_up(&store.db, &store.kinds, store.revision);
        }
        store.facts = Some(facts);
        Ok((store, restored))
    }

    /// Goes on from a revision, if it is not past that. Whoever watched the store before does not see time run backwards.
    pub(super) fn advance(&mut self, to: i64) -> rusqlite::Result<()> {
        if to > self.revision {
            self.revision = to;
            // In the file, too: a list names it, and a watch goes on from there.
            self.run("UPDATE meta SET revision = ?1", [to])?;
        }
        Ok(())
    }

    /// To be called before it is closed: what follows it is whole, and is not written anew at the next opening.
    pub fn settle(&mut self) {
        if let Some(facts) = &mut self.facts {
            facts.settle(self.revision);
        }
    }

    /// Stores objects as they were, with their uids; how many.
    fn load(&mut self, objects: Vec<(Key, Value)>, (now, ids): (Timestamp, &dyn Ids)) -> Result<usize, String> {
        let objects = owners_first(objects, |(_, object)| object);
        let ops: Vec<Op> =
            objects.into_iter().map(|(key, object)| Op::Put { key, expect: Expect::AbsentCopy, object }).collect();
        let (replies, _) = self.apply(ops, now, ids);
        for reply in &replies {
            if let Err(refusal @ (Refusal::Full | Refusal::Damaged(_) | Refusal::Failed(_))) = reply {
                return Err(refusal.to_string());
            }
        }
        Ok(replies.iter().filter(|reply| reply.is_ok()).count())
    }

    /// The objects whose rows are not as they were written.
    fn damaged(&self) -> rusqlite::Result<Vec<Key>> {
        let mut found = Vec::new();
        self.tally.statement();
        let mut statement = self.db.prepare("SELECT kind, ns, name, revision, checksum, object, marks FROM objects")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = Key { kind: row.get::<_, String>(0)?.into(), ns: row.get(1)?, name: row.get(2)? };
            if sound(&key, row, [3, 4, 5]).is_none() || row.get_ref(6)?.as_str().is_err() {
                found.push(key);
            }
        }
        drop(rows);
        self.tally.steps(u64::try_from(statement.get_status(StatementStatus::VmStep)).unwrap_or_default());
        Ok(found)
    }

    /// Writes anew the rows that are damaged, as the ledger has them: they have not changed. Those of kinds that no ledger keeps go.
    /// Answers what was done; none where nothing is damaged.
    fn mend(&self, facts: &Facts) -> Result<Option<Restored>, FactsError> {
        let damaged = self.damaged()?;
        if damaged.is_empty() {
            return Ok(None);
        }
        let known: BTreeMap<Key, Value> = facts.objects()?.into_iter().collect();
        let transaction = self.db.unchecked_transaction()?;
        let mut objects = 0;
        for key in &damaged {
            let is_mended = self.mend_row(key, known.get(key))?;
            objects += usize::from(is_mended);
            if !is_mended {
                self.unknown.borrow_mut().add(key, self.stamp(key)?);
            }
        }
        transaction.commit()?;
        Ok(Some(Restored { loss: Loss::Rows(damaged.len()), objects, aside: None }))
    }

    /// The same while the store runs, once the row of this object was found to be damaged, unless the ledger lacks what was written
    /// last, or is known to know nothing of that row. False: nothing was done; that the row is damaged is said whenever it is read.
    pub(super) fn mend_running(&self, key: &Key) -> bool {
        let Some(facts) = self.facts.as_ref().filter(|facts| facts.is_whole()) else { return false };
        if self.is_unknown(key).unwrap_or(false) {
            return false;
        }
        let mended = self.mend(facts).inspect_err(|error| tracing::error!(%error, "damaged rows could not be mended"));
        let Some(mended) = mended.ok().flatten() else { return false };
        if mended.objects > 0 {
            tracing::warn!("{mended}");
            told::keep(facts.path(), &mended);
        }
        true
    }

    /// Mends the row of an object that a transaction under way has to read. False: it stays as it is.
    pub(super) fn mend_in_batch(&self, key: &Key) -> rusqlite::Result<bool> {
        let Some(facts) = self.facts.as_ref().filter(|facts| facts.is_whole()) else { return Ok(false) };
        if self.is_unknown(key)? {
            return Ok(false);
        }
        let known = match facts.objects() {
            Ok(objects) => objects.into_iter().find(|(it, _)| it == key),
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be read, and a damaged row not be mended");
                return Ok(false);
            }
        };
        let is_mended = self.mend_row(key, known.as_ref().map(|(_, object)| object))?;
        if is_mended {
            tracing::warn!(kind = &*key.kind, name = key.name, "a damaged row was made anew from the ledger");
        } else {
            self.unknown.borrow_mut().add(key, self.stamp(key)?);
        }
        Ok(is_mended || !is_kept(&key.kind, &self.kinds))
    }

    /// Whether it was found before that the ledger knows nothing of this damaged row, and the row is the same still.
    fn is_unknown(&self, key: &Key) -> rusqlite::Result<bool> {
        let Some(stamp) = self.unknown.borrow().0.get(key).copied() else { return Ok(false) };
        Ok(self.stamp(key)? == Some(stamp))
    }

    /// A digest of a row as it is, whatever is in it; none where there is no row.
    fn stamp(&self, key: &Key) -> rusqlite::Result<Option<u64>> {
        self.tally.statement();
        let sql = "SELECT revision, checksum, object, marks FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let digest = statement.query_row(params![&*key.kind, key.ns, key.name], |row| {
            let mut hasher = DefaultHasher::new();
            for column in 0..4 {
                format!("{:?}", row.get_ref(column)?).hash(&mut hasher);
            }
            Ok(hasher.finish())
        });
        digest.optional()
    }

    /// Mends one row; false where nothing is known of it. It goes then, where no ledger keeps its kind.
    fn mend_row(&self, key: &Key, known: Option<&Value>) -> rusqlite::Result<bool> {
        let row = params![&*key.kind, key.ns, key.name];
        let Some(object) = known else {
            if !is_kept(&key.kind, &self.kinds) {
                self.run("DELETE FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3", row)?;
                tracing::warn!(
                    kind = &*key.kind,
                    name = key.name,
                    "a damaged record was removed: no ledger keeps its kind"
                );
            }
            return Ok(false);
        };
        let text = object.to_string();
        let marks = to_text(&self.marks(key, object));
        let revision = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
        self.run(
            "UPDATE objects SET revision = ?4, checksum = ?5, object = ?6, marks = ?7 WHERE kind = ?1 AND ns = ?2 AND name = ?3",
            params![&*key.kind, key.ns, key.name, revision, checksum(key, revision, &text), text, marks],
        )?;
        Ok(true)
    }
}

/// The most damaged rows that are remembered.
const UNKNOWN_MAX: usize = 1024;

/// Damaged rows of which the ledger knows nothing, each with its digest: all rows and the whole ledger were read to find that out.
#[derive(Debug, Default)]
pub(super) struct Unknown(BTreeMap<Key, u64>);

impl Unknown {
    fn add(&mut self, key: &Key, stamp: Option<u64>) {
        let Some(stamp) = stamp else { return };
        if self.0.len() >= UNKNOWN_MAX {
            self.0.clear();
        }
        self.0.insert(key.clone(), stamp);
    }
}

fn not_restored(place: &Place, why: String) -> OpenError {
    OpenError::NotRestored { path: db::path_of(place), why }
}

/// What is wrong with a file that is no store any more; none where it was never one of ours, or is in use.
fn damage(error: &OpenError) -> Option<String> {
    match error {
        OpenError::Foreign { found: 0, .. } => Some("it is no database".to_owned()),
        OpenError::Sqlite { source, .. } => {
            // Without a code, it is of a row that is not there or not as it should be.
            let is_damage = source.sqlite_error_code().is_none() || is_damage(source) || lacks_table(source);
            is_damage.then(|| source.to_string())
        }
        _ => None,
    }
}

/// Whether a table of its own is missing.
fn lacks_table(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(text)) if text.starts_with("no such "))
}

/// Whether nothing was ever put into a store that can be read; one in which all was deleted is another thing.
fn is_unused(db: &Connection) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'objects')";
    db.query_row(sql, [], |row| row.get::<_, bool>(0)).is_ok_and(|was_used| !was_used)
}

/// What is wrong with the pages of a store.
fn checked(db: &Connection) -> Option<String> {
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(found) => Some(found).filter(|found| found != "ok"),
        Err(error) => Some(error.to_string()),
    }
}

/// Moves what is there out of the way, with what SQLite keeps beside it; where to.
pub(super) fn move_aside(place: &Place, now: Timestamp) -> Result<PathBuf, OpenError> {
    let path = db::path_of(place);
    let with = |path: &PathBuf, ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    let aside = with(&path, &format!(".lost-{}", now.as_second()));
    for ending in std::iter::once("").chain(BESIDE) {
        match fs_err::rename(with(&path, ending), with(&aside, ending)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(aside)
}
