//! The floor of verbs that find: a whole process in which SQLite does the same select, on beads in a table of columns, and prints it.
//!
//! It is this program again, called `select FILE SQL`: so that no `sqlite3` has to be installed.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use gastown::world::exec::Exec;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use serde_json::Value;

/// The word that asks for it.
pub const SELECT: &str = "select";

/// What of a bead is shown in a list.
pub const SHOWN: &str = "id, priority, type, status, assignee, title";

/// Tables as real `bd` has them, with its indexes.
const TABLES: &str = "
CREATE TABLE issues (id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT, notes TEXT, status TEXT NOT NULL,
  priority INTEGER NOT NULL, type TEXT NOT NULL, assignee TEXT, created TEXT NOT NULL);
CREATE TABLE dependencies (issue_id TEXT NOT NULL, depends_on_id TEXT NOT NULL, PRIMARY KEY (issue_id, depends_on_id));
CREATE INDEX issues_by_status ON issues (status);
CREATE INDEX issues_by_priority ON issues (priority);
";

/// Answers a question; to be called by the program that was started for it.
pub fn run(args: &[OsString]) {
    let [file, sql] = args else { panic!("select FILE SQL") };
    let db = Connection::open(Path::new(file)).unwrap();
    let mut statement = db.prepare(sql.to_str().unwrap()).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    while let Some(row) = rows.next().unwrap() {
        for column in 0..columns {
            match row.get_ref(column).unwrap() {
                ValueRef::Integer(number) => write!(out, "{number}\t").unwrap(),
                ValueRef::Text(text) => out.write_all(text).and_then(|()| out.write_all(b"\t")).unwrap(),
                _ => out.write_all(b"\t").unwrap(),
            }
        }
        out.write_all(b"\n").unwrap();
    }
}

/// The process that answers a question.
pub fn process(tables: &Path, sql: &str) -> Exec {
    Exec::new(std::env::current_exe().unwrap()).arg(SELECT).arg(tables).arg(sql)
}

/// The beads of a town's store in such tables, in a file of this folder.
pub fn tables(store: &Path, dir: &Path) -> PathBuf {
    let path = dir.join("tables.db");
    let mut db = Connection::open(&path).unwrap();
    db.execute_batch(TABLES).unwrap();
    let from = Connection::open(store).unwrap();
    let mut statement = from.prepare("SELECT object FROM objects WHERE kind = 'beads.gastown.io'").unwrap();
    let mut rows = statement.query([]).unwrap();
    let transaction = db.transaction().unwrap();
    while let Some(row) = rows.next().unwrap() {
        put(&transaction, &serde_json::from_str(row.get_ref(0).unwrap().as_str().unwrap()).unwrap());
    }
    transaction.commit().unwrap();
    path
}

fn put(db: &Connection, bead: &Value) {
    let (metadata, spec) = (&bead["metadata"], &bead["spec"]);
    let id = metadata["name"].as_str();
    let status = if spec["closed"].is_null() { "open" } else { "closed" };
    let mut insert = db.prepare_cached("INSERT INTO issues VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)").unwrap();
    let text = |key: &str| spec[key].as_str();
    let row = params![
        id,
        text("title"),
        text("description"),
        text("notes"),
        status,
        spec["priority"].as_i64().unwrap_or(2),
        text("type").unwrap_or("task"),
        spec["assignee"]["polecat"].as_str(),
        metadata["creationTimestamp"].as_str(),
    ];
    insert.execute(row).unwrap();
    for need in spec["needs"].as_array().into_iter().flatten() {
        let mut insert = db.prepare_cached("INSERT INTO dependencies VALUES (?1, ?2)").unwrap();
        insert.execute([id, need.as_str()]).unwrap();
    }
}
