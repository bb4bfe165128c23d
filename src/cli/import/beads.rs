//! A repository with Beads: a Rig, whose beads are named as they are there.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{BEADS_BYTES_MAX, Import, RIG_BYTES_MAX, Rig, beads_folder, read as read_file};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::cli::rig::repository::Repository;

/// Reads one.
pub fn read(path: &Path) -> Result<Import, CliError> {
    let place = files::absolute(&Context::cwd()?, &path.display().to_string());
    let issues = beads_folder(&place)?.join("issues.jsonl");
    let Some(lines) = read_file(&issues, BEADS_BYTES_MAX)? else {
        let message = format!("there are no beads: {} does not exist", issues.display());
        return Err(
            CliError::new(Exit::NotFound, message).hint("Beads' own `bd export -o .beads/issues.jsonl` writes it")
        );
    };
    let seen = Repository::find(&place.display().to_string(), None)?;
    let name = files::label(&seen.called, RIG_BYTES_MAX).ok_or_else(|| {
        CliError::new(Exit::Refused, format!("no name can be made of `{}`", seen.called.escape_debug()))
    })?;
    let rig = Rig {
        prefix: usual_prefix(&lines),
        verify: seen.checks.into_iter().map(|check| (check.name, check.run)).collect(),
        name: name.clone(),
        url: seen.url,
        branch: seen.branch,
        is_local: seen.is_local_url,
        is_checked_out: seen.is_checked_out,
        ..Rig::default()
    };
    let mut import = Import { notes: seen.notes, ..Import::default() };
    import.rig(&rig)?;
    import.beads.push((issues, Some(name)));
    Ok(import)
}

/// What most ids begin with; none where that can be the beginning of no id here.
pub fn usual_prefix(lines: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.lines() {
        let Ok(Line { id }) = serde_json::from_str(line) else { continue };
        let root = id.split('.').next().unwrap_or_default();
        if let Some((prefix, _)) = root.rsplit_once('-') {
            *counts.entry(prefix.to_owned()).or_default() += 1;
        }
    }
    // Of two that are as frequent, the shorter: `bd-mol` is of `bd`.
    let most = counts.into_iter().max_by_key(|(prefix, count)| (*count, std::cmp::Reverse(prefix.len())))?.0;
    (files::label(&most, RIG_BYTES_MAX).as_ref() == Some(&most)).then_some(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_what_most_ids_begin_with() {
        let lines = |ids: &[&str]| ids.iter().flat_map(|id| ["{\"id\":\"", id, "\"}\n"]).collect::<String>();
        assert_eq!(usual_prefix(&lines(&["bd-1", "bd-2.1", "bd-mol-x"])).as_deref(), Some("bd"));
        assert_eq!(usual_prefix(&lines(&["bd-1", "bd-mol-x"])).as_deref(), Some("bd"));
        assert_eq!(usual_prefix(&lines(&["beads_rust-1"])), None);
        assert_eq!(usual_prefix("no JSON\n"), None);
    }
}
