//! The file that declares a convoy, if there is one in the town's folder: whatever a verb changed beside it would be undone.

use std::path::{Path, PathBuf};

use gastown_crds::manifest::quote;

use crate::cli::apply::read::{self, Ignored};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::source::committed_to;
use crate::town::Town;

/// The file, as it is in the town's folder.
fn file_of(name: &str, town: &Town) -> Option<PathBuf> {
    let dir = town.dir.to_string_lossy().into_owned();
    // What cannot be read there is for `gt apply` to complain about.
    let found = read::all(&[dir], Ignored::ByGit).unwrap_or_default().manifests;
    found.into_iter().find(|it| it.kind == "Convoy" && it.name == name).map(|it| PathBuf::from(it.file()))
}

/// Asks the API over a connection of its own. Refuses to do something to a convoy that a file declares. `change` is what to do there, `undo` what would become of it.
pub fn refuse(name: &str, (change, undo): (&str, &str), gt: &Context, town: &Town) -> Result<(), CliError> {
    let Some(file) = file_of(name, town) else { return Ok(()) };
    let shown = file.strip_prefix(&town.dir).unwrap_or(&file).display().to_string();
    let is_committed = is_committed_to(&file, gt, town);
    let then = if is_committed { "commit it".to_owned() } else { format!("gt apply -f {shown}") };
    Err(CliError::new(Exit::Refused, format!("convoy {} is declared in {shown}: {undo}", quote(name)))
        .hint(format!("{change} {shown}, then {then}")))
}

fn is_committed_to(file: &Path, gt: &Context, town: &Town) -> bool {
    committed_to(file, town, gt).is_some()
}
