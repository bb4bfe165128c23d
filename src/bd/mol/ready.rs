//! `bd ready --mol`: the steps of a molecule that may be done now; and `bd ready --gated`: molecules that go on behind a gate
//! which has opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::Issue;
use gastown_beads::slim::Slim;
use gastown_crds::bead::{BeadType, CloseReason};
use serde_json::{Map, Value, json};

use super::parts::{Parts, Standing, molecule_of};
use crate::filter::Filter;
use crate::scan::{Query, scan};
use crate::show::get;
use crate::{act, print, ready};

/// The name of the one group of steps that may be done at the same time.
const GROUP: &str = "group-1";

const NOTHING_READY: &str = "nothing is ready: it is worked on, or waits for others or for a gate (`gt gate list`)\n";

/// Show the steps of a molecule that may be done now, or the molecules that go on behind a gate which has opened
#[derive(Debug, Clone, Args)]
pub struct ReadyArgs {
    /// The molecule's root
    #[arg(required_unless_present = "gated", conflicts_with = "gated")]
    id: Option<String>,
    /// Every molecule with a step that may be done now because a gate has opened
    #[arg(long)]
    gated: bool,
}

/// Runs `bd mol ready`.
pub async fn ready(args: &ReadyArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    match &args.id {
        Some(id) => Now::of(id, &Filter::default(), context).await.map(|now| now.answer(0, json_out)),
        None => gated(0, json_out, context).await,
    }
}

/// A molecule, and its steps that may be done now.
pub struct Now {
    parts: Parts,
    /// The ready steps, in the order of the molecule.
    steps: Vec<Slim>,
}

impl Now {
    /// Reads it: `filter` narrows the steps down.
    pub async fn of(id: &str, filter: &Filter, context: &Context) -> Result<Self, Error> {
        let parts = Parts::of(id, context).await?;
        let root = parts.root();
        if !root.spec.type_.asks_for_parts() && parts.all.len() == 1 {
            let message = format!("{} is neither a molecule nor an epic", root.id());
            return Err(Error::refused(message, "`bd mol list` shows the molecules, `bd epic status` the epics"));
        }
        let free = ready::computed(filter, true, context).await?.0;
        let free: BTreeSet<String> = free.into_iter().map(|bead| bead.metadata.name).collect();
        let is_ready = |step: &&Slim| parts.standing(step) == Standing::Ready && free.contains(&step.metadata.name);
        let steps = parts.steps().into_iter().filter(is_ready).cloned().collect();
        Ok(Self { parts, steps })
    }

    /// The steps that may be done now.
    pub fn steps(&self) -> &[Slim] {
        &self.steps
    }

    /// What is printed: at most so many steps, 0 for all.
    pub fn answer(&self, limit: usize, json_out: bool) -> Answer {
        let Self { parts, steps } = self;
        let shown = if limit == 0 { &steps[..] } else { steps.get(..limit).unwrap_or(steps) };
        let root = parts.root();
        let total = parts.steps().len();
        if json_out {
            return Answer::out(print::object(&self.value(shown, total)));
        }
        let done = parts.steps().iter().filter(|step| parts.standing(step) == Standing::Done).count();
        let mut out = format!("{}  {}  {done}/{total} steps done\n", root.id(), root.spec.title);
        for step in shown {
            let _never_fails = writeln!(out, "  {} {}  {}", Standing::Ready.mark(), step.id(), step.spec.title);
        }
        match (steps.len(), total - done) {
            (0, 0) if total == 0 => {
                let _never_fails =
                    writeln!(out, "no step of it is a bead: `bd show {}` shows what is to be done", root.id());
            }
            (0, 0) => out.push_str("all steps are done\n"),
            (0, _) => out.push_str(NOTHING_READY),
            (1, _) => {}
            (count, _) => {
                let _never_fails = writeln!(out, "these {count} may be done at the same time");
            }
        }
        Answer::out(out)
    }

