//! Rigs: their settings, and the controller of their repositories.

mod reconcile;

mod settings;

pub use settings::{RigSettings, bead_prefix};

use gastown_crds::{Bead, MergeRequest, Rig, Town, overrides};
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::objects::Watched;
use crate::watches::Watches;

/// Each rig's clone, and what keeps work from landing there.
pub static CONTROLLER: Controller =
    Controller::of::<Rig>("rig", Lane::World, |name, view| view.with(name, reconcile::reconcile), watches);

fn watches(watches: &mut Watches) {
    // Two rigs on one target: the other one may be free now.
    watches.on::<Rig>(|change, objects, again| {
        if change.differs(|rig| &rig.spec) {
            again.all(objects.all::<Rig>().map(|rig| rig.name_any()));
        }
    });
    // A remote is asked for news while beads are open.
    watches.on::<Bead>(|change, _, again| {
        again.all(change.each().filter(|bead| !bead.spec.is_step()).map(|bead| bead.spec.rig.clone()));
    });
    watches.on::<Town>(|change, objects, again| {
        if change.differs(|town| (town.spec.suspend, overrides::text(&town.metadata))) {
            again.all(objects.all::<Rig>().map(|rig| rig.name_any()));
        }
    });
    // How many are queued, and what their pushes came to, is in its status.
    watches.on::<MergeRequest>(|change, _, again| again.all(change.each().map(|request| request.spec.rig.clone())));
}

impl Watched for Rig {
    type Index = ();
}
