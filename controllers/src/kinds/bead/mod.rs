//! Beads: their index, and the controller that says where each stands.

mod attempts;

mod card;

mod changed;

mod flow;

mod gate;

mod handoffs;

mod index;

mod molecule;

mod readiness;

mod reconcile;

mod wisp;

mod witness;

mod writes;

pub use attempts::{
    asked, did_its_part, did_not_begin, failures, is_landing, is_refused, is_refused_by_provider, last_word, left_well,
    requests, rework, round, starved, state, text_digest, work_digest,
};
pub(crate) use flow::attempts_max;
pub use gate::GATE_FOR_PERSON;
pub use handoffs::got_nowhere;
pub use molecule::{
    ANNOTATION_ORDER, ANNOTATION_STEPS, FORMULA_DEFAULT, LABEL_FORMULA_DIGEST, LABEL_ROUND, LABEL_WORK_DIGEST, cooked,
    formula_of, is_poured, next_step, order, ready_steps, steps,
};
pub use readiness::upward;
pub(crate) use readiness::{downward, epic, is_wanted, parent};
pub use reconcile::reconcile;
pub use witness::witnessed;
pub use writes::{claim, close, finish, release, respec};

use std::sync::Arc;

use gastown_crds::bead::{BeadType, PARENTS_MAX};
use gastown_crds::common::{LABEL_CONVOY, condition, types};
use gastown_crds::overrides;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Town};
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::objects::{Objects, Presence, Watched};
use crate::watches::Watches;

/// Where each bead stands.
pub static CONTROLLER: Controller =
    Controller::of::<Bead>("bead", Lane::Objects, |name, view| view.with(name, reconcile), watches);

fn watches(watches: &mut Watches) {
    watches.on::<Bead>(|change, objects, again| {
        let name = change.name();
        let needed_by = |name: &str| objects.needed_by(name).map(|bead| bead.name_any()).collect::<Vec<_>>();
        let children = |name: &str| objects.children_of(name).map(|bead| bead.name_any()).collect::<Vec<_>>();
        let is_gate = |need: &&String| objects.get::<Bead>(need).is_some_and(|it| it.spec.type_ == BeadType::Gate);
        let waiting = needed_by(&name);
        if change.differs(|bead| bead.spec.blocks()) {
            // Children wait with their parent.
            again.all(waiting.iter().flat_map(|name| children(name)));
            // A gate asks its program once what waits for it waits for nothing else.
            let waiting = waiting.iter().filter_map(|name| objects.get::<Bead>(name));
            again.all(waiting.flat_map(|bead| bead.spec.needs.iter().filter(|need| is_gate(need)).cloned()));
        }
        again.all(waiting);
        for bead in change.each().filter(|bead| bead.spec.parent.is_some()) {
            let parent = bead.spec.parent.clone().unwrap_or_default();
            if !bead.spec.is_step() {
                // Of those that wait for children.
                again.all(needed_by(&parent));
            }
            if let Some(above) = objects.get::<Bead>(&parent).filter(|parent| parent.spec.closed.is_some()) {
                // What is made of a step's output is a part of what the step is a part of.
                again.all(above.spec.parent.clone());
            }
            again.at(parent);
        }
        let what_holds_children = |bead: &'_ Bead| {
            let spec = &bead.spec;
            let hold = overrides::text(&bead.metadata).map(str::to_owned);
            let who = (spec.assigned_to.clone(), spec.held.clone(), hold);
            let ties = (spec.needs.clone(), spec.links.clone(), spec.parent.clone());
            (spec.suspend, spec.type_, ties, spec.defer_until, spec.closed.is_some(), who)
        };
        // A gate asks people only once somebody has asked for what it holds up, and that may follow from what is above it.
        again.all(change.each().flat_map(|bead| bead.spec.needs.iter().filter(is_gate).cloned()));
        if objects.has_gates_on_steps()
            && change.differs(|bead| (bead.spec.closed.is_some(), bead.spec.metadata.clone()))
        {
            for bead in change.each() {
                let above = upward(bead, |bead| readiness::parent(bead, objects));
                again.all(above.flat_map(|above| objects.gates_on_steps_of(&above.name_any())));
            }
        }
        if change.differs(what_holds_children) {
            // Whether they are asked for may follow from it.
            again.all(downward(&name, PARENTS_MAX, objects).into_iter().map(ResourceExt::name_any));
        }
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
            let members = change.each().flat_map(|convoy| objects.members_of(convoy));
            let open = members.filter(|bead| bead.spec.closed.is_none());
            again.all(open.map(ResourceExt::name_any));
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
            let name = change.name();
            again.all(objects.open_in_rig(&name).map(|bead| bead.name_any()));
            let gates = gates_that_ask(objects).filter(|gate| gate.spec.rig == name);
            again.all(gates.map(|bead| bead.name_any()));
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
        if change.differs(|town| overrides::text(&town.metadata)) {
            again.all(gates_that_ask(objects).map(|bead| bead.name_any()));
        }
    });
}

