//! The `Kitchen` of one cooking: texts that were loaded, the formulas in them, warnings, and what may still grow.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::bounds::{Bound, COOKED_BYTES_MAX, FORMULAS_MAX, NAME_BYTES_MAX, STEPS_MAX};
use crate::error::{Error, Problem, Warning};
use crate::extend;
use crate::model::{Formula, Var};
use crate::overlay::Override;
use crate::parse::{self, Warnings};
use crate::source::{Library, Location, Source, Spot};
use crate::step::{Need, Step};

pub(crate) struct Kitchen<'k> {
    library: &'k dyn Library,
    sources: Vec<Cow<'k, Source>>,
    /// By name, with their parents merged in.
    resolved: BTreeMap<String, Rc<Formula>>,
    pub warnings: Warnings,
    /// The vars of the formula, and of the expansions and aspects used in it.
    pub vars: BTreeMap<String, Var>,
    /// The values that the caller gave.
    pub given: &'k BTreeMap<String, String>,
    /// A step that is gone, by its id, and the step that stands for its end.
    pub ends: BTreeMap<String, String>,
    steps: usize,
    bytes: usize,
}

impl<'k> Kitchen<'k> {
    pub fn new(library: &'k dyn Library, given: &'k BTreeMap<String, String>) -> Self {
        let (sources, resolved, vars, ends) = Default::default();
        let warnings = Warnings::default();
        Self { library, sources, resolved, warnings, vars, given, ends, steps: 0, bytes: 0 }
    }

    /// Reads a formula, without its parents.
    pub fn parse(&mut self, source: Cow<'k, Source>) -> Result<Formula, Error> {
        let index = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let parsed = parse::parse(&source, index, &mut self.warnings);
        self.sources.push(source);
        let mut formula = parsed?;
        let Formula { steps, template, legs, synthesis, .. } = &mut formula;
        for step in steps.iter_mut().chain(template).chain(legs).chain(synthesis) {
            self.read_description(step);
        }
        Ok(formula)
    }

    /// Reads an overlay.
    pub fn parse_overlay(&mut self, source: Cow<'k, Source>) -> Result<Vec<Override>, Error> {
        let index = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let parsed = parse::overlay(&source, index, &mut self.warnings);
        self.sources.push(source);
        parsed
    }

    /// The formula that something names, with its parents merged in.
    pub fn load(&mut self, name: &Need, field: &'static str) -> Result<Rc<Formula>, Error> {
        self.load_behind(name, field, &mut Vec::new())
    }

    /// The same for a parent: `path` holds the formulas that extend each other down to it.
    pub fn load_behind(
        &mut self,
        name: &Need,
        field: &'static str,
        path: &mut Vec<String>,
    ) -> Result<Rc<Formula>, Error> {
        if let Some(known) = self.resolved.get(&name.id) {
            return Ok(Rc::clone(known));
        }
        if self.sources.len() >= FORMULAS_MAX.max {
            return Err(self.over("formulas that this one loads", FORMULAS_MAX, name.spot));
        }
        let Some(source) = self.library.formula(&name.id) else {
            let problem = Problem::UnknownFormula { name: name.id.clone(), field };
            return Err(self.error(problem, name.spot));
        };
        let formula = self.parse(Cow::Owned(source))?;
        let formula = Rc::new(extend::resolve(self, formula, path)?);
        self.resolved.insert(name.id.clone(), Rc::clone(&formula));
        Ok(formula)
    }

    /// Replaces the name of a description's file by its text, where the library has it.
    fn read_description(&mut self, step: &mut Step) {
        if let Some(path) = &step.description_file {
            let file = self.sources.get(step.spot.source as usize).map_or("", |source| source.file.as_str());
            if let Some(text) = self.library.text_beside(file, path) {
                (step.description, step.description_file) = (text, None);
            } else {
                let message = format!("the description is in `{path}`, which was not read");
                self.warn(step.spot, message);
            }
        }
        for child in step.children.iter_mut().chain(step.repeated.iter_mut().flat_map(|it| &mut it.body)) {
            self.read_description(child);
        }
    }

