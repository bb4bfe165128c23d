//! A `Step` as a formula's author wrote it, in any of the dialects; it may still be a loop, or stand for an expansion.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cooked::CookedStep;
use crate::source::Spot;

/// A step before cooking.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Step {
    /// Unique in the formula, children included.
    pub id: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A file whose text is the description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description_file: Option<String>,
    /// Notes for whoever works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// `task`, `bug`, `feature`, `epic` or `chore`; others are read as `task`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// From 0, the most urgent, to 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Its labels; Gas City calls them `tags`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Anything else, as text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// The steps that must be closed before, from `needs` and `depends_on`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// The children, made at run time, that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<String>,
    /// The expansion that takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expand: Option<String>,
    /// Values for the vars of that expansion.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expand_vars: BTreeMap<String, String>,
    /// When it is done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Steps of which it consists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Step>,
    /// What it waits for outside of the formula.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Its body is repeated; the step itself disappears, unless the end is decided at run time.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Box<Loop>>,
    /// A loop whose end is decided at run time: its children are an iteration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Box<Repeat>>,
    /// What is started for each item of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_complete: Option<OnComplete>,
    /// Gas City's retry of what failed for a passing reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Gas City's check after each attempt; `ralph` in its older files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// When it counts as done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance: Option<String>,
    /// It may be worked on beside others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
    /// A person takes part.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub interactive: bool,
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_only: Option<bool>,
    /// The agent preset that works on it.
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
    /// A plain command that does it. No value is filled in here: that is for whoever knows the shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Longest time for it, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The formula whose text holds it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub formula: String,
    /// How it came here, outermost first; empty for a step of the formula itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<Via>,
    /// Where it is written.
    #[serde(skip)]
    pub(crate) spot: Spot,
    /// Left out: an overlay skips it, or its condition is on a var that the expansion's rule sets, and does not hold.
    #[serde(skip)]
    pub(crate) is_out: bool,
}

impl Step {
    /// About how many bytes a copy of it takes, children included.
    pub(crate) fn bytes(&self) -> usize {
        let map = |map: &BTreeMap<String, String>| map.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        let option = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let inner = self.children.iter().chain(self.repeated.iter().flat_map(|it| &it.body));
        size_of::<Self>()
            + self.id.len()
            + self.title.len()
            + self.description.len()
            + option(&self.notes)
            + option(&self.acceptance)
            + option(&self.condition)
            + option(&self.run)
            + self.labels.iter().map(String::len).sum::<usize>()
            + self.needs.iter().map(|need| need.id.len() + size_of::<Need>()).sum::<usize>()
            + map(&self.metadata)
            + map(&self.expand_vars)
            + self.on_complete.as_ref().map_or(0, |it| map(&it.vars))
            + inner.map(Self::bytes).sum::<usize>()
    }

    /// How many steps it is, children included.
    pub(crate) fn count(&self) -> usize {
        1 + self.children.iter().map(Self::count).sum::<usize>()
    }
}

/// A step that must be closed before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Need {
    /// Its id.
    pub id: String,
    /// Where it is named.
    pub(crate) spot: Spot,
}

impl From<String> for Need {
    fn from(id: String) -> Self {
        Self { id, spot: Spot::default() }
    }
}

impl From<Need> for String {
    fn from(need: Need) -> Self {
        need.id
    }
}

/// How a step came into the formula.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// By what.
    pub by: By,
    /// The step that it replaced, or was put beside.
    pub step: String,
    /// The expansion or aspect that it is from; empty for a loop and the formula's own advice.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub formula: String,
}

/// What puts steps into a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// An iteration of a loop.
    Loop,
    /// An expansion in the place of a step.
    Expand,
    /// Advice before or after a step.
    Advice,
}

/// The children that a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsFor {
    /// The step whose children these are; where none is given, the first step that this one needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spawner: Option<String>,
    /// How many of them.
    pub children: Children,
}

/// How many children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Children {
    /// All of them.
    All,
    /// The first that is closed.
    Any,
}

/// What a step waits for outside of the formula.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gate {
    /// `gh:run`, `gh:pr`, `timer`, `human`, `mail`, `bead`, `run`, `event` or `conditional`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it waits for, such as the name of a workflow, or the type of an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The same, by the name that the tracker gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub await_id: Option<String>,
    /// When to ask a person, such as `24h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// What must be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whom or what an event has to happen to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Shell text that is run until it ends with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Steps that are repeated.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Loop {
    /// So often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Until this is true, at most `max` times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// How often at most, for `until`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
    /// For each number, such as `1..2^{disks}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// The name of that number in the body: `{name}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub var: Option<String>,
    /// What is repeated.
    pub body: Vec<Step>,
}

/// A loop that goes on at run time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Repeat {
    /// The loop ends when this is true.
    pub until: String,
    /// Iterations at most, the first one included.
    pub max: usize,
    /// What stands for the number of an iteration in the steps of the body.
    pub token: String,
    /// The steps of an iteration, as they are poured; their ids are `<loop>.iter<number>.<id>`.
    pub body: Vec<CookedStep>,
}

/// What is started for each item of a step's output.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OnComplete {
    /// The list in the output: `output.<field>`.
    pub for_each: String,
    /// The formula that is poured for each item.
    pub bond: String,
    /// Values for its vars; `{item}`, `{item.field}` and `{index}` are filled in at run time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// One after the other; otherwise all at once.
    pub sequential: bool,
}

/// Attempts after a failure for a passing reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Retry {
    /// Attempts at most, the first one included.
    pub max_attempts: u32,
    /// After the last: `hard_fail` or `soft_fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<String>,
}

/// A script that decides after each attempt whether the step is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// Attempts at most, the first one included.
    pub max_attempts: u32,
    /// `exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Longest time for the script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}
