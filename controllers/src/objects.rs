//! `Objects`: every object the controllers know, with the indexes that keep a reconcile's cost to what its key touches.
//!
//! Folded from watch events, one `(old, new)` at a time. Invariant: an index is always what a fold from scratch would
//! give; a property test compares them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::bead::{BeadState, BeadType, Waiting};
use gastown_crds::common::{LABEL_CONVOY, condition, reasons, types};
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Town};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::wakes::Key;

/// The kinds, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each variant is the kind it is named after")]
pub enum Kind {
    Town,
    Rig,
    Runtime,
    Formula,
    Convoy,
    Bead,
    Polecat,
    MergeRequest,
}

/// An object of some kind.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each variant is the kind it is named after")]
pub enum Object {
    Town(Arc<Town>),
    Rig(Arc<Rig>),
    Runtime(Arc<Runtime>),
    Formula(Arc<Formula>),
    Convoy(Arc<Convoy>),
    Bead(Arc<Bead>),
    Polecat(Arc<Polecat>),
    MergeRequest(Arc<MergeRequest>),
}

impl Object {
    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Town(o) => o.name_any(),
            Self::Rig(o) => o.name_any(),
            Self::Runtime(o) => o.name_any(),
            Self::Formula(o) => o.name_any(),
            Self::Convoy(o) => o.name_any(),
            Self::Bead(o) => o.name_any(),
            Self::Polecat(o) => o.name_any(),
            Self::MergeRequest(o) => o.name_any(),
        }
    }
}

/// Dispatch order: priority, then age, then name.
type ReadyKey = (u32, Timestamp, String);

/// Everything that is known.
#[derive(Debug, Default, Clone)]
pub struct Objects {
    towns: BTreeMap<String, Arc<Town>>,
    rigs: BTreeMap<String, Arc<Rig>>,
    runtimes: BTreeMap<String, Arc<Runtime>>,
    formulas: BTreeMap<String, Arc<Formula>>,
    convoys: BTreeMap<String, Arc<Convoy>>,
    beads: BTreeMap<String, Arc<Bead>>,
    polecats: BTreeMap<String, Arc<Polecat>>,
    merge_requests: BTreeMap<String, Arc<MergeRequest>>,
    index: Index,
}

/// What follows from the objects; compared whole in the property test.
#[derive(Debug, Default, Clone, PartialEq)]
struct Index {
    /// Beads that may be dispatched.
    ready: BTreeSet<ReadyKey>,
    /// Polecat uid to the beads that name it (one, unless somebody wrote by hand).
    assigned: BTreeMap<String, BTreeSet<String>>,
    /// Rig to how many of its beads are at work.
    at_work_in_rig: BTreeMap<String, u32>,
    /// Convoy to how many of its beads are at work.
    at_work_in_convoy: BTreeMap<String, u32>,
    /// Rig to how many of its beads wait with their polecat, and for what.
    waiting_in_rig: BTreeMap<(String, Waiting), u32>,
    /// Convoy to its beads.
    by_convoy: BTreeMap<String, BTreeSet<String>>,
    /// Bead to its steps.
    by_parent: BTreeMap<String, BTreeSet<String>>,
    /// Bead to the open beads that need it.
    needed_by: BTreeMap<String, BTreeSet<String>>,
    /// Rig to its open beads, steps left out.
    open_in_rig: BTreeMap<String, BTreeSet<String>>,
    /// Bead to its merge requests.
    requests_of: BTreeMap<String, BTreeSet<String>>,
    /// Rig to the merge requests that are not over, by creation and name.
    queue: BTreeMap<String, BTreeSet<(Timestamp, String)>>,
    /// Rig to its polecats.
    polecats_in: BTreeMap<String, BTreeSet<String>>,
}

/// When an object was made; an object without a date is as old as can be.
pub fn created(object: &impl ResourceExt) -> Timestamp {
    object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}

/// The convoy that wants a bead.
pub fn convoy_of(bead: &Bead) -> Option<&str> {
    bead.labels().get(LABEL_CONVOY).map(String::as_str)
}

fn change<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V, add: bool) {
    if add {
        map.entry(key).or_default().insert(value);
        return;
    }
    if let Some(set) = map.get_mut(&key) {
        set.remove(&value);
        if set.is_empty() {
            map.remove(&key);
        }
    }
}

fn count<K: Ord>(map: &mut BTreeMap<K, u32>, key: K, add: bool) {
    let n = map.get(&key).copied().unwrap_or(0);
    let n = if add { n + 1 } else { n.saturating_sub(1) };
    if n == 0 {
        map.remove(&key);
    } else {
        map.insert(key, n);
    }
}

