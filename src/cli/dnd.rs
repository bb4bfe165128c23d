//! `gt dnd`: do not disturb. Messages to an agent, or to all, wait until that is over.

use clap::{Args as ClapArgs, ValueEnum};
use gastown_controllers::polecat::sandbox_id;
use gastown_crds::Polecat;

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::worker;
use super::sessions_of;
use crate::agent::context::actor;
use crate::world::messages::{Quiet, QuietRecord};

/// Do not disturb: keep messages from an agent, or from all, until it is off again.
#[derive(Debug, ClapArgs)]
#[command(after_help = "`gt nudge --force` passes it. Without `on` or `off`, it says which it is.")]
pub struct Args {
    /// A polecat.
    #[arg(value_name = "POLECAT", required_unless_present = "all", add = complete::polecats())]
    polecat: Option<String>,
    /// Whether it is to be left alone.
    #[arg(value_enum)]
    state: Option<Switch>,
    /// All polecats.
    #[arg(long, value_name = "STATE", conflicts_with_all = ["polecat", "state"])]
    all: Option<Switch>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Messages wait.
    On,
    /// They are told again.
    Off,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let quiet = Quiet::of(town.layout.data());
    let find_polecats = async |link: &Link| match &args.polecat {
        None => link.all::<Polecat>().await,
        Some(word) => worker::polecat(link, word).await.map(|polecat| vec![polecat]),
    };
    let polecats = gt.with_api(&town, find_polecats).await?;
    let one = args.polecat.as_ref().and_then(|_| polecats.first()).map(sandbox_id);
    let who = one.as_ref().map_or_else(|| "all polecats".to_owned(), |it| format!("polecat/{}", it.name));
    let Some(switch) = args.state.or(args.all) else {
        let is_kept = one.is_some_and(|it| quiet.is_kept(&it.uid));
        return gt.out.data(&format!("{who}: do not disturb is {}", if is_kept { "on" } else { "off" }));
    };
    let by = actor();
    let record = (switch == Switch::On).then(|| QuietRecord { by, at: gt.now() });
    let failed = |error| CliError::new(Exit::Failed, "could not write it down").because(&error);
    quiet.keep(one.as_ref().map(|it| &*it.uid), record.as_ref()).map_err(failed)?;
    gt.out.data(&format!("{who}: do not disturb is {}", if switch == Switch::On { "on" } else { "off" }))?;
    if switch == Switch::Off {
        let sessions = sessions_of(&town);
        for sandbox in polecats.iter().map(sandbox_id) {
            if let Err(error) = sessions.tell(&sandbox, &gt.clock) {
                gt.out.talk(&format!("messages to {} wait on: {error}", sandbox.name));
            }
        }
    }
    Ok(())
}
