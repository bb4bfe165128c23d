//! `bd mol`: molecules, which are formulas that were filed: a root and a bead for each step; and wisps, which are not kept.

mod attach;
mod beads;
mod bond;
mod dag;
mod distill;
mod end;
mod gc;
pub mod parts;
mod pour;
pub mod ready;
mod show;
mod squash;
mod status;

use std::path::Path;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, connected, connected_for_long};
use gastown_agent::error::Error;

use crate::close;

/// Molecules: formulas that are filed and worked on
#[derive(Debug, Clone, Args)]
pub struct MolArgs {
    #[command(subcommand)]
    verb: MolVerb,
}

/// Molecules: what is on the hook, how far it is, and which step comes next
#[derive(Debug, Clone, Args)]
pub struct TownMolArgs {
    #[command(flatten)]
    mol: MolArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

impl TownMolArgs {
    /// Runs `gt mol`.
    pub(super) fn run(&self, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
        mol(&self.mol, self.json, town, actor)
    }
}

#[derive(Debug, Clone, Subcommand)]
enum MolVerb {
    /// File a formula: a molecule, and a bead for each step
    Pour(Box<MolPourArgs>),
    Ready(ready::ReadyArgs),
    Wisp(Box<WispArgs>),
    Show(show::ShowArgs),
    Current(show::CurrentArgs),
    Progress(show::ProgressArgs),
    Status(status::StatusArgs),
    Dag(dag::DagArgs),
    Step(StepArgs),
    List(show::ListArgs),
    Burn(end::BurnArgs),
    Squash(squash::SquashArgs),
    Bond(bond::BondArgs),
    Distill(distill::DistillArgs),
}

/// Steps of a molecule
#[derive(Debug, Clone, Args)]
pub struct StepArgs {
    #[command(subcommand)]
    verb: StepVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum StepVerb {
    /// Close a step that is done, and say which comes next
    Done {
        /// Its id
        id: String,
        /// Why, or what came of it
        #[arg(short, long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// What is poured.
#[derive(Debug, Clone, Args)]
struct PourArgs {
    /// The formula's name, or its file
    #[arg(value_name = "FORMULA")]
    name: String,
    #[command(flatten)]
    file: pour::FileArgs,
}

/// What is poured, and what with it.
#[derive(Debug, Clone, Args)]
struct MolPourArgs {
    #[command(flatten)]
    pour: PourArgs,
    #[command(flatten)]
    with: attach::AttachArgs,
}

/// File a formula as a wisp, which is of no use once it is closed and is removed some time later; or list and clear wisps
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct WispArgs {
    #[command(subcommand)]
    verb: Option<WispVerb>,
    /// The formula's name, or its file
    #[arg(required = true, value_name = "FORMULA")]
    name: Option<String>,
    #[command(flatten)]
    file: pour::FileArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum WispVerb {
    /// File a formula as a wisp: the same as `bd mol wisp NAME`
    Create(Box<PourArgs>),
    List(gc::ListArgs),
    Gc(gc::GcArgs),
}

/// Runs `bd mol`.
pub fn mol(args: &MolArgs, json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    match &args.verb {
        MolVerb::Pour(args) => {
            let MolPourArgs { pour: PourArgs { name, file }, with } = &**args;
            attach::pour((name, file), with, json, town, actor)
        }
        MolVerb::Ready(args) => connected(town, actor, async |cx| ready::ready(args, json, cx).await),
        MolVerb::Wisp(args) => match (&args.verb, &args.name) {
            (Some(WispVerb::Create(args)), _) => wisp((&args.name, &args.file), json, town, actor),
            (Some(WispVerb::List(args)), _) => connected(town, actor, async |cx| gc::list(args, json, cx).await),
            (Some(WispVerb::Gc(args)), _) => connected_for_long(town, actor, async |cx| gc::gc(args, json, cx).await),
            (None, Some(name)) => wisp((name, &args.file), json, town, actor),
            (None, None) => Err(Error::refused("which formula?", "bd mol wisp NAME; `bd formula list` shows them")),
        },
        MolVerb::Show(args) => connected(town, actor, async |cx| show::show(args, json, cx).await),
        MolVerb::Current(args) => connected(town, actor, async |cx| show::current(args, json, cx).await),
        MolVerb::Progress(args) => connected(town, actor, async |cx| show::progress(args, json, cx).await),
        MolVerb::Status(args) => connected(town, actor, async |cx| status::status(args, json, cx).await),
        MolVerb::Dag(args) => connected(town, actor, async |cx| dag::dag(args, json, cx).await),
        MolVerb::Step(StepArgs { verb: StepVerb::Done { id, reason } }) => {
            close::close(&close::CloseArgs::of_step(id.clone(), reason.clone()), json, town, actor)
        }
        MolVerb::List(args) => connected(town, actor, async |cx| show::list(args, json, cx).await),
        MolVerb::Burn(args) => connected_for_long(town, actor, async |cx| end::burn(args, json, cx).await),
        MolVerb::Squash(args) => connected_for_long(town, actor, async |cx| squash::squash(args, json, cx).await),
        MolVerb::Bond(args) => connected(town, actor, async |cx| bond::bond(args, json, cx).await),
        MolVerb::Distill(args) => distill::distill(args, json, town, actor),
    }
}

/// Files a formula as a wisp. It is cooked before the store is opened.
fn wisp((name, args): (&str, &pour::FileArgs), json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let prepared = pour::prepare(name, args, true, town)?;
    connected_for_long(town, actor, async |cx| pour::pour(args, &prepared, json, cx).await)
}
