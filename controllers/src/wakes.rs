//! The wiring: which keys look again when an object changes. One pure table; only keys travel.
//!
//! `old` and `new` are both given, so that whoever *loses* something is woken too.

use std::collections::BTreeSet;

use gastown_crds::{Bead, MergeRequest, Polecat, Rig};
use kube::ResourceExt;

use crate::objects::{Kind, Object, Objects, convoy_of};

/// What one reconcile is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The town's own status.
    Town,
    /// A runtime.
    Runtime(String),
    /// A formula.
    Formula(String),
    /// A rig's repository.
    Rig(String),
    /// A convoy.
    Convoy(String),
    /// A bead.
    Bead(String),
    /// Who gets what: one for the whole town.
    Dispatch,
    /// A polecat.
    Polecat(String),
    /// A rig's merge queue.
    Merge(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Town => f.write_str("town"),
            Self::Dispatch => f.write_str("dispatch"),
            Self::Runtime(name) => write!(f, "runtime/{name}"),
            Self::Formula(name) => write!(f, "formula/{name}"),
            Self::Rig(name) => write!(f, "rig/{name}"),
            Self::Convoy(name) => write!(f, "convoy/{name}"),
            Self::Bead(name) => write!(f, "bead/{name}"),
            Self::Polecat(name) => write!(f, "polecat/{name}"),
            Self::Merge(name) => write!(f, "merge/{name}"),
        }
    }
}

/// The keys to look at again after a change. `objects` already holds `new`.
pub fn wakes(kind: Kind, old: Option<&Object>, new: Option<&Object>, objects: &Objects) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for object in [old, new].into_iter().flatten() {
        let name = object.name();
        match object {
            Object::Town(_) => {
                keys.insert(Key::Town);
                if specs_differ(old, new) {
                    // Back-off, limits and the default runtime are the town's.
                    keys.insert(Key::Dispatch);
                    keys.extend(objects.names(Kind::Polecat).into_iter().map(Key::Polecat));
                    keys.extend(open_beads(objects).map(key_of));
                }
            }
            Object::Runtime(_) => {
                keys.insert(Key::Runtime(name));
                keys.extend(objects.names(Kind::Polecat).into_iter().map(Key::Polecat));
            }
            Object::Formula(_) => {
                keys.insert(Key::Formula(name.clone()));
                if specs_differ(old, new) {
                    keys.extend(
                        open_beads(objects).filter(|b| crate::molecule::formula_of(&b.spec) == name).map(key_of),
                    );
                }
            }
            Object::Rig(rig) => wake_rig(rig, old, new, objects, &mut keys),
            Object::Convoy(_) => {
                keys.insert(Key::Convoy(name.clone()));
                if specs_differ(old, new) {
                    keys.extend(objects.beads_of_convoy(&name).filter(|b| b.spec.closed.is_none()).map(key_of));
                    keys.insert(Key::Dispatch);
                }
            }
            Object::Bead(bead) => wake_bead(bead, new.is_none(), objects, &mut keys),
            Object::Polecat(polecat) => wake_polecat(polecat, objects, &mut keys),
            Object::MergeRequest(request) => wake_merge_request(request, objects, &mut keys),
        }
    }
    debug_assert!(old.is_some() || new.is_some(), "a change of {kind:?} has a before or an after");
    keys
}

/// Whether more than status or metadata has changed, or it is on its way out. What the other kinds need of this they ask
/// themselves.
fn specs_differ(old: Option<&Object>, new: Option<&Object>) -> bool {
    match (old, new) {
        (Some(Object::Town(old)), Some(Object::Town(new))) => old.spec != new.spec,
        (Some(Object::Formula(old)), Some(Object::Formula(new))) => old.spec != new.spec,
        (Some(Object::Rig(old)), Some(Object::Rig(new))) => old.spec != new.spec,
        (Some(Object::Convoy(old)), Some(Object::Convoy(new))) => {
            old.spec != new.spec || old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        }
        _ => true,
    }
}

fn key_of(bead: &std::sync::Arc<Bead>) -> Key {
    Key::Bead(bead.name_any())
}

fn open_beads(objects: &Objects) -> impl Iterator<Item = &std::sync::Arc<Bead>> {
    objects.rigs().flat_map(|rig| objects.open_in_rig(&rig.name_any()).collect::<Vec<_>>())
}

fn wake_rig(rig: &Rig, old: Option<&Object>, new: Option<&Object>, objects: &Objects, keys: &mut BTreeSet<Key>) {
    let name = rig.name_any();
    keys.extend([Key::Rig(name.clone()), Key::Merge(name.clone()), Key::Dispatch]);
    keys.extend(objects.polecats_in(&name).map(|p| Key::Polecat(p.name_any())));
    if specs_differ(old, new) {
        keys.extend(objects.convoys().map(|c| Key::Convoy(c.name_any())));
        keys.extend(objects.open_in_rig(&name).map(key_of));
        // Two rigs on one target: the other one may be free now.
        keys.extend(objects.rigs().map(|r| Key::Rig(r.name_any())));
    }
}

fn wake_bead(bead: &Bead, gone: bool, objects: &Objects, keys: &mut BTreeSet<Key>) {
    let name = bead.name_any();
    keys.insert(Key::Bead(name.clone()));
    keys.extend(objects.needed_by(&name).map(key_of));
    if let Some(parent) = &bead.spec.parent {
        keys.insert(Key::Bead(parent.clone()));
        // A polecat starts when its molecule is whole.
        if let Some(assignee) = objects.bead(parent).and_then(|b| b.spec.assignee.as_ref()) {
            keys.insert(Key::Polecat(assignee.polecat.clone()));
        }
        return;
    }
    keys.extend([Key::Dispatch, Key::Town, Key::Rig(bead.spec.rig.clone())]);
    if let Some(convoy) = convoy_of(bead) {
        keys.insert(Key::Convoy(convoy.to_owned()));
    }
    if let Some(assignee) = &bead.spec.assignee {
        keys.insert(Key::Polecat(assignee.polecat.clone()));
    }
    if bead.spec.closed.is_some() || gone {
        // Its merge request, if any, is withdrawn.
        keys.insert(Key::Merge(bead.spec.rig.clone()));
    }
}

fn wake_polecat(polecat: &Polecat, objects: &Objects, keys: &mut BTreeSet<Key>) {
    keys.extend([Key::Polecat(polecat.name_any()), Key::Dispatch]);
    let uid = polecat.uid().unwrap_or_default();
    keys.extend(objects.assigned_to(&uid).map(key_of));
}

fn wake_merge_request(request: &MergeRequest, objects: &Objects, keys: &mut BTreeSet<Key>) {
    let spec = &request.spec;
    keys.extend([Key::Bead(spec.bead.clone()), Key::Merge(spec.rig.clone()), Key::Rig(spec.rig.clone())]);
    if let Some(assignee) = objects.bead(&spec.bead).and_then(|b| b.spec.assignee.as_ref()) {
        keys.insert(Key::Polecat(assignee.polecat.clone()));
    }
}
