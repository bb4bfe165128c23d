//! Findings as SARIF 2.1.0, for code scanning: one run, a rule for each code.

use std::collections::BTreeSet;
use std::path::Path;

use gastown_crds::manifest::{Diagnostic, Related};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Place, Report, level, whole_message, written};
use crate::cli::common::error::CliError;

/// The schema that the text holds to.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What is escaped in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The most results that GitHub's code scanning takes of one run.
const RESULTS_MAX: usize = 25_000;

/// The whole log.
pub fn text(report: &Report) -> Result<String, CliError> {
    let rules: BTreeSet<&str> = report.found.iter().map(|it| it.code).collect();
    let rules: Vec<Value> = rules.into_iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = report.found.iter().take(RESULTS_MAX).map(result).collect();
    let driver = json!({ "name": "gt validate", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules });
    let run = json!({ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results });
    written(&json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] }))
}

fn result(it: &Diagnostic) -> Value {
    let mut result = json!({
        "ruleId": it.code,
        "level": level(it),
        "message": { "text": whole_message(it) },
        "locations": [location(it.file(), &Place::of(it))],
    });
    if !it.related.is_empty() {
        result["relatedLocations"] = it.related.iter().map(related).collect();
    }
    result
}

fn related(it: &Related) -> Value {
    let mut place = location(it.source.name(), &Place::at(&it.source, &it.span));
    place["message"] = json!({ "text": it.label });
    place
}

fn location(file: &str, place: &Place) -> Value {
    let Place { line, column, end_line, end_column } = place;
    let region = json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column });
    json!({ "physicalLocation": { "artifactLocation": { "uri": uri(file) }, "region": region } })
}

/// A path as a reference of RFC 3986: what would mean something in it is escaped.
fn uri(file: &str) -> String {
    let scheme = if Path::new(file).is_absolute() { "file://" } else { "" };
    format!("{scheme}{}", utf8_percent_encode(file, PATH))
}
