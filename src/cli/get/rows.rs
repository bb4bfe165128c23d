//! A kind's table: its name, its printer columns, and in the wide form why it is as it is.

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::Value;

use crate::cli::common::age::age;
use crate::cli::common::jsonpath::Path;
use crate::cli::common::kinds::Kind;
use crate::cli::common::table::Table;
use crate::insight::text::short_revisions;

/// What stands where there is nothing: a blank cell would shift the columns for `awk`.
const NOTHING: &str = "-";

/// How much of a commit's id is shown; the wide form has all of it.
const COMMIT_CHARS: usize = 9;
/// Characters of a title, where nothing else limits it: a title is a line, and the longest has 500.
const TITLE_CHARS_MAX: usize = 120;

/// Columns that a narrow terminal leaves out, the first of them first; `-o wide` has all. A name of a bead is the beginning
/// of its merge requests' names, and a polecat's begins with its rig's.
const SPARE: [&str; 10] =
    ["PRI", "ATTEMPTS", "STRATEGY", "AGE", "RIG", "ATTEMPT", "BEAD", "LANDED", "POLECAT", "REASON"];

/// The columns of a kind's table.
pub struct Columns {
    kind: &'static Kind,
    columns: Vec<Column>,
}

struct Column {
    heading: String,
    is_date: bool,
    path: Path,
}

impl Columns {
    /// Those that the kind declares.
    pub fn of(kind: &'static Kind) -> Self {
        let columns = kind.columns.iter().map(|column| Column {
            heading: column.name.to_uppercase(),
            is_date: column.type_ == "date",
            path: Path::parse(column.path).expect("the columns are constants, and a test parses each"),
        });
        Self { kind, columns: columns.collect() }
    }

    /// An empty table.
    pub fn table(&self, wide: bool) -> Table {
        let declared = self.columns.iter().map(|column| column.heading.as_str());
        let words = if wide { "MESSAGE" } else { "TITLE" };
        let headings = std::iter::once("NAME").chain(declared).chain(wide.then_some("MESSAGE"));
        Table::new(headings).fitting(&[words], spare(self.kind))
    }

    /// One object's row; `with_kind` names it KIND/NAME.
    pub fn cells(&self, object: &DynamicObject, wide: bool, with_kind: bool, now: Timestamp) -> Vec<String> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let value = serde_json::to_value(object).unwrap_or_default();
        let first = if with_kind { self.kind.named_object(name) } else { name.to_owned() };
        let mut cells = vec![first];
        cells.extend(self.columns.iter().map(|column| cell(column, &value, now)));
        if !wide {
            cells.iter_mut().skip(1).filter(|cell| is_commit(cell)).for_each(|cell| cell.truncate(COMMIT_CHARS));
            let revision = self.columns.iter().position(|column| column.heading == "REVISION");
            if let Some(cell) = revision.and_then(|nth| cells.get_mut(nth + 1)) {
                *cell = short_revisions(cell);
            }
        }
        if let Some(title) = self.columns.iter().position(|column| column.heading == "TITLE").filter(|_| !wide)
            && let Some(cell) = cells.get_mut(title + 1)
        {
            *cell = short(cell);
        }
        if object.metadata.deletion_timestamp.is_some() {
            let says = ["REASON", "READY"].iter().find_map(|it| self.columns.iter().position(|c| c.heading == *it));
            if let Some(cell) = says.and_then(|nth| cells.get_mut(nth + 1)) {
                "Deleting".clone_into(cell);
            }
        }
        if wide {
            cells.push(message(&value).unwrap_or_else(|| NOTHING.to_owned()));
        }
        cells
    }
}

/// What can be spared of a kind: a polecat's bead and a convoy's landing are what its table is for.
fn spare(kind: &Kind) -> &'static [&'static str] {
    match kind.name {
        "Polecat" => &["AGE", "RIG", "ATTEMPT", "REASON"],
        "Convoy" => &["AGE"],
        _ => &SPARE,
    }
}

