//! The command line: one file per command; what they share is in `common`. Agents' commands are crates of
//! their own, `src/agent` and `src/bd`.
//!
//! Data goes to standard output, talk to standard error. Exit codes:
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, or already so |
//! | 1 | it failed |
//! | 2 | wrong usage: no such command, option or kind |
//! | 3 | the object does not exist |
//! | 4 | the input was refused; nothing was changed |
//! | 5 | what was waited for did not come true in time |
//! | 6 | there is no town here, or no way to its API |
//! | 7 | what was waited for cannot come true before a person does something |

pub mod common;

mod answer;
mod api_resources;
mod apply;
mod attach;
mod broadcast;
mod convoy;
mod cordon;
mod delete;
mod describe;
pub mod diff;
mod dnd;
mod doctor;
mod down;
mod events;
mod explain;
mod freeze;
mod get;
mod history;
mod import;
mod init;
mod ledger;
mod logs;
mod mr;
mod nudge;
mod open;
mod pause;
mod peek;
mod polecat;
mod resume;
mod rig;
mod rollback;
mod runtime;
mod schema;
mod sling;
mod source;
mod status;
mod stop;
mod unsling;
mod up;
mod validate;
mod version;
mod wait;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser, Subcommand};

use crate::clock::SystemClock;
use crate::town::{Places, Town};
use crate::world::real;
use crate::world::session::Sessions;
use crate::world::session::children::Children;
use crate::{agent, bd};
use common::context::Context;
use common::error::{CliError, Exit};
use common::terminal::Terminal;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or already so
  1  it failed
  2  wrong usage: no such command, option or kind
  3  the object does not exist
  4  the input was refused; nothing was changed
  5  what was waited for did not come true in time
  6  there is no town here, or no way to its API
  7  what was waited for cannot come true before you do something";

/// A control plane for coding agents: declare the work in YAML, and a town of agents lands it.
#[derive(Debug, Parser)]
#[command(name = "gt", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    /// The town's folder. Default: the nearest one, from here upwards, that has a `town.yaml`.
    #[arg(long, global = true, env = "GT_TOWN", value_name = "DIR")]
    town: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    #[command(subcommand)]
    Rig(rig::Command),
    #[command(subcommand)]
    Runtime(runtime::Command),
    Sling(sling::Args),
    Unsling(unsling::Args),
    #[command(subcommand)]
    Convoy(convoy::Command),
    #[command(subcommand)]
    Source(source::Command),
    Import(import::Args),
    History(history::Args),
    #[command(subcommand)]
    Ledger(ledger::Command),
    Rollback(rollback::Args),
    #[command(subcommand)]
    Mr(mr::Command),
    Apply(apply::Args),
    Diff(diff::Args),
    Validate(validate::Args),
    Explain(explain::Args),
    Schema(schema::Args),
    ApiResources(api_resources::Args),
    Up(up::UpArgs),
    Status(status::Args),
    Get(get::Args),
    Describe(describe::Args),
    Events(events::Args),
    Wait(wait::Args),
    Logs(logs::Args),
    #[command(subcommand)]
    Polecat(polecat::Command),
    Peek(peek::Args),
    Attach(attach::Args),
    Nudge(nudge::Args),
    Broadcast(broadcast::Args),
    Dnd(dnd::Args),
    Delete(delete::Args),
    Stop(stop::Args),
    Pause(pause::Args),
    Cordon(cordon::Args),
    Freeze(freeze::FreezeArgs),
    Thaw(freeze::ThawArgs),
    Resume(resume::Args),
    Answer(answer::Args),
    Down(down::DownArgs),
    Doctor(doctor::Args),
    Version(version::Args),
    Hook(agent::HookArgs),
    Prime(agent::PrimeArgs),
    Done(agent::DoneArgs),
    Ask(agent::AskArgs),
    Stuck(agent::StuckArgs),
    Handoff(agent::HandoffArgs),
    Seance(agent::SeanceArgs),
    #[command(name = "__hook", hide = true)]
    Report(agent::ReportArgs),
    #[command(name = "__open", hide = true)]
    Open(open::Args),
    Gate(bd::TownGateArgs),
    #[command(visible_alias = "molecule")]
    Mol(bd::TownMolArgs),
    /// The town's beads, as `bd`: create, show, list, ready, update, close and more
    Bd(bd::BdArgs),
}

/// What the command line takes.
pub fn command() -> clap::Command {
    Cli::command()
}

