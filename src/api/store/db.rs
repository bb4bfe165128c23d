//! The SQLite file: its tables, its version, and how it is opened.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde_json::Value;

use super::index_entries::{IndexEntries, KindIndex};
use super::{Key, Place};

/// "gast" in ASCII: what `file` and we know our files by.
const APPLICATION_ID: i32 = 0x6761_7374;
/// The layout below. A change of it is a new number and a migration.
const SCHEMA_VERSION: i32 = 1;
/// The longest wait of a connection for another one's lock, in milliseconds; only a backup ever holds one.
const BUSY_TIMEOUT_MS: u32 = 2_000;
/// The number of prepared statements that a connection keeps; there are some 20 fixed ones and one per shape of selector.
const STATEMENTS_CACHED_MAX: usize = 64;

const TABLES: &str = "
CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL, declared TEXT NOT NULL);
CREATE TABLE objects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,
  uid TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, checksum INTEGER NOT NULL,
  marks TEXT NOT NULL, object TEXT NOT NULL,
  UNIQUE (kind, ns, name));
CREATE TABLE marks (
  id INTEGER NOT NULL REFERENCES objects(id) ON DELETE CASCADE, what TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (id, what, value)) WITHOUT ROWID;
CREATE INDEX marks_by_value ON marks (what, value, id);
CREATE TABLE garbage (owner TEXT PRIMARY KEY, after_id INTEGER NOT NULL) WITHOUT ROWID;
";

/// A store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file was made by something else.
    #[error("`{path}` is not a gt store (application id {found:#x}); move it away or name another file")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The application id in its header.
        found: i32,
    },
    /// The file was made by a newer gt.
    #[error("`{path}` was written by a newer gt (schema {found}, this one knows {known}); update gt")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema's version in the file.
        found: i32,
        /// The newest version that this release knows.
        known: i32,
    },
    /// The file cannot be made the user's alone.
    #[error("could not prepare the store `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("could not open the store `{path}`")]
    Sqlite {
        /// The file, or `:memory:`.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// The ledger beside it cannot be read.
    #[error("could not read the ledger `{path}`, from which a lost store is made anew")]
    Ledger {
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// What the ledger holds cannot be stored.
    #[error("could not make the store `{path}` anew from its ledger: {why}")]
    NotRestored {
        /// The file.
        path: PathBuf,
        /// The cause.
        why: String,
    },
    /// A kind's schema cannot be run.
    #[error("the definition of `{name}` cannot be served")]
    Definition {
        /// The definition's name.
        name: String,
        /// The schema's error.
        #[source]
        source: gastown_crds::schema::SchemaError,
    },
    /// A kind's definition lacks something.
    #[error("the definition of `{name}` cannot be served: {why}")]
    Unservable {
        /// The definition's name.
        name: String,
        /// The missing part.
        why: &'static str,
    },
    /// The writer thread could not be started.
    #[error("could not start the writer thread")]
    Thread(#[source] std::io::Error),
}

/// The path as messages name it.
pub(super) fn path_of(place: &Place) -> PathBuf {
    match place {
        Place::File(path) => path.clone(),
        Place::Memory => PathBuf::from(":memory:"),
    }
}

/// A store that was opened.
pub(super) struct Opened {
    /// The writing connection.
    pub db: Connection,
    /// The last resourceVersion.
    pub revision: i64,
    /// Whether there was none before.
    pub is_new: bool,
}

/// Opens the writing connection, and makes an empty store where there is none.
pub(super) fn open(place: &Place, kinds: &[KindIndex], now: Timestamp) -> Result<Opened, OpenError> {
    let path = path_of(place);
    let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
    let mut db = match place {
        Place::File(file) => {
            owners_alone(file).map_err(|source| OpenError::File { path: path.clone(), source })?;
            Connection::open(file)
        }
        Place::Memory => Connection::open_in_memory(),
    }
    .map_err(sqlite)?;
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let is_foreign_file =
        |error: &rusqlite::Error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase);
    let found = match pragma("application_id") {
        Err(error) if is_foreign_file(&error) => return Err(OpenError::Foreign { path, found: 0 }),
        other => other.map_err(sqlite)?,
    };
    let is_empty = pragma("schema_version").map_err(sqlite)? == 0;
    if found != APPLICATION_ID && !is_empty {
        return Err(OpenError::Foreign { path, found });
    }
    let version = pragma("user_version").map_err(sqlite)?;
    if version > SCHEMA_VERSION {
        return Err(OpenError::Newer { path, found: version, known: SCHEMA_VERSION });
    }
    configure(&db).map_err(sqlite)?;
    if is_empty {
        create(&mut db, now).map_err(sqlite)?;
    }
    reindex_if_declared_otherwise(&mut db, kinds).map_err(sqlite)?;
    let revision = db.query_row("SELECT revision FROM meta", [], |row| row.get(0)).map_err(sqlite)?;
    Ok(Opened { db, revision, is_new: is_empty })
}

/// Makes the file, or closes one that is there to others. SQLite gives the files beside it the same mode.
fn owners_alone(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = fs_err::OpenOptions::from_options(options).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// A second connection that only reads, for a file.
pub(super) fn open_reader(place: &Place) -> Result<Option<Connection>, OpenError> {
    let Place::File(path) = place else { return Ok(None) };
    let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    db.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS.into())).map_err(sqlite)?;
    Ok(Some(db))
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    db.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS.into()))?;
    // FULL: a commit has reached the disk before a write is answered. NORMAL would not sync a WAL per commit.
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")
}