    pub fn location(&self, spot: Spot) -> Option<Location> {
        self.sources.get(spot.source as usize).map(|source| Location::of(source, spot.offset as usize))
    }

    pub fn error(&self, problem: Problem, spot: Spot) -> Error {
        Error { problem: Box::new(problem), location: self.location(spot), hint: None }
    }

    pub fn over(&self, what: impl Into<String>, bound: Bound, spot: Spot) -> Error {
        self.error(Problem::Bound { what: what.into(), bound }, spot)
    }

    pub fn warn(&mut self, spot: Spot, message: String) {
        let location = self.location(spot);
        self.warnings.push(spot, || Warning { message, location, hint: None });
    }

    /// Names of the files that were read, in order.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| source.file.as_str())
    }

    /// Counts a step that was made or copied, with its children.
    pub fn grow(&mut self, step: &Step) -> Result<(), Error> {
        self.steps += step.count();
        if self.steps > STEPS_MAX.max {
            return Err(self.over("steps after expansion", STEPS_MAX, step.spot));
        }
        self.grow_bytes(step.bytes(), step.spot)
    }

    pub fn grow_bytes(&mut self, bytes: usize, spot: Spot) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > COOKED_BYTES_MAX.max {
            return Err(self.over("the steps after expansion", COOKED_BYTES_MAX, spot));
        }
        Ok(())
    }

    /// A step is gone: others took its place.
    pub fn shrink(&mut self, step: &Step) {
        self.steps = self.steps.saturating_sub(step.count());
    }

    /// An id that was put together.
    pub fn check_id(&self, id: &str, spot: Spot) -> Result<(), Error> {
        if id.len() <= NAME_BYTES_MAX.max {
            return Ok(());
        }
        let shown: String = id.chars().take(40).collect();
        Err(self.over(format!("the id `{shown}…`"), NAME_BYTES_MAX, spot))
    }

    /// Steps took the place of another: those that wait for none of them wait for what it waited for, and whoever needs
    /// it needs the last of them.
    pub fn hand_over(&mut self, gone: &Step, steps: &mut [Step], roots: &[usize]) -> Result<(), Error> {
        let Some(last) = steps.last().map(|step| step.id.clone()) else { return Ok(()) };
        if last != gone.id {
            self.ends.insert(gone.id.clone(), last);
        }
        let bytes = gone.needs.iter().map(|need| need.id.len() + size_of::<Need>()).sum::<usize>();
        self.grow_bytes(bytes.saturating_mul(roots.len()), gone.spot)?;
        for root in roots {
            steps[*root].needs.extend(gone.needs.iter().cloned());
        }
        for step in &mut *steps {
            step.is_out |= gone.is_out;
            if step.condition.is_none() {
                step.condition.clone_from(&gone.condition);
            }
        }
        let Some(first) = roots.first().and_then(|root| steps.get_mut(*root)) else { return Ok(()) };
        first.gate = first.gate.take().or_else(|| gone.gate.clone());
        first.waits_for = first.waits_for.take().or_else(|| gone.waits_for.clone());
        Ok(())
    }
}

/// The steps of a list that need none of the others, by their place in it.
pub(crate) fn roots(steps: &[Step]) -> Vec<usize> {
    let mut ids = std::collections::BTreeSet::new();
    for step in steps {
        each(step, &mut |it| _ = ids.insert(it.id.as_str()));
    }
    let is_root = |step: &Step| !step.needs.iter().any(|need| ids.contains(need.id.as_str()));
    steps.iter().enumerate().filter(|(_, step)| is_root(step)).map(|(at, _)| at).collect()
}

/// Visits a step and its children.
pub(crate) fn each<'s>(step: &'s Step, visit: &mut impl FnMut(&'s Step)) {
    visit(step);
    for child in &step.children {
        each(child, visit);
    }
}

/// The same for changes.
pub(crate) fn each_mut(step: &mut Step, visit: &mut impl FnMut(&mut Step)) {
    visit(step);
    for child in &mut step.children {
        each_mut(child, visit);
    }
}
