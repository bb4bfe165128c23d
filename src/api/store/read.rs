//! Reading: one object, or a page of them in the order of (namespace, name) under a selector.

use std::fmt::Write as _;
use std::sync::Arc;

use rusqlite::types::Value as Param;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, StatementStatus, params, params_from_iter};

use super::db::checksum;
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

fn failed(error: &rusqlite::Error) -> Refusal {
    Refusal::Failed(error.to_string())
}

pub(super) fn get(db: &Connection, tally: &Counts, key: &Key) -> Result<Option<Row>, Refusal> {
    tally.statement();
    let sql = "SELECT ns, name, revision, checksum, object FROM objects WHERE kind = ?1 AND ns = ?2 AND name = ?3";
    let mut statement = db.prepare_cached(sql).map_err(|e| failed(&e))?;
    let row = statement.query_row(params![&*key.kind, key.ns, key.name], |row| read(&key.kind, row));
    row.optional().map_err(|e| failed(&e))?.transpose()
}

pub(super) fn page(db: &Connection, tally: &Counts, request: &PageRequest) -> Result<Page, Refusal> {
    // One transaction, so that the rows and the revision are of one snapshot.
    let transaction = db.unchecked_transaction().map_err(|e| failed(&e))?;
    tally.statement();
    let revision = transaction
        .prepare_cached("SELECT revision FROM meta")
        .and_then(|mut it| it.query_row([], |row| row.get(0)))
        .map_err(|e| failed(&e))?;
    let few = has_few(&transaction, tally, &request.selector).map_err(|e| failed(&e))?;
    let (sql, parameters) = query(request, few);
    tally.statement();
    let mut statement = transaction.prepare_cached(&sql).map_err(|e| failed(&e))?;
    let rows = statement
        .query_map(params_from_iter(parameters), |row| read(&request.kind, row))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(|e| failed(&e))?;
    tally.steps(u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or_default());
    let mut rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    let has_more = request.objects_max.is_some_and(|max| rows.len() > max);
    rows.truncate(request.objects_max.unwrap_or(usize::MAX));
    Ok(Page { rows, has_more, revision })
}

pub(super) fn revision(db: &Connection, tally: &Counts) -> Result<i64, Refusal> {
    tally.statement();
    let mut statement = db.prepare_cached("SELECT revision FROM meta").map_err(|e| failed(&e))?;
    statement.query_row([], |row| row.get(0)).map_err(|e| failed(&e))
}

fn read(kind: &Arc<str>, row: &SqlRow<'_>) -> rusqlite::Result<Result<Row, Refusal>> {
    let key = Key { kind: kind.clone(), ns: row.get(0)?, name: row.get(1)? };
    let revision = row.get(2)?;
    let sum: i64 = row.get(3)?;
    // Damage may well leave bytes that are no UTF-8: that is a damaged row, not a failed query.
    let Ok(object) = row.get::<_, String>(4) else {
        return Ok(Err(corrupt(&key)));
    };
    if checksum(&key, revision, &object) != sum {
        return Ok(Err(corrupt(&key)));
    }
    Ok(Ok(Row { key, revision, object }))
}

fn corrupt(key: &Key) -> Refusal {
    Refusal::Corrupt(format!("{}/{}/{}", key.kind, key.ns, key.name))
}

/// Whether a condition selects so few objects that they are read one by one and sorted. Else all of the kind are walked in
/// their order, which costs as much as there are, but gives a page without a look at the rest.
fn has_few(db: &Connection, tally: &Counts, selector: &Selector) -> rusqlite::Result<bool> {
    for requirement in &selector.0 {
        let (what, values) = match requirement {
            Requirement::In(what, _) if is_row_field(what) => continue,
            Requirement::In(what, values) => (what, Some(values)),
            Requirement::Exists(what) => (what, None),
            _ => continue,
        };
        let mut parameters = Vec::new();
        let marked = marked(what, values, &mut parameters);
        let sql = format!("SELECT count(*) FROM ({marked} LIMIT {})", FEW_MAX + 1);
        tally.statement();
        let mut statement = db.prepare_cached(&sql)?;
        let count: u32 = statement.query_row(params_from_iter(parameters), |row| row.get(0))?;
        tally.steps(u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or_default());
        if count <= FEW_MAX {
            return Ok(true);
        }
    }
    Ok(false)
}

/// With `few`, kind and place are marked with a `+`, which tells SQLite to find the objects by the conditions instead.
fn query(request: &PageRequest, few: bool) -> (String, Vec<Param>) {
    let PageRequest { kind, ns, selector, after, objects_max } = request;
    let plus = if few { "+" } else { "" };
    let mut sql = format!("SELECT ns, name, revision, checksum, object FROM objects WHERE {plus}kind = ?");
    let mut parameters = vec![Param::from(kind.to_string())];
    if let Some(ns) = ns {
        write!(sql, " AND {plus}ns = ?").expect("a string takes all");
        parameters.push(ns.clone().into());
    }
    if let Some((ns, name)) = after {
        write!(sql, " AND ({plus}ns, {plus}name) > (?, ?)").expect("a string takes all");
        parameters.extend([ns.clone().into(), name.clone().into()]);
    }
    for requirement in &selector.0 {
        condition(requirement, &mut sql, &mut parameters);
    }
    sql.push_str(" ORDER BY ns, name");
    if let Some(max) = objects_max {
        // One more than asked shows whether there is more.
        sql.push_str(" LIMIT ?");
        parameters.push(i64::try_from(max.saturating_add(1)).unwrap_or(i64::MAX).into());
    }
    (sql, parameters)
}

/// The ids of the objects that have an answer, or one of these.
fn marked(what: &str, values: Option<&Vec<String>>, parameters: &mut Vec<Param>) -> String {
    parameters.push(what.to_owned().into());
    let mut sql = "SELECT id FROM marks WHERE what = ?".to_owned();
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

fn condition(requirement: &Requirement, sql: &mut String, parameters: &mut Vec<Param>) {
    let mut marked = |is_in: bool, what: &str, values: Option<&Vec<String>>| {
        sql.push_str(if is_in { " AND id IN (" } else { " AND id NOT IN (" });
        sql.push_str(&marked(what, values, parameters));
        sql.push(')');
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
                " AND id IN (SELECT id FROM marks WHERE what = ? AND CAST(CAST(value AS INTEGER) AS TEXT) = value",
            );
            write!(sql, " AND CAST(value AS INTEGER) {sign} ?)").expect("a string takes all");
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
