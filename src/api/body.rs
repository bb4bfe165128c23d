//! Bodies of requests: JSON or YAML, read into a value, with the keys that an object has twice.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;

use super::status::ApiError;

/// The most repeated keys that are told.
const DUPLICATES_MAX: usize = 16;
/// Whole numbers up to here are exact in a float; `3.0` is written by clients whose numbers are all floats.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A body that was read.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) value: Value,
    /// Where a key stands twice, such as `spec.repo`; the last one counts.
    pub(super) duplicates: Vec<String>,
}

/// Reads JSON.
pub(super) fn json(body: &Bytes) -> Result<Decoded, ApiError> {
    decoded(|reading| {
        let mut json = serde_json::Deserializer::from_slice(body);
        let value = Seed(reading).deserialize(&mut json);
        value.and_then(|value| json.end().map(|()| value))
    })
    .map_err(|error| ApiError::bad_request(format!("the body is not valid JSON: {error}")))
}

/// Reads YAML, of which JSON is a part: one document, with aliases bounded by the reader's own budget.
pub(super) fn yaml(body: &Bytes) -> Result<Decoded, ApiError> {
    // Most clients that say YAML send JSON.
    if body.first() == Some(&b'{')
        && let Ok(decoded) = json(body)
    {
        return Ok(decoded);
    }
    let text =
        std::str::from_utf8(body).map_err(|error| ApiError::bad_request(format!("the body is not UTF-8: {error}")))?;
    decoded(|reading| {
        let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::PassThrough, strict_booleans: true };
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |yaml| Seed(reading).deserialize(yaml))
    })
    .map_err(|error| ApiError::bad_request(format!("the body is not valid YAML: {error}")))
}

/// Reads once, and again for the places if a key stands twice: else a path would be written for each field of each body.
fn decoded<E>(read: impl Fn(&mut Reading) -> Result<Value, E>) -> Result<Decoded, E> {
    let mut reading = Reading::default();
    let value = read(&mut reading)?;
    if !reading.has_duplicates {
        return Ok(Decoded { value, duplicates: Vec::new() });
    }
    let mut reading = Reading { notes_places: true, ..Reading::default() };
    let value = read(&mut reading)?;
    Ok(Decoded { value, duplicates: reading.duplicates })
}

#[derive(Default)]
struct Reading {
    notes_places: bool,
    has_duplicates: bool,
    /// The path of the value that is being read, if places are noted.
    at: String,
    duplicates: Vec<String>,
}

impl Reading {
    fn enter_item(&mut self, index: usize) {
        if self.notes_places {
            write!(self.at, "[{index}]").expect("a string takes all");
        }
    }

    fn enter_field(&mut self, name: &str) {
        if self.notes_places {
            if !self.at.is_empty() {
                self.at.push('.');
            }
            self.at.push_str(name);
        }
    }

    fn repeated(&mut self) {
        self.has_duplicates = true;
        if self.notes_places && self.duplicates.len() < DUPLICATES_MAX {
            self.duplicates.push(self.at.clone());
        }
    }
}

/// Reads one value. Depth is bounded by the deserializers.
struct Seed<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        if value.fract() == 0.0 && value.abs() <= WHOLE_MAX {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the exact range")]
            return Ok(Value::from(value as i64));
        }
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Self(reading) = self;
        let (mut list, end) = (Vec::new(), reading.at.len());
        loop {
            reading.enter_item(list.len());
            let item = items.next_element_seed(Seed(reading));
            reading.at.truncate(end);
            match item? {
                Some(item) => list.push(item),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let Self(reading) = self;
        let (mut map, end) = (Map::new(), reading.at.len());
        while let Some(name) = fields.next_key::<String>()? {
            reading.enter_field(&name);
            let value = fields.next_value_seed(Seed(reading));
            if map.insert(name, value?).is_some() {
                reading.repeated();
            }
            reading.at.truncate(end);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_that_stand_twice_are_told_and_the_last_counts() {
        let text = Bytes::from(r#"{"a":1,"b":[{"c":1,"c":2.0}],"a":{"d":null}}"#);
        for read in [json, yaml] {
            let Decoded { value, duplicates } = read(&text).unwrap();
            assert_eq!(value, json!({ "a": { "d": null }, "b": [{ "c": 2 }] }));
            assert_eq!(duplicates, ["b[0].c", "a"]);
        }
    }

    #[test]
    fn yaml_is_read_as_the_core_schema_has_it() {
        let text = "a: yes\nb: \"1\"\nc: 0.5\nd: [x, ~]\na: {e: 1}\n";
        let Decoded { value, duplicates } = yaml(&Bytes::from(text)).unwrap();
        assert_eq!(value, json!({ "a": { "e": 1 }, "b": "1", "c": 0.5, "d": ["x", null] }));
        assert_eq!(duplicates, ["a"]);
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let deep = "[".repeat(100_000);
        let laughs = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
            let alias = format!("*a{}, ", n - 1).repeat(10);
            format!("{text}a{n}: &a{n} [{alias}]\n")
        });
        for text in [deep.as_str(), laughs.as_str(), "{", "a: b: c", "{} {}"] {
            assert!(json(&Bytes::from(text.to_owned())).is_err());
            assert!(yaml(&Bytes::from(text.to_owned())).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}
