//! A backup of a tracker's tables, one file each: what other files say of an issue is put into its line.

use std::collections::BTreeMap;
use std::path::Path;

use gastown_agent::error::Error;
use serde_json::Value;
use serde_json::value::RawValue;

use super::FILE_BYTES_MAX;
use crate::many;

/// The other tables, with the field of an issue that each of their rows is an item of.
const TABLES: [(&str, &str); 3] =
    [("dependencies.jsonl", "dependencies"), ("labels.jsonl", "labels"), ("comments.jsonl", "comments")];

/// The lines of the issues, with what the tables beside them say.
pub fn joined(issues: &Path, text: String) -> Result<String, Error> {
    let mut items: BTreeMap<String, BTreeMap<&str, Vec<String>>> = BTreeMap::new();
    for (file, field) in TABLES {
        let path = issues.with_file_name(file);
        if !path.exists() {
            continue;
        }
        for (nth, row) in
            many::read(&path, FILE_BYTES_MAX)?.lines().enumerate().filter(|(_, row)| !row.trim().is_empty())
        {
            let parsed: Value = serde_json::from_str(row).map_err(|error| {
                Error::refused(format!("{}:{}: {error}", path.display(), nth + 1), "nothing was taken in")
            })?;
            let Some(id) = parsed["issue_id"].as_str() else { continue };
            let item = if field == "labels" { parsed["label"].to_string() } else { row.trim().to_owned() };
            items.entry(id.to_owned()).or_default().entry(field).or_default().push(item);
        }
    }
    if items.is_empty() {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&with(line, &items).unwrap_or_else(|| line.to_owned()));
        out.push('\n');
    }
    Ok(out)
}

/// A line with its items; none for one that has none, or cannot be read, which is said later.
fn with(line: &str, items: &BTreeMap<String, BTreeMap<&str, Vec<String>>>) -> Option<String> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(line).ok()?;
    let id: String = serde_json::from_str(fields.get("id")?.get()).ok()?;
    let mut out = line.trim_end().strip_suffix('}')?.to_owned();
    for (field, items) in items.get(&id)?.iter().filter(|(field, _)| !fields.contains_key(**field)) {
        out.push_str(&format!(",\"{field}\":[{}]", items.join(",")));
    }
    Some(out + "}")
}
