//! A bead as a line of Beads' JSON: what `bd export` writes, and what is kept in git.
//!
//! Invariant: a line that was taken in goes out byte by byte as it came, until somebody changes what it speaks of; then what was
//! changed is written in Beads' own form, and the rest as it came.

use std::fmt::Write as _;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::issue::Issue;
use crate::kept::{Kept, KeptField, digest};

/// Numbers of edges and comments, which a line ends with. They are counted anew.
const COUNTS: [&str; 3] = ["dependency_count", "dependent_count", "comment_count"];

/// The numbers of a bead's edges and comments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Beads that must be closed first.
    pub dependencies: usize,
    /// Beads that wait for this one.
    pub dependents: usize,
    /// Comments.
    pub comments: usize,
}

/// The line of a bead, without its end; with numbers, if they are given and it did not come without.
pub fn of(issue: &Issue, kept: Option<&Kept>, counts: Option<Counts>) -> String {
    let none = Kept::default();
    let kept = kept.unwrap_or(&none);
    let canonical = canonical(issue);
    let mut fields: Vec<(&str, &str)> = Vec::new();
    for (key, raw) in &canonical {
        let was = digest(Some(raw));
        if kept.absent.get(key) == Some(&was) {
            continue;
        }
        let as_it_came = kept.fields.iter().find(|field| field.key == *key && field.was == was);
        fields.push((key, as_it_came.map_or(raw, |field| &field.raw)));
    }
    let says = |key: &str| canonical.iter().any(|(it, _)| it == key);
    fields.extend(kept.fields.iter().filter(|it| !says(&it.key) && it.was.is_empty()).map(|it| (&*it.key, &*it.raw)));
    if !kept.order.is_empty() {
        let place = |key: &str| kept.order.iter().position(|it| it == key).unwrap_or(usize::MAX);
        fields.sort_by_key(|(key, _)| place(key));
    }
    let mut line = String::from("{");
    for (nth, (key, raw)) in fields.iter().enumerate() {
        line.push_str(if nth == 0 { "" } else { "," });
        line.push_str(&serde_json::to_string(key).unwrap_or_default());
        line.push(':');
        line.push_str(raw);
    }
    if let Some(Counts { dependencies, dependents, comments }) = counts.filter(|_| !kept.no_counts) {
        for (key, count) in COUNTS.iter().zip([dependencies, dependents, comments]) {
            let _never_fails = write!(line, ",\"{key}\":{count}");
        }
    }
    line + "}"
}

/// What has to be kept of a line beside the object that was made of it, whose issue this is.
pub fn remainder(line: &[(String, &RawValue)], issue: &Issue) -> Kept {
    let canonical = canonical(issue);
    let says = |key: &str| canonical.iter().find(|(it, _)| it == key).map(|(_, raw)| raw.as_str());
    let counted = line.iter().filter(|(key, _)| COUNTS.contains(&key.as_str())).count();
    let own: Vec<_> = line.iter().filter(|(key, _)| !COUNTS.contains(&key.as_str())).collect();
    let differs = |(key, raw): &&&(String, &RawValue)| says(key) != Some(raw.get());
    let fields = own.iter().filter(differs).map(|(key, raw)| KeptField {
        key: key.clone(),
        raw: raw.get().to_owned(),
        was: digest(says(key)),
    });
    let fields: Vec<_> = fields.collect();
    let is_there = |key: &str| own.iter().any(|(it, _)| it == key);
    let absent = canonical.iter().filter(|(key, _)| !is_there(key));
    let absent = absent.map(|(key, raw)| (key.clone(), digest(Some(raw)))).collect();
    let usual = canonical.iter().map(|(key, _)| key.as_str()).filter(|key| is_there(key));
    let usual = usual.chain(fields.iter().map(|field| field.key.as_str()).filter(|key| says(key).is_none()));
    let order: Vec<String> = own.iter().map(|(key, _)| key.clone()).collect();
    let order = if usual.eq(order.iter().map(String::as_str)) { Vec::new() } else { order };
    Kept { fields, absent, order, no_counts: counted < COUNTS.len(), ..Kept::default() }
}

/// The keys of a JSON object with their values, as they stand there and in their order.
pub fn fields(line: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields: Self::Value = Vec::new();
            while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                if fields.iter().any(|(it, _)| *it == key) {
                    return Err(A::Error::custom(format!("the key `{key}` is there twice")));
                }
                fields.push((key, raw));
            }
            Ok(fields)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(line);
    let fields = deserializer.deserialize_map(Fields)?;
    deserializer.end()?;
    Ok(fields)
}

/// The fields of an issue with their JSON, as Beads writes them: what HTML would read is escaped, as Go does.
fn canonical(issue: &Issue) -> Vec<(String, String)> {
    let text = serde_json::to_string(issue).expect("an issue is made of texts and numbers");
    let text = escaped(&text);
    let fields = fields(&text).expect("it was just written");
    let kind = [("_type".to_owned(), "\"issue\"".to_owned())];
    kind.into_iter().chain(fields.into_iter().map(|(key, raw)| (key, raw.get().to_owned()))).collect()
}

/// JSON as Go writes it. These characters stand in strings alone.
fn escaped(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.to_owned();
    }
    let escape = |c: char| match c {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    json.chars().map(escape).collect()
}
