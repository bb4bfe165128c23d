//! What is not ours in a folder of manifests: objects of other API groups, settings of other tools, text that is no YAML.
//!
//! It is skipped with a note. But what was probably meant for us is not foreign: of our kinds without an API group, or with
//! a group that is nearly ours; its mistake is told instead.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Diagnostic, quote};
use super::source::Source;
use super::spans::Spans;
use crate::common::GROUP;
use crate::kinds::Kind;
use crate::suggest;

/// Whether an object with this `apiVersion` and `kind` is not ours.
pub(crate) fn is_foreign(api_version: Option<&str>, kind: Option<&str>) -> bool {
    let group = api_version.unwrap_or_default().split_once('/').map_or("", |(group, _)| group);
    let is_our_kind = kind.is_some_and(|kind| Kind::named(kind).is_some());
    group != GROUP && !is_nearly_ours(group) && !(is_our_kind && group.is_empty())
}

/// Whether a group was meant to be ours: misspelled, or with another ending.
fn is_nearly_ours(group: &str) -> bool {
    let name = |group: &str| group.split('.').next().unwrap_or_default().to_ascii_lowercase();
    name(group) == name(GROUP) || suggest::nearest(group, [GROUP]).is_some()
}

/// The same for a whole object, or what stands in its place.
pub(super) fn is_foreign_object(object: &Value) -> bool {
    is_foreign(text(object, "apiVersion"), text(object, "kind"))
}

/// Whether bytes that could not be read as YAML were meant for us: an `apiVersion` in them is ours, or, where there is none, a
/// `kind` is. What is written about us in a comment or a text makes no object ours.
pub(super) fn looks_like_ours(bytes: &[u8]) -> bool {
    // UTF-16, as some shells write it, is the same with a zero beside each letter.
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    let mut versions = values_of(&text, "apiVersion").peekable();
    if versions.peek().is_some() {
        return versions
            .any(|version| !is_foreign(Some(version), None) || (!version.contains('/') && has_our_kind(&text)));
    }
    has_our_kind(&text)
}

fn has_our_kind(text: &str) -> bool {
    values_of(text, "kind").any(|kind| Kind::named(kind).is_some())
}

/// What stands behind a key at the beginning of a line or behind a bracket, in YAML or JSON.
fn values_of<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let marks = [' ', '\t', '\u{feff}', '-', '{', '[', ',', '"', '\''];
    let parts = text.lines().flat_map(|line| line.split(['{', ',']));
    parts.filter_map(move |part| {
        let after = part.trim_start_matches(marks).strip_prefix(key)?.trim_start_matches(['"', '\'', ' ']);
        let value = after.strip_prefix(':')?.trim_start_matches([' ', '"', '\'']);
        Some(value.split(|c: char| c.is_whitespace() || "\"'},#".contains(c)).next().unwrap_or_default())
    })
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field)?.as_str()
}

/// Something in a folder that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    file: String,
    line: usize,
    /// What it is, and why it is not ours.
    why: String,
    /// Whether it names another API group.
    says_whose: bool,
}

impl Skipped {
    pub(super) fn object(source: &Arc<Source>, object: &Value, spans: &Spans) -> Self {
        let (why, says_whose) = match (text(object, "apiVersion"), text(object, "kind")) {
            (Some(api_version), Some(kind)) => {
                (format!("a {} of {}, not of {GROUP}", quote(kind), quote(api_version)), true)
            }
            _ => ("no object: it has no `apiVersion` and `kind`".to_owned(), false),
        };
        let (line, _) = source.line_col(spans.value.start);
        Self { file: source.name().to_owned(), line, why, says_whose }
    }

    /// Whether it begins in these bytes of a file.
    pub(super) fn is_within(&self, source: &Source, span: &Range<usize>) -> bool {
        (source.line_col(span.start).0..=source.line_col(span.end).0).contains(&self.line)
    }

    pub(super) fn unreadable(mistake: &Diagnostic) -> Self {
        let (line, _) = mistake.line_col();
        Self {
            file: mistake.file().to_owned(),
            line,
            why: format!("{}, and nothing in it names {GROUP}", mistake.message),
            says_whose: false,
        }
    }

    /// The file, where nothing says whose it is: it cannot be read, or has neither `apiVersion` nor `kind`.
    pub fn nobodys_file(&self) -> Option<&str> {
        (!self.says_whose).then_some(&self.file)
    }
}

/// Such as ``app.yaml:12: a `ConfigMap` of `v1`, not of gastown.io``.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, why, says_whose: _ } = self;
        write!(f, "{file}:{line}: {why}")
    }
}
