//! Holds: what a person keeps from going on, by `suspend` in a spec or by an override beside it.
//!
//! A hold on a town, a rig, a convoy, a bead (an epic, a molecule, a loop) or a polecat holds whatever is part of it; of
//! several the strongest counts. An override whose time is up holds nothing. Its own object's controller takes it off then,
//! and that change wakes whoever was held.

use gastown_crds::actor::CONTROLLER;
use gastown_crds::kinds::Registered;
use gastown_crds::overrides::{self, Mode, Override};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Polecat, Rig, Town};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::kinds::bead::{parent, upward};
use crate::plan::{Plan, Write};
use crate::view::View;

/// What keeps something from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// How far it goes.
    pub mode: Mode,
    /// For the condition of whatever is held.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// The objects that something is part of, each of which may hold it.
#[derive(Debug, Clone, Copy, Default)]
pub struct PartOf<'a> {
    /// The town.
    pub town: Option<&'a Town>,
    /// Its rig.
    pub rig: Option<&'a Rig>,
    /// Its convoy; of several that track it, the one that holds it most: see [`strongest_convoy`].
    pub convoy: Option<&'a Convoy>,
    /// The bead, or one that it is a part of: the one that holds it most, see [`strongest_bead`].
    pub bead: Option<&'a Bead>,
    /// The polecat that has it.
    pub polecat: Option<&'a Polecat>,
}

impl<'a> PartOf<'a> {
    /// A bead, in its rig and its convoy, with the polecat that has it.
    pub fn of_bead(bead: &'a Bead, view: &View<'a>) -> Self {
        let objects = view.objects;
        let assignee = bead.spec.assignee.as_ref();
        Self {
            town: None,
            rig: objects.get::<Rig>(&bead.spec.rig).map(AsRef::as_ref),
            convoy: strongest_convoy(objects.convoys_of(bead).into_iter().map(AsRef::as_ref), view.now),
            bead: strongest_bead(upward(bead, |bead| parent(bead, objects)), view.now),
            polecat: assignee.and_then(|it| objects.polecat_by_uid(&it.polecat, &it.uid)).map(AsRef::as_ref),
        }
    }

    /// The same, in its town.
    #[must_use]
    pub fn in_town(self, view: &View<'a>) -> Self {
        Self { town: view.objects.town().map(AsRef::as_ref), ..self }
    }

    /// The strongest of the holds; an earlier one of two that are as strong.
    pub fn hold(&self, now: Timestamp) -> Option<Hold> {
        let Self { town, rig, convoy, bead, polecat } = *self;
        let holds = [
            town.and_then(|it| strongest(suspended(it, it.spec.suspend, Mode::Paused), of(it, now))),
            rig.and_then(|it| strongest(suspended(it, it.spec.suspend, Mode::Paused), of(it, now))),
            convoy.and_then(|it| of_convoy(it, now)),
            bead.and_then(|it| of(it, now)),
            polecat.and_then(|it| strongest(suspended(it, it.spec.suspend, Mode::Cordoned), of(it, now))),
        ];
        holds.into_iter().fold(None, strongest)
    }
}

/// Of several convoys the one that holds most what belongs to all of them; an earlier one of two that hold as much.
pub fn strongest_convoy<'a>(convoys: impl Iterator<Item = &'a Convoy>, now: Timestamp) -> Option<&'a Convoy> {
    let mode = |convoy: &Convoy| of_convoy(convoy, now).map(|hold| hold.mode);
    convoys.reduce(|first, other| if mode(other) > mode(first) { other } else { first })
}

/// Of a bead and those that it is a part of, the one that holds it most; the nearer one of two that hold as much.
pub fn strongest_bead<'a>(beads: impl Iterator<Item = &'a Bead>, now: Timestamp) -> Option<&'a Bead> {
    let mode = |bead: &Bead| of(bead, now).map(|hold| hold.mode);
    beads.reduce(|first, other| if mode(other) > mode(first) { other } else { first })
}

/// What a convoy keeps its beads from.
fn of_convoy(convoy: &Convoy, now: Timestamp) -> Option<Hold> {
    strongest(suspended(convoy, convoy.spec.suspend, Mode::Draining), of(convoy, now))
}

/// The override of an object, while it is in force, as a hold.
pub fn of<K: Registered>(object: &K, now: Timestamp) -> Option<Hold> {
    let said = Override::of(object.meta()).filter(|said| !said.is_over(now))?;
    let name = K::row().named_object(&object.name_any());
    Some(Hold { mode: said.mode, reason: said.mode.into(), message: format!("{name} is {}", said.words()) })
}

/// Takes an override off its object once its time is up, and looks again at that instant.
pub fn expire<K: Registered>(object: &K, view: &View<'_>, plan: &mut Plan) {
    let Some(said) = Override::of(object.meta()) else { return };
    let Some(until) = said.until.filter(|_| object.meta().deletion_timestamp.is_none()) else { return };
    if said.is_over(view.now) {
        let patch = overrides::patch(object.meta(), None, (CONTROLLER, until));
        let what = format!("{} is no longer {}: its time is up", object.name_any(), said.mode.word());
        plan.write(Write::patch(object, patch, what));
    } else {
        plan.again_at(until);
    }
}

fn suspended<K: Registered>(object: &K, suspend: bool, mode: Mode) -> Option<Hold> {
    let message = || format!("its {} `{}` is suspended", K::row().singular, object.name_any());
    suspend.then(|| Hold { mode, reason: Reason::Suspended, message: message() })
}

fn strongest(a: Option<Hold>, b: Option<Hold>) -> Option<Hold> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.mode > a.mode { b } else { a }),
        (a, b) => a.or(b),
    }
}
