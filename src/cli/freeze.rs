//! `gt freeze` and `gt thaw`: every process of an agent stands still where it is, and goes on.

use clap::Args as ClapArgs;
use gastown_crds::overrides::Mode;

use super::common::complete;
use super::common::context::Context;
use super::common::enforce;
use super::common::error::CliError;
use super::common::overrides::{self, Said};
use super::pause::say;

/// Freeze agents at once: their processes stand still until `gt thaw`. Default: all of the town.
#[derive(Debug, ClapArgs)]
pub struct FreezeArgs {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", add = complete::held())]
    objects: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Let frozen agents go on. Default: all of the town.
#[derive(Debug, ClapArgs)]
pub struct ThawArgs {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", add = complete::held())]
    objects: Vec<String>,
}

/// Runs `gt freeze`.
pub async fn freeze(args: &FreezeArgs, gt: &Context) -> Result<(), CliError> {
    say(&args.objects, &args.said, Mode::Frozen, gt).await
}

/// Runs `gt thaw`.
pub async fn thaw(args: &ThawArgs, gt: &Context) -> Result<(), CliError> {
    let objects = overrides::objects(&args.objects)?;
    let town = gt.town()?;
    let todo = gt
        .with_api_again(&town, async |link| {
            overrides::ensure_town(link, &town).await?;
            for (kind, name) in &objects {
                overrides::put(gt, link, (kind, name), None, Some(Mode::Frozen)).await?;
            }
            enforce::todo(gt, &town, link).await
        })
        .await?;
    enforce::carry_out(&town, &todo).map(drop)
}
