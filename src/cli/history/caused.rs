//! What a revision caused: the beads that were made for its convoys after it, and before another revision changed those.
//!
//! Nobody notes that; it follows from the history, from the label of each bead, and from when it was made.

use std::collections::BTreeSet;

use gastown_crds::Bead;
use gastown_crds::bead::CloseReason;
use gastown_crds::common::{LABEL_CONVOY, whole_second};
use gastown_crds::source::Past;
use kube::ResourceExt;
use serde_json::{Value, json};

/// The beads of one revision.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Caused<'a> {
    /// Those that are known.
    pub beads: Vec<&'a Bead>,
    /// Whether there may be more: the history names only some of what the revision changed.
    pub is_part: bool,
}

impl Caused<'_> {
    /// Those that have landed.
    pub fn landed(&self) -> usize {
        self.beads.iter().filter(|bead| has_landed(bead)).count()
    }

    /// The sessions that were begun for them.
    pub fn sessions(&self) -> u32 {
        self.beads.iter().filter_map(|bead| bead.status.as_ref()).map(|status| status.attempts).sum()
    }

    /// In a word; nothing, where nothing followed.
    pub fn word(&self) -> String {
        let more = if self.is_part { "+" } else { "" };
        if self.beads.is_empty() {
            String::new()
        } else {
            format!("{}/{}{more} landed", self.landed(), self.beads.len())
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "beads": self.beads.len(), "landed": self.landed(), "sessions": self.sessions(), "isPart": self.is_part,
        })
    }
}

/// Whether it was merged.
pub fn has_landed(bead: &Bead) -> bool {
    bead.spec.closed.as_ref().is_some_and(|closed| closed.reason == CloseReason::Merged)
}

/// The convoys that a revision made or changed.
pub fn convoys(past: &Past) -> BTreeSet<&str> {
    past.objects.iter().filter_map(|object| object.strip_prefix(['+', '~'])?.strip_prefix("convoy/")).collect()
}

/// What each revision of a history caused; the history is of one source, newest first.
pub fn caused<'a>(history: &[Past], beads: &'a [Bead]) -> Vec<Caused<'a>> {
    let is_part = |past: &Past| (past.objects.len() as u64) < u64::from(past.created) + u64::from(past.configured);
    let mut found: Vec<Caused<'_>> =
        history.iter().map(|past| Caused { beads: Vec::new(), is_part: is_part(past) }).collect();
    let convoys: Vec<_> = history.iter().map(convoys).collect();
    for bead in beads.iter().filter(|bead| !bead.spec.is_step()) {
        let (Some(convoy), Some(made)) = (bead.labels().get(LABEL_CONVOY), &bead.metadata.creation_timestamp) else {
            continue;
        };
        let is_it = |nth: &usize| convoys[*nth].contains(&**convoy) && history[*nth].at <= whole_second(made.0);
        if let Some(nth) = (0..history.len()).find(is_it) {
            found[nth].beads.push(bead);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(at: i64, objects: &[&str]) -> Past {
        let at = jiff::Timestamp::from_second(at).unwrap();
        serde_json::from_value(json!({
            "revision": "main@sha1:0", "at": at, "result": "Applied", "objects": objects,
        }))
        .unwrap()
    }

    fn bead(name: &str, convoy: &str, made: i64, more: &Value) -> Bead {
        let made = jiff::Timestamp::from_second(made).unwrap();
        let mut bead = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": { "name": name, "labels": { LABEL_CONVOY: convoy }, "creationTimestamp": made },
            "spec": { "title": name, "rig": "shop" },
            "status": { "state": "Ready", "attempts": 2, "conditions": [] },
        });
        bead["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(bead).unwrap()
    }

    #[test]
    fn a_bead_is_of_the_latest_revision_that_changed_its_convoy_before_it_was_made() {
        let history =
            [past(30, &["~convoy/a"]), past(20, &["-convoy/b", "~rig/shop"]), past(10, &["+convoy/b", "+convoy/a"])];
        let merged = json!({ "closed": { "reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt" } });
        let beads = [
            bead("first", "a", 10, &merged),
            bead("late", "a", 29, &json!({})),
            bead("new", "a", 30, &json!({})),
            bead("other", "b", 25, &json!({})),
            bead("before", "a", 9, &json!({})),
            bead("step", "a", 31, &json!({ "parent": "new", "type": "Step" })),
        ];
        let found = caused(&history, &beads);
        let names: Vec<Vec<_>> = found.iter().map(|it| it.beads.iter().map(|bead| bead.name_any()).collect()).collect();
        assert_eq!(names, [vec!["new"], vec![], vec!["first", "late", "other"]]);
        assert_eq!((found[2].word(), found[1].word()), ("1/3 landed".to_owned(), String::new()));
        assert_eq!(found[2].json(), json!({ "beads": 3, "landed": 1, "sessions": 6, "isPart": false }));
    }
}
