//! `gt sling`: gives a rig a piece of work, in words: it makes a convoy of one bead, and applies that as `gt apply` does. Or it
//! has beads go on that somebody has taken off their hooks, or that failed too often.

mod again;
pub(super) mod convoy;
pub(super) mod rigs;

use std::path::Path;

use clap::{Args as ClapArgs, ValueEnum};

use super::apply::{self, DryRun, Stored, commands};
use super::common::agents::Agents;
use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::kinds::Kind;
use super::common::timeout::Timeout;
use super::source::committed_to;
use super::{block_on, wait};
use crate::clock::{Ids, RandomIds};
use crate::insight::text::quoted;
use crate::town::Town;
use convoy::How;
use rigs::Rigs;

/// How long one may wait for a piece of work, in what is suggested: agents take minutes.
const WAIT_SUGGESTED: &str = "30m";

/// Give a rig a piece of work, in words: a convoy of one bead. Or have beads worked on: of the backlog, or that wait for you.
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "gt sling [OPTIONS] TEXT [RIG|PATH]\n       gt sling [OPTIONS] BEAD... [RIG]",
    after_help = "Such as `gt sling 'Fix the typo in README' shop`, or `gt sling shop-kkrp77zh`: that bead of the backlog is \
        worked on; or it was unslung, stopped or paused, or failed too often, and goes on. An epic is slung with its parts.\nThe rig is its name, or a folder of its repository, such as `.`. Default: the \
        rig of the folder you are in, else the only one."
)]
pub struct Args {
    /// What is to be done: the first line is the subject of the commit. Or names of beads that are to go on; and the rig.
    #[arg(value_name = "TEXT|BEAD", required = true, add = complete::slung())]
    words: Vec<String>,
    #[command(flatten)]
    how: How,
    /// Shell text that does it, where the `script` runtime works: it reads no words.
    #[arg(long, value_name = "SHELL")]
    command: Option<String>,
    /// Only say what would be created: as it is found here, or as the API answers.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    /// Print the manifest, as `gt apply -f` takes it, and not what became of it.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Then wait until it has landed. It ends with 5 when time is up, and with 7 when nothing moves without you. Where no
    /// duration is given: 30m.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = WAIT_SUGGESTED,
          conflicts_with = "dry_run")]
    wait: Option<Timeout>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// YAML.
    Yaml,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let again = block_on(gt.with_api(&town, async |link| again::asked(link, &args.words).await))?;
    if let Some(again) = again {
        return again.run(args, gt, &town);
    }
    let (text, rig) = match &args.words[..] {
        [text] => (text, None),
        [text, rig] => (text, Some(rig.as_str())),
        _ => {
            return Err(CliError::new(Exit::Usage, "one piece of work at a time")
                .hint("put its words in quotes: gt sling 'fix the typo in README'"));
        }
    };
    let asked = convoy::Asked { text, how: &args.how, command: args.command.as_deref(), id: &RandomIds.uid() };
    let slung = block_on(gt.with_api(&town, async |link| {
        let rigs = Rigs::of(link, &town, "after the text").await?;
        let rig = rigs.chosen(rig, args.how.branch.as_deref())?;
        let (name, text) = asked.manifest(&rig.name)?;
        let words = (&args.how, "say --command 'SHELL'");
        make(&text, Some(rig), words, (args.dry_run, args.output), (gt, &town, link)).await?;
        let agents = Agents::read(link, &town).await?;
        Ok(Slung { name, text, rig: rig.clone(), agents, is_up: link.controller })
    }))?;
    if args.output.is_some() {
        gt.out.data(&slung.text)?;
    }
    if args.dry_run.is_some() {
        return Ok(());
    }
    if let Some(declared) = &slung.rig.declared {
        let file = Path::new(declared.file());
        let shown = file.strip_prefix(&town.dir).unwrap_or(file).display();
        let name = &slung.rig.name;
        gt.out.talk(&match committed_to(file, &town, gt) {
            Some(_) => format!("rig `{name}` is live from now on; commit {shown} when you like"),
            None => format!("rig `{name}` is live from now on, as {shown} says"),
        });
    }
    if let Some(branch) = &args.how.branch {
        gt.out.talk(&format!("for rig {}, which lands on {}", slung.rig.name, branch.escape_debug()));
    }
    if let Some(todo) = slung.agents.what_keeps(args.how.runtime.as_deref().or(slung.rig.runtime.as_deref()), &town, gt)
    {
        gt.out.talk(&format!("note: it waits. {todo}"));
    }
    if let Some(timeout) = args.wait {
        let convoy = Kind::named("Convoy").ok_or_else(|| CliError::new(Exit::Failed, "no kind is named `Convoy`"))?;
        return block_on(wait::all_well(&[(convoy, slung.name)], gt, &town, timeout));
    }
    gt.say_if_down(slung.is_up);
    gt.out.talk(&format!("next: gt wait convoy/{} --timeout {WAIT_SUGGESTED}", slung.name));
    Ok(())
}

/// What was slung.
struct Slung {
    name: String,
    text: String,
    rig: rigs::Rig,
    agents: Agents,
    is_up: bool,
}

/// Makes a convoy of this manifest for a rig, and the rig with it where only a file declares that so far; refused where
/// the runtime that was named, or the rig's, reads no words. What to do then is `command`, or another runtime. One that
/// makes no beads is for none.
pub(super) async fn make(
    text: &str,
    rig: Option<&rigs::Rig>,
    (how, command): (&How, &str),
    (dry_run, output): (Option<DryRun>, Option<Output>),
    (gt, town, link): (&Context, &Town, &Link),
) -> Result<(), CliError> {
    let declared = rig.and_then(|rig| rig.declared.clone());
    let all = declared.into_iter().chain(convoy::parsed(text, gt)?).collect::<Vec<_>>();
    let stored = Stored::read(link, &all).await?;
    if let Some(rig) = rig.filter(|_| commands::is_missing(&all, &stored)) {
        return Err(needs_command(&rig.name, how.runtime.as_deref(), command));
    }
    if how.notify && !tells_people(link).await? {
        return Err(CliError::new(Exit::Refused, "nobody would be told: the Town has no `notify`")
            .hint("give it the command that tells people: `gt explain town.spec.notify`; or leave --notify out"));
    }
    let is_shown = |kind: &str| output.is_none() && ["Convoy", "Rig"].contains(&kind);
    apply::made(all, dry_run, is_shown, (gt, town, link)).await
}

/// Whether the Town has a command that tells people.
async fn tells_people(link: &Link) -> Result<bool, CliError> {
    Ok(link.all::<gastown_crds::Town>().await?.iter().any(|town| town.spec.notify.is_some()))
}

fn needs_command(rig: &str, runtime: Option<&str>, command: &str) -> CliError {
    if let Some(runtime) = runtime {
        let what = format!("the `{runtime}` runtime runs commands and reads no words");
        return CliError::new(Exit::Refused, what).hint(format!("{command}, or another --runtime"));
    }
    let what = format!("rig `{rig}` is worked by the `script` runtime, which runs commands and reads no words");
    CliError::new(Exit::Refused, what)
        .hint(format!("{command}; or let an agent work there: `runtime: claude` under `spec` of rig {}", quoted(rig)))
}
