//! A `Protomolecule`: what cooking makes of a formula, complete and in order, for whoever pours it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Data;
use sha2::{Digest, Sha256};

use crate::error::Warning;
use crate::model::{BondPoint, FormulaType, Hook, Phase, Var};
use crate::step::{Check, Gate, OnComplete, Repeat, Retry, Via, WaitsFor};

/// A cooked formula.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Protomolecule {
    /// The formula's name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What kind of formula it was.
    #[serde(rename = "type")]
    pub kind: FormulaType,
    /// The version that its author gave it.
    pub version: i64,
    /// How it is best instantiated.
    pub phase: Phase,
    /// Each step becomes a bead of its own; otherwise the root alone does, and agents read the steps in it.
    pub pour: bool,
    /// The agent preset for steps that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// It changes nothing.
    pub review_only: bool,
    /// The vars of the formula and of what it uses.
    pub vars: BTreeMap<String, Var>,
    /// The values that were filled in; empty where it was only compiled.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// The bead that stands for all of it.
    pub root: Root,
    /// The steps: each comes after its parent and what it needs.
    pub steps: Vec<CookedStep>,
    /// Where others can be attached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bond_points: Vec<BondPoint>,
    /// What is attached when something happens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// When and how it is squashed, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub squash: Option<Data>,
    /// Other tables of the root, as written: `prompts`, `output`, `presets`, `metadata` and the like.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, Data>,
    /// The files that it was made from, its own first.
    pub files: Vec<String>,
    /// SHA-256 of all of the above but the files, in hex.
    pub digest: String,
    /// What is odd in them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// The bead that stands for the whole molecule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Root {
    /// `{{title}}` where there is such a var, else the formula's name.
    pub title: String,
    /// `{{desc}}` where there is such a var, else the formula's description.
    pub description: String,
    /// `molecule`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The type of a step's bead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepType {
    /// Work; also where the formula says something else.
    #[default]
    Task,
    /// A mistake to fix.
    Bug,
    /// Something new.
    Feature,
    /// Consists of others: every step with children.
    Epic,
    /// Upkeep.
    Chore,
}

impl StepType {
    pub(crate) fn of(kind: Option<&str>) -> Self {
        match kind {
            Some("bug") => Self::Bug,
            Some("feature") => Self::Feature,
            Some("epic") => Self::Epic,
            Some("chore") => Self::Chore,
            _ => Self::Task,
        }
    }
}

/// A step that can be poured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CookedStep {
    /// Unique in the molecule.
    pub id: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    pub description: String,
    /// A file that holds the description, where the library did not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description_file: Option<String>,
    /// Notes for whoever works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The type of its bead.
    #[serde(rename = "type")]
    pub kind: StepType,
    /// From 0, the most urgent, to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Anything else, as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The steps that must be closed before: each once, and each comes before in the list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The children, made at run time, that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// The step that consists of this one and others; without one, the root does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// What it waits for outside of the molecule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// When it is done at all. In runtime mode conditions on vars are decided, and only others are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// When it counts as done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// The agent preset that works on it: its own, else the formula's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The model, or `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tier of models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The Runtime that works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// A plain command that does it, with its `{{vars}}` as written: they are words of a shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Longest time for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Attempts after a failure for a passing reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// A script that decides after each attempt whether it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// It may be worked on beside others.
    pub parallel: bool,
    /// A person takes part.
    pub interactive: bool,
    /// It changes nothing.
    pub review_only: bool,
    /// What is started for each item of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_complete: Option<OnComplete>,
    /// The loop that goes on at run time: its parts are the first iteration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Box<Repeat>>,
    /// The formula whose text holds it.
    pub formula: String,
    /// How it came into the molecule, outermost first; empty for a step of the formula itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<Via>,
}

/// Steps, each with those that it keeps for the iterations of its loop, if it is one.
pub fn every_step(steps: &[CookedStep]) -> Vec<&CookedStep> {
    let bodies = steps.iter().filter_map(|step| step.repeat.as_ref()).flat_map(|repeat| every_step(&repeat.body));
    steps.iter().chain(bodies).collect()
}

impl Protomolecule {
    /// Sets the digest. The canonical form is the JSON of all but the digest, files and warnings: fields in the order of
    /// the types, maps by key. Where a step is written in its file is no part of it.
    pub(crate) fn seal(&mut self) {
        let (files, warnings) = (std::mem::take(&mut self.files), std::mem::take(&mut self.warnings));
        self.digest = String::new();
        let mut hash = Sha256::new();
        let written = serde_json::to_writer(Hashing(&mut hash), &*self);
        debug_assert!(written.is_ok(), "texts, numbers, lists and maps by text are JSON");
        self.digest = data_encoding::HEXLOWER.encode(&hash.finalize());
        (self.files, self.warnings) = (files, warnings);
    }
}

/// Hashes what is written to it.
struct Hashing<'h>(&'h mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
