//! `gt`, and `bd` by its other name.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gastown::world::git::Git;
use gastown::world::layout::Layout;
use gastown::world::run;
use gastown::{bd, cli::agent};
use gastown_controllers::world::Job;

/// A control plane for coding agents
#[derive(Debug, Parser)]
#[command(name = "gt", version)]
struct Cli {
    /// The town's folder; default: GT_TOWN, else the nearest one upwards from here
    #[arg(long, global = true, value_name = "DIR")]
    town: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Hook(agent::HookArgs),
    Prime(agent::PrimeArgs),
    Done(agent::DoneArgs),
    /// The town's beads: show, list, ready, close
    Bd(bd::BdArgs),
}

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some(OsStr::new("bd")) {
        return bd::main(std::iter::once(name).chain(args));
    }
    // Before anything else: each agent and job has one of these, so it stays small.
    if args.next().is_some_and(|first| first == run::WORD) {
        let code = run::main(args, run_job);
        // 128 + n for signals: always a byte.
        return ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX));
    }
    let Cli { town, verb } = Cli::parse();
    let town = town.as_deref();
    match &verb {
        Verb::Hook(args) => agent::hook(args, town),
        Verb::Prime(args) => agent::prime(args, town),
        Verb::Done(args) => agent::done(args, town),
        Verb::Bd(args) => bd::run(args, town),
    }
}

/// Where the bodies of jobs are called from.
fn run_job(layout: &Layout, job: &Job, log: &mut dyn Write) -> i32 {
    Git::new(layout.clone()).run_job(job, log)
}
