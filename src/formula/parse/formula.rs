//! The root of a formula.

use super::{Parser, Read};
use crate::bounds::STEPS_MAX;
use crate::model::{Formula, FormulaType, Phase};
use crate::node::{Entry, Node};

const KEYS: [&str; 28] = [
    "formula",
    "description",
    "version",
    "type",
    "extends",
    "vars",
    "inputs",
    "steps",
    "template",
    "compose",
    "advice",
    "pointcuts",
    "phase",
    "pour",
    "legs",
    "aspects",
    "synthesis",
    "prompts",
    "output",
    "agent",
    "review_only",
    "presets",
    "squash",
    "metadata",
    "catalog",
    "contract",
    "requires",
    "source",
];

const PHASES: [(&str, Phase); 2] = [("liquid", Phase::Liquid), ("vapor", Phase::Vapor)];

impl Parser<'_> {
    pub(super) fn formula(&mut self, node: Node<'_>) -> Read<Formula> {
        let fields = self.table("formula", node)?;
        let mut formula = Formula { spot: self.spot(fields.at), ..Formula::default() };
        for entry in fields.entries {
            self.formula_field(&mut formula, entry)?;
        }
        if formula.name.is_empty() {
            return Err(self.missing("formula", "the formula", fields.at));
        }
        name_steps(&mut formula);
        Ok(formula)
    }

    fn formula_field(&mut self, formula: &mut Formula, entry: Entry<'_>) -> Read<()> {
        match &*entry.key {
            "formula" => {
                formula.spot = self.spot(entry.at);
                formula.name = self.name(entry)?;
            }
            "description" => formula.description = self.text(entry)?,
            "version" => formula.version = Some(self.number(&entry, 0, i64::from(u32::MAX))?),
            "type" => formula.kind = self.word(entry, &FormulaType::NAMES)?,
            "extends" => formula.extends = self.needs(entry)?,
            "vars" => self.vars(&mut formula.vars, entry)?,
            "inputs" => self.inputs(&mut formula.vars, entry)?,
            "steps" => formula.steps = self.steps(entry)?,
            "template" => formula.template = self.steps(entry)?,
            "compose" => formula.compose = self.compose(entry)?,
            "advice" => formula.advice = self.rules(entry, Self::advice)?,
            "pointcuts" => formula.pointcuts = self.rules(entry, Self::pointcut)?,
            "phase" => formula.phase = self.word(entry, &PHASES)?,
            "pour" => formula.pour = Some(self.flag(&entry)?),
            "legs" | "aspects" => {
                let legs = self.each(entry, Some(STEPS_MAX), Self::leg)?;
                formula.legs.extend(legs);
            }
            "synthesis" => formula.synthesis = Some(self.synthesis(entry)?),
            "agent" => formula.agent = self.some_text(entry)?,
            "review_only" => formula.review_only = Some(self.flag(&entry)?),
            // Where it was once loaded from: bd writes it into the JSON it prints.
            "source" => {}
            key => match KEYS.iter().find(|known| **known == key) {
                Some(known) => _ = formula.data.insert(known, Self::data(entry)),
                None => self.unknown(&entry, "the formula", &KEYS),
            },
        }
        Ok(())
    }

    fn steps(&mut self, entry: Entry<'_>) -> Read<Vec<crate::step::Step>> {
        self.each(entry, Some(STEPS_MAX), Self::step)
    }

    /// The synthesis of a convoy: without `depends_on` it needs all legs, see `convoy.rs`.
    fn synthesis(&mut self, entry: Entry<'_>) -> Read<crate::step::Step> {
        let mut step = self.step_of(entry.node, "the synthesis")?;
        if step.id.is_empty() {
            "synthesis".clone_into(&mut step.id);
        }
        if step.title.is_empty() {
            step.title.clone_from(&step.id);
        }
        Ok(step)
    }

    /// A leg of a convoy: a step beside the others.
    fn leg(&mut self, node: Node<'_>) -> Read<crate::step::Step> {
        let mut leg = self.step(node)?;
        leg.parallel = true;
        Ok(leg)
    }
}

/// Says of each step which formula it is from.
fn name_steps(formula: &mut Formula) {
    fn name(steps: &mut [crate::step::Step], formula: &str) {
        for step in steps {
            formula.clone_into(&mut step.formula);
            name(&mut step.children, formula);
            if let Some(repeated) = &mut step.repeated {
                name(&mut repeated.body, formula);
            }
        }
    }
    let Formula { name: formula_name, steps, template, legs, synthesis, advice, .. } = formula;
    for list in [steps, template, legs] {
        name(list, formula_name);
    }
    name(synthesis.as_mut_slice(), formula_name);
    for rule in advice {
        name(&mut rule.before, formula_name);
        name(&mut rule.after, formula_name);
    }
}
