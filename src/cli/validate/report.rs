//! What `gt validate` found, in the forms that people, programs and CI systems read.

mod github;
mod json;
mod junit;
mod sarif;

use std::fmt::Write as _;
use std::ops::Range;

use gastown_crds::manifest::{Diagnostic, SHOWN_MAX, Severity, Source, render_all};

use serde::Serialize;

use super::Format;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::text::escaped;

/// What was found, in the order of files and places.
pub struct Report {
    /// The names of the files that were read.
    pub files: Vec<String>,
    /// How many objects were judged.
    pub objects: usize,
    /// How many documents are not ours.
    pub skipped: usize,
    /// Mistakes and warnings.
    pub found: Vec<Diagnostic>,
}

impl Report {
    /// How many mistakes there are.
    pub fn errors(&self) -> usize {
        self.found.iter().filter(|it| it.severity == Severity::Error).count()
    }

    /// Writes it to standard output, and for people a line about it to standard error.
    pub fn write(&self, format: Format, gt: &Context) -> Result<(), CliError> {
        let text = match format {
            Format::Human => render_all(&self.found, gt.out.color),
            Format::Json => json::text(self)?,
            Format::Github => github::text(self),
            Format::Sarif => sarif::text(self)?,
            Format::Junit => junit::text(self)?,
        };
        gt.out.data(&text)?;
        if format == Format::Human && !text.is_empty() {
            gt.out.talk("");
        }
        gt.out.talk(&self.summary());
        if format == Format::Human && self.found.len() > SHOWN_MAX {
            gt.out.talk("all of them: `-o json`");
        }
        Ok(())
    }

    /// Such as `4 objects in 2 files: 1 mistake; 3 documents of others skipped`.
    fn summary(&self) -> String {
        let many = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
        let (errors, warnings) = (self.errors(), self.found.len() - self.errors());
        let mut text = format!(
            "{} in {}: {}",
            many(self.objects, "object", "objects"),
            many(self.files.len(), "file", "files"),
            if errors == 0 { "no mistakes".to_owned() } else { many(errors, "mistake", "mistakes") }
        );
        if warnings > 0 {
            let _infallible = write!(text, ", {}", many(warnings, "warning", "warnings"));
        }
        if self.skipped > 0 {
            let _infallible = write!(text, "; {} of others skipped", many(self.skipped, "document", "documents"));
        }
        text
    }
}

/// A finding's place, as editors and CI systems count: lines and columns from 1, the end one behind the last character.
struct Place {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl Place {
    fn of(it: &Diagnostic) -> Self {
        Self::at(&it.source, &it.span)
    }

    /// Of a span, as far as it is in its first line.
    fn at(source: &Source, span: &Range<usize>) -> Self {
        let span = source.first_line(span);
        let ((line, column), (end_line, end_column)) = (source.line_col(span.start), source.line_col(span.end));
        Self { line, column, end_line, end_column }
    }
}

/// The word for how bad a finding is; SARIF and GitHub have the same two.
fn level(it: &Diagnostic) -> &'static str {
    match it.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// The message with what to do, in a line each.
fn whole_message(it: &Diagnostic) -> String {
    let hints = it.hints.iter().map(|hint| format!("\n{hint}"));
    std::iter::once(it.message.clone()).chain(hints).collect()
}

/// JSON, indented, with nothing in it that a terminal obeys.
fn written(value: &impl Serialize) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(value);
    text.map(escaped).map_err(|error| CliError::new(Exit::Failed, "could not write the findings").because(&error))
}
