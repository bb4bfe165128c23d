//! `gt history BEAD`: what was changed of a bead, as the ledger's commits have it.

use gastown_beads::ids::object_name;
use serde_json::{Value, json};

use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::clock::{Clock as _, SystemClock};
use crate::insight::text::plain;
use crate::ledger::{Change, Fold, history};
use crate::town::Town;

/// The longest value that is shown in a line, in characters.
const VALUE_CHARS_MAX: usize = 100;

/// The changes of a bead; none where the ledger says nothing about it.
pub fn of(name: &str, town: &Town) -> Result<Vec<Change>, CliError> {
    let name = name.strip_prefix("bead/").unwrap_or(name);
    let Some(name) = object_name(name) else { return Ok(Vec::new()) };
    let facts = town.layout.facts();
    if !facts.exists() {
        return Ok(Vec::new());
    }
    let failed =
        |what: &str, error: &dyn std::error::Error| CliError::new(Exit::Failed, what.to_owned()).because(error);
    let mut fold = Fold::open(&facts).map_err(|e| failed("could not open the ledger", &e))?;
    // A controller folds by itself, and may be at it now.
    let _folded_elsewhere = fold.fold(SystemClock.now());
    history(&facts, &name).map_err(|e| failed("could not read the ledger", &e))
}

/// Prints them.
pub fn print(changes: &[Change], is_json: bool, gt: &Context) -> Result<(), CliError> {
    if is_json {
        let all = changes.iter().map(|change| {
            let fields: serde_json::Map<String, Value> =
                change.fields.iter().map(|(key, old, new)| (key.clone(), json!({ "old": old, "new": new }))).collect();
            json!({ "at": change.at, "commit": change.commit, "deleted": !change.is_there, "fields": fields })
        });
        let text = serde_json::to_string_pretty(&all.collect::<Vec<_>>()).unwrap_or_default();
        return gt.out.data(&text);
    }
    for change in changes {
        let commit = change.commit.get(..9).unwrap_or(&change.commit);
        let what = if change.is_there { "" } else { "  deleted" };
        gt.out.data(&format!("{}  {commit}{what}", change.at))?;
        for (key, old, new) in &change.fields {
            let line = match (old, new) {
                (Value::Null, new) => format!("    {key}: {}", shown(new)),
                (old, Value::Null) => format!("    {key}: {} → (none)", shown(old)),
                (old, new) => format!("    {key}: {} → {}", shown(old), shown(new)),
            };
            gt.out.data(&line)?;
        }
    }
    Ok(())
}

fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let text = plain(&text);
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX).collect::<String>() + "…"
}