impl Index {
    fn bead(&mut self, bead: &Bead, add: bool) {
        let name = bead.name_any();
        if let Some(parent) = &bead.spec.parent {
            change(&mut self.by_parent, parent.clone(), name.clone(), add);
        }
        if let Some(convoy) = convoy_of(bead) {
            change(&mut self.by_convoy, convoy.to_owned(), name.clone(), add);
        }
        if bead.spec.closed.is_some() {
            return;
        }
        for need in &bead.spec.needs {
            change(&mut self.needed_by, need.clone(), name.clone(), add);
        }
        if bead.spec.type_ == BeadType::Step {
            return;
        }
        change(&mut self.open_in_rig, bead.spec.rig.clone(), name.clone(), add);
        let is_ready = bead.status.as_ref().is_some_and(|s| s.state == BeadState::Ready);
        if let Some(assignee) = &bead.spec.assignee {
            change(&mut self.assigned, assignee.uid.clone(), name.clone(), add);
            let Some(waiting) = assignee.waiting else {
                count(&mut self.at_work_in_rig, bead.spec.rig.clone(), add);
                if let Some(convoy) = convoy_of(bead) {
                    count(&mut self.at_work_in_convoy, convoy.to_owned(), add);
                }
                return;
            };
            // One that may not have the place it waits for stops nobody.
            if waiting != Waiting::Place || !is_held_back(bead) {
                count(&mut self.waiting_in_rig, (bead.spec.rig.clone(), waiting), add);
            }
            if waiting != Waiting::Place {
                return;
            }
        }
        if is_ready {
            let key = (bead.spec.priority, created(bead), name);
            if add {
                self.ready.insert(key);
            } else {
                self.ready.remove(&key);
            }
        }
    }

    fn polecat(&mut self, polecat: &Polecat, add: bool) {
        change(&mut self.polecats_in, polecat.spec.rig.clone(), polecat.name_any(), add);
    }

    fn merge_request(&mut self, request: &MergeRequest, add: bool) {
        let name = request.name_any();
        change(&mut self.requests_of, request.spec.bead.clone(), name.clone(), add);
        if !request.status.as_ref().is_some_and(|s| s.state.is_final()) {
            change(&mut self.queue, request.spec.rig.clone(), (created(request), name), add);
        }
    }
}

/// Whether its controller says that it must not go on, though its polecat could.
fn is_held_back(bead: &Bead) -> bool {
    let ready = condition(bead.status.as_ref().map_or(&[], |s| &s.conditions), types::READY);
    ready.is_some_and(|ready| [reasons::SUSPENDED, reasons::NEEDS_OPEN].contains(&&*ready.reason))
}

