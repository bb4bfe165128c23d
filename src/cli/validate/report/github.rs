//! Findings as commands of GitHub Actions: each becomes an annotation on its line.
//!
//! The form, and what has to be escaped in it, is that of `@actions/core` (`error` and its properties).

use super::{Place, Report, level, whole_message};
use crate::text::visible;

/// A line for each finding.
pub fn text(report: &Report) -> String {
    let line = |it| {
        let Place { line, column, end_line, end_column } = Place::of(it);
        let (file, code, message) = (property(it.file()), property(it.code), data(&whole_message(it)));
        let place = format!("file={file},line={line},endLine={end_line},col={column},endColumn={end_column}");
        format!("::{} {place},title=gt {code}::{message}\n", level(it))
    };
    report.found.iter().map(line).collect()
}

fn data(text: &str) -> String {
    visible(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
