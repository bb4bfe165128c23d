//! From a key to its controller: one arm per kind, and nothing else.

use crate::plan::Plan;
use crate::view::View;
use crate::wakes::Key;
use crate::{bead, convoy, dispatch, formula, merge, polecat, rig, runtime, town};

/// Runs the controller of a key. An object that is gone wants nothing.
pub fn reconcile(key: &Key, view: &View<'_>) -> Plan {
    let objects = view.objects;
    match key {
        Key::Dispatch => Some(dispatch::reconcile(view)),
        Key::Town => objects.town().map(|o| town::reconcile(o, view)),
        Key::Runtime(name) => objects.runtime(name).map(|o| runtime::reconcile(o, view)),
        Key::Formula(name) => objects.formula(name).map(|o| formula::reconcile(o, view)),
        Key::Rig(name) => objects.rig(name).map(|o| rig::reconcile(o, view)),
        Key::Merge(name) => objects.rig(name).map(|o| merge::reconcile(o, view)),
        Key::Convoy(name) => objects.convoy(name).map(|o| convoy::reconcile(o, view)),
        Key::Bead(name) => objects.bead(name).map(|o| bead::reconcile(o, view)),
        Key::Polecat(name) => objects.polecat(name).map(|o| polecat::reconcile(o, view)),
    }
    .unwrap_or_default()
}
