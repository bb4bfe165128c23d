//! Beads: their index, and the controller that says where each stands.

mod attempts;

mod changed;

mod handoffs;

mod index;

mod molecule;

mod reconcile;

mod writes;

pub use attempts::{
    asked, did_its_part, did_not_begin, failures, is_landing, is_refused, is_refused_by_provider, last_word, left_well,
    requests, rework, round, starved, state, text_digest, work_digest,
};
pub use handoffs::got_nowhere;
pub use molecule::{
    ANNOTATION_ORDER, ANNOTATION_STEPS, FORMULA_DEFAULT, LABEL_FORMULA_DIGEST, LABEL_ROUND, LABEL_WORK_DIGEST, cooked,
    formula_of, is_poured, next_step, order, ready_steps, steps,
};
pub use reconcile::reconcile;
pub use writes::{claim, close, release, respec};

use std::sync::Arc;

use gastown_crds::common::{LABEL_CONVOY, condition, types};
use gastown_crds::overrides;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Town};
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::objects::{Presence, Watched};
use crate::watches::Watches;

/// Where each bead stands.
pub static CONTROLLER: Controller =
    Controller::of::<Bead>("bead", Lane::Objects, |name, view| view.with(name, reconcile), watches);

fn watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, objects, again| {
        again.all(objects.needed_by(&change.name()).map(|bead| bead.name_any()));
        again.all(change.each().filter_map(|step| step.spec.parent.clone()));
    });
    watches.on::<MergeRequest>(|change, _, again| again.all(change.each().map(|request| request.spec.bead.clone())));
    // A polecat says what a bead waits for that is its own.
    watches.on::<Polecat>(|change, objects, again| {
        let uids = change.each().map(|polecat| polecat.uid().unwrap_or_default());
        uids.for_each(|uid| again.all(objects.assigned_to(&uid).map(|bead| bead.name_any())));
    });
    watches.on::<Convoy>(|change, objects, again| {
        if change.differs(|convoy| {
            let meta = &convoy.metadata;
            (&convoy.spec, &meta.deletion_timestamp, overrides::text(meta))
        }) {
            let name = change.name();
            let open = objects.beads_of_convoy(&name).filter(|bead| bead.spec.closed.is_none());
            again.all(open.map(|bead| bead.name_any()));
        }
    });
    watches.on::<Formula>(|change, objects, again| {
        if change.differs(|formula| &formula.spec) {
            let name = change.name();
            let mine = objects.open_beads().filter(|bead| formula_of(&bead.spec) == name);
            again.all(mine.map(|bead| bead.name_any()));
        }
    });
    watches.on::<Rig>(|change, objects, again| {
        if change.differs(|rig| (&rig.spec, overrides::text(&rig.metadata))) {
            again.all(objects.open_in_rig(&change.name()).map(|bead| bead.name_any()));
        }
    });
    // One that was set aside at a memory limit goes on once that is raised.
    watches.on::<Runtime>(|change, objects, again| {
        if change.differs(|runtime| &runtime.spec.resources) {
            let starved = objects.open_beads().filter(|bead| is_starved(bead));
            again.all(starved.map(|bead| bead.name_any()));
        }
    });
    // Back-off and limits are the town's.
    watches.on::<Town>(|change, objects, again| {
        if change.differs(|town| &town.spec) {
            again.all(objects.open_beads().map(|bead| bead.name_any()));
        } else if change.differs(|town| overrides::text(&town.metadata)) {
            // It is said of what is begun; what nobody has begun is as ready as before, and dispatch leaves it alone.
            again.all(objects.assigned().map(|bead| bead.name_any()));
        }
    });
}

/// Whether it was set aside because its attempts reached their memory limit.
fn is_starved(bead: &Bead) -> bool {
    let conditions = bead.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition(conditions, types::SET_ASIDE).is_some_and(|it| it.reason == Reason::OutOfMemory)
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

    fn is_slim(&self) -> bool {
        self.spec.closed.is_some()
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
}
