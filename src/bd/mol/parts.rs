//! A molecule as it is now: its root, its parts and theirs, and where each of them stands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::slim::Slim;
use gastown_crds::bead::{BeadType, CloseReason, PINNED};

use crate::act::{self, find};
use crate::circles::waits;
use crate::scan::{Query, scan};
use crate::show::get;

/// Beads above one that are looked at.
const ABOVE_MAX: usize = 32;

/// Where a step stands, in the words of `bd mol current`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It is closed.
    Done,
    /// Somebody has it.
    Current,
    /// It may be taken up.
    Ready,
    /// It waits for others, for its day, or for a person.
    Blocked,
    /// It is done by others: a gate opens, an epic is closed with its parts.
    Pending,
}

impl Standing {
    /// A mark in front of it.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Done => "✓",
            Self::Current => "▶",
            Self::Ready => "○",
            Self::Blocked => "·",
            Self::Pending => "◌",
        }
    }
}

/// How many steps are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// So many.
    pub done: usize,
    /// Of so many.
    pub total: usize,
}

impl Done {
    /// Of steps that stand so.
    pub fn of(standings: impl Iterator<Item = Standing>) -> Self {
        let mut all = Self { done: 0, total: 0 };
        for standing in standings {
            all.done += usize::from(standing == Standing::Done);
            all.total += 1;
        }
        all
    }

    /// In per cent, rounded down; of nothing 0.
    pub fn percent(self) -> usize {
        (self.done * 100).checked_div(self.total).unwrap_or(0)
    }

    /// Whether none is left.
    pub fn is_all(self) -> bool {
        self.done == self.total
    }
}

/// A bead with all that is part of it, the root first and each behind what it is a part of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub all: Vec<Slim>,
    /// Where each is in that list.
    places: BTreeMap<String, usize>,
    /// Those that have parts.
    above: BTreeSet<String>,
    /// What is needed from outside and open.
    outside: BTreeSet<String>,
}

impl Parts {
    /// Reads those of a bead.
    pub async fn of(id: &str, context: &Context) -> Result<Self, Error> {
        let root = act::slim(&find(id, context).await?)?;
        let all = Below::read(context).await?.of(root);
        let places: BTreeMap<String, usize> =
            all.iter().enumerate().map(|(at, bead)| (bead.metadata.name.clone(), at)).collect();
        let open = all.iter().filter(|bead| !bead.is_closed());
        let needs: BTreeSet<&String> = open.flat_map(needs_of).filter(|need| !places.contains_key(*need)).collect();
        let mut outside = BTreeSet::new();
        for need in needs {
            if get(context, need).await?.is_some_and(|bead| bead.spec.blocks()) {
                outside.insert(need.clone());
            }
        }
        let above = all.iter().skip(1).filter_map(|bead| bead.spec.parent.clone()).collect();
        Ok(Self { all, places, above, outside })
    }

    /// The bead that stands for all.
    pub fn root(&self) -> &Slim {
        &self.all[0]
    }

    /// The steps: all but the root and the gates, each behind what it is a part of, and otherwise in the order of their needs.
    pub fn steps(&self) -> Vec<&Slim> {
        let mut below: BTreeMap<&str, Vec<&Slim>> = BTreeMap::new();
        for step in self.all.iter().skip(1).filter(|bead| bead.spec.type_ != BeadType::Gate) {
            below.entry(step.spec.parent.as_deref().unwrap_or_default()).or_default().push(step);
        }
        let mut parts = |of: &Slim| in_order(&below.remove(of.metadata.name.as_str()).unwrap_or_default());
        let mut waiting: Vec<&Slim> = parts(self.root()).into_iter().rev().collect();
        let mut steps = Vec::new();
        while let Some(step) = waiting.pop() {
            steps.push(step);
            waiting.extend(parts(step).into_iter().rev());
        }
        steps
    }

    /// The beads that have parts, by name.
    pub fn parents(&self) -> impl Iterator<Item = &String> {
        self.above.iter()
    }

    /// Where a part stands.
    pub fn standing(&self, bead: &Slim) -> Standing {
        if bead.is_closed() {
            Standing::Done
        } else if bead.assignee().is_some() || matches!(bead.status(), "in_progress" | "hooked") {
            Standing::Current
        } else if matches!(bead.status(), "blocked" | "deferred")
            || self.waits(bead)
            || bead.spec.parent.as_ref().and_then(|it| self.named(it)).is_some_and(|it| self.waits(it))
        {
            Standing::Blocked
        } else if bead.spec.type_ == BeadType::Gate || self.above.contains(&bead.metadata.name) {
            Standing::Pending
        } else {
            Standing::Ready
        }
    }

