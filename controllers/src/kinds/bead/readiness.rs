//! Whether a bead may be taken up, and what it waits for: what it needs, what its parent waits for, what people have said.
//!
//! The rules are those of Beads' `ready`, but for two things that Beads promises and does not do: a bead with a link
//! `conditional-blocks` is taken up only where the other one failed, and an epic that needs a part of itself does not hold up that part.

use std::collections::BTreeSet;
use std::iter::successors;

use gastown_crds::actor::Actor;
use gastown_crds::bead::{CONDITIONAL_BLOCKS, ChildrenGate, CloseReason, Closed, Link, PARENTS_MAX, WAITS_FOR};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Rig};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{flow, gate, molecule};
use crate::holds::PartOf;
use crate::kinds::convoy::is_leaving;
use crate::objects::Objects;
use crate::view::View;

/// Words by which the reason of a close says that the work failed, as Beads has them.
const FAILURE_WORDS: [&str; 11] = [
    "failed",
    "rejected",
    "wontfix",
    "won't fix",
    "canceled",
    "cancelled",
    "abandoned",
    "blocked",
    "error",
    "timeout",
    "aborted",
];

/// Why a bead may not be taken up now, with the message of its condition.
pub type Blocked = (Reason, String);

/// What a bead waits for, whether anybody has asked for it or not; none if it may be taken up. It is looked at again at `again`.
pub fn blocked(bead: &Bead, view: &View<'_>, again: &mut impl FnMut(Timestamp)) -> Option<Blocked> {
    let spec = &bead.spec;
    if let Some(held) = &spec.held {
        let message =
            format!("somebody set it to `{held}`: `bd update {} --status open` takes that back", bead.name_any());
        return Some((Reason::Held, message));
    }
    if let Some(who) = &spec.assigned_to {
        return Some((Reason::AssignedTo, format!("{who} has it")));
    }
    if let Some(until) = spec.defer_until.filter(|until| *until > view.now) {
        again(until);
        return Some((Reason::Deferred, format!("deferred until {until}")));
    }
    let open = open_needs(bead, view);
    if !open.is_empty() {
        return Some((Reason::NeedsOpen, format!("waits for {}", open.join(", "))));
    }
    if let Some(why) = flow::unreadable(bead) {
        return Some((Reason::InvalidFormula, why));
    }
    waits_with_parent(bead, view, again)
}

/// What the parent of a bead waits for, and the bead with it.
fn waits_with_parent(bead: &Bead, view: &View<'_>, again: &mut impl FnMut(Timestamp)) -> Option<Blocked> {
    let parent = open_parent(bead, view)?;
    let name = parent.name_any();
    if let Some(until) = parent.spec.defer_until.filter(|until| *until > view.now) {
        again(until);
        return Some((Reason::Deferred, format!("its parent {name} is deferred until {until}")));
    }
    let mut open = open_needs(parent, view);
    // One that needs a part of itself is closed after it; that part does not wait for itself.
    open.retain(|need| view.objects.get::<Bead>(need).is_none_or(|need| !is_part_of(need, &name, view)));
    (!open.is_empty()).then(|| (Reason::NeedsOpen, format!("its parent {name} waits for {}", open.join(", "))))
}

/// The reason why a bead may not be dispatched, whether it was begun before or not; none if it may.
pub fn held_back(bead: &Bead, view: &View<'_>, again: &mut impl FnMut(Timestamp)) -> Option<Blocked> {
    if let Some(blocked) = blocked(bead, view, again) {
        return Some(blocked);
    }
    let spec = &bead.spec;
    if spec.rig.is_empty() {
        return Some((Reason::RefNotFound, format!("names no rig: `bd update {} --rig RIG`", bead.name_any())));
    }
    if view.objects.get::<Rig>(&spec.rig).is_none() {
        return Some((Reason::RefNotFound, format!("there is no Rig named `{}`: apply it", spec.rig)));
    }
    let part_of = PartOf::of_bead(bead, view);
    if let Some(convoy) = part_of.convoy.filter(|convoy| is_leaving(convoy)) {
        return Some((Reason::Suspended, format!("its convoy `{}` is being deleted", convoy.name_any())));
    }
    // A whole town of ready beads is not written anew because the town is held: dispatch knows.
    let is_begun = spec.assignee.is_some();
    let part_of = if is_begun { part_of.in_town(view) } else { part_of };
    let hold = part_of.hold(view.now).filter(|hold| !is_begun || !hold.mode.may_start())?;
    Some((hold.reason, hold.message))
}

/// Why a bead may be dispatched, or what it waits for.
pub fn readiness(bead: &Bead, view: &View<'_>, again: &mut impl FnMut(Timestamp)) -> Blocked {
    if let Some(why) = held_back(bead, view, again) {
        return why;
    }
    if let Err(wrong) = molecule::cooked(bead, view) {
        return wrong;
    }
    let gone = bead.spec.needs.iter().filter(|n| view.objects.get::<Bead>(n).is_none()).map(String::as_str);
    let gone: Vec<_> = gone.collect();
    let message = if gone.is_empty() {
        String::new()
    } else {
        format!("needs {}, which does not exist and so does not block", gone.join(", "))
    };
    (Reason::Ready, message)
}

