//! A `Formula` as its author wrote it: one model for the dialects of Beads, Gas Town and Gas City.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Data;

use crate::source::Spot;
use crate::step::{Need, Step};

/// What a formula is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormulaType {
    /// Steps to be done.
    #[default]
    Workflow,
    /// A template that takes the place of a step.
    Expansion,
    /// Advice that is put around the steps of others.
    Aspect,
    /// Legs that are worked on at once, and their synthesis.
    Convoy,
}

impl FormulaType {
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("workflow", Self::Workflow),
        ("expansion", Self::Expansion),
        ("aspect", Self::Aspect),
        ("convoy", Self::Convoy),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, it)| *it == self).map_or("workflow", |(name, _)| name)
    }
}

/// How a formula is best instantiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// As a molecule, which lasts. The default.
    #[default]
    Liquid,
    /// As a wisp, which is not kept.
    Vapor,
}

/// Something to fill in as `{{name}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Var {
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its value where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// It must have a value. One that has a default has one.
    pub required: bool,
    /// It must have a value, unless one of these vars has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_unless: Vec<String>,
    /// The values it may have; any, if empty.
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// A regular expression that is found in each value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// `string`, `int`, `number` or `bool`; others are read as text.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A place where other formulas can be attached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BondPoint {
    /// Its id.
    pub id: String,
    /// What should be attached there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The step after which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_step: Option<String>,
    /// The step before which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_step: Option<String>,
    /// What is attached is worked on beside that step.
    pub parallel: bool,
    #[serde(skip)]
    pub(crate) spot: Spot,
}

/// A formula that is attached when something happens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// What happens, such as `label:security`.
    pub trigger: String,
    /// The formula.
    pub attach: String,
    /// The bond point; default: the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Values for its vars.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
}

/// A formula, read and not yet resolved.
#[derive(Debug, Clone, Default)]
pub(crate) struct Formula {
    pub name: String,
    pub description: String,
    pub version: Option<i64>,
    pub kind: Option<FormulaType>,
    pub extends: Vec<Need>,
    pub vars: BTreeMap<String, Var>,
    pub steps: Vec<Step>,
    pub template: Vec<Step>,
    pub compose: Compose,
    pub advice: Vec<Advice>,
    pub pointcuts: Vec<Pointcut>,
    pub phase: Option<Phase>,
    pub pour: Option<bool>,
    /// Legs of a convoy, and the perspectives that Gas Town's aspects list.
    pub legs: Vec<Step>,
    pub synthesis: Option<Step>,
    pub agent: Option<String>,
    pub review_only: Option<bool>,
    /// Kept for the runtime: `squash`, `presets`, `prompts`, `output`, and Gas City's tables.
    pub data: BTreeMap<&'static str, Data>,
    pub spot: Spot,
}

impl Formula {
    /// Its type; where none is given, what it holds tells.
    pub fn kind(&self) -> FormulaType {
        let told = match self {
            _ if !self.steps.is_empty() => FormulaType::Workflow,
            _ if !self.legs.is_empty() => FormulaType::Convoy,
            _ if !self.template.is_empty() => FormulaType::Expansion,
            _ if !self.advice.is_empty() => FormulaType::Aspect,
            _ => FormulaType::Workflow,
        };
        self.kind.unwrap_or(told)
    }
}

/// How steps are joined and replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compose {
    pub bond_points: Vec<BondPoint>,
    pub hooks: Vec<Hook>,
    pub expand: Vec<Replace>,
    pub map: Vec<Replace>,
    pub branch: Vec<Branch>,
    pub gate: Vec<GateRule>,
    pub aspects: Vec<Need>,
}

/// A step, or the steps that a glob finds, is replaced by an expansion.
#[derive(Debug, Clone)]
pub(crate) struct Replace {
    /// An id for `expand`, a glob for `map`.
    pub target: String,
    pub with: Need,
    pub vars: BTreeMap<String, String>,
    pub spot: Spot,
}

/// Steps between two others.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub from: Need,
    pub steps: Vec<Need>,
    pub join: Need,
}

/// A condition before a step, decided at run time.
#[derive(Debug, Clone)]
pub(crate) struct GateRule {
    pub before: Need,
    pub condition: String,
    pub spot: Spot,
}

/// Steps that are put before and after those that a glob finds.
#[derive(Debug, Clone)]
pub(crate) struct Advice {
    pub target: String,
    pub before: Vec<Step>,
    pub after: Vec<Step>,
}

/// Steps that advice is for: those that have all that is given.
#[derive(Debug, Clone)]
pub(crate) struct Pointcut {
    pub glob: Option<String>,
    pub kind: Option<String>,
    pub label: Option<String>,
}