    fn value(&self, shown: &[Slim], total: usize) -> Value {
        let ids: Vec<String> = self.steps.iter().map(Slim::id).collect();
        let group = (ids.len() > 1).then_some(GROUP);
        let of = |step: &Slim| {
            let id = step.id();
            let blocks: Vec<String> = self.parts.needed_by(step).map(Slim::id).collect();
            let beside: Vec<&String> = ids.iter().filter(|other| **other != id).collect();
            let mut value = json!({
                "issue": Issue::of(step),
                "parallel_info": {
                    "step_id": id, "status": step.status(), "is_ready": true, "blocked_by": [], "blocks": blocks,
                    "can_parallel": beside, "parallel_group": group.unwrap_or_default(),
                },
            });
            if let Some(group) = group {
                value["parallel_group"] = group.into();
            }
            value
        };
        let root = self.parts.root();
        let groups: Map<String, Value> = group.map(|group| (group.to_owned(), json!(ids))).into_iter().collect();
        json!({
            "molecule_id": root.id(), "molecule_title": root.spec.title, "total_steps": total,
            "ready_steps": self.steps.len(), "steps": shown.iter().map(of).collect::<Vec<_>>(), "parallel_groups": groups,
        })
    }
}

/// A molecule that goes on behind a gate.
struct Resumed {
    root: Slim,
    gate: Slim,
    step: Slim,
}

/// Molecules with a step that may be done now, that needed a gate which has opened. At most so many, 0 for all.
pub async fn gated(limit: usize, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let found = resumed(limit, context).await?;
    if json_out {
        let of = |it: &Resumed| {
            json!({
                "molecule_id": it.root.id(), "molecule_title": it.root.spec.title, "closed_gate": Issue::of(&it.gate),
                "ready_step": Issue::of(&it.step),
            })
        };
        let molecules: Vec<Value> = found.iter().map(of).collect();
        return Ok(Answer::out(print::object(&json!({ "count": molecules.len(), "molecules": molecules }))));
    }
    if found.is_empty() {
        return Ok(Answer::out("no molecule goes on behind a gate that has opened\n"));
    }
    let mut out = String::new();
    for Resumed { root, gate, step } in &found {
        let by = gate.spec.closed.as_ref().map(|closed| format!(", by {}", closed.by)).unwrap_or_default();
        let _never_fails = writeln!(
            out,
            "{}  {}\n    gate {} is open{by}\n    next: {}  {}",
            root.id(),
            root.spec.title,
            gate.id(),
            step.id(),
            step.spec.title
        );
    }
    Ok(Answer::out(out))
}

async fn resumed(limit: usize, context: &Context) -> Result<Vec<Resumed>, Error> {
    let fields = vec![format!("spec.type={}", BeadType::Gate), "spec.closed.reason!=".to_owned()];
    let mut gates: BTreeMap<String, Slim> = BTreeMap::new();
    scan(context, &Query { fields, ..Query::default() }, |slim| {
        if slim.spec.closed.as_ref().is_some_and(|closed| closed.reason != CloseReason::Withdrawn) {
            gates.insert(slim.metadata.name.clone(), slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut found: BTreeMap<String, Resumed> = BTreeMap::new();
    if gates.is_empty() {
        return Ok(Vec::new());
    }
    for step in ready::computed(&Filter::default(), true, context).await?.0 {
        let Some(gate) = step.spec.needs.iter().find_map(|need| gates.get(need)) else { continue };
        let Some(root) = molecule_of(&step.metadata.name, context).await? else { continue };
        if found.contains_key(&root) {
            continue;
        }
        let root = get(context, &root).await?.as_ref().map(act::slim).transpose()?;
        // One that is on somebody's hook goes on by itself.
        if let Some(root) = root.filter(|root| root.assignee().is_none()) {
            found.insert(root.metadata.name.clone(), Resumed { root, gate: gate.clone(), step });
        }
    }
    let most = if limit == 0 { usize::MAX } else { limit };
    Ok(found.into_values().take(most).collect())
}
