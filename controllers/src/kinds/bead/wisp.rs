//! Wisps: beads that are of no use once they are done. They are removed some time after their close, or after as long without a change.
//!
//! A molecule of wisps goes as a whole: a change of one of its beads is a change of all, so that a step which waits for a long one
//! before it is still there when its turn comes. What a polecat has or had stays, as does what is pinned: its work may be on a branch.

use gastown_crds::Bead;
use gastown_crds::bead::PINNED;
use gastown_crds::common::ANNOTATION_UPDATED;
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use super::readiness::{downward, is_wanted, parent, upward};
use super::requests;
use crate::view::View;

/// What is to become of a bead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It stays: it is no wisp, or whatever makes it one that can go changes the bead itself.
    Stays,
    /// It is looked at again then.
    NotBefore(Timestamp),
    /// It is removed.
    Now,
}

/// Decides whether a bead is to be removed.
pub fn end(bead: &Bead, view: &View<'_>) -> End {
    if !bead.spec.ephemeral || bead.spec.is_step() || is_needed(bead, view) {
        return End::Stays;
    }
    let kept = bead.spec.wisp_type.unwrap_or_default().kept();
    let kept = SignedDuration::try_from(kept).unwrap_or(SignedDuration::MAX);
    let after = |at: Timestamp| at.saturating_add(kept).unwrap_or(Timestamp::MAX);
    // The whole molecule is looked at only once the bead itself is old enough.
    let own = after(changed_at(bead));
    if own > view.now {
        return End::NotBefore(own);
    }
    let root = root(bead, view);
    let all = molecule(root, view);
    let waits_for_root = bead.spec.closed.is_some() && root.spec.closed.is_none();
    let has_open_parts = view.objects.children_of(&bead.name_any()).any(|part| part.spec.closed.is_none());
    if waits_for_root || has_open_parts || all.iter().any(|part| is_needed(part, view)) {
        return End::NotBefore(after(view.now));
    }
    match all.iter().map(|part| after(changed_at(part))).max().filter(|at| *at > view.now) {
        Some(at) => End::NotBefore(at),
        None => End::Now,
    }
}

/// Whether somebody has asked for it, a polecat has it or has worked on it, or it stays open for ever.
fn is_needed(bead: &Bead, view: &View<'_>) -> bool {
    let spec = &bead.spec;
    let was_worked_on = || {
        let had = bead.status.as_ref().is_some_and(|status| status.last_polecat.is_some());
        spec.type_.is_dispatched() && (had || !requests(bead, view).is_empty())
    };
    let is_open = spec.closed.is_none();
    spec.assignee.is_some()
        || (is_open && (spec.held.as_deref() == Some(PINNED) || is_wanted(bead, view) || was_worked_on()))
}

/// When a bead was closed, or last changed. That its controller found something new about it, such as that a need is closed, counts.
fn changed_at(bead: &Bead) -> Timestamp {
    if let Some(closed) = &bead.spec.closed {
        return closed.at;
    }
    let meta = &bead.metadata;
    let written = bead.annotations().get(ANNOTATION_UPDATED).and_then(|at| at.parse().ok());
    let found = bead.status.iter().flat_map(|status| status.conditions.iter().map(|it| it.last_transition_time));
    let made = meta.creation_timestamp.as_ref().map(|at| at.0);
    found.chain(written).chain(made).max().unwrap_or_default()
}

/// The topmost wisp that a wisp is a part of; itself, if of none.
fn root<'a>(bead: &'a Bead, view: &View<'a>) -> &'a Bead {
    let above = |bead: &Bead| parent(bead, view.objects).filter(|parent| parent.spec.ephemeral);
    upward(bead, above).last().unwrap_or(bead)
}

/// A wisp with its parts, and theirs.
fn molecule<'a>(root: &'a Bead, view: &View<'a>) -> Vec<&'a Bead> {
    let parts = downward(&root.name_any(), usize::MAX, view.objects);
    std::iter::once(root).chain(parts).collect()
}
