//! `gt runtime test`: plays a short story against a Runtime, in a scratch town, and says what does not hold.
//!
//! It is the daily machinery that plays it: what passes here works in a town.

mod scratch;
mod story;

use std::path::Path;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use gastown_crds::manifest::{self, Manifest, Severity};
use gastown_crds::{Runtime, admission, names};
use tokio::signal::unix::{SignalKind, signal};

use super::block_on;
use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::files;
use super::common::kinds::find;
use super::common::terminal::Color;
use super::common::timeout::Timeout;
use crate::manifests;
use crate::text::visible;
use crate::world::agents::AGENTS;
use scratch::Scratch;
use story::{Line, Outcome, Story};

/// Runtimes: try one before a town works with it.
#[derive(Debug, Subcommand)]
pub enum Command {
    Test(Args),
}

/// Play a short story with a Runtime's real agent in a scratch town, and say what does not hold: it starts, reads its work, is
/// killed and goes on, asks, is sent a message, hands in, and ends.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The scratch town and its repository are temporary. The agent is real: it costs some tokens, and runs as you, with what its \
Runtime allows it. What is not declared, such as `resume`, is said and does not fail.")]
pub struct Args {
    /// A Runtime of the town or a built-in one; or a file that declares it.
    #[arg(value_name = "NAME|FILE.yaml", add = complete::runtimes())]
    what: String,
    /// Keep the scratch town, stopped, to look into it.
    #[arg(long)]
    keep: bool,
    /// How long each part may take that depends on the agent, such as `90s` or `5m`.
    #[arg(long, default_value = "5m")]
    timeout: Timeout,
}

/// The longest title of a line, in characters.
const TITLE_MAX: usize = 12;

/// Runs it.
pub fn test(args: &Args, gt: &Context) -> Result<(), CliError> {
    let runtime = runtime(&args.what, gt)?;
    let name = runtime.metadata.name.clone().unwrap_or_default();
    let word = runtime.spec.command.first().map_or("", String::as_str);
    if !AGENTS.iter().any(|(built_in, _)| *built_in == word) {
        let may = if runtime.spec.skips_permissions { ", and may run any command as you" } else { "" };
        gt.out.talk(&format!("runtime `{name}`: `{word}` is started for real: it costs some tokens{may}"));
    }
    gt.out.talk(&format!("each part may take up to {:?}: --timeout changes that", args.timeout.0));
    let scratch = Scratch::start(&runtime, story::is_told(&runtime), gt)?;
    let mut failed = 0;
    let mut tell = |line: &Line| {
        failed += usize::from(matches!(line.outcome, Outcome::Failed { .. }));
        say(line, gt)
    };
    let mut story = Story::new(&scratch, &runtime, args.timeout.0, gt);
    let played = block_on(async {
        tokio::select! {
            played = story.play(&mut tell) => played,
            // What was begun is ended all the same.
            told = told_to_end() => Err(match told {
                Ok(()) => CliError::new(Exit::Failed, "interrupted: the scratch town is ended"),
                Err(error) => CliError::from_error(Exit::Failed, &error),
            }),
        }
    });
    drop(story);
    let ended = scratch.end();
    if args.keep {
        let dir = scratch.keep();
        gt.out.talk(&format!("kept: `gt --town {0} up`, `gt --town {0} logs`; its folder is {0}", dir.display()));
    } else if played.is_ok() && failed > 0 {
        gt.out.talk("`--keep` keeps the scratch town, with the log of each session");
        scratch.remove()?;
    } else {
        scratch.remove()?;
    }
    played?;
    ended?;
    match failed {
        0 => Ok(()),
        1 => Err(CliError::new(Exit::Failed, format!("runtime `{name}`: one thing does not hold"))),
        n => Err(CliError::new(Exit::Failed, format!("runtime `{name}`: {n} things do not hold"))),
    }
}

/// Waits until this process is told to end.
async fn told_to_end() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told,
        _ = terminate.recv() => Ok(()),
    }
}

