//! `bd sql`: a question in SQL to the town's beads. They are put into a database in memory, in tables as Beads has them (`tables`), and
//! asked there: nothing that SQL says can write, reach a file, or go on without end.

mod tables;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};
use serde_json::{Map, Value};

use super::print;

/// The longest question, in bytes.
const SQL_BYTES_MAX: usize = 64 * 1024;
/// The most rows of an answer.
const ROWS_MAX: usize = 100_000;
/// The longest text in the database, in bytes: no text of a bead has half of it.
const TEXT_BYTES_MAX: i32 = 1 << 20;
/// The most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Steps of SQLite's machine between two looks at how many there were.
const STEPS_AT_ONCE: i32 = 10_000;
/// How often it is looked: 500 million steps, some ten seconds.
const LOOKS_MAX: u32 = 50_000;

/// Ask in SQL (SQLite's); it only reads. Tables: issues, dependencies, labels, comments, events, and the same of wisps
#[derive(Debug, Clone, Args)]
pub struct SqlArgs {
    /// The question, such as "SELECT id, title FROM issues WHERE status = 'open'"
    query: String,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
}

/// What was answered: the names of the columns, and the rows.
#[derive(Debug)]
struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

/// Runs `bd sql`.
pub async fn sql(args: &SqlArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    if args.query.len() > SQL_BYTES_MAX {
        return Err(Error::refused(format!("the query is longer than {SQL_BYTES_MAX} bytes"), "ask less at once"));
    }
    let mut database = tables::filled(context).await?;
    let rows = ask(&mut database, &args.query)?;
    let note = format!("{} rows\n", rows.rows.len());
    if json {
        return Ok(Answer::out(print::json(&objects(rows))));
    }
    Ok(Answer { out: if args.csv { comma_separated(&rows) } else { table(&rows) }, note, code: 0 })
}

fn ask(database: &mut Connection, sql: &str) -> Result<Rows, Error> {
    let broken = |error: rusqlite::Error| failure(&error, sql);
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, TEXT_BYTES_MAX).map_err(broken)?;
    database.authorizer(Some(only_reads)).map_err(broken)?;
    let mut looks = 0;
    let is_enough = move || {
        looks += 1;
        looks > LOOKS_MAX
    };
    database.progress_handler(STEPS_AT_ONCE, Some(is_enough)).map_err(broken)?;
    let mut statement = database.prepare(sql).map_err(broken)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    if columns.is_empty() {
        return Err(only_read());
    }
    let (mut all, mut bytes) = (Vec::new(), 0_usize);
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(broken)? {
        let values = (0..columns.len()).map(|nth| row.get_ref(nth).map(value)).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(broken)?;
        bytes += values.iter().map(|value| value.as_str().map_or(8, str::len)).sum::<usize>();
        if all.len() == ROWS_MAX || bytes > ANSWER_BYTES_MAX {
            let message = format!("the answer has more than {ROWS_MAX} rows, or {ANSWER_BYTES_MAX} bytes");
            return Err(Error::refused(message, "ask for less: WHERE ... or LIMIT ..."));
        }
        all.push(values);
    }
    Ok(Rows { columns, rows: all })
}

/// Lets reading through, and looking at how the tables are made.
fn only_reads(asked: AuthContext<'_>) -> Authorization {
    match asked.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Recursive
        | AuthAction::Pragma { pragma_name: "table_info" | "table_list", .. } => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn only_read() -> Error {
    Error::refused("`bd sql` only reads", "bd create, update, close, dep, label and comment write")
}

/// What SQLite says of a question, with its place.
fn failure(error: &rusqlite::Error, sql: &str) -> Error {
    let dialect = "the SQL is SQLite's: datetime('now', '-1 day'), group_concat(x, ','); \
                   \"SELECT sql FROM sqlite_schema\" shows the tables";
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } if !msg.contains("not authorized") => {
            let at = usize::try_from(*offset).ok().and_then(|offset| sql.get(..offset));
            let place = at.map(|before| {
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
                format!(" at {line}:{column}")
            });
            Error::refused(format!("invalid SQL{}: {msg}", place.unwrap_or_default()), dialect)
        }
        rusqlite::Error::SqlInputError { .. } => only_read(),
        rusqlite::Error::MultipleStatement => Error::refused("there is more than one statement", "ask one at a time"),
        error => match error.sqlite_error_code() {
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => only_read(),
            Some(ErrorCode::OperationInterrupted) => {
                Error::refused("the query took too long", "narrow it: join by the ids, WHERE ... or LIMIT ...")
            }
            _ => Error::refused(format!("invalid SQL: {error}"), dialect),
        },
    }
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned().into(),
    }
}

