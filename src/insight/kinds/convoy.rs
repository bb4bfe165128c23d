//! `Convoy`: a batch of beads, and what blocks its landing.

use std::collections::BTreeSet;

use gastown_controllers::convoy::is_withdrawn;
use gastown_crds::Convoy;
use gastown_crds::common::{ConditionStatus, condition, reasons, types};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{KindInsight, typed};
use crate::insight::attention::Need;
use crate::insight::overview::{ConvoyLine, DELETING, NOT_SEEN};
use crate::insight::text::plain;
use crate::insight::{Blocked, Blocker, Snapshot, Subject};

/// What is known of the kind.
pub const KIND: KindInsight =
    KindInsight { name: "Convoy", reads: &["Bead", "Convoy", "MergeRequest", "Polecat", "Rig"], read: typed::<Convoy> };

impl Subject for Convoy {
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        blocked(self, snapshot).by
    }
}

/// What blocks the landing of a convoy.
pub fn blocked(convoy: &Convoy, snapshot: &Snapshot) -> Blocked {
    let name = convoy.name_any();
    let Some(status) = convoy.status.as_ref().filter(|it| it.observed_generation == convoy.metadata.generation) else {
        return Blocked::default();
    };
    let landed = condition(&status.conditions, types::LANDED);
    let missing = landed.filter(|it| it.status == ConditionStatus::False && it.reason == reasons::REF_NOT_FOUND);
    let mut blocked = Blocked::default();
    blocked.by.extend(missing.map(|missing| Blocker::of(format!("convoy/{name}"), missing, true)));
    let wanted: Vec<_> = snapshot.beads_of(&name).filter(|bead| !is_withdrawn(bead)).collect();
    let mut all_need_person = missing.is_some() || wanted.len() >= convoy.spec.beads.len();
    let mut open = missing.is_some();
    for bead in wanted.into_iter().filter(|bead| bead.spec.closed.is_none()) {
        let by = bead.blockers(snapshot);
        open = true;
        all_need_person &= by.iter().any(|blocker| blocker.needs_person);
        blocked.by.extend(by);
    }
    blocked.permanent = open && all_need_person && convoy.metadata.deletion_timestamp.is_none();
    blocked
}

/// Convoys of which something leads nowhere.
pub fn not_as_declared(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let lost = snapshot.all::<Convoy>().filter_map(|convoy| {
        let landed = condition(&convoy.status.as_ref()?.conditions, types::LANDED)?;
        let need = || Need::new(format!("convoy/{}", convoy.name_any()), plain(&landed.message));
        (landed.reason == reasons::REF_NOT_FOUND).then(need)
    });
    lost.collect()
}

/// A convoy in the overview.
pub fn line(convoy: &Convoy) -> ConvoyLine {
    let status = convoy.status.clone().unwrap_or_default();
    let landed = condition(&status.conditions, types::LANDED);
    ConvoyLine {
        name: convoy.name_any(),
        landed: landed.is_some_and(|landed| landed.status == ConditionStatus::True),
        beads: status.progress.unwrap_or_else(|| format!("0/{}", convoy.spec.beads.len())),
        reason: match landed {
            _ if convoy.metadata.deletion_timestamp.is_some() => DELETING.to_owned(),
            Some(landed) => landed.reason.clone(),
            None => NOT_SEEN.to_owned(),
        },
    }
}
