//! What is not ours in a folder of manifests: objects of other API groups, settings of other tools, text that is no YAML.
//!
//! It is skipped with a note. But what was probably meant for us is not foreign: of our kinds without an API group, or with
//! a group that is nearly ours; its mistake is told instead.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Diagnostic, quote};
use super::source::Source;
use super::spans::Spans;
use crate::common::GROUP;
use crate::kinds::{KINDS, Kind};
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

/// Whether bytes that could not be read as YAML were meant for us: they name our group, or one of our kinds as a `kind`.
pub(super) fn mentions_ours(bytes: &[u8]) -> bool {
    // UTF-16, as some shells write it, is the same with a zero beside each letter.
    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    text.contains(GROUP)
        || text.lines().any(|line| {
            let kind = line.trim_start().trim_start_matches("- ").strip_prefix("kind:").unwrap_or_default().trim();
            KINDS.iter().any(|row| row.name == kind)
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
}

impl Skipped {
    pub(super) fn object(source: &Arc<Source>, object: &Value, spans: &Spans) -> Self {
        let why = match (text(object, "apiVersion"), text(object, "kind")) {
            (Some(api_version), Some(kind)) => format!("a {} of {}, not of {GROUP}", quote(kind), quote(api_version)),
            _ => "no object: it has no `apiVersion` and `kind`".to_owned(),
        };
        let (line, _) = source.line_col(spans.value.start);
        Self { file: source.name().to_owned(), line, why }
    }

    pub(super) fn unreadable(mistake: &Diagnostic) -> Self {
        let (line, _) = mistake.line_col();
        Self {
            file: mistake.file().to_owned(),
            line,
            why: format!("{}, and nothing in it names {GROUP}", mistake.message),
        }
    }
}

/// Such as ``app.yaml:12: a `ConfigMap` of `v1`, not of gastown.io``.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, why } = self;
        write!(f, "{file}:{line}: {why}")
    }
}
