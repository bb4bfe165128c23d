//! `gt resume`: lifts what `gt stop`, `gt pause`, `gt cordon` and `gt freeze` have said.

use clap::Args as ClapArgs;

use super::common::complete;
use super::common::context::Context;
use super::common::enforce;
use super::common::error::CliError;
use super::common::overrides;

/// Let go on what was stopped, paused, cordoned off or frozen. Default: the town, whatever its parts are.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", add = complete::held())]
    objects: Vec<String>,
    /// Everything that is held.
    #[arg(long, conflicts_with = "objects")]
    all: bool,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let named = overrides::objects(&args.objects)?;
    let town = gt.town()?;
    let todo = gt
        .with_api_again(&town, async |link| {
            overrides::ensure_town(link, &town).await?;
            let objects = if args.all { overrides::all(link).await? } else { named.clone() };
            for (kind, name) in &objects {
                overrides::put(gt, link, (kind, name), None, None).await?;
            }
            let others = overrides::all(link).await?;
            if !others.is_empty() && args.objects.is_empty() {
                let others: Vec<String> = others.iter().map(|(kind, name)| kind.named_object(name)).collect();
                gt.out.talk(&format!("still held: {}; `gt resume --all` lifts all", others.join(", ")));
            }
            gt.say_if_down(link.controller);
            enforce::todo(gt, &town, link).await
        })
        .await?;
    enforce::carry_out(&town, &todo).map(drop)
}
