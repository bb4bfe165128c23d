//! Overlays: what a town or a rig says otherwise of the steps of a formula, without a copy of it.
//!
//! A step is meant by the id that its author wrote, in the formula or in those that it extends: what is said of a step
//! in a loop's body holds for each iteration, and what is said of one that a loop or an expansion replaces holds before
//! it is replaced. An id that nobody wrote there is looked for among those of the cooked steps, such as
//! `loop.iter2.build` or `review.draft`: then that one step is meant.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::FIELD_BYTES_MAX;
use crate::error::{Error, Warning};
use crate::kitchen::Kitchen;
use crate::model::Formula;
use crate::order::Placed;
use crate::parse::{self, Warnings};
use crate::source::{Source, Spot};
use crate::step::Step;
use crate::suggest;

/// What an overlay says of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The step's id.
    pub step: String,
    /// What becomes of the step.
    pub mode: OverrideMode,
    /// The text for its description. Of a step that is skipped it may say why.
    pub description: String,
    pub(crate) spot: Spot,
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideMode {
    /// It has another description.
    Replace,
    /// More is added to its description.
    Append,
    /// It is left out; whoever needs it needs what it needed.
    Skip,
}

impl OverrideMode {
    /// Every mode, with its name in a file.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("replace", Self::Replace), ("append", Self::Append), ("skip", Self::Skip)];

    /// Its name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Skip => "skip",
        }
    }
}

/// What an overlay says, in its order.
pub fn overrides(overlay: &Source) -> Result<Vec<Override>, Error> {
    parse::overlay(overlay, 0, &mut Warnings::default())
}

/// An overlay at work.
pub(crate) struct Overlay {
    overrides: Vec<Override>,
    /// Which of them have found their step.
    found: BTreeSet<usize>,
    /// The ids that are written in the formula.
    written: BTreeSet<String>,
}

impl Overlay {
    /// Reads it, and applies what it says of steps as they are written.
    pub fn apply<'k>(kitchen: &mut Kitchen<'k>, source: &'k Source, formula: &mut Formula) -> Result<Self, Error> {
        let overrides = kitchen.parse_overlay(Cow::Borrowed(source))?;
        let mut this = Self { overrides, found: BTreeSet::new(), written: BTreeSet::new() };
        let Formula { steps, template, legs, synthesis, .. } = formula;
        for step in steps.iter_mut().chain(template).chain(legs).chain(synthesis) {
            this.written(kitchen, step)?;
        }
        Ok(this)
    }

    fn written(&mut self, kitchen: &Kitchen<'_>, step: &mut Step) -> Result<(), Error> {
        for (at, it) in self.overrides.iter().enumerate() {
            if it.step == step.id {
                self.found.insert(at);
                override_one(kitchen, it, step)?;
            }
        }
        self.written.insert(step.id.clone());
        let bodies = step.repeated.iter_mut().flat_map(|it| &mut it.body);
        step.children.iter_mut().chain(bodies).try_for_each(|inner| self.written(kitchen, inner))
    }

    /// Applies what is left to the cooked steps. What finds no step is a warning.
    pub fn finish(self, kitchen: &mut Kitchen<'_>, placed: &mut [Placed]) -> Result<(), Error> {
        let Self { overrides, found, written } = self;
        let places: BTreeMap<String, usize> =
            placed.iter().enumerate().map(|(at, it)| (it.step.id.clone(), at)).collect();
        for it in overrides.iter().enumerate().filter(|(at, _)| !found.contains(at)).map(|(_, it)| it) {
            let Some(at) = places.get(&it.step) else {
                let ids = written.iter().chain(places.keys().filter(|id| !written.contains(*id)));
                let hint = suggest::hint(&it.step, ids.map(String::as_str));
                let message = format!("there is no step `{}`; nothing is overridden", it.step);
                let location = kitchen.location(it.spot);
                kitchen.warnings.push(it.spot, || Warning { message, location, hint });
                continue;
            };
            kitchen.grow_bytes(it.description.len(), it.spot)?;
            override_one(kitchen, it, &mut placed[*at].step)?;
        }
        Ok(())
    }
}

fn override_one(kitchen: &Kitchen<'_>, it: &Override, step: &mut Step) -> Result<(), Error> {
    match it.mode {
        OverrideMode::Skip => step.is_out = true,
        OverrideMode::Replace => {
            step.description.clone_from(&it.description);
            step.description_file = None;
        }
        OverrideMode::Append => {
            if !step.description.is_empty() {
                let end = if step.description.ends_with('\n') { "\n" } else { "\n\n" };
                step.description.push_str(end);
            }
            step.description.push_str(&it.description);
        }
    }
    if step.description.len() > FIELD_BYTES_MAX.max {
        return Err(kitchen.over(format!("the description of `{}`", step.id), FIELD_BYTES_MAX, it.spot));
    }
    Ok(())
}
