//! Polecats: their index, who looks again when one changes, their controller, and dispatch, which gives them work.

mod dispatch;

mod environment;

mod reconcile;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::Polecat;
use kube::ResourceExt;

use crate::key::{Controller, Key, Lane};
use crate::kinds::bead;
use crate::objects::{Change, Objects, Presence, Watched, change};
use crate::world::SandboxId;

/// Worktree and session of each polecat.
pub static CONTROLLER: Controller =
    Controller::of::<Polecat>("polecat", Lane::World, |name, view| view.with(name, reconcile::reconcile));

/// Which polecat gets which bead: one key for the whole town, so capacity is decided in one place.
pub static DISPATCH: Controller = Controller::single("dispatch", Lane::Objects, |_, view| dispatch::reconcile(view));

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

    fn wakes(change: &Change<'_, Self>, objects: &Objects, keys: &mut BTreeSet<Key>) {
        keys.insert(CONTROLLER.key(change.name()));
        keys.extend(DISPATCH.single_key());
        for polecat in change.each() {
            let uid = polecat.uid().unwrap_or_default();
            keys.extend(objects.assigned_to(&uid).map(|bead| bead::key_of(bead)));
        }
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
