//! One step of a field's path: a field, an item of a list by its key or value, or a position.
//!
//! They are written, ordered and printed as structured-merge-diff does it, because clients compare all three.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A JSON value with an order: numbers, then strings, booleans, lists, maps, and null. `1` and `1.0` are one number.
#[derive(Debug, Clone)]
pub(super) struct Item(pub(super) Value);

impl Item {
    fn rank(&self) -> u8 {
        match &self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default()),
            },
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            // Lists and maps are no items of a set; the order of their texts is as good as any.
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
                self.0.to_string().cmp(&other.0.to_string())
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Item {}

/// One step of a path. The order of the variants is that of the encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// A field of an object, or a key of a map.
    Field(String),
    /// An item of a list that is a map, by its keys' values, in the order of their names.
    Key(Vec<(String, Item)>),
    /// An item of a list that is a set.
    Value(Item),
    /// A position; read and kept, but nothing here makes one.
    Index(i64),
}

/// A key of `fieldsV1` that is no path element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path element")]
pub(super) struct BadElement(pub(super) String);

impl Element {
    pub(super) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// As a key of `fieldsV1`.
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let map: Map<_, _> = keys.iter().map(|(name, item)| (name.clone(), item.0.clone())).collect();
                format!("k:{}", Value::Object(map))
            }
            Self::Value(item) => format!("v:{}", item.0),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads a key of `fieldsV1`. A kind of element that is not known is none: a later version may have it.
    pub(super) fn decode(text: &str) -> Result<Option<Self>, BadElement> {
        let bad = || BadElement(text.to_owned());
        let (kind, rest) = text.split_at_checked(2).ok_or_else(bad)?;
        Ok(Some(match kind {
            "f:" => Self::field(rest),
            "k:" => {
                let map: Map<String, Value> = serde_json::from_str(rest).map_err(|_| bad())?;
                // A map of serde_json is in the order of its keys.
                Self::Key(map.into_iter().map(|(name, value)| (name, Item(value))).collect())
            }
            "v:" => Self::Value(Item(serde_json::from_str(rest).map_err(|_| bad())?)),
            "i:" => Self::Index(rest.parse().map_err(|_| bad())?),
            _ if kind.ends_with(':') => return Ok(None),
            _ => return Err(bad()),
        }))
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let pairs: Vec<_> = keys.iter().map(|(name, item)| format!("{name}={}", item.0)).collect();
                write!(f, "[{}]", pairs.join(","))
            }
            Self::Value(item) => write!(f, "[={}]", item.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_are_written_and_read_alike() {
        for text in ["f:spec", "f:", "f:a.b/c", r#"k:{"name":"a","port":80}"#, "v:\"x\"", "v:3", "v:true", "i:-1"] {
            assert_eq!(Element::decode(text).unwrap().unwrap().encode(), text);
        }
        assert_eq!(Element::decode("z:later").unwrap(), None);
        for bad in ["", "f", "spec", "k:[]", "v:", "i:x"] {
            assert!(Element::decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn elements_have_the_order_of_an_apiserver() {
        let item = |value: Value| Element::Value(Item(value));
        let sorted = [
            Element::field("a"),
            Element::field("b"),
            Element::Key(vec![("name".into(), Item(json!("a")))]),
            item(json!(1)),
            item(json!(1.5)),
            item(json!("a")),
            item(json!(false)),
            Element::Index(0),
        ];
        assert!(sorted.is_sorted());
        assert_eq!(item(json!(1)), item(json!(1.0)));
    }
}
