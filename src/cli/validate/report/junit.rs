//! Findings as JUnit XML: a test for each file, which fails if something in it is wrong.

use gastown_crds::manifest::{Diagnostic, Severity};
use quick_junit::{NonSuccessKind, Report as Suites, TestCase, TestCaseStatus, TestSuite};

use super::{Report, whole_message};
use crate::cli::common::error::{CliError, Exit};

/// One suite of all files.
pub fn text(report: &Report) -> Result<String, CliError> {
    let mut suite = TestSuite::new("gt validate");
    for file in &report.files {
        let found = report.found.iter().filter(|it| it.file() == file);
        let (errors, warnings): (Vec<_>, Vec<_>) = found.partition(|it| it.severity == Severity::Error);
        let mut status = TestCaseStatus::success();
        if let Some(first) = errors.first() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(first.code).set_message(match errors.len() {
                1 => first.message.clone(),
                n => format!("{n} mistakes, the first: {}", first.message),
            });
            status.set_description(described(&errors));
        }
        let mut case = TestCase::new(file.as_str(), status);
        if !warnings.is_empty() {
            case.set_system_out(described(&warnings));
        }
        suite.add_test_case(case);
    }
    let mut suites = Suites::new("gt validate");
    suites.add_test_suite(suite);
    suites.to_string().map_err(|error| CliError::new(Exit::Failed, "could not write the findings").because(&error))
}

/// Each finding with its place, as editors jump to it.
fn described(found: &[&Diagnostic]) -> String {
    let line = |it: &&Diagnostic| {
        let (line, column) = it.line_col();
        format!("{}:{line}:{column}: {}", it.file(), whole_message(it))
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n\n")
}
