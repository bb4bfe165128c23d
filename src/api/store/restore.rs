//! A store beside its facts: which of the two is the truth, and how a store that was lost is made anew.
//!
//! The store is, unless it is missing, cannot be read, or is older than the facts: then somebody has removed it, overwritten it, or
//! put a copy of an earlier day in its place, and what it held later is nowhere but in the facts. What is there instead is moved
//! aside, never removed.

use std::fmt;
use std::path::PathBuf;

use gastown_base::clock::Ids;
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;

use super::db::{self, OpenError, checksum};
use super::facts::Facts;
use super::{Expect, Key, KindIndex, Op, Place, Refusal, Store, owners_first};

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
            Ok(opened) if facts.revision() != Some(opened.revision) && is_empty(&opened.db) => Some(Loss::Missing),
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
        // Whoever watched the one before does not see time run backwards.
        store.revision = store.revision.max(facts.revision().unwrap_or(0));
        let mut restored = None;
        if let Some(loss) = loss {
            let objects = facts.objects().map_err(unreadable)?;
            let objects = store.load(objects, (now, ids)).map_err(|why| not_restored(place, why))?;
            restored = Some(Restored { loss, objects, aside });
        } else if is_checked && !facts.is_empty() {
            let sqlite = |source| OpenError::Sqlite { path: db::path_of(place), source };
            let damaged = store.damaged().map_err(sqlite)?;
            if !damaged.is_empty() {
                let known = facts.objects().map_err(unreadable)?;
                let known: Vec<_> = known.into_iter().filter(|(key, _)| damaged.contains(key)).collect();
                store.mend(&known).map_err(sqlite)?;
                restored = Some(Restored { loss: Loss::Rows(damaged.len()), objects: known.len(), aside: None });
            }
        }
        if restored.is_some() || facts.revision() != Some(store.revision) {
            facts.keep();
            facts.make_up(&store.db, &store.kinds, store.revision);
        }
        store.facts = Some(facts);
        Ok((store, restored))
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
            if let Err(refusal @ (Refusal::Full | Refusal::Failed(_))) = reply {
                return Err(refusal.to_string());
            }
        }
        Ok(replies.iter().filter(|reply| reply.is_ok()).count())
    }

    /// The objects whose rows are not as they were written.
    fn damaged(&self) -> rusqlite::Result<Vec<Key>> {
        let mut found = Vec::new();
        let mut statement = self.db.prepare("SELECT kind, ns, name, revision, checksum, object FROM objects")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = Key { kind: row.get::<_, String>(0)?.into(), ns: row.get(1)?, name: row.get(2)? };
            let text = row.get_ref(5)?.as_str().unwrap_or_default();
            if checksum(&key, row.get(3)?, text) != row.get::<_, i64>(4)? {
                found.push(key);
            }
        }
        Ok(found)
    }

    /// Writes objects into their damaged rows, as they were: they have not changed.
    fn mend(&mut self, objects: &[(Key, Value)]) -> rusqlite::Result<()> {
        let transaction = self.db.transaction()?;
        for (key, object) in objects {
            let text = object.to_string();
            let revision = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
            transaction.execute(
                "UPDATE objects SET revision = ?4, checksum = ?5, object = ?6 WHERE kind = ?1 AND ns = ?2 AND name = ?3",
                params![&*key.kind, key.ns, key.name, revision, checksum(key, revision, &text), text],
            )?;
        }
        transaction.commit()
    }
}

fn not_restored(place: &Place, why: String) -> OpenError {
    OpenError::NotRestored { path: db::path_of(place), why }
}

/// What is wrong with a file that is no store any more; none where it was never one of ours, or is in use.
fn damage(error: &OpenError) -> Option<String> {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        OpenError::Foreign { found: 0, .. } => Some("it is no database".to_owned()),
        OpenError::Sqlite { source, .. } => {
            let code = source.sqlite_error_code();
            // Without a code, it is of a row that is not there or not as it should be.
            let is_damage = matches!(code, None | Some(DatabaseCorrupt | NotADatabase)) || lacks_table(source);
            is_damage.then(|| source.to_string())
        }
        _ => None,
    }
}

/// Whether a table of its own is missing.
fn lacks_table(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(_, Some(text)) if text.starts_with("no such "))
}

/// Whether a store that can be read holds nothing.
fn is_empty(db: &Connection) -> bool {
    db.query_row("SELECT EXISTS (SELECT 1 FROM objects)", [], |row| row.get::<_, bool>(0)).is_ok_and(|is_any| !is_any)
}

/// What is wrong with the pages of a store.
fn checked(db: &Connection) -> Option<String> {
    match db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(found) => Some(found).filter(|found| found != "ok"),
        Err(error) => Some(error.to_string()),
    }
}

/// Moves what is there out of the way, with what SQLite keeps beside it; where to.
fn move_aside(place: &Place, now: Timestamp) -> Result<PathBuf, OpenError> {
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
