//! The blockers of a bead, found by going from it to its needs, its polecat, its branch and its rig.

use std::collections::BTreeSet;

use gastown_controllers::kinds::bead::GATE_FOR_PERSON;
use gastown_crds::bead::BeadState;
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Rig};
use kube::ResourceExt;

use super::{NEEDS_PERSON, asked_words, failures};
use crate::kinds::{merge_request, polecat, rig, town};
use crate::text::plain;
use crate::{Blocker, Snapshot, Subject, conditions, overrides};

/// A controller's message about a bead, with the bead's blockers added: `waits for shop-a (needs a person)`.
pub fn explained(bead: &Bead, message: &str, snapshot: &Snapshot) -> String {
    let own = format!("bead/{}", bead.name_any());
    // One that waits says what its polecat says.
    let waits = bead.spec.assignee.as_ref().filter(|it| it.waiting.is_some());
    let polecat = waits.map(|it| format!("polecat/{}", it.polecat));
    let mut words = plain(message);
    let others = bead.blockers(snapshot).into_iter();
    for blocker in others.filter(|blocker| blocker.object != own && Some(&blocker.object) != polecat.as_ref()) {
        let name = blocker.object.strip_prefix("bead/").filter(|name| bead.spec.needs.iter().any(|need| need == name));
        words = match name {
            Some(name) => words.replace(name, &format!("{name} ({})", blocker.what)),
            None if words.is_empty() => format!("{}: {}", blocker.object, blocker.what),
            None => format!("{words}; {}: {}", blocker.object, blocker.what),
        };
    }
    words
}

/// Whether this is a bead that failed too often.
pub fn is_failed_bead(blocker: &Blocker) -> bool {
    blocker.what == NEEDS_PERSON
}

/// Whether the bead waits for a change of what is declared.
fn lacks(ready: &Condition) -> bool {
    conditions::is_one_of(ready, &[Reason::RefNotFound, Reason::InvalidFormula])
}

/// Goes from a bead to what it waits for, and on.
pub(super) fn follow(bead: &Bead, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>, seen: &mut BTreeSet<String>) {
    let name = bead.name_any();
    let Some(status) = bead.status.as_ref().filter(|it| it.observed_generation == bead.metadata.generation) else {
        return;
    };
    if bead.spec.closed.is_some() || !seen.insert(name.clone()) {
        return;
    }
    let object = format!("bead/{name}");
    overrides::block(bead, snapshot, found);
    let ready = condition(&status.conditions, types::READY);
    if let Some(question) = bead.spec.open_question() {
        let (what, why) = (NEEDS_PERSON.to_owned(), asked_words(question));
        found.insert(Blocker { object, what, why, needs_person: true });
        return;
    }
    match status.state {
        BeadState::SetAside => {
            let why = failures(bead);
            found.insert(Blocker { object, what: NEEDS_PERSON.to_owned(), why, needs_person: true });
        }
        BeadState::Landing => {
            if let Some(request) = snapshot.open_request(&name) {
                merge_request::block(request, snapshot, found);
            }
        }
        BeadState::Working => polecat::block(bead, snapshot, found),
        // What is begun goes on, whatever its rig says by then.
        BeadState::Ready => {
            if bead.spec.assignee.is_none() {
                rig::block(&bead.spec.rig, false, snapshot, found);
            }
            town::block(snapshot, found);
        }
        BeadState::Waiting => match ready {
            Some(ready) if ready.reason == Reason::NeedsOpen => {
                let needs = bead.spec.needs.iter().filter_map(|need| snapshot.bead(need));
                needs.for_each(|need| follow(need, snapshot, found, seen));
            }
            Some(ready) if conditions::is_one_of(ready, &GATE_FOR_PERSON) => {
                let what = NEEDS_PERSON.to_owned();
                found.insert(Blocker { object, what, why: ready.message.clone(), needs_person: true });
            }
            Some(ready) if ready.reason == Reason::PartsOpen => {
                for part in parts(&name, snapshot) {
                    follow(part, snapshot, found, seen);
                    // What was made of the output of a step that is closed is still a part of this.
                    if part.spec.closed.is_some() && part.spec.flow.is_some() {
                        for made in parts(&part.name_any(), snapshot) {
                            follow(made, snapshot, found, seen);
                        }
                    }
                }
            }
            Some(ready) if ready.reason == Reason::Suspended => suspended(bead, ready, snapshot, found),
            Some(ready) if lacks(ready) || ready.status == ConditionStatus::Unknown => {
                found.insert(Blocker::of(object, ready));
            }
            _ if bead.spec.assignee.is_some() => polecat::block(bead, snapshot, found),
            _ => {}
        },
        // Nobody has asked for it.
        BeadState::Backlog | BeadState::Blocked | BeadState::Closed => {}
    }
}

/// Whether a part of a bead, near or far, is worked on, lands, or goes on by itself.
pub(super) fn moves(bead: &Bead, snapshot: &Snapshot) -> bool {
    let mut seen = BTreeSet::new();
    let mut waiting = snapshot.parts_of(&bead.name_any());
    while let Some(part) = waiting.pop() {
        let name = part.name_any();
        let below = snapshot.parts_of(&name);
        if part.spec.closed.is_none() && below.is_empty() && goes_on(part, snapshot) {
            return true;
        }
        if seen.insert(name) {
            waiting.extend(below);
        }
    }
    false
}

/// Whether a bead without parts is under way.
fn goes_on(bead: &Bead, snapshot: &Snapshot) -> bool {
    let Some(status) = &bead.status else { return true };
    let waits_for_another = || {
        let ready = condition(&status.conditions, types::READY);
        ready.is_none_or(|ready| conditions::is_one_of(ready, &[Reason::NeedsOpen, Reason::PartsOpen]))
    };
    let is_under_way = match status.state {
        BeadState::Ready | BeadState::Working | BeadState::Landing => true,
        BeadState::Waiting => !waits_for_another(),
        BeadState::SetAside | BeadState::Backlog | BeadState::Blocked | BeadState::Closed => false,
    };
    is_under_way && bead.blockers(snapshot).iter().all(|blocker| !blocker.needs_person)
}

/// The parts of a bead.
fn parts<'a>(of: &str, snapshot: &'a Snapshot) -> Vec<&'a Bead> {
    snapshot.work().filter(|bead| bead.spec.parent.as_deref() == Some(of)).collect()
}

/// The blocker of a bead that is suspended: its rig, else its convoy.
fn suspended(bead: &Bead, ready: &Condition, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    if snapshot.get::<Rig>(&bead.spec.rig).is_some_and(|rig| rig.spec.suspend) {
        return rig::block(&bead.spec.rig, false, snapshot, found);
    }
    let holds = |it: &&Convoy| it.spec.suspend || it.metadata.deletion_timestamp.is_some();
    if let Some(convoy) = snapshot.convoys_of(bead).into_iter().find(holds) {
        let needs_person = convoy.metadata.deletion_timestamp.is_none();
        let blocker = Blocker::of(format!("convoy/{}", convoy.name_any()), ready);
        found.insert(Blocker { needs_person, ..blocker });
    }
}
