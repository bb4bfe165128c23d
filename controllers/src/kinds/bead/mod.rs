//! Beads: their index, who looks again when one changes, and the controller that says where each stands.

mod attempts;

mod index;

mod molecule;

mod reconcile;

mod writes;

pub use attempts::{failures, requests, rework, round, state, work_digest};
pub use molecule::{
    ANNOTATION_ORDER, ANNOTATION_STEPS, FORMULA_DEFAULT, LABEL_FORMULA_DIGEST, LABEL_ROUND, LABEL_WORK_DIGEST, cooked,
    formula_of, is_poured, order,
};
pub use reconcile::reconcile;
pub use writes::{claim, close, release, respec};

use std::collections::BTreeSet;
use std::sync::Arc;

use gastown_crds::Bead;
use gastown_crds::common::LABEL_CONVOY;
use kube::ResourceExt;

use crate::key::{Controller, Key, Lane};
use crate::kinds::{convoy, merge_request, polecat, rig, town};
use crate::objects::{Change, Objects, Presence, Watched};

/// Where each bead stands.
pub static CONTROLLER: Controller =
    Controller::of::<Bead>("bead", Lane::Objects, |name, view| view.with(name, reconcile));

/// The key of a bead.
pub(crate) fn key_of(bead: &Bead) -> Key {
    CONTROLLER.key(bead.name_any())
}

/// The convoy that wants a bead.
pub fn convoy_of(bead: &Bead) -> Option<&str> {
    bead.labels().get(LABEL_CONVOY).map(String::as_str)
}

impl Watched for Bead {
    type Index = index::Index;

    fn index(&self, index: &mut Self::Index, presence: Presence) {
        index.bead(self, presence);
    }

    /// A closed bead is kept for its name and its end; its texts are in the store.
    fn slim(bead: Arc<Self>) -> Arc<Self> {
        if bead.spec.closed.is_none() {
            return bead;
        }
        let mut slim = Arc::unwrap_or_clone(bead);
        slim.spec.description = None;
        slim.spec.command = None;
        slim.spec.vars = Vec::new();
        slim.metadata.managed_fields = None;
        Arc::new(slim)
    }

    fn wakes(change: &Change<'_, Self>, objects: &Objects, keys: &mut BTreeSet<Key>) {
        let name = change.name();
        keys.insert(CONTROLLER.key(&name));
        keys.extend(objects.needed_by(&name).map(|bead| key_of(bead)));
        for bead in change.each() {
            wake_around(bead, change.new.is_none(), objects, keys);
        }
    }
}

fn wake_around(bead: &Bead, gone: bool, objects: &Objects, keys: &mut BTreeSet<Key>) {
    let spec = &bead.spec;
    if let Some(parent) = &spec.parent {
        keys.insert(CONTROLLER.key(parent));
        // A polecat starts when its molecule is whole.
        keys.extend(worker_of(parent, objects));
        return;
    }
    keys.extend(polecat::DISPATCH.single_key());
    keys.extend([town::CONTROLLER.key(town::NAME), rig::CONTROLLER.key(&spec.rig)]);
    if let Some(convoy) = convoy_of(bead) {
        keys.insert(convoy::CONTROLLER.key(convoy));
    }
    if let Some(assignee) = &spec.assignee {
        keys.insert(polecat::CONTROLLER.key(&assignee.polecat));
    }
    if spec.closed.is_some() || gone {
        // Its merge request, if any, is withdrawn.
        keys.insert(merge_request::QUEUE.key(&spec.rig));
    }
}

/// The polecat that has a bead.
pub(crate) fn worker_of(bead: &str, objects: &Objects) -> Option<Key> {
    let assignee = objects.get::<Bead>(bead)?.spec.assignee.as_ref()?;
    Some(polecat::CONTROLLER.key(&assignee.polecat))
}
