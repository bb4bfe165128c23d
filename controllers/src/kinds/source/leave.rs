//! A source that goes: its lease is given up, and the town's clone of its remote is removed.

use gastown_crds::common::FINALIZER_CLONE;
use gastown_crds::source::Source;
use kube::ResourceExt;

use super::lease;
use crate::plan::{Plan, Write};
use crate::view::{NotSeen, View};
use crate::world::{Act, Origin, Owner, Track};

/// What is to be done before a source may have a clone: its object does not go without it.
pub(super) fn held(source: &Source, origin: &Origin) -> Option<Write> {
    let is_held = source.finalizers().iter().any(|it| it == FINALIZER_CLONE);
    (matches!(origin, Origin::Clone { .. }) && !is_held).then(|| Write::add_finalizer(source, FINALIZER_CLONE))
}

/// What is to be done before a source may go.
pub(super) fn leave(source: &Source, view: &View<'_>) -> Result<Plan, NotSeen> {
    let mut plan = Plan::none();
    if !source.finalizers().iter().any(|it| it == FINALIZER_CLONE) {
        return Ok(plan);
    }
    let is_given_up = match &source.spec.git {
        Some(git) => lease::give_up(source, git, view, &mut plan)?,
        None => true,
    };
    let owner = Owner::of(source);
    // What a clone or fetch that still runs brings would stay.
    if is_given_up && view.is_free(&Track::Clone(owner.uid.clone()))? {
        plan.act(Act::RemoveClone { owner });
        plan.write(Write::remove_finalizer(source, FINALIZER_CLONE));
    }
    Ok(plan)
}
