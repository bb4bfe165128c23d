//! `bd mol bond`: one molecule becomes a part of another, after its other parts, beside them, or in case they fail.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::slim::Slim;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadType, CONDITIONAL_BLOCKS, Link};
use kube::ResourceExt as _;
use serde_json::json;

use super::parts::Parts;
use crate::act::{self, find};
use crate::{print, update};

/// Make a molecule a part of another
#[derive(Debug, Clone, Args)]
pub struct BondArgs {
    /// The molecule that it becomes a part of
    a: String,
    /// The molecule, or another bead, that becomes a part
    b: String,
    /// When it is worked on
    #[arg(long = "type", value_enum, default_value = "sequential", value_name = "TYPE")]
    how: How,
}

impl BondArgs {
    /// One that makes a molecule a part of another.
    pub fn of(root: &str, part: &str, how: How) -> Self {
        Self { a: root.to_owned(), b: part.to_owned(), how }
    }
}

/// When what is bonded is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum How {
    /// After the last parts of the other.
    Sequential,
    /// Beside them.
    Parallel,
    /// Only if one of the last parts fails.
    Conditional,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Parallel => "parallel",
            Self::Conditional => "conditional",
        }
    }
}

/// Runs `bd mol bond`.
pub async fn bond(args: &BondArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let BondArgs { a, b, how } = args;
    let parts = Parts::of(a, context).await?;
    let part = find(b, context).await?;
    let (root, name) = (parts.root(), part.name_any());
    if !root.spec.type_.asks_for_parts() {
        let message = format!("{} is neither a molecule nor an epic", root.id());
        return Err(Error::refused(message, format!("`bd dep add {name} {}` has one wait for the other", root.id())));
    }
    if let Some(parent) = part.spec.parent.as_ref().filter(|parent| **parent != root.metadata.name) {
        let message = format!("{name} is a part of {parent}");
        return Err(Error::refused(message, format!("`bd update {name} --parent \"\"` takes it out first")));
    }
    update::check_not_below(&name, &root.metadata.name, context).await?;
    let last: Vec<String> = if *how == How::Parallel { Vec::new() } else { last_parts(&parts, &name) };
    let bonded = act::change(b, &format!("bond `{name}` to `{}`", root.id()), context, |bead: &Bead| {
        let mut spec = bead.spec.clone();
        spec.parent = Some(root.metadata.name.clone());
        for last in &last {
            let link = Link { to: last.clone(), type_: CONDITIONAL_BLOCKS.to_owned(), gate: None };
            match how {
                How::Sequential if !spec.needs.contains(last) => spec.needs.push(last.clone()),
                How::Conditional if !spec.links.contains(&link) => spec.links.push(link),
                _ => {}
            }
        }
        Ok(update::difference(&bead.spec, &spec))
    })
    .await?;
    let (root, part) = (root.id(), act::slim(&bonded)?.id());
    Ok(Answer::out(if json_out {
        print::object(&json!({ "result_id": root, "result_type": "compound_molecule", "bond_type": how.word() }))
    } else {
        let after = if last.is_empty() { String::new() } else { format!(", after {}", last.join(", ")) };
        let only = if *how == How::Conditional { ", if that fails" } else { "" };
        format!("✓ Bonded {part} to {root} ({}{after}{only})\n", how.word())
    }))
}

/// The parts of a molecule that none of the others needs, one level below it.
fn last_parts(parts: &Parts, but: &str) -> Vec<String> {
    let root = &parts.root().metadata.name;
    let is_direct = |bead: &&Slim| bead.spec.parent.as_ref() == Some(root) && bead.metadata.name != but;
    let direct: Vec<&Slim> = parts.all.iter().filter(is_direct).collect();
    let needed: BTreeSet<&String> = direct.iter().flat_map(|bead| &bead.spec.needs).collect();
    let last = direct.iter().filter(|bead| bead.spec.type_ != BeadType::Gate && !needed.contains(&bead.metadata.name));
    last.map(|bead| bead.metadata.name.clone()).collect()
}