fn create(db: &mut Connection, now: Timestamp) -> rusqlite::Result<()> {
    // 2^20 writes a second would be needed for a new store to fall behind one that it replaces.
    let first = now.as_second().max(1) << 20;
    let transaction = db.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO meta (id, revision, declared) VALUES (1, ?1, '')", [first])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()
}

/// IndexEntries are derived from declarations; another release may declare other fields, and then they are read anew.
fn reindex_if_declared_otherwise(db: &mut Connection, kinds: &[KindIndex]) -> rusqlite::Result<()> {
    let declared = format!("{kinds:?}");
    let transaction = db.transaction()?;
    let before: String = transaction.query_row("SELECT declared FROM meta", [], |row| row.get(0))?;
    if before == declared {
        return Ok(());
    }
    for kind in kinds {
        let mut after = 0_i64;
        while let Some((id, text)) = transaction
            .query_row(
                "SELECT id, object FROM objects WHERE kind = ?1 AND id > ?2 ORDER BY id LIMIT 1",
                params![kind.kind, after],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()?
        {
            after = id;
            // A damaged row keeps its marks: reading it reports it.
            let Ok(object) = serde_json::from_str::<Value>(&text) else { continue };
            let marks = IndexEntries::of(kind, kinds, &object);
            transaction.execute("DELETE FROM marks WHERE id = ?1", [id])?;
            for (what, value) in marks.indexed() {
                transaction.execute("INSERT INTO marks VALUES (?1, ?2, ?3)", params![id, what, value])?;
            }
            transaction.execute("UPDATE objects SET marks = ?2 WHERE id = ?1", params![id, to_text(&marks)])?;
        }
    }
    transaction.execute("UPDATE meta SET declared = ?1", [&declared])?;
    transaction.commit()
}

pub(super) fn to_text(marks: &IndexEntries) -> String {
    serde_json::to_string(marks).expect("pairs of strings are always JSON")
}

/// FNV-1a over everything that a row says: any changed byte, and any row in another one's place, shows.
///
/// It guards against a decaying disk, not against an adversary: whoever can write the file can write the sum.
pub(super) fn checksum(key: &Key, revision: i64, object: &str) -> i64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for part in
        [key.kind.as_bytes(), key.ns.as_bytes(), key.name.as_bytes(), &revision.to_le_bytes(), object.as_bytes()]
    {
        for byte in part.iter().chain(&[0xff]) {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    sum.cast_signed()
}

/// The revision and the text of a row, whose columns these are with the checksum between them, as they were written. None of one that
/// is damaged: what is of another type than it was written is, too.
pub(super) fn sound<'a>(key: &Key, row: &'a Row<'_>, [revision, sum, object]: [usize; 3]) -> Option<(i64, &'a str)> {
    let number = |at| row.get_ref(at).ok()?.as_i64().ok();
    let (revision, sum) = (number(revision)?, number(sum)?);
    let object = row.get_ref(object).ok()?.as_str().ok()?;
    (checksum(key, revision, object) == sum).then_some((revision, object))
}
