//! `gt attach`: be with an agent's session, in tmux; without tmux, follow what it prints. It says first how to leave. What was sent
//! to its agent meanwhile is told once nobody is there any more.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Args as ClapArgs;
use gastown_base::causes::in_a_line;
use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::world::Session;
use gastown_supervisor::process::exit_code;
use kube::ResourceExt;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::worker;
use crate::world::exec::Exec;
use crate::world::session::nudge::Obstacle;

/// Attach this terminal to an agent's session.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Such as `gt attach shop-nux`, `gt attach shop/nux` or `gt attach bead/shop-kkrp77zh`.\n\
    Leave with Ctrl-b d, or as it says first: the agent goes on. `gt peek` shows its screen without attaching.")]
pub struct Args {
    /// polecat/NAME, RIG/NAME, bead/NAME, or a name alone.
    #[arg(value_name = "POLECAT|BEAD", add = complete::workers())]
    target: String,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<ExitCode, CliError> {
    let town = gt.town()?;
    let polecat = worker::polecat_of(gt, &town, &args.target)?;
    let name = polecat.name_any();
    let failed =
        |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not find its session").because(error);
    let sandbox = sandbox_id(&polecat);
    let sessions = super::sessions_of(&town);
    if !matches!(sessions.look(&sandbox).map_err(|e| failed(&e))?, Session::Running { .. }) {
        return Err(CliError::new(Exit::NotFound, format!("polecat {name} has no session now"))
            .hint(format!("`gt peek {name}` shows how its last one ended")));
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(CliError::new(Exit::Usage, "there is no terminal here to attach")
            .hint(format!("`gt peek {name}` shows its screen, `gt logs -f polecat/{name}` what it does")));
    }
    let words = sessions.attach_command(&sandbox).map_err(|e| failed(&e))?;
    let [program, rest @ ..] = &words[..] else {
        return Err(CliError::new(Exit::Failed, "its session cannot be attached to"));
    };
    let is_tmux = words.iter().any(|word| word == "attach-session");
    let keys = sessions.leave_keys(&sandbox).map_err(|e| failed(&e))?;
    let is_nested = std::env::var_os("TMUX").is_some_and(|it| !it.is_empty());
    gt.out.talk(&format!("to leave: {}; the agent goes on", to_leave(is_tmux, keys.as_deref(), is_nested)));
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

/// How to leave. What Ctrl-c ends without tmux is a reader of the output; in tmux it would reach the agent.
fn to_leave(is_tmux: bool, keys: Option<&str>, is_nested: bool) -> String {
    let Some(keys) = keys else {
        return if is_tmux { "close this terminal" } else { "Ctrl-c" }.to_owned();
    };
    let prefix = keys.split(' ').next().unwrap_or_default();
    let nested =
        if is_nested { format!(" (where your own tmux takes {prefix}, press it twice)") } else { String::new() };
    format!("{keys}{nested}")
}

#[cfg(test)]
mod tests {
    use super::to_leave;

    #[test]
    fn it_says_how_to_leave() {
        assert_eq!(to_leave(true, Some("Ctrl-b d"), false), "Ctrl-b d");
        let nested = "Ctrl-b d (where your own tmux takes Ctrl-b, press it twice)";
        assert_eq!(to_leave(true, Some("Ctrl-b d"), true), nested);
        assert_eq!(to_leave(true, None, false), "close this terminal");
        assert_eq!(to_leave(false, None, true), "Ctrl-c");
    }
}