/// The open gates that ask a program, and do not while a person holds them up. All beads are looked at: people say so rarely.
fn gates_that_ask(objects: &Objects) -> impl Iterator<Item = &Arc<Bead>> {
    let asks = |bead: &&Arc<Bead>| bead.spec.gate.as_ref().is_some_and(|gate| gate.type_.asks_a_program());
    objects.all::<Bead>().filter(|bead| bead.spec.closed.is_none()).filter(asks)
}

/// Whether it was set aside because its attempts reached their memory limit.
fn is_starved(bead: &Bead) -> bool {
    let conditions = bead.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition(conditions, types::SET_ASIDE).is_some_and(|it| it.reason == Reason::OutOfMemory)
}

/// The message of a bead that is suspended.
fn nobody_has_asked(name: &str) -> String {
    format!("in the backlog: `gt sling {name}` has it worked on")
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
        let spec = &mut slim.spec;
        // The output of a step is what others are decided by.
        let output = spec.flow.as_ref().and_then(|_| flow::output_alone(spec.metadata.as_deref()));
        for text in [
            &mut spec.description,
            &mut spec.design,
            &mut spec.acceptance_criteria,
            &mut spec.notes,
            &mut spec.metadata,
            &mut spec.command,
        ] {
            *text = None;
        }
        spec.comments = Vec::new();
        spec.vars = Vec::new();
        spec.metadata = output;
        if let Some(flow) = &mut spec.flow {
            if let Some(repeat) = &mut flow.repeat {
                repeat.body = String::new();
            }
            if let Some(each) = flow.for_each.as_mut().filter(|each| each.made.is_some()) {
                each.body = String::new();
            }
        }
        slim.metadata.managed_fields = None;
        Arc::new(slim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::bead::{BeadSpec, CloseReason, Closed, Comment};

    #[test]
    fn of_a_closed_bead_no_long_text_is_kept_in_memory() {
        let text = || Some("long".to_owned());
        let at = jiff::Timestamp::UNIX_EPOCH;
        let comment = Comment { name: "c1".into(), author: "kim".into(), text: "long".into(), at };
        let spec = BeadSpec {
            description: text(),
            design: text(),
            acceptance_criteria: text(),
            notes: text(),
            metadata: text(),
            command: text(),
            comments: vec![comment],
            ..BeadSpec::new("t", "shop")
        };
        let open = Arc::new(Bead::new("shop-1", spec));
        assert_eq!(Bead::slim(Arc::clone(&open)), open);
        let mut closed = Arc::unwrap_or_clone(open);
        closed.spec.closed = Some(Closed { reason: CloseReason::Done, message: None, at, by: "kim".into() });
        let kept = serde_json::to_string(&*Bead::slim(Arc::new(closed))).unwrap();
        assert!(!kept.contains("long") && kept.contains("shop-1"), "{kept}");
    }
}
