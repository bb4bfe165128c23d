//! What follows from beads: which may be dispatched, who has them, what they belong to and what needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::bead::{BeadState, Gate, GateType, Waiting};
use gastown_crds::common::{condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Rig};
use jiff::Timestamp;
use kube::ResourceExt;

use super::convoy_of;
use crate::kinds::runtime;
use crate::objects::{Objects, Presence, change, count, created};

/// Dispatch order: priority, then age, then name.
type ReadyKey = (u32, Timestamp, String);

/// The index of beads.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Index {
    /// Beads that may be dispatched.
    ready: BTreeSet<ReadyKey>,
    /// Polecat uid to the beads that name it (one, unless somebody wrote by hand).
    assigned: BTreeMap<String, BTreeSet<String>>,
    /// Rig to how many of its beads are at work.
    at_work_in_rig: BTreeMap<String, u32>,
    /// Rig to how many of its beads wait with their polecat, and for what.
    waiting_in_rig: BTreeMap<(String, Waiting), u32>,
    /// Convoy to its beads.
    by_convoy: BTreeMap<String, BTreeSet<String>>,
    /// Bead to its steps.
    steps: BTreeMap<String, BTreeSet<String>>,
    /// Bead to its children that are no steps.
    children: BTreeMap<String, BTreeSet<String>>,
    /// Bead to the open beads that need it, or wait for its children.
    needed_by: BTreeMap<String, BTreeSet<String>>,
    /// Molecule to the open gates with a condition on its steps.
    gates_on_steps: BTreeMap<String, BTreeSet<String>>,
    /// Rig to its open beads that polecats work on.
    open_in_rig: BTreeMap<String, BTreeSet<String>>,
    /// Runtime to how many open beads name it.
    of_runtime: BTreeMap<String, u32>,
}

impl Index {
    /// Takes a bead in, or out.
    pub(super) fn bead(&mut self, bead: &Bead, presence: Presence) {
        let name = bead.name_any();
        if let Some(parent) = &bead.spec.parent {
            let of_parent = if bead.spec.is_step() { &mut self.steps } else { &mut self.children };
            change(of_parent, parent.clone(), name.clone(), presence);
        }
        if let Some(convoy) = convoy_of(bead) {
            change(&mut self.by_convoy, convoy.to_owned(), name.clone(), presence);
        }
        if bead.spec.closed.is_some() {
            return;
        }
        let on_steps = bead.spec.gate.as_ref().filter(|gate| gate.type_ == GateType::Condition);
        if let Some(molecule) = on_steps.and_then(|gate| gate.await_id.clone()) {
            change(&mut self.gates_on_steps, molecule, name.clone(), presence);
        }
        let links = bead.spec.links.iter().filter(|link| link.blocks()).map(|link| &link.to);
        let links = links.chain(bead.spec.gate.as_ref().and_then(Gate::awaited_bead));
        let needs: BTreeSet<&String> = bead.spec.needs.iter().chain(links).collect();
        for need in needs {
            change(&mut self.needed_by, need.clone(), name.clone(), presence);
        }
        if !bead.spec.type_.is_dispatched() {
            return;
        }
        change(&mut self.open_in_rig, bead.spec.rig.clone(), name.clone(), presence);
        if let Some(runtime) = runtime::of_open(bead) {
            count(&mut self.of_runtime, runtime.to_owned(), presence);
        }
        let is_ready = bead.status.as_ref().is_some_and(|s| s.state == BeadState::Ready);
        if let Some(assignee) = &bead.spec.assignee {
            change(&mut self.assigned, assignee.uid.clone(), name.clone(), presence);
            let Some(waiting) = assignee.waiting else {
                count(&mut self.at_work_in_rig, bead.spec.rig.clone(), presence);
                return;
            };
            // One that may not have the slot it waits for stops nobody.
            if waiting != Waiting::Slot || !is_held_back(bead) {
                count(&mut self.waiting_in_rig, (bead.spec.rig.clone(), waiting), presence);
            }
            if waiting != Waiting::Slot {
                return;
            }
        }
        if is_ready {
            let key = (bead.spec.priority, created(bead), name);
            if presence == Presence::Added {
                self.ready.insert(key);
            } else {
                self.ready.remove(&key);
            }
        }
    }
}

/// Whether its controller says that it must not go on, though its polecat could.
fn is_held_back(bead: &Bead) -> bool {
    let ready = condition(bead.status.as_ref().map_or(&[], |s| &s.conditions), types::READY);
    // One that was begun is cordoned off from nothing.
    let held =
        [Reason::Suspended, Reason::NeedsOpen, Reason::Draining, Reason::Paused, Reason::Frozen, Reason::Stopped];
    ready.is_some_and(|ready| held.iter().any(|reason| ready.reason == *reason))
}

