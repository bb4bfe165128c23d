//! A manifest is one object as people write it: a YAML document that knows where each of its fields stands in the file.
//!
//! Invariant: nothing here panics or runs away, whatever the bytes; every limit is a constant beside the code it bounds.

mod diagnostic;
mod document;
pub(crate) mod foreign;
mod list;
mod merge_keys;
mod scalar;
mod source;
mod spans;
mod write;

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

pub use diagnostic::{Diagnostic, Related, SHOWN_MAX, Severity, quote, render_all};
use document::Document;
pub use document::{ALIAS_BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX, NODES_MAX};
pub use foreign::Skipped;
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
    pub value: Value,
    /// Where each of its fields stands.
    pub spans: Spans,
}

impl Manifest {
    /// The file's name, as the user knows it.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// What to underline for the value at a path, such as `["spec".into(), "beads".into(), 2.into()]`.
    pub fn value_at<'a>(&self, path: impl IntoIterator<Item = Step<'a>>) -> Range<usize> {
        self.spans.nearest(path).0.of_value()
    }

    /// What to underline for the key at a path.
    pub fn key_at<'a>(&self, path: impl IntoIterator<Item = Step<'a>>) -> Range<usize> {
        self.spans.nearest(path).0.of_key()
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
    let (source, objects) = objects(file_name, text)?;
    manifests(&source, objects)
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
    let read = text_of(file_name, bytes).and_then(|text| objects(file_name, text));
    let (source, objects) = match read {
        Ok(read) => read,
        Err(mistakes) if foreign::mentions_ours(bytes) => return Err(mistakes),
        Err(mistakes) => {
            let skipped = mistakes.first().map(Skipped::unreadable).into_iter().collect();
            return Ok(Found { manifests: Vec::new(), skipped });
        }
    };
    let (foreign, ours): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| foreign::is_foreign_object(&object.value));
    let skipped = foreign.iter().map(|object| Skipped::object(&source, &object.value, &object.spans)).collect();
    Ok(Found { manifests: manifests(&source, ours)?, skipped })
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

/// Every object of a file, whatever it is.
fn objects(file_name: &str, text: &str) -> Result<(Arc<Source>, Vec<Document>), Vec<Diagnostic>> {
    if text.len() > FILE_BYTES_MAX {
        return Err(vec![too_large(file_name)]);
    }
    let source = Source::new(file_name, text);
    let documents = document::read(&source)?;
    let mut objects = Vec::with_capacity(documents.len());
    let mut mistakes = Vec::new();
    for document in documents {
        if let Err(mistake) = list::flatten(document, &source, &mut objects) {
            mistakes.push(*mistake);
        }
    }
    if mistakes.is_empty() { Ok((source, objects)) } else { Err(mistakes) }
}

fn manifests(source: &Arc<Source>, objects: Vec<Document>) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    let mut manifests = Vec::with_capacity(objects.len());
    let mut mistakes = Vec::new();
    for Document { value, spans } in objects {
        match header(source, &value, &spans) {
            Ok([api_version, kind, name]) => {
                manifests.push(Manifest { source: Arc::clone(source), api_version, kind, name, value, spans });
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
