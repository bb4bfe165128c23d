//! An object as compact JSON: of ten thousand objects that are held at once, the trees would take six times the memory.

use serde_json::Value;

/// A value that is read again each time it is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Packed {
    /// Its JSON.
    Text(Box<str>),
    /// Itself: reading a broken number from JSON may change its last digit. None of our kinds has one.
    Tree(Value),
}

impl Packed {
    pub fn new(value: &Value) -> Self {
        if has_broken_number(value) { Self::Tree(value.clone()) } else { Self::Text(value.to_string().into()) }
    }

    pub fn value(&self) -> Value {
        match self {
            // What is written by `Value` is read by it: nothing in it is deeper than the reader of manifests allows.
            Self::Text(text) => serde_json::from_str(text).unwrap_or_default(),
            Self::Tree(value) => value.clone(),
        }
    }
}

/// How many bytes an object has as compact JSON.
pub(crate) fn bytes_of(value: &Value) -> usize {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // Counting does not fail, and nothing in a `Value` cannot be written.
    drop(serde_json::to_writer(&mut counter, value));
    counter.0
}

fn has_broken_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(items) => items.iter().any(has_broken_number),
        Value::Object(map) => map.values().any(has_broken_number),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
