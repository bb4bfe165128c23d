//! A manifest is one object as people write it: a YAML document that knows where each of its fields stands in the file.
//!
//! Invariant: nothing here panics or runs away, whatever the bytes; every limit is a constant beside the code it bounds.

mod diagnostic;
mod document;
pub(crate) mod foreign;
mod frame;
pub(crate) mod header;
mod list;
mod merge_keys;
mod packed;
mod parts;
mod scalar;
mod source;
mod spans;
mod survey;
mod syntax;
mod write;

use std::ops::Range;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use diagnostic::{CODE_SECRET, Diagnostic, Related, SHOWN_MAX, Severity, lean, quote, render_all};
pub use document::{ALIAS_BYTES_MAX, ALIAS_NODES_MAX, DEPTH_MAX, DOCUMENTS_MAX, NODES_MAX};
pub use foreign::Skipped;
use packed::Packed;
pub(crate) use packed::bytes_of;
pub use source::Source;
pub use spans::{Inside, Spans, Step};
pub use survey::{Object, Scope, Survey, outline, survey, too_large};
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
    /// The whole object. None if it has to be read from the file again.
    object: Option<Packed>,
    /// Which object of the file it is.
    nth: usize,
}

/// Where nothing is.
static NOWHERE: Spans = Spans { key: None, value: 0..0, inside: Inside::Nothing };

impl Manifest {
    /// The file's name, as the user knows it.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The whole object, read anew.
    pub fn value(&self) -> Value {
        match &self.object {
            Some(object) => object.value(),
            None => survey::document(&self.source, self.nth).map(|document| document.value.clone()).unwrap_or_default(),
        }
    }

    /// Its spec, read anew.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.value()["spec"].take())
    }

    /// The same manifest with another object, such as what is to be changed of a stored one. What is in the file has its
    /// place there.
    #[must_use]
    pub fn with(&self, value: &Value) -> Self {
        Self { object: Some(Packed::new(value)), ..self.clone() }
    }

    /// Where each of its fields stands.
    pub fn spans(&self) -> &Spans {
        survey::document(&self.source, self.nth).map_or(&NOWHERE, |document| &document.spans)
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
    let Survey { objects, mistakes, skipped: _, lost: _ } = survey(file_name, bytes, Scope::Ours);
    if mistakes.is_empty() { Ok(objects.into_iter().map(Object::packed).collect()) } else { Err(mistakes) }
}

/// Reads every object of a file: YAML documents parted by `---`, or JSON. Empty documents are skipped, and a list is the
/// objects in it.
///
/// Only what makes an object recognisable is checked here; [`crate::admission`] checks the rest.
pub fn parse(file_name: &str, text: &str) -> Result<Vec<Manifest>, Vec<Diagnostic>> {
    parse_bytes(file_name, text.as_bytes())
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
            (told.len(), manifests[0].source.documents.get().is_some())
        };
        assert_eq!(read(text), (0, false));
        assert_eq!(read(&text.replace("rig: shop,", "rig: shpo,")), (2, true));
        assert_eq!(read(&text.replace("title", "titel")), (2, true));
    }
}
