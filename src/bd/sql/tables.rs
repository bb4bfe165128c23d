//! The town's beads as tables, with the names that Beads' own schema has.
//!
//! What is kept of an imported line and has no field here is in the columns too. Wisps, and beads that are no work (agents, rigs, roles,
//! messages), are in the tables of wisps, as in Beads. Times are as `datetime` writes them. The events are those that beads themselves
//! tell: filed, commented, closed; `gt history` tells the rest.

use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::issue::{self, Dependency, Issue};
use gastown_beads::slim::Slim;
use gastown_crds::bead::BeadType;
use jiff::Timestamp;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, ToSql, params, params_from_iter};
use serde_json::Value;

use crate::scan::{Query, events, scan};

/// The columns of an issue, each with what it is where nothing is said: what Beads never has empty is not NULL here either.
const COLUMNS: [(&str, Empty); 49] = [
    ("id", Empty::Text),
    ("content_hash", Empty::Null),
    ("title", Empty::Text),
    ("description", Empty::Text),
    ("design", Empty::Text),
    ("acceptance_criteria", Empty::Text),
    ("notes", Empty::Text),
    ("spec_id", Empty::Null),
    ("status", Empty::Text),
    ("priority", Empty::Zero),
    ("issue_type", Empty::Text),
    ("assignee", Empty::Null),
    ("owner", Empty::Text),
    ("estimated_minutes", Empty::Null),
    ("created_at", Empty::Null),
    ("created_by", Empty::Text),
    ("updated_at", Empty::Null),
    ("started_at", Empty::Null),
    ("closed_at", Empty::Null),
    ("close_reason", Empty::Text),
    ("closed_by_session", Empty::Text),
    ("due_at", Empty::Null),
    ("defer_until", Empty::Null),
    ("external_ref", Empty::Null),
    ("source_system", Empty::Text),
    ("source_repo", Empty::Text),
    ("metadata", Empty::Object),
    ("sender", Empty::Text),
    ("ephemeral", Empty::Zero),
    ("no_history", Empty::Zero),
    ("wisp_type", Empty::Text),
    ("pinned", Empty::Zero),
    ("is_template", Empty::Zero),
    ("mol_type", Empty::Text),
    ("work_type", Empty::Text),
    ("await_type", Empty::Text),
    ("await_id", Empty::Text),
    ("timeout_ns", Empty::Zero),
    ("waiters", Empty::Text),
    ("event_kind", Empty::Text),
    ("actor", Empty::Text),
    ("target", Empty::Text),
    ("payload", Empty::Text),
    ("hook_bead", Empty::Text),
    ("role_bead", Empty::Text),
    ("agent_state", Empty::Text),
    ("last_activity", Empty::Null),
    ("role_type", Empty::Text),
    ("rig", Empty::Text),
];

/// What a column has where nothing is said.
#[derive(Debug, Clone, Copy)]
enum Empty {
    Null,
    Text,
    Zero,
    Object,
}

impl Empty {
    fn cell(self) -> Cell {
        match self {
            Self::Null => Cell::Null,
            Self::Text => Cell::Text(String::new()),
            Self::Zero => Cell::Integer(0),
            Self::Object => Cell::Text("{}".to_owned()),
        }
    }
}

/// The tables beside `issues`, with `{}` for what they begin with: nothing, or `wisp_`.
const BESIDE: &str = "
    CREATE TABLE {}dependencies (issue_id, depends_on_id, type, created_at, created_by, metadata, thread_id);
    CREATE TABLE {}labels (issue_id, label);
    CREATE TABLE {}comments (id, issue_id, author, text, created_at);
    CREATE TABLE {}events (id, issue_id, event_type, actor, old_value, new_value, comment, created_at);
    CREATE INDEX {}dependencies_of ON {}dependencies (issue_id);
    CREATE INDEX {}dependencies_on ON {}dependencies (depends_on_id);
    CREATE INDEX {}labels_of ON {}labels (issue_id);
    CREATE INDEX {}labels_as ON {}labels (label);
    CREATE INDEX {}comments_of ON {}comments (issue_id);
    CREATE INDEX {}events_of ON {}events (issue_id);
";

/// Where a row goes: the table of its issue, and what the names of the tables beside it begin with.
const ISSUES: (&str, &str) = ("issues", "");
const WISPS: (&str, &str) = ("wisps", "wisp_");

/// A database with the tables and nothing in them.
pub fn empty() -> rusqlite::Result<Connection> {
    let database = Connection::open_in_memory()?;
    let columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    for (table, start) in [ISSUES, WISPS] {
        let columns = columns.join(", ").replacen("id", "id PRIMARY KEY", 1);
        database.execute_batch(&format!("CREATE TABLE {table} ({columns});{}", BESIDE.replace("{}", start)))?;
    }
    Ok(database)
}