    /// The mark in front of a part: of one that was closed without being done, one of its own.
    pub fn mark(&self, bead: &Slim) -> &'static str {
        match bead.spec.closed.as_ref().map(|closed| closed.reason) {
            Some(CloseReason::Withdrawn) => "✗",
            Some(CloseReason::Skipped) => "-",
            _ => self.standing(bead).mark(),
        }
    }

    /// The parts that a part needs.
    pub fn needs<'a>(&'a self, bead: &'a Slim) -> impl Iterator<Item = &'a Slim> {
        needs_of(bead).filter_map(|need| self.named(need))
    }

    /// The parts that need a part.
    pub fn needed_by<'a>(&'a self, bead: &'a Slim) -> impl Iterator<Item = &'a Slim> {
        self.all.iter().filter(|other| needs_of(other).any(|need| *need == bead.metadata.name))
    }

    /// What a part needs that is open, by name.
    pub fn open_needs(&self, bead: &Slim) -> Vec<String> {
        needs_of(bead).filter(|need| self.is_open(need)).cloned().collect()
    }

    /// The same of what is no part.
    pub fn open_outside(&self, bead: &Slim) -> Vec<String> {
        needs_of(bead).filter(|need| self.outside.contains(*need)).cloned().collect()
    }

    /// What a part is a part of.
    pub fn parent(&self, bead: &Slim) -> Option<&Slim> {
        bead.spec.parent.as_ref().and_then(|parent| self.named(parent))
    }

    fn waits(&self, bead: &Slim) -> bool {
        needs_of(bead).any(|need| self.is_open(need))
    }

    fn is_open(&self, need: &str) -> bool {
        self.outside.contains(need)
            || self.named(need).is_some_and(|it| !it.is_closed() && it.spec.held.as_deref() != Some(PINNED))
    }

    fn named(&self, name: &str) -> Option<&Slim> {
        self.places.get(name).map(|at| &self.all[*at])
    }
}

/// The parts of all beads.
pub struct Below(BTreeMap<String, Vec<Slim>>);

impl Below {
    /// Reads them, in one pass: a question for each bead of a long molecule would take longer.
    pub async fn read(context: &Context) -> Result<Self, Error> {
        let query = Query { fields: vec!["spec.parent!=".into(), "spec.type!=Step".into()], ..Query::default() };
        let mut below: BTreeMap<String, Vec<Slim>> = BTreeMap::new();
        scan(context, &query, |slim| {
            below.entry(slim.spec.parent.clone().unwrap_or_default()).or_default().push(slim);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(Self(below))
    }

    /// The parts one level below a bead.
    pub fn direct(&self, bead: &Slim) -> impl Iterator<Item = &Slim> {
        self.0.get(&bead.metadata.name).into_iter().flatten()
    }

    /// A bead with all that is below it.
    pub fn of(&self, root: Slim) -> Vec<Slim> {
        let mut seen = BTreeSet::from([root.metadata.name.clone()]);
        let mut all = vec![root];
        let mut at = 0;
        while let Some(bead) = all.get(at) {
            let parts = self.0.get(&bead.metadata.name).into_iter().flatten();
            // What is part of itself in a roundabout way is seen once.
            let news: Vec<Slim> = parts.filter(|part| seen.insert(part.metadata.name.clone())).cloned().collect();
            all.extend(news);
            at += 1;
        }
        all
    }
}

fn needs_of(bead: &Slim) -> impl Iterator<Item = &String> {
    waits(&bead.spec.needs, &bead.spec.links, bead.spec.gate.as_ref())
}

/// Each behind what it needs; otherwise by name.
fn in_order<'a>(beads: &[&'a Slim]) -> Vec<&'a Slim> {
    let names: BTreeMap<&str, usize> =
        beads.iter().enumerate().map(|(at, bead)| (bead.metadata.name.as_str(), at)).collect();
    let mut open: Vec<usize> = vec![0; beads.len()];
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); beads.len()];
    for (at, bead) in beads.iter().enumerate() {
        for need in needs_of(bead).filter_map(|need| names.get(need.as_str())) {
            open[at] += 1;
            needed_by[*need].push(at);
        }
    }
    let mut ready: BTreeSet<(&str, usize)> =
        names.iter().filter(|(_, at)| open[**at] == 0).map(|(name, at)| (*name, *at)).collect();
    let mut ordered = Vec::with_capacity(beads.len());
    let mut is_placed = vec![false; beads.len()];
    while let Some((_, at)) = ready.pop_first() {
        ordered.push(beads[at]);
        is_placed[at] = true;
        for next in &needed_by[at] {
            open[*next] -= 1;
            if open[*next] == 0 {
                ready.insert((&beads[*next].metadata.name, *next));
            }
        }
    }
    // What waits for itself in a roundabout way.
    ordered.extend(beads.iter().zip(&is_placed).filter(|(_, placed)| !**placed).map(|(bead, _)| *bead));
    ordered
}

/// The molecule that a bead is, or is a part of.
pub async fn molecule_of(id: &str, context: &Context) -> Result<Option<String>, Error> {
    let mut bead = find(id, context).await?;
    for _ in 0..ABOVE_MAX {
        if bead.spec.type_ == BeadType::Molecule {
            return Ok(bead.metadata.name);
        }
        let Some(parent) = bead.spec.parent.as_deref() else { break };
        let Some(above) = get(context, parent).await? else { break };
        bead = above;
    }
    Ok(None)
}
