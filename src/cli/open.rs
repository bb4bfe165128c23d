//! `gt __open`: gives a session its first prompt, once its program shows where it is typed. The town starts it beside such a session.

use clap::Args as ClapArgs;
use gastown_controllers::world::SandboxId;
use rustix::process::setsid;

use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::sessions_of;

/// Give a session its first prompt
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The name of the polecat.
    name: String,
    /// The uid of its sandbox.
    uid: String,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    // It goes on although the controller ends.
    let _leads_already = setsid();
    let sandbox = SandboxId { name: args.name.clone(), uid: args.uid.clone() };
    let failed = |error| CliError::new(Exit::Failed, "could not give it its first prompt").because(&error);
    sessions_of(&gt.town()?).open(&sandbox).map_err(failed)
}
