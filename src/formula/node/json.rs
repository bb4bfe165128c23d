//! JSON to a tree with places: serde_json has no spans, but a raw value is a part of the text, so it knows where it is.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::{At, Entry, Node, Value, check_depth, sorted};
use crate::error::Problem;

pub(super) fn read(text: &str) -> At<Node<'_>> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| syntax(&error, offset(text, &error)))?;
    let root: &RawValue = serde_json::from_str(text).map_err(|error| syntax(&error, offset(text, &error)))?;
    node(text, root, 1)
}

fn syntax(error: &serde_json::Error, at: usize) -> (Problem, usize) {
    // The place is said by us: serde_json counts from the part that it was given.
    let words = error.to_string();
    let why = words.rsplit_once(" at line ").map_or(words.as_str(), |(why, _)| why).to_owned();
    (Problem::Syntax { format: "JSON", why }, at)
}

/// The byte that an error of the whole text points at; its columns are bytes.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    (line_start + error.column().saturating_sub(1)).min(text.len())
}

/// Each level reads its part of the text again, at most as often as `NESTING_MAX` allows.
fn node<'a>(text: &'a str, raw: &'a RawValue, depth: usize) -> At<Node<'a>> {
    let at = place(text, raw);
    let shallow = serde_json::from_str(raw.get()).map_err(|error| syntax(&error, at))?;
    let value = match shallow {
        Shallow::Leaf(value) => value,
        Shallow::List(list) => {
            check_depth(depth, at)?;
            Value::List(list.into_iter().map(|it| node(text, it, depth + 1)).collect::<At<_>>()?)
        }
        Shallow::Table(entries) => {
            check_depth(depth, at)?;
            Value::Table(table(text, entries, depth)?)
        }
    };
    Ok(Node { at, value })
}

fn table<'a>(text: &'a str, raw: Vec<(&'a RawValue, &'a RawValue)>, depth: usize) -> At<Vec<Entry<'a>>> {
    let mut entries = Vec::with_capacity(raw.len());
    for (key, value) in raw {
        let at = place(text, key);
        let Text(key) = serde_json::from_str(key.get()).map_err(|error| syntax(&error, at))?;
        entries.push(Entry { key, at, node: node(text, value, depth + 1)? });
    }
    sorted(entries, "JSON")
}

/// Where a part of the text starts.
fn place(text: &str, raw: &RawValue) -> usize {
    (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// One level of a value.
enum Shallow<'a> {
    Leaf(Value<'a>),
    List(Vec<&'a RawValue>),
    Table(Vec<(&'a RawValue, &'a RawValue)>),
}

impl<'de> Deserialize<'de> for Shallow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShallowVisitor)
    }
}

struct ShallowVisitor;

impl<'de> Visitor<'de> for ShallowVisitor {
    type Value = Shallow<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Flag(flag)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Int(number)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        i64::try_from(number).map(|it| Shallow::Leaf(Value::Int(it))).map_err(|_| E::custom("a number is too large"))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Float(number)))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Text(Cow::Borrowed(text))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Text(Cow::Owned(text.to_owned()))))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Shallow::Leaf(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Shallow::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry().map_err(A::Error::custom)? {
            entries.push(entry);
        }
        Ok(Shallow::Table(entries))
    }
}
