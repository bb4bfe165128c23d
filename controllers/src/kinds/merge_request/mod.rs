//! Merge requests: their index, and the merge queue of each rig, which lands them.

mod landing;

mod people;

mod queue;

mod stays;

pub use landing::{Queue, Red, Rejection, Step, next, red_target};
pub use queue::{Pushed, pushed, tries};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::bead::PARENTS_MAX;
use gastown_crds::{Bead, Convoy, MergeRequest, Rig, Town, overrides};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::kinds::bead::downward;
use crate::kinds::convoy::rivals;
use crate::objects::{Objects, Presence, Watched, change, created};
use crate::watches::Watches;

/// The merge queue of each rig.
pub static QUEUE: Controller = Controller::of::<Rig>("merge", Lane::World, queue::reconcile, watches);

fn watches(watches: &mut Watches) {
    watches.on::<MergeRequest>(|change, objects, again| {
        again.all(change.each().map(|request| request.spec.rig.clone()));
        // An attempt at the same thing may wait for it, in another rig too.
        let beads = change.each().filter_map(|request| objects.get::<Bead>(&request.spec.bead));
        let rivals = beads.flat_map(|bead| rivals(bead, objects)).filter(|rival| rival.spec.closed.is_none());
        again.all(rivals.map(|rival| rival.spec.rig.clone()));
    });
    // The merge request of a bead that is closed, or gone, is withdrawn; one of a bead that is held waits.
    watches.on::<Bead>(|change, objects, again| {
        let is_gone = change.new.is_none();
        let is_held = !is_gone
            && change.old.is_some()
            && change.differs(|bead| overrides::text(&bead.metadata).map(str::to_owned));
        let over = change.each().filter(|bead| is_gone || is_held || bead.spec.closed.is_some());
        again.all(over.filter(|bead| !bead.spec.is_step()).map(|bead| bead.spec.rig.clone()));
        if is_held {
            let parts = downward(&change.name(), PARENTS_MAX, objects);
            again.all(parts.into_iter().map(|part| part.spec.rig.clone()).filter(|rig| !rig.is_empty()));
        }
    });
    watches.on::<Convoy>(|change, objects, again| {
        if change.differs(|convoy| (&convoy.spec.tracks, overrides::text(&convoy.metadata))) {
            again.all(change.each().flat_map(|convoy| rigs_of(convoy, objects)));
        }
    });
    watches.on::<Town>(|change, objects, again| {
        if change.differs(|town| (town.spec.suspend, overrides::text(&town.metadata))) {
            again.all(objects.all::<Rig>().map(|rig| rig.name_any()));
        }
    });
}

/// Rigs in which a convoy's beads may be landing.
fn rigs_of(convoy: &Convoy, objects: &Objects) -> BTreeSet<String> {
    let open = objects.members_of(convoy).into_iter().filter(|bead| bead.spec.closed.is_none());
    open.map(|bead| bead.spec.rig.clone()).collect()
}

/// The index of merge requests.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Index {
    /// Bead to its merge requests.
    of_bead: BTreeMap<String, BTreeSet<String>>,
    /// Rig to the merge requests that are not over, by creation and name.
    queue: BTreeMap<String, BTreeSet<(Timestamp, String)>>,
    /// Rig to the merge requests that have left their target.
    left: BTreeMap<String, BTreeSet<String>>,
}

impl Watched for MergeRequest {
    type Index = Index;

    fn index(&self, index: &mut Index, presence: Presence) {
        let name = self.name_any();
        change(&mut index.of_bead, self.spec.bead.clone(), name.clone(), presence);
        if !self.status.as_ref().is_some_and(|s| s.state.is_final()) {
            change(&mut index.queue, self.spec.rig.clone(), (created(self), name.clone()), presence);
        }
        if people::is_left(self) {
            change(&mut index.left, self.spec.rig.clone(), name, presence);
        }
    }
}

impl Objects {
    /// The merge requests of a bead, by attempt.
    pub fn requests_of(&self, bead: &str) -> Vec<&Arc<MergeRequest>> {
        let names = self.index::<MergeRequest>().of_bead.get(bead);
        let mut requests: Vec<_> = self.named::<MergeRequest>(names).collect();
        requests.sort_by_key(|r| (r.spec.attempt, r.name_any()));
        requests
    }

    /// The merge requests of a rig that are not over, by creation.
    pub fn queue(&self, rig: &str) -> impl Iterator<Item = &Arc<MergeRequest>> {
        let names = self.index::<MergeRequest>().queue.get(rig).into_iter().flatten();
        names.filter_map(|(_, name)| self.get(name))
    }

    /// The merge requests of a rig that have left their target, by their status.
    pub fn left_target(&self, rig: &str) -> impl Iterator<Item = &Arc<MergeRequest>> {
        self.named(self.index::<MergeRequest>().left.get(rig))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::assert_index_is_that_of_a_fresh_fold;
    use gastown_crds::merge_request::{MergeRequestStatus, MergeState};
    use proptest::prelude::*;
    use serde_json::json;

    fn request(name: u8, shape: u8) -> MergeRequest {
        let mut request: MergeRequest = serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "MergeRequest", "metadata": {"name": format!("m{name}")},
            "spec": {"bead": format!("b{}", shape % 3), "rig": format!("r{}", shape % 2), "polecat": "p",
                     "head": "0".repeat(40), "base": "0".repeat(40), "attempt": 1},
        }))
        .unwrap();
        let state = if shape.is_multiple_of(2) { MergeState::Queued } else { MergeState::Merged };
        let left = json!({"type": "LeftTarget", "status": "True", "reason": "LeftTarget",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let conditions = if shape > 11 { vec![serde_json::from_value(left).unwrap()] } else { Vec::new() };
        request.status = Some(MergeRequestStatus { state, conditions, ..MergeRequestStatus::default() });
        request
    }

    proptest! {
        #[test]
        fn an_index_is_what_a_fold_from_scratch_gives(
            changes in prop::collection::vec((0_u8..5, 0_u8..18, any::<bool>()), 0..60)
        ) {
            let changes = changes.into_iter().map(|(name, shape, gone)| (request(name, shape), gone));
            assert_index_is_that_of_a_fresh_fold(changes.collect());
        }
    }
}
