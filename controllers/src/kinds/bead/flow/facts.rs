//! What the conditions of a molecule are about: where its steps stand, and their output.

use std::collections::BTreeMap;

use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, BeadType, CloseReason, PARENTS_MAX, output, text_of};
use gastown_formula::{Condition, Facts, Standing, in_last_iteration, meanings};
use kube::ResourceExt;

use super::super::readiness::{downward, has_failed, parent, upward};
use super::is_making;
use crate::view::View;

/// In front of the name of a bead that is known by that, and not by the id of its step.
const BY_NAME: char = '\0';

/// Whether a condition holds of the molecule that a bead is in. `of` is the id of the step that has it.
pub fn holds(condition: &Condition, of: &str, bead: &Bead, view: &View<'_>) -> bool {
    condition.holds(&Molecule::below(of, molecule(bead, view), view))
}

/// Whether nothing changes any more of what a condition is about: it names steps, and these and their children are closed.
pub fn is_settled(condition: &Condition, of: &str, bead: &Bead, view: &View<'_>) -> bool {
    let Ok(steps) = Molecule::below(of, molecule(bead, view), view).all_named(condition) else { return false };
    !steps.is_empty() && steps.iter().all(|step| is_over(step, view))
}

/// Whether a step and all that is below it are closed, nothing more is made of it, and no loop around it makes another of its name.
pub fn is_over(step: &Bead, view: &View<'_>) -> bool {
    let below = downward(&step.name_any(), PARENTS_MAX, view.objects);
    let is_loop = |it: &Bead| it.spec.flow.as_ref().is_some_and(|flow| flow.repeat.is_some());
    let goes_on = |it: &Bead| it.spec.closed.is_none() && is_loop(it);
    std::iter::once(step).chain(below).all(|it| it.spec.closed.is_some() && !is_making(it))
        && !upward(step, |it| parent(it, view.objects)).any(goes_on)
}

/// The molecule that a bead is in, else the uppermost that it is a part of.
fn molecule<'a>(bead: &'a Bead, view: &'a View<'_>) -> Option<&'a Bead> {
    let above: Vec<&Bead> = upward(bead, |bead| parent(bead, view.objects)).skip(1).collect();
    above.iter().find(|above| above.spec.type_ == BeadType::Molecule).or(above.last()).copied()
}

/// The steps of a molecule.
pub struct Molecule<'a> {
    /// The id of the step that asks.
    of: &'a str,
    /// By the id of the step where a formula says that it is decided by such, else by the bead's name.
    steps: BTreeMap<String, &'a Bead>,
    view: &'a View<'a>,
}

impl<'a> Molecule<'a> {
    /// Those below its root; `of` is the id of the step that asks.
    pub fn below(of: &'a str, root: Option<&Bead>, view: &'a View<'a>) -> Self {
        let mut steps = BTreeMap::new();
        let parts = root.map(|root| downward(&root.name_any(), PARENTS_MAX, view.objects));
        for part in parts.unwrap_or_default() {
            if part.spec.type_ != BeadType::Gate {
                let id = part.spec.flow.as_ref().map_or_else(|| part.name_any(), |flow| flow.step.clone());
                steps.entry(id).or_insert(part);
            }
        }
        Self { of, steps, view }
    }

    /// The steps that a condition names; else the one that there is not.
    pub fn all_named(&self, condition: &Condition) -> Result<Vec<&'a Bead>, String> {
        condition.steps().map(|step| self.named(step).ok_or_else(|| step.to_owned())).collect()
    }

    fn known(&self, id: &str) -> Option<&'a Bead> {
        let iteration = |id: &str| Some(self.steps.get(id)?.spec.flow.as_ref()?.repeat.as_ref()?.iteration);
        let direct = self.steps.get(id).copied();
        direct.or_else(|| in_last_iteration(id, iteration).find_map(|id| self.steps.get(&id).copied()))
    }

    fn named(&self, step: &str) -> Option<&'a Bead> {
        match step.strip_prefix(BY_NAME) {
            Some(name) => self.view.objects.get::<Bead>(name).map(AsRef::as_ref),
            None => meanings(self.of, step).find_map(|id| self.known(&id)),
        }
    }
}

impl Facts for Molecule<'_> {
    fn standing(&self, step: &str) -> Option<Standing> {
        self.named(step).map(standing)
    }

    fn output(&self, step: &str, field: &str) -> Option<String> {
        output(self.named(step)?.spec.metadata.as_deref(), field).map(|value| text_of(&value))
    }

    fn children(&self, step: &str) -> Vec<String> {
        let Some(name) = self.named(step).map(ResourceExt::name_any) else { return Vec::new() };
        let children = self.view.objects.children_of(&name);
        let children = children.filter(|child| child.spec.type_ != BeadType::Gate);
        children.map(|child| format!("{BY_NAME}{}", child.name_any())).collect()
    }

    fn complete(&self) -> usize {
        self.steps.values().filter(|step| standing(step) == Standing::Complete).count()
    }
}

/// Where a step stands, as conditions have it.
fn standing(bead: &Bead) -> Standing {
    let spec = &bead.spec;
    match &spec.closed {
        Some(closed) if closed.reason == CloseReason::Skipped => Standing::Skipped,
        Some(closed) if has_failed(closed) => Standing::Failed,
        Some(_) => Standing::Complete,
        None => {
            let is_taken = spec.assignee.is_some() || spec.assigned_to.is_some();
            let is_held = matches!(spec.held.as_deref(), Some("in_progress" | "hooked"));
            let is_landing = bead.status.as_ref().is_some_and(|status| status.state == BeadState::Landing);
            if is_taken || is_held || is_landing { Standing::InProgress } else { Standing::Pending }
        }
    }
}