/// A closed bead is kept for its name and its end; its texts are in the store.
fn slim(bead: Arc<Bead>) -> Arc<Bead> {
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

impl Objects {
    /// Takes in one change: the object as it is now, or none if it is gone. Gives back what was known before.
    pub fn fold(&mut self, kind: Kind, name: &str, new: Option<Object>) -> Option<Object> {
        macro_rules! swap {
            ($map:ident, $variant:ident) => {
                match new {
                    Some(Object::$variant(object)) => self.$map.insert(name.to_owned(), object),
                    _ => self.$map.remove(name),
                }
                .map(Object::$variant)
            };
        }
        match kind {
            Kind::Town => swap!(towns, Town),
            Kind::Rig => swap!(rigs, Rig),
            Kind::Runtime => swap!(runtimes, Runtime),
            Kind::Formula => swap!(formulas, Formula),
            Kind::Convoy => swap!(convoys, Convoy),
            Kind::Bead => {
                let new = match new {
                    Some(Object::Bead(bead)) => Some(slim(bead)),
                    _ => None,
                };
                let old = self.beads.remove(name);
                if let Some(old) = &old {
                    self.index.bead(old, false);
                }
                if let Some(new) = new {
                    self.index.bead(&new, true);
                    self.beads.insert(name.to_owned(), new);
                }
                old.map(Object::Bead)
            }
            Kind::Polecat => {
                let old = self.polecats.remove(name);
                if let Some(old) = &old {
                    self.index.polecat(old, false);
                }
                if let Some(Object::Polecat(new)) = new {
                    self.index.polecat(&new, true);
                    self.polecats.insert(name.to_owned(), new);
                }
                old.map(Object::Polecat)
            }
            Kind::MergeRequest => {
                let old = self.merge_requests.remove(name);
                if let Some(old) = &old {
                    self.index.merge_request(old, false);
                }
                if let Some(Object::MergeRequest(new)) = new {
                    self.index.merge_request(&new, true);
                    self.merge_requests.insert(name.to_owned(), new);
                }
                old.map(Object::MergeRequest)
            }
        }
    }

    /// The town, of which there is one.
    pub fn town(&self) -> Option<&Arc<Town>> {
        self.towns.get("town")
    }

    /// A rig by name.
    pub fn rig(&self, name: &str) -> Option<&Arc<Rig>> {
        self.rigs.get(name)
    }

    /// All rigs.
    pub fn rigs(&self) -> impl Iterator<Item = &Arc<Rig>> {
        self.rigs.values()
    }

    /// A runtime by name.
    pub fn runtime(&self, name: &str) -> Option<&Arc<Runtime>> {
        self.runtimes.get(name)
    }

    /// A formula by name.
    pub fn formula(&self, name: &str) -> Option<&Arc<Formula>> {
        self.formulas.get(name)
    }

    /// A convoy by name.
    pub fn convoy(&self, name: &str) -> Option<&Arc<Convoy>> {
        self.convoys.get(name)
    }

    /// All convoys.
    pub fn convoys(&self) -> impl Iterator<Item = &Arc<Convoy>> {
        self.convoys.values()
    }

    /// A bead by name.
    pub fn bead(&self, name: &str) -> Option<&Arc<Bead>> {
        self.beads.get(name)
    }

    /// A polecat by name.
    pub fn polecat(&self, name: &str) -> Option<&Arc<Polecat>> {
        self.polecats.get(name)
    }

    /// The name of every object of a kind.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Town => self.towns.keys().cloned().collect(),
            Kind::Rig => self.rigs.keys().cloned().collect(),
            Kind::Runtime => self.runtimes.keys().cloned().collect(),
            Kind::Formula => self.formulas.keys().cloned().collect(),
            Kind::Convoy => self.convoys.keys().cloned().collect(),
            Kind::Bead => self.beads.keys().cloned().collect(),
            Kind::Polecat => self.polecats.keys().cloned().collect(),
            Kind::MergeRequest => self.merge_requests.keys().cloned().collect(),
        }
    }

    /// Whether the object that a key is about is there. Dispatch is about no object.
    pub fn has(&self, key: &Key) -> bool {
        match key {
            Key::Dispatch => true,
            Key::Town => self.town().is_some(),
            Key::Runtime(name) => self.runtimes.contains_key(name),
            Key::Formula(name) => self.formulas.contains_key(name),
            Key::Rig(name) | Key::Merge(name) => self.rigs.contains_key(name),
            Key::Convoy(name) => self.convoys.contains_key(name),
            Key::Bead(name) => self.beads.contains_key(name),
            Key::Polecat(name) => self.polecats.contains_key(name),
        }
    }

    fn beads_of<'a>(
        &'a self,
        index: &'a BTreeMap<String, BTreeSet<String>>,
        key: &str,
    ) -> impl Iterator<Item = &'a Arc<Bead>> {
        index.get(key).into_iter().flatten().filter_map(|name| self.beads.get(name))
    }

    /// Beads that may be dispatched, those among them whose polecat waits for a place: by priority, then age, then name.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<Bead>> {
        self.index.ready.iter().filter_map(|(_, _, name)| self.beads.get(name))
    }

    /// The beads that name a polecat, by its uid.
    pub fn assigned_to(&self, polecat_uid: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.beads_of(&self.index.assigned, polecat_uid)
    }

    /// How many beads are assigned and not waiting: in the whole town.
    pub fn at_work(&self) -> u32 {
        self.index.at_work_in_rig.values().sum()
    }

    /// How many beads are assigned and not waiting: in one rig.
    pub fn at_work_in_rig(&self, rig: &str) -> u32 {
        self.index.at_work_in_rig.get(rig).copied().unwrap_or(0)
    }

    /// How many beads are assigned and not waiting: of one convoy.
    pub fn at_work_in_convoy(&self, convoy: &str) -> u32 {
        self.index.at_work_in_convoy.get(convoy).copied().unwrap_or(0)
    }

    /// How many beads of a rig wait with their polecat, for this; for a place those that may have one.
    pub fn waiting_in_rig(&self, rig: &str, waiting: Waiting) -> u32 {
        self.index.waiting_in_rig.get(&(rig.to_owned(), waiting)).copied().unwrap_or(0)
    }

    /// The beads of a convoy, by name.
    pub fn beads_of_convoy(&self, convoy: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.beads_of(&self.index.by_convoy, convoy)
    }

    /// The steps of a bead, of every round, by name.
    pub fn steps_of(&self, bead: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.beads_of(&self.index.by_parent, bead)
    }

    /// The open beads that need a bead.
    pub fn needed_by(&self, bead: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.beads_of(&self.index.needed_by, bead)
    }

    /// The open beads of a rig, steps left out.
    pub fn open_in_rig(&self, rig: &str) -> impl Iterator<Item = &Arc<Bead>> {
        self.beads_of(&self.index.open_in_rig, rig)
    }

    /// The merge requests of a bead, by attempt.
    pub fn requests_of(&self, bead: &str) -> Vec<&Arc<MergeRequest>> {
        let names = self.index.requests_of.get(bead).into_iter().flatten();
        let mut requests: Vec<_> = names.filter_map(|name| self.merge_requests.get(name)).collect();
        requests.sort_by_key(|r| (r.spec.attempt, r.name_any()));
        requests
    }

    /// The merge requests of a rig that are not over, by creation.
    pub fn queue(&self, rig: &str) -> impl Iterator<Item = &Arc<MergeRequest>> {
        let names = self.index.queue.get(rig).into_iter().flatten();
        names.filter_map(|(_, name)| self.merge_requests.get(name))
    }

    /// The polecats of a rig.
    pub fn polecats_in(&self, rig: &str) -> impl Iterator<Item = &Arc<Polecat>> {
        let names = self.index.polecats_in.get(rig).into_iter().flatten();
        names.filter_map(|name| self.polecats.get(name))
    }

    /// The polecat with this uid.
    pub fn polecat_by_uid(&self, name: &str, uid: &str) -> Option<&Arc<Polecat>> {
        self.polecats.get(name).filter(|p| p.uid().as_deref() == Some(uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::bead::{Assignee, BeadStatus, CloseReason, Closed};
    use gastown_crds::merge_request::{MergeRequestStatus, MergeState};
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
                let waiting = [None, Some(Waiting::Place), Some(Waiting::Rig)][usize::from(shape / 6 % 3)];
                bead.spec.assignee = Some(Assignee { waiting, ..Assignee::new("p", format!("u{}", shape % 2)) });
                bead.status = Some(BeadStatus { state: BeadState::Ready, ..BeadStatus::default() });
            }
            3 => {
                let at = Timestamp::UNIX_EPOCH;
                bead.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at, by: "gt".into() });
            }
            4 => {
                bead.spec.type_ = BeadType::Step;
                bead.spec.parent = Some("b0".into());
            }
            _ => bead.spec.priority = 0,
        }
        bead
    }

    fn request(name: u8, shape: u8) -> MergeRequest {
        let mut request: MergeRequest = serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "MergeRequest", "metadata": {"name": format!("m{name}")},
            "spec": {"bead": format!("b{}", shape % 3), "rig": format!("r{}", shape % 2), "polecat": "p",
                     "head": "0".repeat(40), "base": "0".repeat(40), "attempt": 1},
        }))
        .unwrap();
        let state = if shape.is_multiple_of(2) { MergeState::Queued } else { MergeState::Merged };
        request.status = Some(MergeRequestStatus { state, ..MergeRequestStatus::default() });
        request
    }

    proptest! {
        #[test]
        fn an_index_is_what_a_fold_from_scratch_gives(
            changes in prop::collection::vec((0_u8..3, 0_u8..5, 0_u8..2, 0_u8..18, any::<bool>()), 0..60)
        ) {
            let mut folded = Objects::default();
            for (what, name, rig, shape, gone) in changes {
                let (kind, key, object) = match what {
                    0 => (Kind::MergeRequest, format!("m{name}"), Object::MergeRequest(Arc::new(request(name, shape)))),
                    _ => (Kind::Bead, format!("b{name}"), Object::Bead(Arc::new(bead(name, rig, shape)))),
                };
                folded.fold(kind, &key, (!gone).then_some(object));
            }
            let mut scratch = Objects::default();
            for (name, bead) in &folded.beads {
                scratch.fold(Kind::Bead, name, Some(Object::Bead(Arc::clone(bead))));
            }
            for (name, request) in &folded.merge_requests {
                scratch.fold(Kind::MergeRequest, name, Some(Object::MergeRequest(Arc::clone(request))));
            }
            prop_assert_eq!(folded.index, scratch.index);
        }
    }
}