/// A title as a table has it where there is no terminal that it is cut to.
fn short(title: &str) -> String {
    if title.chars().nth(TITLE_CHARS_MAX).is_none() {
        return title.to_owned();
    }
    title.chars().take(TITLE_CHARS_MAX - 1).chain(['…']).collect()
}

/// Whether it is a commit's whole id, of which people read the beginning.
fn is_commit(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> String {
    match column.path.first(object) {
        None | Some(Value::Null) => NOTHING.to_owned(),
        Some(Value::String(text)) if text.is_empty() => NOTHING.to_owned(),
        Some(Value::String(text)) if column.is_date => {
            text.parse().map_or_else(|_| "<invalid>".to_owned(), |then: Timestamp| age(now, then))
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The first condition with something to say.
fn message(object: &Value) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let mut said = conditions.iter().filter_map(|condition| condition["message"].as_str());
    said.find(|message| !message.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn eighty_columns_are_enough_for_every_name() {
        let bead = json!({
            "metadata": {"name": "reflow-qw4nrkcb", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"title": "Say width, not cols, wherever it is about columns", "priority": 2,
                "assignee": {"polecat": "reflow-slit"}},
            "status": {"state": "SetAside", "attempts": 3,
                "conditions": [{"type": "Ready", "reason": "TooManyAttempts"}]},
        });
        let bead: DynamicObject = serde_json::from_value(bead).unwrap();
        let columns = Columns::of(Kind::named("Bead").unwrap());
        let mut table = columns.table(false);
        table.row(columns.cells(&bead, false, true, Timestamp::UNIX_EPOCH));
        insta::assert_snapshot!(table.render(Some(80)), @"
        NAME                   STATE      REASON            TITLE
        bead/reflow-qw4nrkcb   SetAside   TooManyAttempts   Say width, not cols,…
        ");
    }

    #[test]
    fn a_long_title_is_cut_but_in_the_wide_form() {
        let bead = |chars: usize| {
            let value = json!({ "metadata": { "name": "b" }, "spec": { "title": "é".repeat(chars) } });
            serde_json::from_value::<DynamicObject>(value).unwrap()
        };
        let columns = Columns::of(Kind::named("Bead").unwrap());
        let place = 1 + columns.columns.iter().position(|column| column.heading == "TITLE").unwrap();
        let title = |chars, wide| columns.cells(&bead(chars), wide, false, Timestamp::UNIX_EPOCH)[place].clone();
        assert_eq!(title(TITLE_CHARS_MAX, false), "é".repeat(TITLE_CHARS_MAX));
        assert_eq!(title(500, false), "é".repeat(TITLE_CHARS_MAX - 1) + "…");
        assert_eq!(title(500, true), "é".repeat(500));
    }

    #[test]
    fn a_revision_is_short_for_people_and_whole_in_the_wide_form() {
        let revision = format!("main@sha1:{}", "0123456789".repeat(4));
        let source = json!({
            "metadata": {"name": "town", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "spec": {"git": {"url": "."}},
            "status": {"objects": 4, "applied": {"revision": revision},
                "conditions": [{"type": "Ready", "status": "True", "reason": "Ok"}]},
        });
        let source: DynamicObject = serde_json::from_value(source).unwrap();
        let columns = Columns::of(Kind::named("Source").unwrap());
        let mut table = columns.table(false);
        table.row(columns.cells(&source, false, false, Timestamp::UNIX_EPOCH));
        insta::assert_snapshot!(table.render(Some(80)), @"
        NAME   READY   REASON   REVISION            OBJECTS   AGE
        town   True    Ok       main@012345678901   4         0s
        ");
        assert!(columns.cells(&source, true, false, Timestamp::UNIX_EPOCH).contains(&revision));
    }

    #[test]
    fn every_declared_column_can_be_read() {
        for kind in crate::cli::common::kinds::KINDS {
            assert_eq!(Columns::of(kind).columns.len(), kind.columns.len());
        }
    }
}
