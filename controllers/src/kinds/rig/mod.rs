//! Rigs: who looks again when one changes, and the controller of their repositories.

mod reconcile;

mod settings;

pub use settings::RigSettings;
pub(crate) use settings::bead_prefix;

use std::collections::BTreeSet;

use gastown_crds::{Convoy, Rig};
use kube::ResourceExt;

use crate::key::{Controller, Key, Lane};
use crate::kinds::{bead, convoy, merge_request, polecat};
use crate::objects::{Change, Objects, Watched};

/// Each rig's clone, and what keeps work from landing there.
pub static CONTROLLER: Controller =
    Controller::of::<Rig>("rig", Lane::World, |name, view| view.with(name, reconcile::reconcile));

impl Watched for Rig {
    type Index = ();

    fn wakes(change: &Change<'_, Self>, objects: &Objects, keys: &mut BTreeSet<Key>) {
        let name = change.name();
        keys.extend([CONTROLLER.key(&name), merge_request::QUEUE.key(&name)]);
        keys.extend(polecat::DISPATCH.single_key());
        keys.extend(objects.polecats_in(&name).map(|polecat| polecat::CONTROLLER.key(polecat.name_any())));
        if change.differs(|rig| &rig.spec) {
            keys.extend(objects.all::<Convoy>().map(|convoy| convoy::CONTROLLER.key(convoy.name_any())));
            keys.extend(objects.open_in_rig(&name).map(|bead| bead::key_of(bead)));
            // Two rigs on one target: the other one may be free now.
            keys.extend(objects.all::<Self>().map(|rig| CONTROLLER.key(rig.name_any())));
        }
    }
}