/// An object for each row; where two columns have one name, the last one counts.
fn objects(rows: Rows) -> Vec<Map<String, Value>> {
    let Rows { columns, rows } = rows;
    rows.into_iter().map(|row| columns.iter().cloned().zip(row).collect()).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.replace('\n', " "),
        value => value.to_string(),
    }
}

fn table(rows: &Rows) -> String {
    let texts: Vec<Vec<String>> = rows.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
    let width = |nth: usize| {
        let cells = texts.iter().filter_map(|row| row.get(nth)).chain(rows.columns.get(nth));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let head = line(&rows.columns) + &line(&rule);
    texts.iter().fold(head, |text, row| text + &line(row))
}

fn comma_separated(rows: &Rows) -> String {
    let cell = |text: String| {
        let is_plain = !text.contains(['"', ',', '\n', '\r']);
        if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    };
    let plain = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let head = line(rows.columns.iter().cloned().map(cell).collect());
    rows.rows.iter().fold(head, |text, row| text + &line(row.iter().map(|value| cell(plain(value))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(sql: &str) -> Result<Rows, String> {
        let mut database = tables::empty().unwrap();
        ask(&mut database, sql).map_err(|error| error.line())
    }

    #[test]
    fn what_could_write_or_leave_the_database_is_refused() {
        for sql in [
            "DELETE FROM issues",
            "UPDATE issues SET title = 'x'",
            "INSERT INTO labels VALUES ('a', 'b')",
            "DROP TABLE issues",
            "CREATE TABLE x (y)",
            "ATTACH 'other.db' AS other",
            "PRAGMA journal_mode = WAL",
            "VACUUM INTO 'copy.db'",
            "BEGIN",
            "SELECT load_extension('x')",
        ] {
            assert_eq!(asked(sql).err().as_deref(), Some("`bd sql` only reads"), "{sql}");
        }
        assert_eq!(asked("SELECT 1; SELECT 2").err().as_deref(), Some("there is more than one statement"));
        assert!(asked("SELECT 1; DELETE FROM issues").is_err());
        assert!(asked("PRAGMA table_info(issues)").is_ok());
    }

    #[test]
    fn what_does_not_end_or_is_too_much_is_ended() {
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT";
        assert_eq!(asked(&format!("{endless} sum(x) FROM n")).err().as_deref(), Some("the query took too long"));
        assert!(asked(&format!("{endless} x FROM n")).unwrap_err().contains("more than 100000 rows"));
        assert!(asked("SELECT length(zeroblob(1000000000))").is_err());
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        assert_eq!(asked("SELECT id FROM isues").err().unwrap(), "invalid SQL: no such table: isues");
        assert_eq!(asked("SELECT id,\n nme FROM issues").err().unwrap(), "invalid SQL at 2:2: no such column: nme");
        assert_eq!(asked("SELECT id,\nnme FROM issues").err().unwrap(), "invalid SQL at 2:1: no such column: nme");
        assert!(asked("").is_err() && asked("SELEC").unwrap_err().starts_with("invalid SQL at 1:1: "));
    }

    #[test]
    fn rows_are_a_table_objects_or_comma_separated() {
        let rows = || asked("SELECT 'a,\"b' AS x, NULL AS yy, 7 AS n UNION ALL SELECT 'c', 1.5, 8").unwrap();
        assert_eq!(table(&rows()), "x     yy    n\n----  ----  -\na,\"b  NULL  7\nc     1.5   8\n");
        assert_eq!(comma_separated(&rows()), "x,yy,n\n\"a,\"\"b\",,7\nc,1.5,8\n");
        assert_eq!(
            serde_json::to_string(&objects(rows())).unwrap(),
            r#"[{"n":7,"x":"a,\"b","yy":null},{"n":8,"x":"c","yy":1.5}]"#
        );
    }
}
