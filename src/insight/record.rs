//! The record of a polecat, as beads and merge requests keep it: what it has worked on, and what became of that.
//!
//! Both outlive the Polecat, so a record does too; a polecat that is made anew under the name goes on with it. What was deleted of
//! them is counted by the target's commits, if it has landed.

use std::collections::BTreeSet;

use gastown_controllers::bead::state;
use gastown_crds::common::{condition, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, MergeRequest};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::Snapshot;
use super::kinds::bead;
use super::text::plain;

/// The kinds that a record is made from.
pub const READS: &[&str] = &["Bead", "MergeRequest"];

/// Entries of a record that are listed: the last.
const LAST_MAX: usize = 10;

/// What a polecat has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Beads that it has worked on.
    pub beads: usize,
    /// Branches of its own that have landed.
    pub landed: usize,
    /// Branches of its own that came back: they made the target red, or conflicted with it.
    pub reworks: usize,
    /// Branches of its own that people did not want: deleted, or of a bead that was closed otherwise.
    pub rejected: usize,
    /// The last of what it did, the latest first.
    pub last: Vec<Entry>,
}

/// One thing that a polecat did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When that was so.
    pub at: Timestamp,
    /// The bead.
    pub bead: String,
    /// The bead's title.
    pub title: String,
    /// What became of it, in a word: the state of a merge request, with why it came back; else that of the bead.
    pub how: String,
    /// The commit that landed, or was handed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Record {
    /// The record of the polecat of this name, whether there is one now or not.
    pub fn of(polecat: &str, snapshot: &Snapshot) -> Self {
        let mut record = Self::default();
        let mut seen = BTreeSet::new();
        for request in snapshot.all::<MergeRequest>().filter(|request| request.spec.polecat == polecat) {
            seen.insert(request.spec.bead.clone());
            match state(request) {
                MergeState::Merged => record.landed += 1,
                // That its commits were lost is nobody's fault.
                MergeState::Rejected if reason(request) != Some(Reason::HeadMissing.as_str()) => record.reworks += 1,
                MergeState::BranchDeleted | MergeState::Withdrawn => record.rejected += 1,
                MergeState::Rejected | MergeState::Queued | MergeState::BranchReady => {}
            }
            record.last.push(handed_in(request, snapshot));
        }
        for work in snapshot.work().filter(|work| has_had(work, polecat)) {
            if seen.insert(work.name_any()) {
                record.last.push(without_request(work));
            }
        }
        record.beads = seen.len();
        record.sort();
        record
    }

    /// Adds what the target's own commits say has landed, and nothing else does any more.
    pub fn add_landed(&mut self, landed: impl IntoIterator<Item = (String, Entry)>, snapshot: &Snapshot) {
        let mut beads = BTreeSet::new();
        for (request, entry) in landed {
            if snapshot.get::<MergeRequest>(&request).is_none() {
                self.landed += 1;
                beads.insert(entry.bead.clone());
                self.last.push(entry);
            }
        }
        self.beads += beads.iter().filter(|bead| snapshot.bead(bead).is_none()).count();
        self.sort();
    }

    fn sort(&mut self) {
        self.last.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.bead.cmp(&b.bead)));
        self.last.truncate(LAST_MAX);
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }
}

fn reason(request: &MergeRequest) -> Option<&str> {
    Some(condition(&request.status.as_ref()?.conditions, types::MERGED)?.reason.as_str())
}

fn handed_in(request: &MergeRequest, snapshot: &Snapshot) -> Entry {
    let status = request.status.as_ref();
    let merged = status.and_then(|status| condition(&status.conditions, types::MERGED));
    let how = match state(request) {
        state @ MergeState::Rejected => format!("{state}: {}", reason(request).unwrap_or("unknown")),
        state => state.to_string(),
    };
    let landed = status.and_then(|status| status.landed.clone());
    Entry {
        at: merged.map_or_else(|| made(&request.metadata), |merged| merged.last_transition_time),
        bead: request.spec.bead.clone(),
        title: snapshot.bead(&request.spec.bead).map(|bead| plain(&bead.spec.title)).unwrap_or_default(),
        how,
        commit: landed.or_else(|| Some(request.spec.head.clone())),
    }
}

/// Whether a bead is on the polecat's hook, or was last.
fn has_had(work: &Bead, polecat: &str) -> bool {
    let has = work.spec.assignee.as_ref().is_some_and(|assignee| assignee.polecat == polecat);
    has || work.status.as_ref().is_some_and(|status| status.last_polecat.as_deref() == Some(polecat))
}

