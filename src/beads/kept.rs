//! What is kept of a line of Beads' JSON beside the object that was made of it: what the object has no field for, and what it would say
//! in other words.
//!
//! Each part is kept with a digest of what the object said in its place when it was taken in: once the object says something else, that
//! part is out of date, and what the object says counts.

use std::collections::BTreeMap;

use gastown_crds::names;
use jiff::Timestamp;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

/// The annotation that holds it.
pub const ANNOTATION: &str = "gastown.io/beads";

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kept {
    /// The id, where no object can be named so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The ids of other beads that it speaks of, by the names of their objects.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// When it had last been changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<Updated>,
    /// Texts that differ from what the object says, or of which it says nothing, in the order of the line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<KeptField>,
    /// What the object says and the line did not, by its key, with the digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub absent: BTreeMap<String, String>,
    /// The keys in their order, where that is not the usual one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// Of an issue of a forge: what it said of each field, as a digest. What differs from it was changed here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub taken: BTreeMap<String, String>,
    /// Whether the line gave no numbers of edges and comments.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_counts: bool,
}

/// A time that is true as long as the object's spec is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Updated {
    /// The number of the spec's change.
    pub generation: i64,
    /// The time.
    pub at: Timestamp,
}

/// One text of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptField {
    /// Its key.
    pub key: String,
    /// Its JSON, as it was.
    pub raw: String,
    /// The digest of what the object said when it was taken in.
    pub was: String,
}

impl Kept {
    /// What is kept beside an object; none of one that was filed here.
    pub fn of(object: &impl ResourceExt) -> Option<Self> {
        Self::parse(object.annotations().get(ANNOTATION)?)
    }

    /// Reads the annotation; none where it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The annotation.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("it is made of texts and numbers")
    }

    /// When the bead was last changed, as long as it has not been changed since.
    pub fn updated_at(&self, generation: Option<i64>) -> Option<Timestamp> {
        self.updated.as_ref().filter(|updated| Some(updated.generation) == generation).map(|updated| updated.at)
    }

    /// The id of another bead, by the name of its object.
    pub fn id_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.ids.get(name).map_or(name, String::as_str)
    }
}

/// A digest of what an object says in a place; of nothing, where it says nothing.
pub fn digest(raw: Option<&str>) -> String {
    raw.map_or_else(String::new, |raw| names::short_hash(&["kept", raw]))
}
