//! A text as a tree whose every key and value knows its place: the same one for TOML, JSON and YAML.

mod json;
mod toml;
mod yaml;

use std::borrow::Cow;

use serde_json::Value as Data;

use crate::bounds::NESTING_MAX;
use crate::error::Problem;
use crate::source::{Format, Source};

/// A value and its place, in bytes from the start of its text.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub at: usize,
    pub value: Value<'a>,
}

#[derive(Debug)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Float(f64),
    Flag(bool),
    /// A date, as it is written.
    Date(String),
    /// JSON's `null`, which is the same as a key that is not there.
    Null,
    List(Vec<Node<'a>>),
    /// Sorted by key, without repetition.
    Table(Vec<Entry<'a>>),
}

/// A key, its place, and its value.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub key: Cow<'a, str>,
    pub at: usize,
    pub node: Node<'a>,
}

/// A mistake at a place of the text.
pub(crate) type At<T> = Result<T, (Problem, usize)>;

/// Reads a text, which is at most as long as the bound: see `parse`.
pub(crate) fn read(source: &Source) -> At<Node<'_>> {
    match source.format {
        Format::Toml => toml::read(&source.text),
        Format::Json => json::read(&source.text),
        Format::Yaml => yaml::read(&source.text),
    }
}

/// The entries of a table by key, each of which may be there once.
fn sorted<'a>(mut entries: Vec<Entry<'a>>, format: &'static str) -> At<Vec<Entry<'a>>> {
    entries.sort_by(|a, b| a.key.cmp(&b.key).then(a.at.cmp(&b.at)));
    match entries.windows(2).find(|pair| pair[0].key == pair[1].key) {
        Some(pair) => {
            let why = format!("duplicate key `{}`", pair[1].key);
            Err((Problem::Syntax { format, why }, pair[1].at))
        }
        None => Ok(entries),
    }
}

fn check_depth(depth: usize, at: usize) -> At<()> {
    if depth <= NESTING_MAX.max {
        return Ok(());
    }
    Err((Problem::Bound { what: "tables and lists within each other".to_owned(), bound: NESTING_MAX }, at))
}

impl Value<'_> {
    /// Its type, with an article.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Flag(_) => "a boolean",
            Self::Date(_) => "a date",
            Self::Null => "nothing",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// Text, numbers, booleans and dates as text.
    pub fn into_scalar(self) -> Result<String, Self> {
        match self {
            Self::Text(text) => Ok(text.into_owned()),
            Self::Int(number) => Ok(number.to_string()),
            Self::Float(number) => Ok(number.to_string()),
            Self::Flag(flag) => Ok(flag.to_string()),
            Self::Date(date) => Ok(date),
            other => Err(other),
        }
    }

    /// The same; what is deeper becomes JSON.
    pub fn into_text(self) -> String {
        self.into_scalar().unwrap_or_else(|deep| deep.into_data().to_string())
    }

    /// The same as data, for what is kept and not read.
    pub fn into_data(self) -> Data {
        match self {
            Self::Text(text) => Data::String(text.into_owned()),
            Self::Int(number) => Data::from(number),
            Self::Float(number) => Data::from(number),
            Self::Flag(flag) => Data::Bool(flag),
            Self::Date(date) => Data::String(date),
            Self::Null => Data::Null,
            Self::List(list) => list.into_iter().map(|node| node.value.into_data()).collect(),
            // Sorted, so the digest does not depend on how serde_json orders a map.
            Self::Table(table) => {
                table.into_iter().map(|entry| (entry.key.into_owned(), entry.node.value.into_data())).collect()
            }
        }
    }
}
