//! The output of `bd`: JSON in two-space indents, or a line for each bead.

use std::fmt::Write as _;

use gastown_agent::error::Error;
use gastown_base::text::escaped;
use serde::Serialize;
use serde_json::{Value, json};

use super::issue::line;
use super::slim::Slim;

/// The version of the shapes that `bd --json` prints.
const SCHEMA_VERSION: u32 = 1;

/// A value as `bd --json` prints it.
pub fn json(value: &impl Serialize) -> String {
    escaped(serde_json::to_string_pretty(value).expect("beads are made of texts and numbers")) + "\n"
}

/// A failure as `bd --json` prints it: keys sorted.
pub fn failure(message: &str, hint: Option<String>) -> String {
    let mut object = json!({ "error": message, "schema_version": SCHEMA_VERSION });
    if let Some(hint) = hint {
        object["hint"] = Value::from(hint);
    }
    json(&object)
}

/// An error as `bd --json` prints it.
pub fn error(error: &Error) -> String {
    failure(&error.line(), error.hint())
}

/// A line for each bead.
pub fn table(beads: &[Slim]) -> String {
    let width = beads.iter().map(|bead| bead.metadata.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for bead in beads {
        let _never_fails = writeln!(text, "{}", line(bead, width));
    }
    text
}
