//! `MergeRequest`: a branch that was handed in, and what blocks its landing.

use std::collections::BTreeSet;

use gastown_controllers::bead::state;
use gastown_crds::MergeRequest;
use gastown_crds::common::{Condition, ConditionStatus, condition, reasons, types};
use gastown_crds::merge_request::MergeState;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{KindInsight, rig, typed};
use crate::insight::attention::Need;
use crate::insight::conditions::{self, keeps_failing};
use crate::insight::{Blocker, Snapshot, Subject};

/// What is known of the kind.
pub const KIND: KindInsight = KindInsight { name: "MergeRequest", reads: &["Rig"], read: typed::<MergeRequest> };

impl Subject for MergeRequest {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        let mut found = BTreeSet::new();
        block(self, snapshot, &mut found);
        found
    }
}

/// How a branch that was handed in blocks its bead.
pub(super) fn block(request: &MergeRequest, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    if state(request).is_final() {
        return;
    }
    let conditions = request.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    let merged = condition(conditions, types::MERGED);
    let own = [reasons::VERIFY_ERROR, reasons::BRANCH_READY, reasons::PUSH_REFUSED];
    let is_own = |it: &Condition| own.contains(&&*it.reason) || keeps_failing(it);
    let blocks = |it: &&Condition| is_own(it) || it.status == ConditionStatus::Unknown;
    let object = format!("mr/{}", request.name_any());
    found.extend(merged.filter(blocks).map(|it| Blocker::of(object, it, it.reason == reasons::BRANCH_READY)));
    // What is left as a branch for people waits for them, whatever its rig is like.
    if merged.is_none_or(|it| it.reason != reasons::BRANCH_READY) {
        rig::block(&request.spec.rig, true, snapshot, found);
    }
}

/// Queues that do not move: what blocks a rig's queue is said of its first merge request, unless it is said of the rig.
pub fn queues_not_moving(snapshot: &Snapshot, before: &[Need]) -> Vec<Need> {
    let mut rigs: BTreeSet<&str> = before.iter().filter_map(|need| need.object.strip_prefix("rig/")).collect();
    let stuck = snapshot.all::<MergeRequest>().filter_map(|request| {
        let status = request.status.as_ref().filter(|status| !status.state.is_final())?;
        let merged = condition(&status.conditions, types::MERGED).filter(|merged| keeps_failing(merged))?;
        let is_first = rigs.insert(&request.spec.rig);
        is_first.then(|| Need::new(format!("mergerequest/{}", request.name_any()), conditions::words(merged)))
    });
    stuck.collect()
}

/// Branches that are left for people to merge.
pub fn ready_to_be_merged(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let ready = snapshot.all::<MergeRequest>().filter(|request| state(request) == MergeState::BranchReady);
    let need = |request: &MergeRequest| {
        let what = format!("branch gastown/{} is ready to be merged in {}", request.spec.bead, request.spec.rig);
        Need::new(format!("mergerequest/{}", request.name_any()), what)
    };
    ready.map(need).collect()
}
