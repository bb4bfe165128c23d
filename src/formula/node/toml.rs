//! TOML to a tree: the `toml` crate's own tree with spans, which is turned over without copying texts.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{At, Entry, Node, Value, check_depth};
use crate::error::Problem;

pub(super) fn read(text: &str) -> At<Node<'_>> {
    let root = DeTable::parse(text).map_err(|error| {
        let why = error.message().to_owned();
        (Problem::Syntax { format: "TOML", why }, error.span().map_or(0, |span| span.start))
    })?;
    // The root's own span may be the whole text: what is missing in it is missing at the start.
    Ok(Node { at: 0, value: table(root.into_inner(), 0, 1)? })
}

fn table(table: DeTable<'_>, at: usize, depth: usize) -> At<Value<'_>> {
    check_depth(depth, at)?;
    let entry = |(key, value): (Spanned<_>, Spanned<_>)| {
        let at = key.span().start;
        Ok(Entry { key: key.into_inner(), at, node: node(value, depth)? })
    };
    table.into_iter().map(entry).collect::<At<Vec<_>>>().map(Value::Table)
}

fn node(spanned: Spanned<DeValue<'_>>, depth: usize) -> At<Node<'_>> {
    let at = spanned.span().start;
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Value::Int(parsed.map_err(|_| too_large(&number.to_string(), at))?)
        }
        DeValue::Float(number) => {
            let parsed: Option<f64> = number.as_str().parse().ok();
            Value::Float(parsed.ok_or_else(|| too_large(&number.to_string(), at))?)
        }
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(list) => {
            check_depth(depth + 1, at)?;
            Value::List(list.into_iter().map(|it| node(it, depth + 1)).collect::<At<_>>()?)
        }
        DeValue::Table(inner) => table(inner, at, depth + 1)?,
    };
    Ok(Node { at, value })
}

fn too_large(number: &str, at: usize) -> (Problem, usize) {
    (Problem::Syntax { format: "TOML", why: format!("the number {number} is too large") }, at)
}
