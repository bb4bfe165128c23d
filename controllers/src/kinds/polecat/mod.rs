//! Polecats: their index, their controller, and dispatch, which gives them work.

mod dispatch;

mod activity;

mod conversation;

mod environment;

mod handoff;

mod handover;

mod doing;

mod hook;

mod reconcile;

mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gastown_crds::bead::PARENTS_MAX;
use gastown_crds::overrides;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, Town};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::kinds::bead::downward;
use crate::objects::{Objects, Presence, Watched, change};
use crate::watches::Watches;
use crate::world::SandboxId;

/// How long an agent gets to end by itself once it has nothing more to do.
const LEAVE_DELAY: Duration = Duration::from_secs(3);

/// Worktree and session of each polecat.
pub static CONTROLLER: Controller =
    Controller::of::<Polecat>("polecat", Lane::World, |name, view| view.with(name, reconcile::reconcile), watches);

/// Which polecat gets which bead: one key for the whole town, so capacity is decided in one place.
pub static DISPATCH: Controller =
    Controller::single("dispatch", Lane::Settled, |_, view| dispatch::reconcile(view), dispatch_watches);

fn watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, objects, again| {
        for bead in change.each() {
            again.all(match &bead.spec.parent {
                // It starts when the steps of its bead are whole.
                Some(parent) if bead.spec.is_step() => worker_of(parent, objects),
                _ => bead.spec.assignee.as_ref().map(|assignee| assignee.polecat.clone()),
            });
        }
        if change.differs(|bead| overrides::text(&bead.metadata).map(str::to_owned)) {
            // Who is at work on a part of it is held, too.
            let parts = downward(&change.name(), PARENTS_MAX, objects);
            again.all(parts.into_iter().filter_map(|part| Some(part.spec.assignee.as_ref()?.polecat.clone())));
        }
    });
    watches.on::<MergeRequest>(|change, objects, again| {
        again.all(change.each().filter_map(|request| worker_of(&request.spec.bead, objects)));
    });
    watches.on::<Rig>(|change, objects, again| {
        again.all(objects.polecats_in(&change.name()).map(|polecat| polecat.name_any()));
    });
    watches.on::<Runtime>(|_, objects, again| again.all(objects.all::<Polecat>().map(|polecat| polecat.name_any())));
    // A convoy may hold the work on its beads.
    watches.on::<Convoy>(|change, objects, again| {
        if change.differs(|convoy| (convoy.spec.suspend, &convoy.spec.tracks, overrides::text(&convoy.metadata))) {
            let members = change.each().flat_map(|convoy| objects.members_of(convoy));
            let assignees = members.filter_map(|bead| bead.spec.assignee.as_ref());
            again.all(assignees.map(|assignee| assignee.polecat.clone()));
        }
    });
    // Back-off, limits and the default runtime are the town's, and so are its accounts and some holds.
    watches.on::<Town>(|change, objects, again| {
        if change.differs(|town| (&town.spec, overrides::text(&town.metadata), refused_until(town))) {
            again.all(objects.all::<Polecat>().map(|polecat| polecat.name_any()));
        }
    });
}

fn dispatch_watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, _, again| {
        if change.each().any(|bead| !bead.spec.is_step()) {
            again.single();
        }
    });
    watches.on::<Polecat>(|_, _, again| again.single());
    // What its sessions need may fit now.
    watches.on::<Runtime>(|change, _, again| {
        if change.differs(|runtime| &runtime.spec.resources) {
            again.single();
        }
    });
    watches.on::<Rig>(|_, _, again| again.single());
    watches.on::<Convoy>(|change, _, again| {
        if change.differs(|convoy| {
            let meta = &convoy.metadata;
            (&convoy.spec, &meta.deletion_timestamp, overrides::text(meta))
        }) {
            again.single();
        }
    });
    watches.on::<Town>(|change, _, again| {
        if change.differs(|town| (&town.spec, overrides::text(&town.metadata), refused_until(town))) {
            again.single();
        }
    });
}

/// The accounts of a town that are left alone, and until when.
fn refused_until(town: &Town) -> Vec<(&str, Option<Timestamp>)> {
    let accounts = town.status.as_ref().map_or(&[][..], |status| &status.accounts);
    accounts.iter().map(|account| (&*account.name, account.until)).collect()
}

/// The name of the polecat that has a bead.
fn worker_of(bead: &str, objects: &Objects) -> Option<String> {
    Some(objects.get::<Bead>(bead)?.spec.assignee.as_ref()?.polecat.clone())
}

/// The sandbox of a polecat.
pub fn sandbox_id(polecat: &Polecat) -> SandboxId {
    SandboxId { name: polecat.name_any(), uid: polecat.uid().unwrap_or_default() }
}

/// The index of polecats.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Index {
    /// Rig to its polecats.
    in_rig: BTreeMap<String, BTreeSet<String>>,
}

impl Watched for Polecat {
    type Index = Index;

    fn index(&self, index: &mut Index, presence: Presence) {
        change(&mut index.in_rig, self.spec.rig.clone(), self.name_any(), presence);
    }
}

impl Objects {
    /// The polecats of a rig.
    pub fn polecats_in(&self, rig: &str) -> impl Iterator<Item = &Arc<Polecat>> {
        self.named(self.index::<Polecat>().in_rig.get(rig))
    }

    /// The polecat of this name, if it has this uid: a namesake does not inherit the work.
    pub fn polecat_by_uid(&self, name: &str, uid: &str) -> Option<&Arc<Polecat>> {
        self.get::<Polecat>(name).filter(|p| p.uid().as_deref() == Some(uid))
    }
}