fn without_request(work: &Bead) -> Entry {
    let conditions = work.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    let (at, how) = match &work.spec.closed {
        Some(closed) => (Some(closed.at), closed.reason.to_string()),
        None => (conditions.iter().map(|it| it.last_transition_time).max(), bead::state(work).to_string()),
    };
    Entry {
        at: at.unwrap_or_else(|| made(&work.metadata)),
        bead: work.name_any(),
        title: plain(&work.spec.title),
        how,
        commit: None,
    }
}

fn made(meta: &kube::api::ObjectMeta) -> Timestamp {
    meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |made| made.0)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, object, town};
    use super::*;
    use serde_json::{Value, json};

    fn request(name: &str, bead: &str, polecat: &str, state: &str, reason: &str, at: &str) -> MergeRequest {
        let mut merged = super::super::testing::condition("Merged", "False", reason, "");
        merged["lastTransitionTime"] = at.into();
        let landed: Value = if state == "Merged" { json!("1".repeat(40)) } else { Value::Null };
        let status = json!({"state": state, "conditions": [merged], "landed": landed});
        object("MergeRequest", name, &json!({"bead": bead, "polecat": polecat}), &status)
    }

    #[test]
    fn a_record_is_what_beads_and_merge_requests_say_and_needs_no_polecat() {
        let mut town = town();
        assert!(Record::of("shop-nux", &town).is_empty());
        town.add([
            request("shop-a-1", "shop-a", "shop-nux", "Rejected", "Red", "2026-01-01T00:00:00Z"),
            request("shop-a-2", "shop-a", "shop-nux", "Merged", "Merged", "2026-01-02T00:00:00Z"),
            request("shop-b-1", "shop-b", "shop-nux", "Withdrawn", "Withdrawn", "2026-01-03T00:00:00Z"),
            request("shop-c-1", "shop-c", "shop-nux", "Rejected", "HeadMissing", "2026-01-01T12:00:00Z"),
            request("shop-d-1", "shop-d", "shop-toast", "Merged", "Merged", "2026-01-04T00:00:00Z"),
        ]);
        let has = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}, "title": "Say height"});
        town.add([bead("shop-a", &json!({}), "Closed", "Closed", ""), bead("shop-e", &has, "Working", "Claimed", "")]);
        let record = Record::of("shop-nux", &town);
        assert_eq!((record.beads, record.landed, record.reworks, record.rejected), (4, 1, 1, 1));
        let last: Vec<String> =
            record.last.iter().map(|it| format!("{} {} {:?} {}", it.at, it.bead, it.title, it.how)).collect();
        insta::assert_snapshot!(last.join("\n"), @r#"
        2026-01-03T00:00:00Z shop-b "" Withdrawn
        2026-01-02T00:00:00Z shop-a "Say width" Merged
        2026-01-01T12:00:00Z shop-c "" Rejected: HeadMissing
        2026-01-01T00:00:00Z shop-a "Say width" Rejected: Red
        2026-01-01T00:00:00Z shop-e "Say height" Working
        "#);
        assert_eq!(record.last[1].commit.as_deref(), Some(&*"1".repeat(40)));
    }

    #[test]
    fn what_only_the_target_knows_is_counted_once() {
        let mut town = town();
        town.add([request("shop-a-1", "shop-a", "shop-nux", "Merged", "Merged", "2026-01-02T00:00:00Z")]);
        let mut record = Record::of("shop-nux", &town);
        let landed = |request: &str, bead: &str| {
            let at = "2026-01-03T00:00:00Z".parse().unwrap();
            let entry = Entry { at, bead: bead.to_owned(), title: "T".into(), how: "Merged".into(), commit: None };
            (request.to_owned(), entry)
        };
        record.add_landed(
            [landed("shop-a-1", "shop-a"), landed("shop-z-1", "shop-z"), landed("shop-z-2", "shop-z")],
            &town,
        );
        assert_eq!((record.beads, record.landed, record.last.len()), (2, 3, 3));
        assert_eq!(record.last[0].bead, "shop-z");
    }

    #[test]
    fn the_last_few_are_listed_and_all_are_counted() {
        let mut town = town();
        let at = |nth: usize| format!("2026-01-01T00:00:{nth:02}Z");
        let all = (0..LAST_MAX + 5).map(|nth| {
            request(&format!("m{nth:02}"), &format!("shop-{nth:02}"), "shop-nux", "Merged", "Merged", &at(nth))
        });
        town.add(all);
        let record = Record::of("shop-nux", &town);
        assert_eq!((record.landed, record.last.len()), (LAST_MAX + 5, LAST_MAX));
        assert_eq!(record.last[0].bead, "shop-14");
    }
}
