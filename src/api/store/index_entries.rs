//! Index entries, by which objects are selected without reading them: labels, declared selectable fields, and owners.

use std::collections::BTreeSet;
use std::time::Duration;

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
    /// Selectable fields as their selectors write them, such as `spec.rig`; `spec.needs[]` and `spec.links[].to` are
    /// selected by each item.
    pub fields: Vec<String>,
    /// Selectable fields by which nothing is indexed: all objects of the kind are looked at. Less is written for each then,
    /// which counts where there are many that nobody ever selects.
    pub row_fields: Vec<String>,
    /// Whether its objects are records: their changes go to a ring of their own.
    pub is_record: bool,
    /// How much of them is kept; none: all.
    pub retention: Option<Retention>,
}

/// How much is kept of a kind of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The greatest age.
    pub age_max: Duration,
    /// The most objects.
    pub objects_max: u32,
    /// The most objects that have the same value in the field `alike`.
    pub alike_max: u32,
    /// An indexed field.
    pub alike: &'static str,
    /// Whether the ledger has them.
    pub is_in_ledger: bool,
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
        for path in &kind.row_fields {
            let answers = path.split('|').filter_map(|path| at(object, path)?.as_str());
            let text = answers.into_iter().find(|it| !it.is_empty()).unwrap_or_default();
            marks.insert((row_field(path), text.to_owned()));
        }
        for path in &kind.fields {
            if let Some((list, below)) = path.split_once(EACH) {
                let items = at(object, list).and_then(Value::as_array).into_iter().flatten();
                let below = below.trim_start_matches('.');
                let texts = items.filter_map(|it| if below.is_empty() { Some(it) } else { at(it, below) });
                marks.extend(texts.filter_map(Value::as_str).map(|text| (field(path), text.to_owned())));
                continue;
            }
            let value = at(object, path);
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

    /// Those that stand in the index; the others stand in the row alone.
    pub(super) fn indexed(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|it| !is_row_field(&it.0))
    }

    /// Those that stand in the index, and do not in another one's.
    pub(super) fn minus<'a>(&'a self, other: &'a IndexEntries) -> impl Iterator<Item = &'a (String, String)> {
        self.0.difference(&other.0).filter(|it| !is_row_field(&it.0))
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = &str> {
        self.answers(OWNER)
    }

    fn answers<'a>(&'a self, what: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |it| it.0 == what).map(|it| it.1.as_str())
    }
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, name| value.get(name))
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

/// The question that a selectable field answers by which nothing is indexed.
pub fn row_field(path: &str) -> String {
    format!("{ROW_FIELD}{path}")
}

const ROW_FIELD: &str = "row:";

/// Whether only rows answer a question.
pub(super) fn is_row_field(what: &str) -> bool {
    what.starts_with(ROW_FIELD)
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
    /// There is an answer that is a whole number, and it is greater (true) or less (false) than this one.
    Compared {
        /// The question.
        what: String,
        /// Which of the two.
        is_greater: bool,
        /// The number.
        than: i64,
    },
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
            Requirement::Compared { what, is_greater, than } => {
                let numbers = marks.answers(what).filter_map(|it| it.parse::<i64>().ok());
                numbers.into_iter().any(|it| if *is_greater { it > *than } else { it < *than })
            }
            Requirement::Name(wanted, name) => (key.name == *name) == *wanted,
            Requirement::Namespace(wanted, ns) => (key.ns == *ns) == *wanted,
        })
    }
}
