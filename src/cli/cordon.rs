//! `gt cordon`: no new work is begun there; what is begun goes on, and lands.

use clap::Args as ClapArgs;
use gastown_crds::overrides::Mode;

use super::common::complete;
use super::common::context::Context;
use super::common::error::CliError;
use super::common::overrides::Said;
use super::pause::say;

/// Begin no new work until `gt resume`; what is begun goes on, and lands. Default: in the whole town.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", add = complete::held())]
    objects: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    say(&args.objects, &args.said, Mode::Cordoned, gt).await
}
