//! `gt pause`: nothing is begun, fetched or landed there; what runs goes on. As `suspend: true`, and not undone by an apply.

use clap::Args as ClapArgs;
use gastown_crds::overrides::Mode;

use super::common::complete;
use super::common::context::Context;
use super::common::enforce;
use super::common::error::CliError;
use super::common::overrides::{self, Said};

/// Pause objects: sessions that run go on, and nothing else is begun or landed until `gt resume`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// KIND/NAME …, or KIND NAME …; `town/town` is all of it.
    #[arg(value_name = "KIND/NAME", required = true, add = complete::held())]
    objects: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    say(&args.objects, &args.said, Mode::Paused, gt).await
}

/// Says something of objects, or of the whole town, and does what follows for sessions.
pub async fn say(objects: &[String], said: &Said, mode: Mode, gt: &Context) -> Result<(), CliError> {
    let objects = overrides::objects(objects)?;
    let said = said.mode(mode, gt.now())?;
    let town = gt.town()?;
    let todo = gt
        .with_api_again(&town, async |link| {
            overrides::ensure_town(link, &town).await?;
            for (kind, name) in &objects {
                overrides::put(gt, link, (kind, name), Some(&said), None).await?;
            }
            enforce::todo(gt, &town, link).await
        })
        .await?;
    let done = enforce::carry_out(&town, &todo)?;
    match done.frozen {
        0 => {}
        1 => gt.out.talk("1 session is frozen; `gt thaw` lets it go on"),
        n => gt.out.talk(&format!("{n} sessions are frozen; `gt thaw` lets them go on")),
    }
    Ok(())
}
