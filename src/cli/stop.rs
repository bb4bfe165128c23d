//! `gt stop`: no agent works on it any more, at once or as each finishes; it stays so until `gt resume`.

use clap::{ArgGroup, Args as ClapArgs};
use gastown_crds::overrides::Mode;

use super::common::complete;
use super::common::context::Context;
use super::common::enforce;
use super::common::error::{CliError, Exit};
use super::common::overrides::{self, Said};

/// Stop agents, and start none until `gt resume`: of the whole town, or of a rig, convoy, bead or polecat.
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("what").required(true).args(["objects", "all"])))]
#[command(group(ArgGroup::new("how").required(true).args(["now", "drain"])))]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", add = complete::held())]
    objects: Vec<String>,
    /// The whole town.
    #[arg(long)]
    all: bool,
    /// End sessions now. What they have made stays in their worktrees; what was handed in waits.
    #[arg(long)]
    now: bool,
    /// Let sessions that run hand in, and what they hand in land.
    #[arg(long)]
    drain: bool,
    #[command(flatten)]
    said: Said,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let objects = overrides::objects(&args.objects)?;
    let mode = if args.now { Mode::Stopped } else { Mode::Draining };
    let said = args.said.mode(mode, gt.now())?;
    let town = gt.town()?;
    let before = enforce::count(&town)?;
    let todo = gt
        .with_api_again(&town, async |link| {
            overrides::ensure_town(link, &town).await?;
            for (kind, name) in &objects {
                overrides::put(gt, link, (kind, name), Some(&said), None).await?;
            }
            enforce::todo(gt, &town, link).await
        })
        .await;
    match todo {
        Ok(todo) => drop(enforce::carry_out(&town, &todo)?),
        // The store is lost or held: what runs is ended all the same.
        Err(error) if args.all && args.now && matches!(error.exit(), Exit::Failed | Exit::NoTown) => {
            let ended = enforce::end_every(&town)?;
            gt.out.talk(&format!("{}, and that they shall stay so could not be written", ended_words(ended)));
            return Err(error);
        }
        Err(error) => return Err(error),
    }
    let left = enforce::count(&town)?;
    gt.out.talk(&match (args.now, left) {
        // Some may be ended by the controller before this process has looked.
        (true, _) => {
            let ended = ended_words(before.saturating_sub(left));
            format!("{ended}; worktrees are kept, and a push that was begun ends by itself")
        }
        (false, _) if !args.all => "what runs of it goes on until it has handed in: `gt status`".to_owned(),
        (false, 0) => "no session runs; what was handed in lands".to_owned(),
        (false, 1) => "1 session goes on until it has handed in: `gt status`".to_owned(),
        (false, n) => format!("{n} sessions go on until they have handed in: `gt status`"),
    });
    Ok(())
}

/// How many sessions were ended, in words.
pub fn ended_words(ended: usize) -> String {
    match ended {
        0 => "no session ran".to_owned(),
        1 => "1 session was ended".to_owned(),
        n => format!("{n} sessions were ended"),
    }
}
