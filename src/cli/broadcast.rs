//! `gt broadcast`: sends a message to every agent at work.

use clap::Args as ClapArgs;

use super::common::complete;
use super::common::context::Context;
use super::common::error::CliError;
use super::nudge::{self, How};

/// Send a message to every agent at work, as `gt nudge` does.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The message.
    message: String,
    /// To those of this rig alone.
    #[arg(long, value_name = "RIG", add = complete::rigs())]
    rig: Option<String>,
    #[command(flatten)]
    how: How,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    nudge::broadcast(&args.message, args.rig.as_deref(), &args.how, args.json, gt).await
}