/// Whether somebody has asked for a bead: it is not suspended, or a convoy tracks it, or it is part of an epic of which
/// that is true; of one that is closed, only what a convoy tracks is asked for. What an agent has filed has to be asked
/// for by itself: no agent has work begun.
pub fn is_wanted(bead: &Bead, view: &View<'_>) -> bool {
    let mut is_open = true;
    for (nth, bead) in upward(bead, |bead| epic(bead, view.objects)).take(PARENTS_MAX).enumerate() {
        is_open &= nth == 0 || bead.spec.closed.is_none();
        if (is_open && !bead.spec.suspend) || view.objects.is_tracked(&bead.name_any()) {
            return true;
        }
        if bead.spec.created_by.as_deref().is_some_and(|by| Actor::parse(by).is_agent()) {
            return false;
        }
    }
    false
}

/// A bead, what is above it, what is above that, and so on, as far as parents are looked at.
pub fn upward<'a>(bead: &'a Bead, above: impl Fn(&Bead) -> Option<&'a Bead>) -> impl Iterator<Item = &'a Bead> {
    successors(Some(bead), move |bead| above(bead)).take(1 + PARENTS_MAX)
}

/// The parent of a bead, if it is there.
pub fn parent<'a>(bead: &Bead, objects: &'a Objects) -> Option<&'a Bead> {
    objects.get::<Bead>(bead.spec.parent.as_ref()?).map(AsRef::as_ref)
}

/// The epic, or the molecule, that a bead is a part of; a step is part of its bead alone.
pub fn epic<'a>(bead: &Bead, objects: &'a Objects) -> Option<&'a Bead> {
    parent(bead, objects).filter(|parent| !bead.spec.is_step() && parent.spec.type_.asks_for_parts())
}

/// What is below a bead, what is below that, and so on, as many levels down; each once, the nearer first.
pub fn downward<'a>(bead: &str, levels: usize, objects: &'a Objects) -> Vec<&'a Bead> {
    let mut seen = BTreeSet::from([bead.to_owned()]);
    let mut news = |name: &str| -> Vec<&'a Bead> {
        let parts = objects.children_of(name).map(AsRef::as_ref);
        parts.filter(|part: &&Bead| seen.insert(part.name_any())).collect()
    };
    let (mut found, mut level) = (Vec::new(), news(bead));
    for _ in 0..levels {
        if level.is_empty() {
            break;
        }
        found.extend(&level);
        level = level.into_iter().flat_map(|part| news(&part.name_any())).collect();
    }
    found
}

/// How a bead is closed that is not of use any more, and why: what it was for has not come about, or a gate was rejected.
pub fn not_to_be_done(bead: &Bead, view: &View<'_>) -> Option<(CloseReason, String)> {
    let skipped = || skipped(bead, view).or_else(|| flow::left_out(bead, view)).map(|why| (CloseReason::Skipped, why));
    let rejected = || gate::rejected(bead, view).map(|why| (CloseReason::Withdrawn, why));
    skipped().or_else(rejected)
}

/// Why a bead is not of use any more: what it was to be done after has not failed.
fn skipped(bead: &Bead, view: &View<'_>) -> Option<String> {
    let of = |link: &&Link| link.type_ == CONDITIONAL_BLOCKS;
    let went_well = |link: &Link| {
        let closed = view.objects.get::<Bead>(&link.to)?.spec.closed.as_ref()?;
        (!has_failed(closed)).then(|| format!("it was for the case that {} fails, and that went well", link.to))
    };
    bead.spec.links.iter().filter(of).find_map(went_well)
}

/// Whether a close says that the work failed.
pub fn has_failed(closed: &Closed) -> bool {
    let words = closed.message.as_deref().unwrap_or_default().to_lowercase();
    match closed.reason {
        CloseReason::Withdrawn => true,
        CloseReason::Done => FAILURE_WORDS.iter().any(|word| words.contains(word)),
        CloseReason::Merged | CloseReason::NoChanges | CloseReason::Skipped => false,
    }
}

/// What still has to be closed before a bead, by what it says itself. A bead that does not exist does not block (as in Beads).
pub fn open_needs(bead: &Bead, view: &View<'_>) -> Vec<String> {
    let blocks = |name: &str| view.objects.get::<Bead>(name).is_some_and(|bead| bead.spec.blocks());
    let needs = bead.spec.needs.iter().filter(|need| blocks(need)).cloned();
    let linked = bead.spec.links.iter().filter(|link| match link.type_.as_str() {
        CONDITIONAL_BLOCKS => blocks(&link.to),
        WAITS_FOR => children_block(link, view),
        _ => false,
    });
    let linked = linked.map(|link| match link.type_.as_str() {
        WAITS_FOR => format!("the children of {}", link.to),
        _ => link.to.clone(),
    });
    needs.chain(linked).collect()
}

/// Whether the children that a bead waits for are still open.
fn children_block(link: &Link, view: &View<'_>) -> bool {
    let mut children = view.objects.children_of(&link.to).peekable();
    if view.objects.get::<Bead>(&link.to).is_some_and(|spawner| flow::may_make(spawner)) {
        return true;
    }
    let any_open = children.peek().is_some() && view.objects.children_of(&link.to).any(|child| child.spec.blocks());
    match link.gate.unwrap_or_default() {
        ChildrenGate::AllChildren => any_open,
        ChildrenGate::AnyChildren => any_open && !children.any(|child| child.spec.closed.is_some()),
    }
}

/// The parent of a bead that is no step, while it is open.
fn open_parent<'a>(bead: &Bead, view: &View<'a>) -> Option<&'a Bead> {
    let parent = parent(bead, view.objects).filter(|_| !bead.spec.is_step())?;
    parent.spec.closed.is_none().then_some(parent)
}

/// Whether a bead is below another, which is there.
fn is_part_of(bead: &Bead, of: &str, view: &View<'_>) -> bool {
    upward(bead, |bead| parent(bead, view.objects)).skip(1).any(|above| above.name_any() == of)
}
