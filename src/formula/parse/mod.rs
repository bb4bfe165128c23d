//! From a text to a `Formula`: types and words are checked here, at the place where they are written.
//!
//! A key that nobody knows is a warning, not an error, as in the originals: formulas of newer tools must still cook,
//! and a typo must still be seen.

mod compose;
mod formula;
mod overlay;
mod parts;
mod step;
mod var;

use std::collections::BTreeMap;

use serde_json::Value as Data;

use crate::bounds::{Bound, EXPRESSION_BYTES_MAX, NAME_BYTES_MAX, RULES_MAX, TEXT_BYTES_MAX, WARNINGS_MAX};
use crate::error::{Error, Problem, Warning};
use crate::model::Formula;
use crate::node::{self, Entry, Node, Value};
use crate::overlay::Override;
use crate::source::{Location, Source, Spot};
use crate::step::Need;
use crate::suggest;

/// The warnings of one cooking, of which only so many are kept.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    kept: Vec<(Spot, Warning)>,
    others: usize,
}

impl Warnings {
    pub fn push(&mut self, spot: Spot, warning: impl FnOnce() -> Warning) {
        if self.kept.len() < WARNINGS_MAX.max {
            self.kept.push((spot, warning()));
        } else {
            self.others += 1;
        }
    }

    /// In the order of the texts: a table's keys are read in the order of their names.
    pub fn into_vec(mut self) -> Vec<Warning> {
        self.kept.sort_by_key(|(spot, _)| *spot);
        let mut all: Vec<Warning> = self.kept.into_iter().map(|(_, warning)| warning).collect();
        if self.others > 0 {
            let message = match self.others {
                1 => "1 more warning is not shown".to_owned(),
                others => format!("{others} more warnings are not shown"),
            };
            all.push(Warning { message, ..Warning::default() });
        }
        all
    }
}

/// Reads a formula. `index` is the place of its source among those of the cooking.
pub(crate) fn parse(source: &Source, index: u32, warnings: &mut Warnings) -> Result<Formula, Error> {
    let mut parser = Parser { source, index, warnings };
    let root = parser.root("the text of the formula")?;
    parser.formula(root)
}

/// Reads an overlay, in the same way.
pub(crate) fn overlay(source: &Source, index: u32, warnings: &mut Warnings) -> Result<Vec<Override>, Error> {
    let mut parser = Parser { source, index, warnings };
    let root = parser.root("the text of the overlay")?;
    parser.overlay(root)
}

pub(crate) struct Parser<'c> {
    source: &'c Source,
    index: u32,
    warnings: &'c mut Warnings,
}

/// The entries of a table, and what the table is called.
struct Fields<'a> {
    at: usize,
    entries: Vec<Entry<'a>>,
}

type Read<T> = Result<T, Error>;

impl<'c> Parser<'c> {
    fn root(&self, what: &str) -> Read<Node<'c>> {
        if self.source.text.len() > TEXT_BYTES_MAX.max {
            return Err(self.over(what, TEXT_BYTES_MAX, 0));
        }
        node::read(self.source).map_err(|(problem, at)| self.error(problem, at))
    }
}