/// A database with all the town's beads and events.
pub async fn filled(context: &Context) -> Result<Connection, Error> {
    let broken = |error: rusqlite::Error| Error::refused(format!("the tables could not be made: {error}"), "try again");
    let database = empty().map_err(broken)?;
    database.execute_batch("BEGIN").map_err(broken)?;
    scan(context, &Query::default(), |slim| {
        if slim.spec.type_ != BeadType::Memory {
            put(&database, &slim).map_err(broken)?;
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut failed = None;
    events(context, &Query::default(), |event| {
        let issue = Issue::of_event(event);
        let done = put_issue(&database, ISSUES.0, &serde_json::to_value(&issue).unwrap_or_default(), &[])
            .and_then(|()| put_labels(&database, ISSUES.1, &issue.id, event.spec.labels.iter().cloned()))
            .and_then(|()| put_edges(&database, ISSUES.1, issue.dependencies()));
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })
    .await?;
    failed.map_or(Ok(()), Err).and_then(|()| database.execute_batch("COMMIT")).map_err(broken)?;
    Ok(database)
}

/// Puts a bead in.
fn put(database: &Connection, bead: &Slim) -> rusqlite::Result<()> {
    let spec = &bead.spec;
    let is_infra = matches!(spec.type_, BeadType::Agent | BeadType::Rig | BeadType::Role | BeadType::Message);
    let (table, start) = if spec.ephemeral || is_infra { WISPS } else { ISSUES };
    let issue = Issue::without_edges(bead);
    let id = &issue.id;
    let own = [("rig", Cell::Text(spec.rig.clone())), ("pinned", Cell::Integer(i64::from(bead.status() == "pinned")))];
    let mut said = serde_json::to_value(&issue).unwrap_or_default();
    // What came with an imported line, and of which the bead says nothing.
    let kept =
        bead.metadata.annotations.beads.iter().flat_map(|kept| &kept.fields).filter(|field| field.was.is_empty());
    for field in kept {
        if said.get(&field.key).is_none() {
            said[&field.key] = serde_json::from_str(&field.raw).unwrap_or_default();
        }
    }
    said["timeout_ns"] = said["timeout"].take();
    put_issue(database, table, &said, &own)?;
    put_labels(database, start, id, bead.labels())?;
    put_edges(database, start, &issue::edges(bead))?;
    for comment in &spec.comments {
        database.prepare_cached(&format!("INSERT INTO {start}comments VALUES (?, ?, ?, ?, ?)"))?.execute(params![
            comment.name,
            id,
            comment.author,
            comment.text,
            time(comment.at)
        ])?;
    }
    let filed = [("created", bead.created(), spec.created_by.as_deref(), None)];
    let said = spec.comments.iter().map(|it| ("commented", it.at, Some(it.author.as_str()), Some(it.text.as_str())));
    let closed = spec.closed.iter().map(|it| ("closed", it.at, Some(it.by.as_str()), it.message.as_deref()));
    for (nth, (type_, at, actor, comment)) in filed.into_iter().chain(said).chain(closed).enumerate() {
        database
            .prepare_cached(&format!("INSERT INTO {start}events VALUES (?, ?, ?, ?, NULL, NULL, ?, ?)"))?
            .execute(params![format!("{id}-{nth}"), id, type_, actor.unwrap_or_default(), comment, time(at)])?;
    }
    Ok(())
}

/// Puts in the row of an issue: what `own` says of it, else what its JSON does.
fn put_issue(database: &Connection, table: &str, said: &Value, own: &[(&str, Cell)]) -> rusqlite::Result<()> {
    let cells = COLUMNS.iter().map(|(name, empty)| {
        let own = own.iter().find(|(it, _)| it == name).map(|(_, cell)| cell.clone());
        own.unwrap_or_else(|| said.get(*name).and_then(|value| cell(name, value)).unwrap_or_else(|| empty.cell()))
    });
    let places = vec!["?"; COLUMNS.len()].join(", ");
    let mut insert = database.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({places})"))?;
    insert.execute(params_from_iter(cells)).map(drop)
}

fn put_labels(
    database: &Connection,
    start: &str,
    id: &str,
    labels: impl Iterator<Item = String>,
) -> rusqlite::Result<()> {
    let mut insert = database.prepare_cached(&format!("INSERT INTO {start}labels VALUES (?, ?)"))?;
    labels.into_iter().try_for_each(|label| insert.execute(params![id, label]).map(drop))
}

fn put_edges(database: &Connection, start: &str, edges: &[Dependency]) -> rusqlite::Result<()> {
    let mut insert =
        database.prepare_cached(&format!("INSERT INTO {start}dependencies VALUES (?, ?, ?, ?, '', ?, '')"))?;
    edges.iter().try_for_each(|edge| {
        let made = as_time(&edge.created_at);
        let metadata = edge.metadata.as_deref().unwrap_or("{}");
        let row: [&dyn ToSql; 5] = [&edge.issue_id, &edge.depends_on_id, &edge.type_, &made, &metadata];
        insert.execute(row).map(drop)
    })
}

/// A value of JSON as a column has it; none of nothing.
fn cell(name: &str, value: &Value) -> Option<Cell> {
    match value {
        Value::Null => None,
        Value::Bool(is_so) => Some(Cell::Integer(i64::from(*is_so))),
        Value::Number(number) => Some(number.as_i64().map_or_else(|| Cell::Text(number.to_string()), Cell::Integer)),
        Value::String(text) if name.ends_with("_at") || name == "defer_until" => Some(Cell::Text(as_time(text))),
        Value::String(text) => Some(Cell::Text(text.clone())),
        value => Some(Cell::Text(value.to_string())),
    }
}

/// A time as the columns have it; what is no time stays as it is.
fn as_time(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), time)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
