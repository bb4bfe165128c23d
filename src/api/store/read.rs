//! Reading: one object, or a page of them in the order of (namespace, name) under a selector.

use std::fmt::Write as _;
use std::sync::Arc;

use rusqlite::types::Value as Param;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, StatementStatus, params, params_from_iter};

use super::db::sound;
use super::index_entries::{Requirement, Selector, is_row_field};
use super::{Counts, Key, Refusal};

/// The most objects that are read one by one and sorted: as many cost less than a walk over a thousand.
const FEW_MAX: u32 = 100;

/// An object as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The kind, namespace and name.
    pub key: Key,
    /// The resourceVersion.
    pub revision: i64,
    /// The JSON text.
    pub object: String,
}

/// The objects to list.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The kind, as `plural.group`.
    pub kind: Arc<str>,
    /// One namespace, or all.
    pub ns: Option<String>,
    /// The conditions.
    pub selector: Selector,
    /// Only what sorts after this (namespace, name).
    pub after: Option<(String, String)>,
    /// At most so many objects.
    pub objects_max: Option<usize>,
}

/// A page of objects and the revision that it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the order of (namespace, name).
    pub rows: Vec<Row>,
    /// Whether more objects follow.
    pub has_more: bool,
    /// The newest revision in the snapshot that was read.
    pub revision: i64,
}

pub(super) fn get(db: &Connection, tally: &Counts, key: &Key) -> Result<Option<Row>, Refusal> {
    tally.statement();
    let sql = "SELECT ns, name, revision, checksum, object FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3";
    let mut statement = db.prepare_cached(sql).map_err(|e| Refusal::of(&e))?;
    let row = statement.query_row(params![&*key.kind, key.ns, key.name], |row| read(&key.kind, row));
    row.optional().map_err(|e| Refusal::of(&e))?.transpose()
}

pub(super) fn page(db: &Connection, tally: &Counts, request: &PageRequest) -> Result<Page, Refusal> {
    // One transaction, so that the rows and the revision are of one snapshot.
    let transaction = db.unchecked_transaction().map_err(|e| Refusal::of(&e))?;
    tally.statement();
    let revision = transaction
        .prepare_cached("SELECT revision FROM meta")
        .and_then(|mut it| it.query_row([], |row| row.get(0)))
        .map_err(|e| Refusal::of(&e))?;
    let few = few(&transaction, tally, &request.selector).map_err(|e| Refusal::of(&e))?;
    let (sql, parameters) = query(request, few);
    tally.statement();
    let mut statement = transaction.prepare_cached(&sql).map_err(|e| Refusal::of(&e))?;
    let rows = statement
        .query_map(params_from_iter(parameters), |row| read(&request.kind, row))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(|e| Refusal::of(&e))?;
    tally.steps(u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or_default());
    let mut rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    let has_more = request.objects_max.is_some_and(|max| rows.len() > max);
    rows.truncate(request.objects_max.unwrap_or(usize::MAX));
    Ok(Page { rows, has_more, revision })
}

pub(super) fn revision(db: &Connection, tally: &Counts) -> Result<i64, Refusal> {
    tally.statement();
    let mut statement = db.prepare_cached("SELECT revision FROM meta").map_err(|e| Refusal::of(&e))?;
    statement.query_row([], |row| row.get(0)).map_err(|e| Refusal::of(&e))
}

fn read(kind: &Arc<str>, row: &SqlRow<'_>) -> rusqlite::Result<Result<Row, Refusal>> {
    let key = Key { kind: kind.clone(), ns: row.get(0)?, name: row.get(1)? };
    Ok(match sound(&key, row, [2, 3, 4]) {
        Some((revision, object)) => Ok(Row { revision, object: object.to_owned(), key }),
        None => Err(Refusal::corrupt(&key)),
    })
}

/// The condition that selects so few objects that they are read one by one and sorted. Without one, all of the kind are walked in
/// their order, which costs as much as there are, but gives a page without a look at the rest.
fn few(db: &Connection, tally: &Counts, selector: &Selector) -> rusqlite::Result<Option<usize>> {
    for (nth, requirement) in selector.0.iter().enumerate() {
        let (what, values) = match requirement {
            Requirement::In(what, _) if is_row_field(what) => continue,
            Requirement::In(what, values) => (what, Some(values)),
            Requirement::Exists(what) => (what, None),
            _ => continue,
        };
        let mut parameters = Vec::new();
        let marked = marked("id", what, values, &mut parameters);
        let sql = format!("SELECT count(*) FROM ({marked} LIMIT {})", FEW_MAX + 1);
        tally.statement();
        let mut statement = db.prepare_cached(&sql)?;
        let count: u32 = statement.query_row(params_from_iter(parameters), |row| row.get(0))?;
        tally.steps(u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or_default());
        if count <= FEW_MAX {
            return Ok(Some(nth));
        }
    }
    Ok(None)
}

