//! Index entries, by which objects are selected without reading them: labels, declared selectable fields, and owners.

use std::collections::BTreeSet;

use gastown_crds::kinds::EACH;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Key;

/// The declaration of a kind to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindIndex {
    /// `plural.group`, such as `beads.gastown.io`.
    pub kind: String,
    /// The API group.
    pub group: String,
    /// The CamelCase name, as owner references write it.
    pub object_kind: String,
    /// Selectable fields as their selectors write them, such as `spec.rig`; `spec.needs[]` is selected by each item.
    pub fields: Vec<String>,
    /// Whether its objects are records: their changes go to a ring of their own.
    pub is_record: bool,
}

/// Sorted pairs of a question (`label:app`, `field:spec.rig`, `owner`) and the object's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntries(BTreeSet<(String, String)>);

impl IndexEntries {
    /// Reads an object's marks; `kinds` says which fields count, and owners of which kinds are ours to follow.
    pub fn of(kind: &KindIndex, kinds: &[KindIndex], object: &Value) -> Self {
        let mut marks = BTreeSet::new();
        let metadata = &object["metadata"];
        for (name, value) in metadata["labels"].as_object().into_iter().flatten() {
            marks.insert((label(name), value.as_str().unwrap_or_default().to_owned()));
        }
        for path in &kind.fields {
            let value = path.trim_end_matches(EACH).split('.').try_fold(object, |value, name| value.get(name));
            if path.ends_with(EACH) {
                let items = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
                marks.extend(items.map(|item| (field(path), item.to_owned())));
                continue;
            }
            let text = match value {
                Some(Value::String(text)) => text.clone(),
                Some(scalar @ (Value::Bool(_) | Value::Number(_))) => scalar.to_string(),
                // As in an apiserver, a field that is not there is selected as the empty string.
                _ => String::new(),
            };
            marks.insert((field(path), text));
        }
        for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
            let group = owner["apiVersion"].as_str().and_then(|it| it.split_once('/')).map_or("", |it| it.0);
            let is_ours = kinds.iter().any(|it| it.group == group && owner["kind"] == it.object_kind.as_str());
            if let Some(uid) = owner["uid"].as_str().filter(|_| is_ours) {
                marks.insert((OWNER.to_owned(), uid.to_owned()));
            }
        }
        Self(marks)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }

    pub(super) fn minus<'a>(&'a self, other: &'a IndexEntries) -> impl Iterator<Item = &'a (String, String)> {
        self.0.difference(&other.0)
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.answers(OWNER)
    }

    fn answers<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |it| it.0 == what).map(|it| it.1.as_str())
    }
}

/// The question that owner references answer.
pub(super) const OWNER: &str = "owner";

/// The question that a label answers.
pub fn label(name: &str) -> String {
    format!("label:{name}")
}

/// The question that a selectable field answers.
pub fn field(path: &str) -> String {
    format!("field:{path}")
}

/// One condition of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// The answer is one of these.
    In(String, Vec<String>),
    /// There is no answer, or none of these.
    NotIn(String, Vec<String>),
    /// There is an answer.
    Exists(String),
    /// There is none.
    Absent(String),
    /// `metadata.name` is (true) or is not (false) this.
    Name(bool, String),
    /// `metadata.namespace` is (true) or is not (false) this.
    Namespace(bool, String),
}

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// Whether an object is selected.
    pub fn selects(&self, key: &Key, marks: &IndexEntries) -> bool {
        let any = |what: &str, values: &[String]| marks.answers(what).any(|it| values.iter().any(|v| v == it));
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(what, values) => any(what, values),
            Requirement::NotIn(what, values) => !any(what, values),
            Requirement::Exists(what) => marks.answers(what).next().is_some(),
            Requirement::Absent(what) => marks.answers(what).next().is_none(),
            Requirement::Name(wanted, name) => (key.name == *name) == *wanted,
            Requirement::Namespace(wanted, ns) => (key.ns == *ns) == *wanted,
        })
    }
}
