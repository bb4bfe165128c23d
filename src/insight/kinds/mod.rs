//! The kinds: a file for each with everything that is particular to it, and the table of them.

pub mod town;

pub mod runtime;

pub mod formula;

pub mod rig;

pub mod polecat;

pub mod convoy;

pub mod bead;

pub mod merge_request;

pub mod source;

use gastown_crds::common::Condition;
use kube::api::{DynamicObject, ObjectMeta};
use serde::de::DeserializeOwned;

use super::Subject;

/// A kind's row: static facts, and the way to its typed objects.
#[derive(Debug)]
pub struct KindInsight {
    /// Its name, such as `Convoy`.
    pub name: &'static str,
    /// Whether it consists of beads, so that its progress can be followed.
    pub has_progress: bool,
    /// The kinds whose objects a snapshot must hold for blockers, related objects and the next step.
    pub reads: &'static [&'static str],
    /// The kinds whose objects a snapshot must hold for [`Subject::log`]; none for a kind without logs.
    pub log_reads: Option<&'static [&'static str]>,
    /// The kinds whose objects a snapshot must hold for [`Subject::open_work`].
    pub deletion_reads: &'static [&'static str],
    /// Parses an object of the kind; none if it is not as this release knows it.
    pub(super) read: fn(&DynamicObject) -> Option<Box<dyn Subject>>,
}

/// The rows of all kinds that have a file here.
pub const KINDS: &[&KindInsight] = &[
    &town::KIND,
    &runtime::KIND,
    &formula::KIND,
    &rig::KIND,
    &polecat::KIND,
    &convoy::KIND,
    &bead::KIND,
    &merge_request::KIND,
    &source::KIND,
];

/// The row of a kind that has no file here.
pub const ANY: KindInsight =
    KindInsight { name: "", has_progress: false, reads: &[], log_reads: None, deletion_reads: &[], read: |_| None };

/// Reads an object as one of its kind.
fn typed<K: Subject + DeserializeOwned + 'static>(object: &DynamicObject) -> Option<Box<dyn Subject>> {
    let value = serde_json::to_value(object).ok()?;
    let object: K = serde_json::from_value(value).ok()?;
    Some(Box::new(object))
}

/// An object of any kind.
struct Any {
    kind: String,
    meta: ObjectMeta,
    conditions: Vec<Condition>,
}

impl Subject for Any {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

/// Reads an object of any kind.
pub(super) fn any(kind: &str, object: &DynamicObject) -> Box<dyn Subject> {
    let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
    Box::new(Any {
        kind: kind.to_owned(),
        meta: object.metadata.clone(),
        conditions: serde_json::from_value(conditions).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::subject;
    use super::super::testing::request;
    use super::*;

    #[test]
    fn a_merge_request_that_is_over_will_never_be_merged() {
        let never = |state: &str, type_: &str| {
            let request = request(state, "Red", "");
            let object: DynamicObject = serde_json::from_value(serde_json::to_value(&request).unwrap()).unwrap();
            subject("MergeRequest", &object).never(type_)
        };
        assert_eq!(never("Rejected", "Merged").as_deref(), Some("it is rejected"));
        assert_eq!(never("Withdrawn", "Merged").as_deref(), Some("it is withdrawn"));
        assert_eq!(never("Queued", "Merged"), None);
        assert_eq!(never("Rejected", "Ready"), None);
    }

    #[test]
    fn every_kind_is_one_that_there_is() {
        let known: Vec<&str> = gastown_crds::KINDS.iter().map(|kind| kind.name).collect();
        for kind in KINDS {
            assert!(known.contains(&kind.name), "{}", kind.name);
            let reads = [kind.reads, kind.log_reads.unwrap_or_default(), kind.deletion_reads].concat();
            assert!(reads.iter().all(|read| known.contains(read)), "{}: {reads:?}", kind.name);
        }
    }
}