/// With `few`, kind and place are marked with a `+`, which tells SQLite to find the objects by that condition instead.
fn query(request: &PageRequest, few: Option<usize>) -> (String, Vec<Param>) {
    let PageRequest { kind, ns, selector, after, objects_max } = request;
    let plus = if few.is_some() { "+" } else { "" };
    let mut sql = format!("SELECT ns, name, revision, checksum, object FROM objects WHERE {plus}kind = ?");
    let mut parameters = vec![Param::from(kind.to_string())];
    if let Some(ns) = ns {
        write!(sql, " AND {plus}ns = ?").expect("a string takes all");
        parameters.push(ns.clone().into());
    }
    match after {
        // Compared by both, in one namespace, SQLite would begin at its first object for each page.
        Some((after, name)) if ns.as_ref() == Some(after) => {
            write!(sql, " AND {plus}name > ?").expect("a string takes all");
            parameters.push(name.clone().into());
        }
        Some((ns, name)) => {
            write!(sql, " AND ({plus}ns, {plus}name) > (?, ?)").expect("a string takes all");
            parameters.extend([ns.clone().into(), name.clone().into()]);
        }
        None => {}
    }
    for (nth, requirement) in selector.0.iter().enumerate() {
        condition(requirement, few == Some(nth), &mut sql, &mut parameters);
    }
    sql.push_str(" ORDER BY ns, name");
    if let Some(max) = objects_max {
        // One more than asked shows whether there is more.
        sql.push_str(" LIMIT ?");
        parameters.push(i64::try_from(max.saturating_add(1)).unwrap_or(i64::MAX).into());
    }
    (sql, parameters)
}

/// A look at the objects that have an answer, or one of these.
fn marked(columns: &str, what: &str, values: Option<&Vec<String>>, parameters: &mut Vec<Param>) -> String {
    parameters.push(what.to_owned().into());
    let mut sql = format!("SELECT {columns} FROM marks WHERE what = ?");
    if let Some(values) = values {
        parameters.extend(values.iter().map(|it| Param::from(it.clone())));
        write!(sql, " AND value IN ({})", vec!["?"; values.len()].join(", ")).expect("a string takes all");
    }
    sql
}

/// An answer as it stands in the text of a row's answers. Inside of another one each `"` would have a backslash before it.
fn as_in_row(what: &str, value: &str) -> Param {
    serde_json::json!([what, value]).to_string().into()
}

/// A condition on each object that is come by; with `finds`, the one by which they are found.
///
/// Each is asked on its own: the ids of all that have an answer, put together first, would cost as much as there are for every page.
/// A query for one value, since SQLite may make a join of `EXISTS` and then walk by that.
fn condition(requirement: &Requirement, finds: bool, sql: &mut String, parameters: &mut Vec<Param>) {
    let mut marked = |is_in: bool, what: &str, values: Option<&Vec<String>>| {
        if finds {
            write!(sql, " AND id IN ({})", marked("id", what, values, parameters)).expect("a string takes all");
        } else {
            let marked = marked("1", what, values, parameters);
            let is = if is_in { "IS NOT NULL" } else { "IS NULL" };
            write!(sql, " AND ({marked} AND id = objects.id) {is}").expect("a string takes all");
        }
    };
    match requirement {
        Requirement::In(what, values) if is_row_field(what) => {
            let any = vec!["instr(marks, ?) > 0"; values.len()].join(" OR ");
            write!(sql, " AND ({any})").expect("a string takes all");
            parameters.extend(values.iter().map(|value| as_in_row(what, value)));
        }
        Requirement::NotIn(what, values) if is_row_field(what) => {
            sql.push_str(&" AND instr(marks, ?) = 0".repeat(values.len()));
            parameters.extend(values.iter().map(|value| as_in_row(what, value)));
        }
        Requirement::In(what, values) => marked(true, what, Some(values)),
        Requirement::NotIn(what, values) => marked(false, what, Some(values)),
        Requirement::Exists(what) => marked(true, what, None),
        Requirement::Absent(what) => marked(false, what, None),
        Requirement::Compared { what, is_greater, than } => {
            // A number as it is written: `7a` casts to 7, but is none.
            let sign = if *is_greater { '>' } else { '<' };
            sql.push_str(
                " AND (SELECT 1 FROM marks WHERE id = objects.id AND what = ? AND CAST(CAST(value AS INTEGER) AS TEXT) = value",
            );
            write!(sql, " AND CAST(value AS INTEGER) {sign} ? LIMIT 1) IS NOT NULL").expect("a string takes all");
            parameters.extend([what.clone().into(), (*than).into()]);
        }
        Requirement::Name(wanted, name) => {
            sql.push_str(if *wanted { " AND name = ?" } else { " AND name <> ?" });
            parameters.push(name.clone().into());
        }
        Requirement::Namespace(wanted, ns) => {
            sql.push_str(if *wanted { " AND ns = ?" } else { " AND ns <> ?" });
            parameters.push(ns.clone().into());
        }
    }
}
