//! A manifest is one object as people write it: a YAML document that knows where each of its fields stands in the file.
//!
//! Invariant: nothing here panics or runs away, whatever the bytes; every limit is a constant beside the code it bounds.

mod diagnostic;
mod document;
pub(crate) mod foreign;
mod list;
mod merge_keys;
mod packed;
mod scalar;
mod source;
mod spans;
mod write;

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

pub use diagnostic::{CODE_SECRET, Diagnostic, Related, SHOWN_MAX, Severity, quote, render_all};
pub use document::{ALIAS_BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX, NODES_MAX};
use document::{Document, Places};
pub use foreign::Skipped;
use packed::Packed;
pub use source::Source;
pub use spans::{Inside, Spans, Step};
pub use write::to_yaml;

/// Largest manifest file, in bytes: sixteen of the largest objects.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// One object as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The file it is in.
    pub source: Arc<Source>,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.name`.
    pub name: String,
    /// The whole object.
    object: Packed,
    /// Which object of the file it is.
    nth: usize,
}

impl Manifest {
    /// The file's name, as the user knows it.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The whole object, read anew.
    pub fn value(&self) -> Value {
        self.object.value()
    }

    /// The same manifest with another object, such as what is to be changed of a stored one. What is in the file has its
    /// place there.
    #[must_use]
    pub fn with(&self, value: &Value) -> Self {
        Self { object: Packed::new(value), ..self.clone() }
    }

    /// The size of the object as compact JSON, in bytes.
    pub fn bytes(&self) -> usize {
        self.object.bytes()
    }

    /// Where each of its fields stands.
    pub fn spans(&self) -> &Spans {
        spans_of(&self.source, self.nth)
    }

    /// What to underline for the value at a path, such as `["spec".into(), "beads".into(), 2.into()]`.
    pub fn value_at<'a>(&self, path: impl IntoIterator<Item = Step<'a>>) -> Range<usize> {
        self.spans().nearest(path).0.of_value()
    }

    /// What to underline for the key at a path.
    pub fn key_at<'a>(&self, path: impl IntoIterator<Item = Step<'a>>) -> Range<usize> {
        self.spans().nearest(path).0.of_key()
    }

    /// What to underline for the object as a whole: its name.
    pub fn name_at(&self) -> Range<usize> {
        self.value_at(["metadata".into(), "name".into()])
    }
}

/// Reads a file of bytes; see [`parse`].
pub fn parse_bytes(file_name: &str, bytes: &[u8]) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    parse(file_name, text_of(file_name, bytes)?)
}

/// Reads every object of a file: YAML documents parted by `---`, or JSON. Empty documents are skipped, and a list is the
/// objects in it.
///
/// Only what makes an object recognisable is checked here; [`crate::admission`] checks the rest.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let source = source(file_name, text)?;
    twice(|places| manifests(&source, numbered(read(&source, places)?)))
}

/// What a file holds that was found in a folder, where others' files stand too.
#[derive(Debug, Default)]
pub struct Found {
    /// Our objects.
    pub manifests: Vec<Manifest>,
    /// What is not ours.
    pub skipped: Vec<Skipped>,
}

/// Reads the objects of a file that are of our API group, and says what it skipped.
pub fn find(file_name: &str, bytes: &[u8]) -> Result<Found, Vec<Diagnostic>> {
    let source = text_of(file_name, bytes).and_then(|text| source(file_name, text));
    let objects = source.and_then(|source| Ok((twice(|places| read(&source, places))?, source)));
    let (objects, source) = match objects {
        Ok(objects) => objects,
        Err(mistakes) if foreign::mentions_ours(bytes) => return Err(mistakes),
        Err(mistakes) => {
            let skipped = mistakes.first().map(Skipped::unreadable).into_iter().collect();
            return Ok(Found { manifests: Vec::new(), skipped });
        }
    };
    let is_foreign = |(_, object): &(usize, Document)| foreign::is_foreign_object(&object.value);
    let (foreign, ours): (Vec<_>, Vec<_>) = numbered(objects).into_iter().partition(is_foreign);
    let skip = |(nth, object): &(usize, Document)| Skipped::object(&source, &object.value, spans_of(&source, *nth));
    let skipped = foreign.iter().map(skip).collect();
    let manifests = manifests(&source, ours).or_else(|_| {
        let again = numbered(read(&source, Places::Found)?).into_iter().filter(|object| !is_foreign(object));
        manifests(&source, again.collect())
    })?;
    Ok(Found { manifests, skipped })
}

/// What may be names of objects in a text that could not be read: all that stands behind a `name:`.
pub fn names_in(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in text.match_indices("name") {
        let after = text[at + "name".len()..].trim_start_matches(['"', '\'', ' ']);
        let Some(value) = after.strip_prefix(':') else { continue };
        let value = value.trim_start_matches([' ', '"', '\'']);
        let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.')).unwrap_or(value.len());
        if end > 0 {
            names.push(value[..end].to_owned());
        }
    }
    names
}

fn text_of<'a>(file_name: &str, bytes: &'a [u8]) -> Result<&'a str, Vec<Diagnostic>> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(vec![too_large(file_name)]);
    }
    std::str::from_utf8(bytes).map_err(|error| {
        // Shown as far as it is text.
        let source = Source::new(file_name, &String::from_utf8_lossy(bytes));
        let at = error.valid_up_to();
        let mistake = Diagnostic::error("utf-8", "not UTF-8 text", &source, at..at + 1);
        vec![mistake.hint("save the file as UTF-8")]
    })
}

fn source(file_name: &str, text: &str) -> Result<Arc<Source>, Vec<Diagnostic>> {
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![too_large(file_name)]);
    }
    Ok(Source::new(file_name, text))
}

/// Reads without places, and where there is a mistake again with them.
fn twice<T>(read: impl Fn(Places) -> Result<T, Vec<Diagnostic>>) -> Result<T, Vec<Diagnostic>> {
    read(Places::Left).or_else(|_| read(Places::Found))
}

/// Every object of a file, whatever it is.
fn read(source: &Arc<Source>, places: Places) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let documents = document::read(source, places)?;
    let mut objects = Vec::with_capacity(documents.len());
    let mut mistakes = Vec::new();
    for document in documents {
        if let Err(mistake) = list::flatten(document, source, &mut objects) {
            mistakes.push(*mistake);
        }
    }
    if mistakes.is_empty() { Ok(objects) } else { Err(mistakes) }
}

fn numbered(objects: Vec<Document>) -> Vec<(usize, Document)> {
    objects.into_iter().enumerate().collect()
}

/// Where an object of a file stands: found when it is asked for the first time, for all of them.
fn spans_of(source: &Arc<Source>, nth: usize) -> &Spans {
    static NOWHERE: Spans = Spans { key: None, value: 0..0, inside: Inside::Nothing };
    let found = source.objects.get_or_init(|| {
        let objects = read(source, Places::Found).unwrap_or_default();
        objects.into_iter().map(|object| object.spans).collect()
    });
    found.get(nth).unwrap_or(&NOWHERE)
}

fn manifests(source: &Arc<Source>, objects: Vec<(usize, Document)>) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let mut manifests = Vec::with_capacity(objects.len());
    let mut mistakes = Vec::new();
    for (nth, Document { value, spans }) in objects {
        match header(source, &value, &spans) {
            Ok([api_version, kind, name]) => {
                let (source, object) = (Arc::clone(source), Packed::new(&value));
                manifests.push(Manifest { source, api_version, kind, name, object, nth });
            }
            Err(mistake) => mistakes.push(*mistake),
        }
    }
    if mistakes.is_empty() { Ok(manifests) } else { Err(mistakes) }
}

/// Reads `apiVersion`, `kind` and `metadata.name`: nothing else can be understood without them.
fn header(source: &Arc<Source>, value: &Value, spans: &Spans) -> Result<[String; 3], Box<Diagnostic>> {
    if !value.is_object() {
        let span = spans.value.clone();
        return Err(Diagnostic::error("not-an-object", "this is no object", source, span)
            .hint("an object has `apiVersion`, `kind`, `metadata` and `spec`")
            .into());
    }
    Ok([
        text_at(source, value, spans, &["apiVersion"])?,
        text_at(source, value, spans, &["kind"])?,
        text_at(source, value, spans, &["metadata", "name"])?,
    ])
}

fn text_at(source: &Arc<Source>, value: &Value, spans: &Spans, path: &[&str]) -> Result<String, Box<Diagnostic>> {
    let shown = path.join(".");
    let (nearest, found) = spans.nearest(path.iter().map(|&field| Step::Field(field)));
    let mistake = match path.iter().try_fold(value, |value, field| value.get(field)) {
        Some(Value::String(text)) => return Ok(text.clone()),
        Some(Value::Null) | None => {
            let span = if found { nearest.of_value() } else { nearest.of_key() };
            let hint = match shown.as_str() {
                "apiVersion" => format!("add `apiVersion: {}`", crate::common::API_VERSION),
                "kind" => "add the kind, such as `kind: Convoy`".to_owned(),
                _ => "add `metadata: { name: … }`".to_owned(),
            };
            Diagnostic::error("required", format!("`{shown}` is missing"), source, span).hint(hint)
        }
        Some(_) => {
            let message = format!("`{shown}` must be text");
            Diagnostic::error("wrong-type", message, source, nearest.of_value()).hint("put it in quotes")
        }
    };
    Err(mistake.into())
}

fn too_large(file_name: &str) -> Diagnostic {
    let source = Source::new(file_name, "");
    let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20);
    Diagnostic::error("too-large", message, &source, 0..0).hint("split it into several files")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::{SetOptions, admit, admit_set};

    #[test]
    fn where_things_stand_is_found_only_if_there_is_something_to_say() {
        let text = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: { name: a }\nspec: { title: x, rig: shop, needs: [b] }\n---\napiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: c }\nspec: { rig: shop, beads: [{ name: a, title: x }] }\n";
        let read = |text: &str| {
            let manifests = parse("a.yaml", text).unwrap();
            let known = std::collections::BTreeMap::from([("Rig".to_owned(), vec!["shop".to_owned()])]);
            let mut told: Vec<_> = manifests.iter().flat_map(admit).collect();
            told.extend(admit_set(&manifests, &known, SetOptions::default()));
            (told.len(), manifests[0].source.objects.get().is_some())
        };
        assert_eq!(read(text), (0, false));
        assert_eq!(read(&text.replace("rig: shop,", "rig: shpo,")), (2, true));
        assert_eq!(read(&text.replace("title", "titel")), (4, true));
    }
}