/// One line of the report; what to change is below it.
fn say(line: &Line, gt: &Context) -> Result<(), CliError> {
    let Line { title, outcome, took } = line;
    let seconds = |took: Duration| format!(" ({:.1} s)", took.as_secs_f64());
    let (color, word, text, change) = match outcome {
        Outcome::Ok(text) => (Color::Green, "ok", text.as_str(), None),
        Outcome::Failed { why, change } => (Color::Red, "failed", why.as_str(), Some(change)),
        Outcome::NotDeclared(text) => (Color::Yellow, "not declared", text.as_str(), None),
        Outcome::NotReached => (Color::Yellow, "not reached", "", None),
    };
    let took = took.map(seconds).unwrap_or_default();
    let word = gt.out.paint(color, &format!("{word:<12}"));
    // What an agent said may be among it.
    let text = visible(text);
    gt.out.data(format!("{word}  {title:<TITLE_MAX$}  {text}{took}").trim_end())?;
    match change {
        Some(change) => gt.out.data(&format!("{:14}change: {change}", "")),
        None => Ok(()),
    }
}

/// The Runtime that is meant: of a file, of the town here, or built in.
fn runtime(what: &str, gt: &Context) -> Result<Runtime, CliError> {
    let path = Path::new(what);
    if files::is_yaml(path) || what.contains('/') {
        let text = fs_err::read_to_string(path).map_err(|error| CliError::from_error(Exit::NotFound, &error))?;
        return of_file(what, &text, gt);
    }
    if !names::is_label(what) {
        return Err(CliError::new(Exit::Usage, format!("`{}` names no Runtime", what.escape_debug()))
            .hint("say the name of one, or a file such as ./my-agent.yaml"));
    }
    let of_town = match gt.town() {
        Ok(town) => block_on(gt.with_api(&town, async |link| Ok(link.typed::<Runtime>().get_opt(what).await?)))?,
        // Without a town there are those that are built in.
        Err(error) if error.exit() == Exit::NoTown && gt.town.is_none() => None,
        Err(error) => return Err(error),
    };
    if let Some(runtime) = of_town {
        return Ok(runtime);
    }
    let file = format!("{what}.yaml");
    let built_in =
        manifests::built_in().into_iter().find(|(name, text)| *name == file && text.contains("kind: Runtime"));
    let Some((file, text)) = built_in else {
        let kind = find("runtime")?;
        return Err(CliError::new(Exit::NotFound, format!("no {} is named `{what}`, here or built in", kind.name))
            .hint(
                "`gt get runtimes` lists those of the town; a file is named with its folder, such as ./my-agent.yaml",
            ));
    };
    of_file(file, text, gt)
}

/// The only Runtime of a file.
fn of_file(file: &str, text: &str, gt: &Context) -> Result<Runtime, CliError> {
    let refused = |found: &[manifest::Diagnostic]| {
        gt.out.talk_painted(&manifest::render_all(found, gt.out.talk_color));
        CliError::new(Exit::Refused, format!("{file} cannot be tested before this is corrected"))
    };
    let all = manifest::parse(file, text).map_err(|found| refused(&found))?;
    let runtimes: Vec<&Manifest> = all.iter().filter(|it| it.kind == "Runtime").collect();
    let [only] = runtimes[..] else {
        let what = format!("{file} declares {} Runtimes, and one is tested", runtimes.len());
        return Err(CliError::new(Exit::Refused, what).hint("name a file with one"));
    };
    let found = admission::admit(only);
    if found.iter().any(|it| it.severity == Severity::Error) {
        return Err(refused(&found));
    }
    if !found.is_empty() {
        gt.out.talk_painted(&manifest::render_all(&found, gt.out.talk_color));
    }
    serde_json::from_value(only.value())
        .map_err(|error| CliError::new(Exit::Refused, format!("{file} is not understood")).because(&error))
}
