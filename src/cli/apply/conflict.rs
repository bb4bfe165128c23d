//! Fields that a manifest says otherwise than another who applies the object: whose they are, and what to do about that.

use gastown_crds::apply::{Conflict, Owner};
use gastown_crds::manifest::{self, Diagnostic, Manifest};

use crate::cli::common::error::{CliError, Exit};

/// Fields that a message names.
const FIELDS_MAX: usize = 5;
/// What to do.
const HINT: &str = "leave that to the other, or take it over: --force-conflicts";

/// Refusals, one for each owner.
pub fn refusals(manifest: &Manifest, conflicts: &[Conflict]) -> Vec<Diagnostic> {
    let found = conflicts.chunk_by(|a, b| a.manager == b.manager).map(|of_one| {
        let at = of_one[0].fields().map(Into::into);
        Diagnostic::error("conflict", message(manifest, of_one), &manifest.source, manifest.value_at(at))
            .label("another value is applied there")
            .hint(HINT)
    });
    found.collect()
}

/// The same about an object that somebody has applied meanwhile.
pub fn refusal(manifest: &Manifest, conflicts: &[Conflict]) -> CliError {
    let mut found = conflicts.chunk_by(|a, b| a.manager == b.manager);
    let first = found.next().unwrap_or_default();
    CliError::new(Exit::Refused, message(manifest, first)).hint(HINT)
}

fn message(manifest: &Manifest, conflicts: &[Conflict]) -> String {
    let mut fields: Vec<&str> = conflicts.iter().take(FIELDS_MAX).map(|it| it.field.trim_start_matches('.')).collect();
    let more = conflicts.len().saturating_sub(FIELDS_MAX);
    let more = if more > 0 { format!("and {more} more") } else { String::new() };
    fields.extend((!more.is_empty()).then_some(&*more));
    let owner = match conflicts.first().map(Conflict::owner) {
        Some(Owner::Source(name) | Owner::Applier(name) | Owner::Writer(name)) => manifest::quote(name),
        None => "somebody".to_owned(),
    };
    let (kind, name) = (manifest.kind.to_lowercase(), manifest::quote(&manifest.name));
    format!("{owner} applies {kind} {name} too, with another value of {}", fields.join(", "))
}
