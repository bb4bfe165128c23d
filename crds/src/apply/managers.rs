//! `metadata.managedFields`: who owns which fields, read and written.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::set::Set;

/// The most entries of managers that update; what the oldest of them own is merged into one entry.
const UPDATE_MANAGERS_MAX: usize = 10;
/// The manager of that entry.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// How a manager writes. Ordered as entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// One manager: a name, how it writes, at which version, and through which subresource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) operation: Operation,
    /// Empty for those that apply: each has one entry, whatever the version.
    api_version: String,
    pub(super) subresource: String,
}

impl Manager {
    pub(super) fn new(name: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version }.to_owned();
        let name = if name.is_empty() { "unknown" } else { name }.to_owned();
        Self { name, operation, api_version, subresource: subresource.to_owned() }
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, operation, api_version, subresource } = self;
        write!(f, "{name:?}")?;
        if !subresource.is_empty() {
            write!(f, " with subresource {subresource:?}")?;
        }
        if *operation == Operation::Update {
            write!(f, " using {api_version}")?;
        }
        Ok(())
    }
}

/// The fields of one manager, and when that changed last; in whole seconds, as `metav1.Time` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) fields: Set,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All managers of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Managers(pub(super) BTreeMap<Manager, Entry>);

impl Managers {
    /// Reads the managers of an object; none where one entry cannot be read.
    pub(super) fn read(entries: &Value) -> Option<Self> {
        let mut managers = Self::default();
        for entry in entries.as_array().map(Vec::as_slice).unwrap_or_default() {
            let text = |name: &str| entry[name].as_str().unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() || text("fieldsType") != "FieldsV1" {
                return None;
            }
            let fields = match &entry["fieldsV1"] {
                Value::Null => Set::default(),
                fields => Set::decode(fields).ok()?,
            };
            let manager = Manager {
                // An unnamed manager stays unnamed: only a request without a name is `unknown`.
                name: text("manager").to_owned(),
                ..Manager::new("", operation, api_version, text("subresource"))
            };
            let time = entry["time"].as_str().map(str::to_owned);
            managers.0.insert(manager, Entry { fields, api_version: api_version.to_owned(), time });
        }
        Some(managers)
    }

    /// As the list that an object holds: those that apply first, then by time and name.
    pub(super) fn write(&self) -> Vec<Value> {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(manager, entry)| {
            let Manager { name, operation, subresource, api_version: _ } = manager;
            (*operation, entry.time.clone(), name.clone(), entry.api_version.clone(), subresource.clone())
        });
        entries.into_iter().map(|(manager, entry)| written(manager, entry)).collect()
    }

    /// Puts the managers into an object's metadata; an empty list is none.
    pub(super) fn store(&self, object: &mut Value) {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        if self.0.is_empty() {
            metadata.remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(self.write()));
        }
    }

    /// Merges what the oldest managers that update own, until there are no more than the bound.
    pub(super) fn cap(&mut self) {
        let updates = self.0.iter().filter(|(manager, _)| manager.operation == Operation::Update);
        let mut oldest: Vec<_> = updates.map(|(manager, entry)| (entry.time.clone(), manager.clone())).collect();
        if oldest.len() <= UPDATE_MANAGERS_MAX {
            return;
        }
        oldest.sort();
        let mut count = oldest.len();
        let mut first_of: BTreeMap<String, Manager> = BTreeMap::new();
        for (time, manager) in oldest {
            if count <= UPDATE_MANAGERS_MAX {
                return;
            }
            let version = manager.api_version.clone();
            let bucket = Manager::new(ANCIENT_CHANGES, Operation::Update, &version, "");
            if manager == bucket {
                continue;
            }
            if !self.0.contains_key(&bucket) {
                // One manager alone keeps its name; the bucket begins with a second.
                let Some(first) = first_of.get(&version).and_then(|first| self.0.remove(first)) else {
                    first_of.insert(version, manager);
                    continue;
                };
                self.0.insert(bucket.clone(), first);
            }
            if let Some(merged) = self.0.remove(&manager)
                && let Some(entry) = self.0.get_mut(&bucket)
            {
                entry.fields.extend(&merged.fields);
                entry.time = entry.time.take().max(time);
            }
            count -= 1;
        }
    }
}

fn written(manager: &Manager, entry: &Entry) -> Value {
    let mut map = Map::new();
    map.insert("manager".to_owned(), json!(manager.name));
    map.insert("operation".to_owned(), json!(manager.operation.as_str()));
    map.insert("apiVersion".to_owned(), json!(entry.api_version));
    map.insert("fieldsType".to_owned(), json!("FieldsV1"));
    map.insert("fieldsV1".to_owned(), entry.fields.encode());
    if !manager.subresource.is_empty() {
        map.insert("subresource".to_owned(), json!(manager.subresource));
    }
    if let Some(time) = &entry.time {
        map.insert("time".to_owned(), json!(time));
    }
    Value::Object(map)
}

/// Whether an update asks to forget all managers: an empty list, or one empty entry.
pub(super) fn is_reset(entries: Option<&Value>) -> bool {
    match entries.and_then(Value::as_array).map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => entry.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(names: impl Iterator<Item = (String, &'static str)>) -> Managers {
        let entry = |(name, time): (String, &str)| {
            let manager = Manager::new(&name, Operation::Update, "g/v1", "");
            let fields = Set::of(&[&["spec", &name]]);
            (manager, Entry { fields, api_version: "g/v1".into(), time: Some(time.into()) })
        };
        Managers(names.map(entry).collect())
    }

    #[test]
    fn the_oldest_of_many_managers_are_merged() {
        let time = |n: usize| if n < 3 { "2026-01-01T00:00:00Z" } else { "2026-01-02T00:00:00Z" };
        let mut managers = updated((0..12).map(|n| (format!("m{n:02}"), time(n))));
        managers.cap();
        let names: Vec<_> = managers.0.keys().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["ancient-changes", "m03", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11"]);
        let bucket = &managers.0[&Manager::new(ANCIENT_CHANGES, Operation::Update, "g/v1", "")];
        assert_eq!(bucket.fields, Set::of(&[&["spec", "m00"], &["spec", "m01"], &["spec", "m02"]]));
        let before = managers.clone();
        managers.cap();
        assert_eq!(managers, before, "ten are not too many");
    }

    #[test]
    fn entries_are_read_as_they_are_written() {
        let managers = updated([("a".to_owned(), "2026-01-01T00:00:00Z")].into_iter());
        let mut object = json!({ "metadata": {} });
        managers.store(&mut object);
        assert_eq!(Managers::read(&object["metadata"]["managedFields"]), Some(managers));
        for bad in [json!([{ "operation": "Put" }]), json!([{ "operation": "Apply", "apiVersion": "v1" }])] {
            assert_eq!(Managers::read(&bad), None);
        }
        assert!(is_reset(Some(&json!([]))) && is_reset(Some(&json!([{}]))) && !is_reset(None));
    }
}
