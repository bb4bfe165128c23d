//! `bd mol pour` and `bd mol wisp`: cook a formula and file what it becomes, all of it or nothing. Nobody works on it before it is slung.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::ids;
use gastown_crds::actor::{Actor, Worker};
use gastown_crds::{Bead, Runtime};
use gastown_formula::{Mode, Protomolecule, every_step};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::beads::{Bonds, Filing, Molecule, knows_items};
use crate::act::find;
use crate::filter::shown;
use crate::library::{self, Folders, SearchArgs, VarArgs};
use crate::scan::{Query, scan};
use crate::town_rigs::Rigs;
use crate::{formula, many, print, town_rigs};

/// Formulas that are poured for items of outputs, of one molecule.
const BONDS_MAX: usize = 64;
/// Steps that are printed one by one.
const SHOWN_MAX: usize = 50;

/// How a formula is filed.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    #[command(flatten)]
    vars: VarArgs,
    /// Who has the root: a person, or an agent outside of the pool
    #[arg(long, value_name = "WHO")]
    assignee: Option<String>,
    /// The rig it is for; default: its parent's, the session's, that of the repository around, or the only one
    #[arg(long)]
    rig: Option<String>,
    /// What it is a part of
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Only say what would be filed
    #[arg(long)]
    dry_run: bool,
    /// A wisp is its root alone: as it is, unless the formula says `pour`
    #[arg(long, hide = true)]
    root_only: bool,
    #[command(flatten)]
    search: SearchArgs,
}

impl FileArgs {
    /// Whether nothing is filed.
    pub fn is_dry(&self) -> bool {
        self.dry_run
    }
}

/// What is known before the store is opened: the cooked formula, and where one is.
pub struct Prepared {
    cooked: Protomolecule,
    bonds: Bonds,
    is_wisp: bool,
    here: Vec<String>,
    /// Ids follow from it, so that a second try after a lost connection files the same beads.
    random: String,
    was_tried: Cell<bool>,
    root: OnceCell<String>,
}

impl Prepared {
    /// The root, once it was filed, or would be.
    pub fn root(&self) -> Option<&str> {
        self.root.get().map(String::as_str)
    }
}

/// Finds the formula and cooks it.
pub fn prepare(name: &str, args: &FileArgs, is_wisp: bool, town: Option<&Path>) -> Result<Prepared, Error> {
    let values = args.vars.read()?;
    let folders = Folders::here(&args.search, town)?;
    let mut cooked = folders.cook(&folders.named(name)?, Mode::Runtime, &values)?;
    if is_wisp && args.root_only {
        cooked.pour = false;
    }
    if cooked.steps.is_empty() {
        let message = format!("formula `{}` has no steps of its own", cooked.name);
        return Err(Error::refused(message, "it is for other formulas to use: by `expand`, `extends` or `aspects`"));
    }
    if let Some(worker) = args.assignee.as_deref().and_then(Worker::parse) {
        let message = format!("`{worker}` is a polecat, and dispatch gives polecats their work");
        return Err(Error::refused(message, "`gt sling ROOT` has it worked on"));
    }
    let bonds = if !is_wisp || cooked.pour { bonds(&cooked, &folders)? } else { Bonds::new() };
    let (here, random, root) = (town_rigs::here(), RandomIds.uid(), OnceCell::new());
    Ok(Prepared { cooked, bonds, is_wisp, here, random, was_tried: Cell::new(false), root })
}

/// The formulas that steps have poured for the items of their output.
fn bonds(cooked: &Protomolecule, folders: &Folders) -> Result<Bonds, Error> {
    let mut bonds = Bonds::new();
    for (step, done) in
        every_step(&cooked.steps).into_iter().filter_map(|step| Some((step, step.on_complete.as_ref()?)))
    {
        let key = (done.bond.clone(), done.vars.clone());
        if bonds.contains_key(&key) {
            continue;
        }
        if bonds.len() >= BONDS_MAX {
            let message = format!("more than {BONDS_MAX} formulas are poured for items of outputs");
            return Err(Error::refused(message, "use one formula with vars"));
        }
        let source = folders.named(&done.bond)?;
        let template = folders.cook(&source, Mode::Compile, &done.vars)?;
        let bond = folders.cook(&source, Mode::Runtime, &done.vars)?;
        if bond.steps.is_empty() || bond.steps.iter().any(|step| step.on_complete.is_some() || step.repeat.is_some()) {
            let why =
                if bond.steps.is_empty() { "has no steps" } else { "goes on by itself, with `on_complete` or `until`" };
            let message = format!("`{}` is poured for each item of the output of `{}`, and {why}", done.bond, step.id);
            return Err(Error::refused(message, "pour a formula that is whole from the start"));
        }
        if let Some(var) = bond
            .vars
            .keys()
            .find(|var| done.vars.get(*var).is_some_and(|value| knows_items(value)) && decides(&template, var))
        {
            let message = format!("a condition of `{}` is on `{var}`, which is known only with the item", done.bond);
            return Err(Error::refused(message, "decide it before: give that var a value without `{item}`"));
        }
        bonds.insert(key, bond);
    }
    Ok(bonds)
}

/// Whether a condition of a formula is on a var.
fn decides(template: &Protomolecule, var: &str) -> bool {
    let is_on = |text: &String| text.replace(' ', "").contains(&format!("{{{{{var}}}}}"));
    template.steps.iter().filter_map(|step| step.condition.as_ref()).any(is_on)
}