impl Parser<'_> {
    fn spot(&self, at: usize) -> Spot {
        // A text has at most `TEXT_BYTES_MAX` bytes.
        Spot { source: self.index, offset: u32::try_from(at).unwrap_or(u32::MAX) }
    }

    fn error(&self, problem: Problem, at: usize) -> Error {
        Error { problem: Box::new(problem), location: Some(Location::of(self.source, at)), hint: None }
    }

    fn over(&self, what: &str, bound: Bound, at: usize) -> Error {
        self.error(Problem::Bound { what: what.to_owned(), bound }, at)
    }

    /// The words are found only if the warning is kept: hints cost more than reading what they are for.
    fn warn(&mut self, at: usize, words: impl FnOnce() -> (String, Option<String>)) {
        let (source, spot) = (self.source, self.spot(at));
        self.warnings.push(spot, || {
            let (message, hint) = words();
            Warning { message, location: Some(Location::of(source, at)), hint }
        });
    }

    /// A key that the table `what` does not know.
    fn unknown(&mut self, entry: &Entry<'_>, what: &str, known: &[&str]) {
        self.warn(entry.at, || {
            let near = suggest::nearest(&entry.key, known.iter().copied());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            (format!("unknown key `{}` in {what}", entry.key), hint)
        });
    }

    fn wrong(&self, field: &str, expected: &'static str, node: &Node<'_>) -> Error {
        let found = node.value.type_name();
        self.error(Problem::WrongType { field: field.to_owned(), expected, found }, node.at)
    }

    fn bad(&self, field: &str, value: &str, why: impl Into<String>, at: usize) -> Error {
        let value = value.chars().take(80).collect();
        self.error(Problem::BadValue { field: field.to_owned(), value, why: why.into() }, at)
    }

    fn missing(&self, field: &'static str, what: impl Into<String>, at: usize) -> Error {
        self.error(Problem::Missing { field, what: what.into() }, at)
    }

    /// A table; what is `null` in it is not there.
    fn table<'a>(&self, field: &str, node: Node<'a>) -> Read<Fields<'a>> {
        match node.value {
            Value::Table(mut entries) => {
                entries.retain(|entry| !matches!(entry.node.value, Value::Null));
                Ok(Fields { at: node.at, entries })
            }
            _ => Err(self.wrong(field, "a table", &node)),
        }
    }

    fn list<'a>(&self, entry: Entry<'a>, expected: &'static str) -> Read<Vec<Node<'a>>> {
        match entry.node.value {
            Value::List(list) => Ok(list),
            _ => Err(self.wrong(&entry.key, expected, &entry.node)),
        }
    }

    /// Each table of a list.
    fn each<T>(
        &mut self,
        entry: Entry<'_>,
        bound: Option<Bound>,
        mut read: impl FnMut(&mut Self, Node<'_>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let (field, at) = (entry.key.clone().into_owned(), entry.at);
        let list = self.list(entry, "a list of tables")?;
        if let Some(bound) = bound.filter(|bound| list.len() > bound.max) {
            return Err(self.over(&format!("entries of `{field}`"), bound, at));
        }
        list.into_iter().map(|node| read(self, node)).collect()
    }

    fn rules<T>(&mut self, entry: Entry<'_>, read: impl FnMut(&mut Self, Node<'_>) -> Read<T>) -> Read<Vec<T>> {
        self.each(entry, Some(RULES_MAX), read)
    }

    fn text(&self, entry: Entry<'_>) -> Read<String> {
        match entry.node.value {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(self.wrong(&entry.key, "a text", &entry.node)),
        }
    }

    /// A text, of which an empty one is the same as none.
    fn some_text(&self, entry: Entry<'_>) -> Read<Option<String>> {
        self.text(entry).map(|text| Some(text).filter(|text| !text.is_empty()))
    }

    /// The same for a key that one dialect has and the others ignore: there a number may stand where a text is meant.
    fn some_scalar(&self, entry: Entry<'_>) -> Read<Option<String>> {
        let at = entry.node.at;
        let wrong = |value| self.wrong(&entry.key, "a text", &Node { at, value });
        Ok(Some(entry.node.value.into_scalar().map_err(wrong)?).filter(|text| !text.is_empty()))
    }

    /// A short text, such as a condition.
    fn expression(&self, entry: Entry<'_>) -> Read<Option<String>> {
        let (field, at) = (entry.key.clone(), entry.node.at);
        let text = self.some_text(entry)?;
        match text {
            Some(text) if text.len() > EXPRESSION_BYTES_MAX.max => {
                Err(self.over(&format!("`{field}`"), EXPRESSION_BYTES_MAX, at))
            }
            text => Ok(text),
        }
    }

    /// An id or a name: not empty, of one line, not too long.
    fn name(&self, entry: Entry<'_>) -> Read<String> {
        let (field, at) = (entry.key.clone(), entry.node.at);
        let text = self.text(entry)?;
        self.check_name(&field, &text, at)?;
        Ok(text)
    }

    fn check_name(&self, field: &str, name: &str, at: usize) -> Read<()> {
        if name.len() > NAME_BYTES_MAX.max {
            return Err(self.over(&format!("`{field}`"), NAME_BYTES_MAX, at));
        }
        if name.trim().is_empty() {
            return Err(self.bad(field, name, "it must not be empty", at));
        }
        if name.chars().any(char::is_control) {
            return Err(self.bad(field, &name.escape_debug().to_string(), "it must be of one line", at));
        }
        Ok(())
    }

    fn need(&self, entry: Entry<'_>) -> Read<Need> {
        let spot = self.spot(entry.node.at);
        Ok(Need { id: self.name(entry)?, spot })
    }

    /// A list of names; a single text is a list of one.
    fn needs(&self, entry: Entry<'_>) -> Read<Vec<Need>> {
        if matches!(entry.node.value, Value::Text(_)) {
            return Ok(vec![self.need(entry)?]);
        }
        let key = entry.key.clone();
        let list = self.list(entry, "a list of texts")?;
        list.into_iter().map(|node| self.need(Entry { key: key.clone(), at: node.at, node })).collect()
    }

    /// A list of texts; a single one is a list of one.
    fn texts(&self, entry: Entry<'_>) -> Read<Vec<String>> {
        if matches!(entry.node.value, Value::Text(_)) {
            return Ok(vec![self.text(entry)?]);
        }
        let key = entry.key.clone();
        let list = self.list(entry, "a list of texts")?;
        let scalar = |node: Node<'_>| {
            let at = node.at;
            node.value.into_scalar().map_err(|value| self.wrong(&key, "a list of texts", &Node { at, value }))
        };
        list.into_iter().map(scalar).collect()
    }

    /// A table of texts. Other scalars are written as text; what is deeper becomes JSON.
    fn text_map(&self, entry: Entry<'_>) -> Read<BTreeMap<String, String>> {
        let key = entry.key.clone().into_owned();
        let fields = self.table(&key, entry.node)?;
        Ok(fields.entries.into_iter().map(|it| (it.key.into_owned(), it.node.value.into_text())).collect())
    }

    fn flag(&self, entry: &Entry<'_>) -> Read<bool> {
        match entry.node.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(self.wrong(&entry.key, "true or false", &entry.node)),
        }
    }

    /// A whole number between two.
    fn number(&self, entry: &Entry<'_>, min: i64, max: i64) -> Read<i64> {
        let Value::Int(number) = entry.node.value else {
            return Err(self.wrong(&entry.key, "a whole number", &entry.node));
        };
        if (min..=max).contains(&number) {
            return Ok(number);
        }
        let why = format!("it must be from {min} to {max}");
        Err(self.bad(&entry.key, &number.to_string(), why, entry.node.at))
    }

    /// One of a few words.
    fn word<T: Copy>(&self, entry: Entry<'_>, words: &[(&'static str, T)]) -> Read<Option<T>> {
        let (field, at) = (entry.key.clone(), entry.node.at);
        let Some(text) = self.some_text(entry)? else { return Ok(None) };
        if let Some((_, word)) = words.iter().find(|(name, _)| *name == text) {
            return Ok(Some(*word));
        }
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let mut error = self.bad(&field, &text, format!("it must be one of {}", names.join(", ")), at);
        error.hint = suggest::nearest(&text, names).map(|near| format!("did you mean `{near}`?"));
        Err(error)
    }

    fn data(entry: Entry<'_>) -> Data {
        entry.node.value.into_data()
    }
}
