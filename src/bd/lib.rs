//! `bd`: the verbs of Beads that agents use, on the town's own beads. The same binary as `gt`, by its name or as `gt bd`.
//!
//! With `--json` it prints what Beads prints (see `issue.rs`). Where a command is given several beads and fails at some,
//! it ends with 1 although others went well, which Beads does not: a script must not go on as if all had.

mod close;
mod filter;
mod issue;
mod list;
mod print;
mod ready;
mod scan;
mod show;
mod slim;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gastown_agent::context::{self, Answer, connected, finish};
use gastown_base::text::visible;

/// The arguments of `bd` and `gt bd`.
#[derive(Debug, Clone, Args)]
pub struct BdArgs {
    /// Print what Beads prints
    #[arg(long, global = true)]
    json: bool,
    /// Who asks; default: the session's actor, else the user
    #[arg(long, global = true, value_name = "NAME")]
    actor: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    #[command(visible_alias = "view")]
    Show(show::ShowArgs),
    List(list::ListArgs),
    Ready(ready::ReadyArgs),
    #[command(visible_alias = "done")]
    Close(close::CloseArgs),
}

/// The town's beads: show, list, ready, close
#[derive(Debug, Parser)]
#[command(name = "bd", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    args: BdArgs,
    /// The town's folder; default: GT_TOWN, else the nearest one upwards from here
    #[arg(long, global = true, value_name = "DIR")]
    town: Option<PathBuf>,
}

/// Runs `bd`, given its arguments with its name first.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => run(&cli.args, cli.town.as_deref()),
        Err(usage) => {
            let _closed = usage.print();
            ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
        }
    }
}

/// Runs `gt bd`; `town` is what `--town` says.
pub fn run(args: &BdArgs, town: Option<&Path>) -> ExitCode {
    let BdArgs { json, actor, verb } = args;
    let (json, actor) = (*json, actor.clone().unwrap_or_else(context::actor));
    let answer = match verb {
        Verb::Show(args) => connected(town, &actor, async |cx| show::show(args, json, cx).await),
        Verb::List(args) => connected(town, &actor, async |cx| list::list(args, json, cx).await),
        Verb::Ready(args) => connected(town, &actor, async |cx| ready::ready(args, json, cx).await),
        Verb::Close(args) => close::close(args, json, town, &actor),
    };
    // JSON escapes what a terminal would obey; text for people shows it as such.
    let answer =
        answer.map(|it| if json { it } else { Answer { out: visible(&it.out), note: visible(&it.note), ..it } });
    finish(answer.or_else(|error| {
        if !json {
            return Err(error);
        }
        Ok(Answer { note: print::error(&error), code: 1, ..Answer::default() })
    }))
}
