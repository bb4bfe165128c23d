//! `Polecat`: the session of a bead, and why it does not start.

use std::collections::BTreeSet;

use gastown_crds::common::{ConditionStatus, condition, reasons, types};
use gastown_crds::{Bead, Polecat};
use kube::ResourceExt;

use super::rig;
use crate::insight::conditions::keeps_failing;
use crate::insight::{Blocker, Snapshot};

/// How a polecat blocks the bead that it has: its session does not start.
pub(super) fn block(bead: &Bead, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    let polecat = bead.spec.assignee.as_ref().and_then(|assignee| snapshot.get::<Polecat>(&assignee.polecat));
    let Some((polecat, status)) = polecat.and_then(|it| Some((it, it.status.as_ref()?))) else { return };
    let Some(ready) = condition(&status.conditions, types::READY) else { return };
    let stuck = [reasons::COMMAND_NOT_FOUND, reasons::SETUP_FAILED, reasons::REF_NOT_FOUND];
    let is_stuck = stuck.contains(&&*ready.reason) || keeps_failing(ready);
    if is_stuck || ready.status == ConditionStatus::Unknown {
        let needs_person = ready.reason == reasons::REF_NOT_FOUND;
        found.insert(Blocker::of(format!("polecat/{}", polecat.name_any()), ready, needs_person));
    } else if ready.reason == reasons::CLONING {
        rig::block(&bead.spec.rig, false, snapshot, found);
    }
}
