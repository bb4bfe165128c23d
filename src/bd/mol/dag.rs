//! `bd mol dag`: a molecule in tiers. What is in one tier may be done at the same time, once the tiers before it are done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::iter::successors;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::slim::Slim;
use serde_json::{Value, json};

use super::parts::Parts;
use super::show::asked;
use crate::print;

/// Parts within parts that are looked at.
const DEPTH_MAX: usize = 32;

/// Show what of a molecule needs what, in tiers that may be done at the same time
#[derive(Debug, Clone, Args)]
pub struct DagArgs {
    /// Its root, or one of its parts; default: that of the actor
    id: Option<String>,
}

/// Runs `bd mol dag`.
pub async fn dag(args: &DagArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let roots = asked(args.id.as_deref(), &context.actor, context).await?;
    let Some(root) = roots.first() else {
        return Err(Error::refused("which molecule?", "gt mol dag ID; `bd mol list` shows the ids"));
    };
    let parts = Parts::of(root, context).await?;
    let tiers = tiers(&parts);
    if json_out {
        return Ok(Answer::out(print::object(&value(&parts, &tiers))));
    }
    let root = parts.root();
    let mut out = format!("{}  {}\n", root.id(), root.spec.title);
    for (nth, tier) in tiers.iter().enumerate() {
        let _never_fails = writeln!(out, "tier {}", nth + 1);
        for step in tier {
            let needs: Vec<&str> = parts.needs(step).map(|need| &*need.metadata.name).collect();
            let after = if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
            let mark = parts.mark(step);
            let _never_fails = writeln!(out, "  {mark} {}  {}{after}", step.id(), step.spec.title);
        }
    }
    Ok(Answer::out(out))
}

/// The parts, gates too, each in the first tier after those of all that comes before it. What waits for itself in a roundabout way
/// comes last.
fn tiers(parts: &Parts) -> Vec<Vec<&Slim>> {
    let before = before(parts);
    let mut placed = BTreeSet::from([&*parts.root().metadata.name]);
    let mut open: Vec<&Slim> = parts.all.iter().skip(1).collect();
    let mut tiers = Vec::new();
    while !open.is_empty() {
        let is_next = |step: &&Slim| before.get(&*step.metadata.name).is_none_or(|all| all.is_subset(&placed));
        let (tier, rest): (Vec<&Slim>, Vec<&Slim>) = open.iter().copied().partition(is_next);
        let (tier, rest) = if tier.is_empty() { (rest, tier) } else { (tier, rest) };
        placed.extend(tier.iter().map(|step| &*step.metadata.name));
        tiers.push(tier);
        open = rest;
    }
    tiers
}

/// By name, what comes before each part: what it needs, what those need that it is a part of, and its own parts.
fn before(parts: &Parts) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in parts.all.iter().skip(1) {
        let name = &*step.metadata.name;
        for above in successors(Some(step), |it| parts.parent(it)).take(DEPTH_MAX) {
            before.entry(name).or_default().extend(parts.needs(above).map(|need| &*need.metadata.name));
        }
        if let Some(parent) = parts.parent(step) {
            before.entry(&parent.metadata.name).or_default().insert(name);
        }
    }
    before
}

fn value(parts: &Parts, tiers: &[Vec<&Slim>]) -> Value {
    let node = |(tier, step): (usize, &Slim)| {
        let needs: Vec<&str> = parts.needs(step).map(|need| &*need.metadata.name).collect();
        json!({
            "id": step.id(), "title": step.spec.title, "status": parts.standing(step), "tier": tier + 1,
            "dependencies": needs,
        })
    };
    let all = tiers.iter().enumerate().flat_map(|(nth, tier)| tier.iter().map(move |step| (nth, *step)));
    let root = parts.root();
    json!({
        "root_id": root.id(), "root_title": root.spec.title, "nodes": all.map(node).collect::<Vec<_>>(),
        "tiers": tiers.iter().map(|tier| tier.iter().map(|step| step.id()).collect::<Vec<_>>()).collect::<Vec<_>>(),
    })
}