/// The program: answers a shell that completes a word, else reads the arguments, runs the command, and says how it ended.
pub fn main() -> ExitCode {
    common::complete::answer_shell();
    let out = Terminal::of_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let typed: Vec<String> = std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
            let Some(answer) = words::answer(&error, &typed) else { error.exit() };
            out.talk_painted(
                &CliError::new(Exit::Usage, answer).hint("`gt help` lists all words").render(out.talk_color),
            );
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    let gt = Context {
        town: cli.town.filter(|dir| !dir.as_os_str().is_empty()),
        places: Places::from_env(),
        out,
        clock: SystemClock,
    };
    match run(&cli.command, &gt) {
        Ok(code) => code,
        Err(error) => {
            out.talk_painted(&error.render(out.talk_color));
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn run(command: &Command, gt: &Context) -> Result<ExitCode, CliError> {
    let town = gt.town.as_deref();
    match command {
        // Agents' verbs end as `bd` does: 0 or 1.
        Command::Validate(args) => return Ok(validate::run(args, gt)),
        Command::Diff(args) => return Ok(diff::run(args, gt)),
        Command::Hook(args) => return Ok(agent::hook(args, town)),
        Command::Prime(args) => return Ok(agent::prime(args, town)),
        Command::Done(args) => return Ok(agent::done(args, town)),
        Command::Ask(args) => return Ok(agent::ask(args, town)),
        Command::Stuck(args) => return Ok(agent::stuck(args, town)),
        Command::Handoff(args) => return Ok(agent::handoff(args, town)),
        Command::Seance(args) => return Ok(agent::seance(args, town)),
        Command::Report(args) => return Ok(agent::report(args, town)),
        Command::Bd(args) => return Ok(bd::run(args, town)),
        Command::Gate(args) => return Ok(bd::run_gate(args, town)),
        Command::Mol(args) => return Ok(bd::run_mol(args, town)),
        Command::Up(args) => return up::run(gt, args),
        Command::Down(args) => return down::run(gt, args),
        Command::Attach(args) => return attach::run(args, gt),
        Command::Init(args) => init::run(args, gt),
        Command::Rig(rig::Command::Add(args)) => rig::add(args, gt),
        Command::Runtime(runtime::Command::Test(args)) => runtime::test(args, gt),
        Command::Sling(args) => sling::run(args, gt),
        Command::Convoy(convoy::Command::Create(args)) => convoy::create(args, gt),
        Command::Convoy(convoy::Command::Add(args)) => convoy::add(args, gt),
        Command::Convoy(convoy::Command::Status(args)) => block_on(convoy::status(args, gt)),
        Command::Convoy(convoy::Command::List(args)) => block_on(convoy::list(args, gt)),
        Command::Convoy(convoy::Command::Stranded(args)) => block_on(convoy::stranded(args, gt)),
        Command::Convoy(convoy::Command::Stage(args)) => convoy::stage(args, gt),
        Command::Convoy(convoy::Command::Launch(args)) => convoy::launch(args, gt),
        Command::Convoy(convoy::Command::Close(args)) => convoy::close(args, gt),
        Command::Unsling(args) => block_on(unsling::run(args, gt)),
        Command::Mr(mr::Command::Refresh(args)) => block_on(mr::refresh(args, gt)),
        Command::Ledger(ledger::Command::Verify(_)) => block_on(ledger::verify(gt)),
        Command::Ledger(ledger::Command::Export(_)) => ledger::export(gt),
        Command::Ledger(ledger::Command::Push(args)) => ledger::push(args, gt),
        Command::Ledger(ledger::Command::Pull(args)) => ledger::pull(args, gt),
        Command::Import(args) => import::run(args, gt),
        Command::History(args) => block_on(history::run(args, gt)),
        Command::Rollback(args) => block_on(rollback::run(args, gt)),
        Command::Source(source::Command::Sync(args)) => block_on(source::sync(args, gt)),
        Command::Source(source::Command::Take(args)) => block_on(source::take(args, gt)),
        Command::Source(source::Command::Approve(args)) => block_on(source::approve(args, gt)),
        Command::Source(source::Command::Tidy(args)) => block_on(source::tidy(args, gt)),
        Command::Source(source::Command::Receive(args)) => block_on(source::receive(args, gt)),
        Command::Open(args) => open::run(args, gt),
        Command::Version(args) => version::run(args, gt),
        Command::Explain(args) => explain::run(args, gt),
        Command::Schema(args) => schema::run(args, gt),
        Command::ApiResources(args) => api_resources::run(args, gt),
        Command::Apply(args) => block_on(apply::run(args, gt)),
        Command::Status(args) => block_on(status::run(args, gt)),
        Command::Get(args) => block_on(get::run(args, gt)),
        Command::Describe(args) => block_on(describe::run(args, gt)),
        Command::Events(args) => block_on(events::run(args, gt)),
        Command::Wait(args) => block_on(wait::run(args, gt)),
        Command::Logs(args) => block_on(logs::run(args, gt)),
        Command::Polecat(polecat::Command::List(args)) => block_on(polecat::list(args, gt)),
        Command::Polecat(polecat::Command::Status(args)) => block_on(polecat::status(args, gt)),
        Command::Polecat(polecat::Command::Nuke(args)) => block_on(polecat::nuke(args, gt)),
        Command::Peek(args) => block_on(peek::run(args, gt)),
        Command::Stop(args) => block_on(stop::run(args, gt)),
        Command::Pause(args) => block_on(pause::run(args, gt)),
        Command::Cordon(args) => block_on(cordon::run(args, gt)),
        Command::Freeze(args) => block_on(freeze::freeze(args, gt)),
        Command::Thaw(args) => block_on(freeze::thaw(args, gt)),
        Command::Nudge(args) => block_on(nudge::run(args, gt)),
        Command::Broadcast(args) => block_on(broadcast::run(args, gt)),
        Command::Dnd(args) => block_on(dnd::run(args, gt)),
        Command::Answer(args) => block_on(answer::run(args, gt)),
        Command::Resume(args) => block_on(resume::run(args, gt)),
        Command::Delete(args) => block_on(delete::run(args, gt)),
        Command::Doctor(args) => block_on(doctor::run(args, gt)),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// The sessions of a town, to look at: nothing is started through them.
fn sessions_of(town: &Town) -> Sessions {
    let path = std::env::var_os("PATH").unwrap_or_default();
    real::sessions(town, path, Arc::new(Children::default()))
}

/// Runs a command that asks the API, on one thread.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| CliError::new(Exit::Failed, "could not start").because(&error))?.block_on(work)
}
