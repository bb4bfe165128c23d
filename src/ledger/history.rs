//! The history of one bead, as the ledger's commits have it.

use std::path::Path;

use git2::{Oid, Repository, Sort};
use jiff::Timestamp;
use serde_json::Value;

use crate::fold::{BEADS, LedgerError, path_of, repository_of, tip};

/// Commits that are looked at.
const COMMITS_MAX: usize = 200_000;

/// What was changed of a bead.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// When it was written down.
    pub at: Timestamp,
    /// The commit.
    pub commit: String,
    /// The fields that differ from before, with what they were and are. All of them, where it is new; none where it is gone.
    pub fields: Vec<(String, Value, Value)>,
    /// Whether it is there after it.
    pub is_there: bool,
}

/// All changes of a bead, the oldest first; none where there is no ledger, or nothing in it about the bead.
pub fn history(facts: &Path, name: &str) -> Result<Vec<Change>, LedgerError> {
    let Ok(repository) = Repository::open_bare(repository_of(facts)) else { return Ok(Vec::new()) };
    let Some(tip) = tip(&repository) else { return Ok(Vec::new()) };
    let path = path_of(BEADS, None, name);
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    walk.push(tip.id())?;
    let (mut changes, mut last_blob, mut last): (Vec<Change>, Option<Oid>, Value) = (Vec::new(), None, Value::Null);
    for oid in walk.take(COMMITS_MAX) {
        let commit = repository.find_commit(oid?)?;
        let blob = commit.tree()?.get_path(Path::new(&path)).ok().map(|entry| entry.id());
        if blob == last_blob {
            continue;
        }
        last_blob = blob;
        let now = blob.map(|blob| line_of(&repository, blob, name)).transpose()?.unwrap_or(Value::Null);
        if now == last {
            continue;
        }
        let at = Timestamp::from_second(commit.time().seconds()).unwrap_or_default();
        let fields = if now.is_null() { Vec::new() } else { differences(&last, &now) };
        changes.push(Change { at, commit: commit.id().to_string(), fields, is_there: !now.is_null() });
        last = now;
    }
    Ok(changes)
}

fn line_of(repository: &Repository, blob: Oid, name: &str) -> Result<Value, LedgerError> {
    let blob = repository.find_blob(blob)?;
    for line in String::from_utf8_lossy(blob.content()).lines() {
        let value: Value = serde_json::from_str(line)
            .map_err(|error| LedgerError::Unreadable(format!("a line of the ledger is no JSON: {error}")))?;
        let id = value["id"].as_str().unwrap_or_default();
        if gastown_beads::ids::object_name(id).as_deref() == Some(name) {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

fn differences(old: &Value, new: &Value) -> Vec<(String, Value, Value)> {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let at = |map: &serde_json::Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(Value::Null);
    let all = keys.into_iter().map(|key| (key.clone(), at(old, key), at(new, key)));
    all.filter(|(key, old, new)| old != new && key != "updated_at" && key != "_type").collect()
}
