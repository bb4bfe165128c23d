//! `$(NAME)` in a Runtime where no variable of the session has that name. As in a Pod it stays as it is, which is hardly meant: a warning.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::session_variables::{SESSION_VARIABLES, used};
use crate::suggest;

/// Code of the warning.
const CODE: &str = "unknown-variable";

/// Warns of the first in each text of a Runtime, at its place.
pub(super) fn check(manifest: &Manifest, value: &Value, found: &mut Vec<Diagnostic>) {
    if manifest.kind != "Runtime" {
        return;
    }
    let spec = &value["spec"];
    let items = |field: &str| spec[field].as_array().into_iter().flatten().enumerate();
    let mut known: BTreeSet<&str> = SESSION_VARIABLES.iter().map(|it| it.name).collect();
    let of_sources = from_sources(spec);
    let mut look = |path: Vec<Step<'_>>, text: &Value, known: &BTreeSet<&str>| {
        let names = text.as_str().map(used).unwrap_or_default();
        if let Some(name) = names.into_iter().find(|name| !known.contains(name))
            && found.len() < super::MISTAKES_MAX
        {
            found.push(warning(manifest, path, name, known, of_sources.contains(name)));
        }
    };
    for (nth, variable) in items("env") {
        look(vec!["spec".into(), "env".into(), nth.into(), "value".into()], &variable["value"], &known);
        known.extend(variable["name"].as_str());
    }
    for field in ["command", "start", "resume"] {
        for (nth, word) in items(field) {
            look(vec!["spec".into(), field.into(), nth.into()], word, &known);
        }
    }
    for (nth, file) in items("files") {
        look(vec!["spec".into(), "files".into(), nth.into(), "content".into()], &file["content"], &known);
    }
}

/// The variables that `envFrom` names itself.
fn from_sources(spec: &Value) -> BTreeSet<&str> {
    let sources = spec["envFrom"].as_array().into_iter().flatten();
    sources.filter_map(|source| source.pointer("/command/name")?.as_str()).collect()
}

fn warning(
    manifest: &Manifest,
    path: Vec<Step<'_>>,
    name: &str,
    known: &BTreeSet<&str>,
    is_of_source: bool,
) -> Diagnostic {
    let span = manifest.value_at(path);
    let message = format!(
        "no variable that is known here is named {}: {} stays as it is",
        quote(name),
        quote(&format!("$({name})"))
    );
    Diagnostic::warning(CODE, message, &manifest.source, span).hint(if is_of_source {
        "a variable of `envFrom` is seen by the agent alone: what `$(NAME)` stands for would be kept on disk".to_owned()
    } else if let Some(near) = suggest::nearest(name, known.iter().copied()) {
        format!("did you mean `$({near})`?")
    } else {
        format!("declare it before in `env`, or write `$$({name})` if it is meant so")
    })
}
