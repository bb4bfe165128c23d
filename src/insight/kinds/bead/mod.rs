//! `Bead`: a piece of work, where it is and why, and what blocks it.

mod blockers;

mod overview;

use std::collections::BTreeSet;

use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, BeadType};
use kube::api::ObjectMeta;

use super::{KindInsight, typed};
use crate::insight::text::plain;
use crate::insight::{Blocker, Snapshot, Subject};

pub use blockers::{explained, is_set_aside};
pub use overview::{failed_too_often, landed, lines, not_as_declared};

/// What is known of the kind.
pub const KIND: KindInsight =
    KindInsight { name: "Bead", reads: &["Bead", "Convoy", "MergeRequest", "Polecat", "Rig"], read: typed::<Bead> };

/// What is wrong with a bead that failed too often.
const SET_ASIDE: &str = "set aside";

impl Subject for Bead {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        let mut found = BTreeSet::new();
        if self.spec.type_ != BeadType::Step {
            blockers::follow(self, snapshot, &mut found, &mut BTreeSet::new());
        }
        found
    }
}

/// Where a bead is. It is closed as soon as its spec says so; its controller's word for it comes a moment later.
pub fn state(bead: &Bead) -> BeadState {
    if bead.spec.closed.is_some() {
        return BeadState::Closed;
    }
    bead.status.as_ref().map(|status| status.state).unwrap_or_default()
}

/// What a person is told of a bead that failed too often: `set aside after 6 failures: Say width`.
fn failures(bead: &Bead) -> String {
    let failures = bead.status.as_ref().map_or(0, |status| status.failures);
    format!("{SET_ASIDE} after {failures} failures: {}", plain(&bead.spec.title))
}