impl Objects {
    /// Beads that may be dispatched, those among them whose polecat waits for a slot: by priority, then age, then name.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.index::<Bead>().ready.iter().filter_map(|(_, _, name)| self.get(name))
    }

    /// The beads that name a polecat, by its uid.
    pub fn assigned_to(&self, polecat_uid: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().assigned.get(polecat_uid))
    }

    /// The beads that name a polecat.
    pub fn assigned(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.index::<Bead>().assigned.values().flatten().filter_map(|name| self.get(name))
    }

    /// How many beads are assigned and not waiting: in the whole town.
    pub fn at_work(&self) -> u32 {
        self.index::<Bead>().at_work_in_rig.values().sum()
    }

    /// How many beads are assigned and not waiting: in one rig.
    pub fn at_work_in_rig(&self, rig: &str) -> u32 {
        self.index::<Bead>().at_work_in_rig.get(rig).copied().unwrap_or(0)
    }

    /// How many beads of a rig wait with their polecat, for this; for a slot those that may have one.
    pub fn waiting_in_rig(&self, rig: &str, waiting: Waiting) -> u32 {
        self.index::<Bead>().waiting_in_rig.get(&(rig.to_owned(), waiting)).copied().unwrap_or(0)
    }

    /// The beads of a convoy, by name.
    pub fn beads_of_convoy(&self, convoy: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().by_convoy.get(convoy))
    }

    /// The steps of a bead, of every round, by name.
    pub fn steps_of(&self, bead: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().steps.get(bead))
    }

    /// The children of a bead that are no steps, by name.
    pub fn children_of(&self, bead: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().children.get(bead))
    }

    /// The open beads that need a bead, or wait for its children.
    pub fn needed_by(&self, bead: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().needed_by.get(bead))
    }

    /// Whether any open gate has a condition on steps.
    pub fn has_gates_on_steps(&self) -> bool {
        !self.index::<Bead>().gates_on_steps.is_empty()
    }

    /// The open gates with a condition on the steps of a molecule.
    pub fn gates_on_steps_of(&self, molecule: &str) -> Vec<String> {
        self.index::<Bead>().gates_on_steps.get(molecule).into_iter().flatten().cloned().collect()
    }

    /// The open beads of a rig that polecats work on.
    pub fn open_in_rig(&self, rig: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.named(self.index::<Bead>().open_in_rig.get(rig))
    }

    /// The runtimes that open beads name.
    pub fn runtimes_of_beads(&self) -> impl Iterator<Item = &str> {
        self.index::<Bead>().of_runtime.keys().map(String::as_str)
    }

    /// The open beads of every rig that is there, which polecats work on.
    pub fn open_beads(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.all::<Rig>().flat_map(|rig| self.open_in_rig(&rig.name_any()).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::assert_index_is_that_of_a_fresh_fold;
    use gastown_crds::bead::{Assignee, BeadStatus, BeadType, CloseReason, Closed, Link};
    use proptest::prelude::*;
    use serde_json::json;

    /// A bead in one of many states; names and rigs are few, so that changes meet.
    fn bead(name: u8, rig: u8, shape: u8) -> Bead {
        let mut bead: Bead = serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": {"name": format!("b{name}"), "labels": {"gastown.io/convoy": format!("c{}", shape % 2)}},
            "spec": {"title": "t", "rig": format!("r{rig}"), "needs": [format!("b{}", shape % 3)]},
        }))
        .unwrap();
        match shape % 6 {
            0 => {}
            1 => bead.status = Some(BeadStatus { state: BeadState::Ready, ..BeadStatus::default() }),
            2 => {
                let waiting = [None, Some(Waiting::Slot), Some(Waiting::Rig)][usize::from(shape / 6 % 3)];
                bead.spec.assignee = Some(Assignee { waiting, ..Assignee::new("p", format!("u{}", shape % 2)) });
                bead.status = Some(BeadStatus { state: BeadState::Ready, ..BeadStatus::default() });
            }
            3 => {
                let at = Timestamp::UNIX_EPOCH;
                bead.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at, by: "gt".into() });
            }
            4 => {
                bead.spec.type_ = [BeadType::Step, BeadType::Task, BeadType::Epic][usize::from(shape / 6 % 3)];
                bead.spec.parent = Some("b0".into());
                let type_ = ["waits-for", "related"][usize::from(shape % 2)].to_owned();
                bead.spec.links = vec![Link { to: "b1".into(), type_, gate: None }];
            }
            _ => {
                bead.spec.priority = 0;
                bead.spec.runtime = Some(format!("t{}", shape % 2));
            }
        }
        bead
    }

    proptest! {
        #[test]
        fn an_index_is_what_a_fold_from_scratch_gives(
            changes in prop::collection::vec((0_u8..5, 0_u8..2, 0_u8..18, any::<bool>()), 0..60)
        ) {
            let changes = changes.into_iter().map(|(name, rig, shape, gone)| (bead(name, rig, shape), gone));
            assert_index_is_that_of_a_fresh_fold(changes.collect());
        }
    }
}
