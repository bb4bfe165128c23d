//! `gt attach`: be with a polecat's session, in tmux; without tmux, follow what it prints. What was sent to its agent meanwhile is
//! told once nobody is there any more.

use std::process::ExitCode;

use clap::Args as ClapArgs;
use gastown_base::causes::in_a_line;
use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::world::Session;
use gastown_crds::Polecat;
use gastown_supervisor::process::exit_code;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::kinds;
use crate::world::exec::Exec;
use crate::world::session::nudge::Obstacle;

/// Attach this terminal to a polecat's session.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Detach with Ctrl-b d: the agent goes on.")]
pub struct Args {
    /// The polecat's name.
    #[arg(value_name = "POLECAT", add = complete::polecats())]
    polecat: String,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<ExitCode, CliError> {
    let town = gt.town()?;
    let kind = kinds::find("polecat")?;
    let name =
        args.polecat.strip_prefix("polecat/").or_else(|| args.polecat.strip_prefix("pc/")).unwrap_or(&args.polecat);
    let polecat: Polecat = super::block_on(gt.with_api(&town, async |link| {
        let object = link.get(kind, name).await?;
        object.try_parse().map_err(|error| CliError::new(Exit::Failed, "could not read the polecat").because(&error))
    }))?;
    let failed =
        |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not find its session").because(error);
    let sandbox = sandbox_id(&polecat);
    let sessions = super::sessions_of(&town);
    if !matches!(sessions.look(&sandbox).map_err(|e| failed(&e))?, Session::Running { .. }) {
        return Err(CliError::new(Exit::NotFound, format!("polecat {name} has no session now"))
            .hint(format!("`gt logs polecat/{name}` shows its last one")));
    }
    let words = sessions.attach_command(&sandbox).map_err(|e| failed(&e))?;
    let [program, rest @ ..] = &words[..] else {
        return Err(CliError::new(Exit::Failed, "its session cannot be attached to"));
    };
    // Inside another tmux, this one refuses to nest; that one is not ours to guard against.
    let attached = Exec::new(program).args(rest).env_remove("TMUX").command().status();
    let status = attached.map_err(|error| CliError::new(Exit::Failed, "could not attach").because(&error))?;
    match sessions.tell(&sandbox, &gt.clock) {
        Ok(None | Some(Obstacle::NoSession)) => {}
        Ok(Some(why)) => {
            let waits = sessions.waiting(&sandbox, gt.now()).unwrap_or_default();
            let messages = if waits == 1 { "1 message waits".to_owned() } else { format!("{waits} messages wait") };
            gt.out.talk(&format!("{messages} for {name}: {why}"));
        }
        Err(error) => gt.out.talk(&format!("messages for {name} wait: {}", in_a_line(&error))),
    }
    Ok(ExitCode::from(u8::try_from(exit_code(status)).unwrap_or(u8::MAX)))
}
