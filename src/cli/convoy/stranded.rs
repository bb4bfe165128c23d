//! `gt convoy stranded`: convoys that do not come on by themselves, each with why, and what to do.

use clap::Args as ClapArgs;
use serde_json::{Value, json};

use crate::cli::common::context::Context;
use crate::cli::common::error::CliError;
use crate::cli::common::table::Table;
use crate::insight::kind;
use crate::insight::kinds::convoy::{Stranded, stranded as found};

/// List convoys that are open and do not come on: there is ready work and nobody on it, or nothing to do, or all of it
/// is stuck.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "What is suspended is not stranded: `gt convoy list`. A convoy is listed with ready work only while nobody works on any \
    of it. It ends with 0 whether any is found or not."
)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn stranded(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let snapshot = gt.with_api(&town, async |link| link.snapshot(kind("Convoy").reads).await).await?;
    let all = found(&snapshot);
    if args.json {
        let all: Vec<Value> = all.iter().map(value).collect();
        return gt.out.data(&serde_json::to_string_pretty(&all).unwrap_or_default());
    }
    if all.is_empty() {
        gt.out.talk("no convoy is stranded");
        return Ok(());
    }
    let mut table = Table::new(["CONVOY", "BEADS", "REASON", "WHY"]);
    for Stranded { convoy, beads, reason, why, next: _ } in &all {
        table.row([convoy, beads, *reason, why]);
    }
    gt.out.data(&table.render(gt.out.width))?;
    for next in all.iter().map(|it| &it.next) {
        gt.out.talk(&format!("next: {next}"));
    }
    Ok(())
}

fn value(it: &Stranded) -> Value {
    let Stranded { convoy, beads, reason, why, next } = it;
    json!({ "convoy": convoy, "beads": beads, "reason": reason, "why": why, "next": next })
}