/// Files it.
pub async fn pour(args: &FileArgs, prepared: &Prepared, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let Prepared { cooked, bonds, is_wisp, here, random, was_tried, root: known } = prepared;
    let parent = match &args.parent {
        Some(parent) => Some(find(parent, context).await?),
        None => None,
    };
    let rigs = Rigs::read(context).await?;
    let rig = match (&args.rig, parent.as_ref().map(|parent| parent.spec.rig.as_str()).filter(|rig| !rig.is_empty())) {
        (Some(rig), _) => rigs.named(rig)?,
        (None, Some(rig)) => rigs.named(rig)?,
        (None, None) => rigs.around(here),
    };
    let word = if *is_wisp { "wisp" } else { "mol" };
    let filing = Filing {
        cooked,
        root: ids::new_id(&format!("{}-{word}", rig.prefix), random),
        rig: rig.rig,
        parent: parent.map(|parent| parent.name_any()),
        assignee: args.assignee.clone().filter(|who| !who.trim().is_empty()),
        by: context.actor.clone(),
        is_agent: Actor::parse(&context.actor).is_agent(),
        is_wisp: *is_wisp,
        runtimes: runtimes(cooked, bonds, context).await?,
        bonds: bonds.clone(),
    };
    let molecule = filing.molecule()?;
    let mut missing: Vec<Bead> = molecule.beads.clone();
    if was_tried.get() {
        let there = there(&filing.root, context).await?;
        missing.retain(|bead| !there.contains(&bead.name_any()));
    }
    was_tried.set(!args.dry_run);
    many::create(&missing, args.dry_run, context).await?;
    known.get_or_init(|| filing.root.clone());
    let note = library::notes(&cooked.warnings) + &molecule.notes;
    let out = if json_out { in_json(&filing, &molecule) } else { text(&filing, &molecule, args.dry_run) };
    Ok(Answer { out, note, code: 0 })
}

/// The beads of a molecule that an earlier try has filed.
async fn there(root: &str, context: &Context) -> Result<BTreeSet<String>, Error> {
    let (mut found, part) = (BTreeSet::new(), format!("{root}."));
    scan(context, &Query::default(), |slim| {
        let name = slim.metadata.name;
        if name == root || name.starts_with(&part) {
            found.insert(name);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(found)
}

/// The Runtimes that there are, if steps name any.
async fn runtimes(cooked: &Protomolecule, bonds: &Bonds, context: &Context) -> Result<BTreeSet<String>, Error> {
    let mut steps = cooked.steps.iter().chain(bonds.values().flat_map(|bond| &bond.steps));
    if steps.all(|step| step.runtime.is_none() && step.agent.is_none()) {
        return Ok(BTreeSet::new());
    }
    let api: Api<Runtime> = Api::default_namespaced(context.client.clone());
    let all = api.list(&ListParams::default()).await.map_err(Error::api("list runtimes"))?;
    Ok(all.items.iter().map(kube::ResourceExt::name_any).collect())
}

/// As Beads has it: steps are called after their formula, which itself is the root.
fn in_json(filing: &Filing<'_>, molecule: &Molecule) -> String {
    let Filing { cooked, root, is_wisp, .. } = filing;
    let phase = if *is_wisp { "vapor" } else { "liquid" };
    let steps = molecule.ids.iter().map(|(step, bead)| (format!("{}.{step}", cooked.name), bead));
    let ids: BTreeMap<String, &String> = steps.chain([(cooked.name.clone(), root)]).collect();
    let created = molecule.beads.len();
    print::object(&json!({ "new_epic_id": root, "id_mapping": ids, "created": created, "phase": phase }))
}

fn text(filing: &Filing<'_>, molecule: &Molecule, dry_run: bool) -> String {
    let Filing { cooked, root, is_wisp, .. } = filing;
    let word = match (dry_run, is_wisp) {
        (true, _) => "Would file",
        (false, true) => "✓ Filed as a wisp",
        (false, false) => "✓ Poured",
    };
    let beads = molecule.beads.len();
    let beads = if beads == 1 { "1 bead".to_owned() } else { format!("{beads} beads") };
    let title = molecule.beads.first().map(|bead| shown(&bead.spec.title)).unwrap_or_default();
    let mut out = format!("{word} {}: {beads}\n{root}  {title}\n", cooked.name);
    let ids: &BTreeMap<String, String> = &molecule.ids;
    let filed: Vec<_> =
        formula::tree(&cooked.steps).into_iter().filter(|(step, _)| ids.contains_key(&step.id)).collect();
    for (step, depth) in filed.iter().take(SHOWN_MAX) {
        let indent = "  ".repeat(depth + 1);
        let _never_fails = writeln!(out, "{indent}{}  {}", ids[&step.id], shown(&step.title));
    }
    if filed.len() > SHOWN_MAX {
        let _never_fails = writeln!(out, "  and {} more: `bd mol show {root}`", filed.len() - SHOWN_MAX);
    }
    if !dry_run {
        let next = if ids.is_empty() {
            format!("`bd show {root}` shows its steps\n")
        } else {
            format!("`gt sling {root}` has it worked on\n")
        };
        out.push_str(&next);
    }
    out
}
