//! Findings as JSON, for programs.

use gastown_crds::manifest::Diagnostic;
use serde::Serialize;

use super::{Place, Report, level, written};
use crate::cli::common::error::CliError;

#[derive(Serialize)]
struct Whole<'a> {
    files: usize,
    objects: usize,
    skipped: usize,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    severity: &'a str,
    code: &'a str,
    message: &'a str,
    hints: &'a [String],
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// One object: counts, and a list of findings.
pub fn text(report: &Report) -> Result<String, CliError> {
    let finding = |it| {
        let Place { line, column, end_line, end_column } = Place::of(it);
        let Diagnostic { code, message, hints, .. } = it;
        Finding { severity: level(it), code, message, hints, file: it.file(), line, column, end_line, end_column }
    };
    let findings = report.found.iter().map(finding).collect();
    written(&Whole { files: report.files.len(), objects: report.objects, skipped: report.skipped, findings })
}
