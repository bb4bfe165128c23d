//! The output of `bd`: JSON in two-space indents, or a line for each bead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gastown_agent::error::Error;
use gastown_base::text::escaped;
use gastown_beads::issue::{line, seconds};
use gastown_beads::slim::Slim;
use gastown_crds::BeadEvent;
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of the shapes that `bd --json` prints.
const SCHEMA_VERSION: u32 = 1;

/// A value as `bd --json` prints it.
pub fn json(value: &impl Serialize) -> String {
    escaped(serde_json::to_string_pretty(value).expect("beads are made of texts and numbers")) + "\n"
}

/// One object as `bd --json` prints it: keys sorted, with the version of the shapes.
pub fn object(value: &impl Serialize) -> String {
    let mut object = serde_json::to_value(value).expect("beads are made of texts and numbers");
    object["schema_version"] = SCHEMA_VERSION.into();
    json(&object)
}

/// A value with more of its fields than it has by itself.
pub fn with(value: &impl Serialize, more: Value) -> Value {
    let mut object = serde_json::to_value(value).expect("beads are made of texts and numbers");
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
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

/// A line for each bead, with its description below.
pub fn long(beads: &[Slim]) -> String {
    let mut text = String::new();
    for bead in beads {
        let _never_fails = writeln!(text, "{}", line(bead, 0));
        for line in bead.spec.description.as_deref().unwrap_or_default().lines() {
            let _never_fails = writeln!(text, "    {line}");
        }
    }
    text
}

/// A line for each bead, below what it is a part of.
pub fn tree(beads: &[Slim]) -> String {
    let names: BTreeSet<&str> = beads.iter().map(|bead| bead.metadata.name.as_str()).collect();
    let parent = |bead: &Slim| bead.spec.parent.clone().filter(|parent| names.contains(parent.as_str()));
    let mut below: BTreeMap<Option<String>, Vec<&Slim>> = BTreeMap::new();
    for bead in beads {
        below.entry(parent(bead)).or_default().push(bead);
    }
    let mut text = String::new();
    let mut waiting: Vec<(usize, &Slim)> =
        below.remove(&None).unwrap_or_default().into_iter().rev().map(|it| (0, it)).collect();
    while let Some((depth, bead)) = waiting.pop() {
        let _never_fails = writeln!(text, "{}{}", "  ".repeat(depth), line(bead, 0));
        let parts = below.remove(&Some(bead.metadata.name.clone())).unwrap_or_default();
        waiting.extend(parts.into_iter().rev().map(|part| (depth + 1, part)));
    }
    // What is part of itself in a roundabout way.
    for bead in below.values().flatten() {
        let _never_fails = writeln!(text, "{}", line(bead, 0));
    }
    text
}

/// A line for something that happened: when, what, who, to whom, and more.
pub fn event(event: &BeadEvent) -> String {
    let spec = &event.spec;
    let made = event.metadata.creation_timestamp.as_ref().map(|at| at.0).unwrap_or_default();
    let at = seconds(spec.created_at.unwrap_or(made));
    let said =
        |name: &str, text: &Option<String>| text.as_ref().map(|text| format!("  {name}{text}")).unwrap_or_default();
    format!(
        "{at}  {}  {}{}{}{}\n",
        event.name_any(),
        spec.event_type,
        said("by ", &spec.actor),
        said("to ", &spec.target),
        said("", &spec.payload)
    )
}

/// A line for each bead.
pub fn table(beads: &[Slim]) -> String {
    let width = beads.iter().map(|bead| bead.id().len()).max().unwrap_or(0);
    let mut text = String::new();
    for bead in beads {
        let _never_fails = writeln!(text, "{}", line(bead, width));
    }
    text
}
