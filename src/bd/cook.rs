//! `bd cook`: prints what a formula becomes. Nothing is stored: `bd mol pour` files it.

use std::path::Path;

use clap::{Args, ValueEnum};
use gastown_agent::context::Answer;
use gastown_agent::error::Error;
use gastown_formula::Mode;

use super::formula;
use super::library::{self, Folders, SearchArgs, VarArgs};

/// Print what a formula becomes: its steps, what they need, and its vars
#[derive(Debug, Clone, Args)]
pub struct CookArgs {
    /// The formula's name, or its file
    #[arg(value_name = "NAME|FILE")]
    name: String,
    #[command(flatten)]
    vars: VarArgs,
    /// Whether vars stay as they are written; default: with values of vars runtime, else compile
    #[arg(long, value_enum)]
    mode: Option<CookMode>,
    #[command(flatten)]
    search: SearchArgs,
    /// Nothing is stored: as always
    #[arg(long)]
    dry_run: bool,
}

/// What is made of a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CookMode {
    /// A template: vars stay as they are written.
    Compile,
    /// What can be worked on: values are checked and filled in.
    Runtime,
}

/// Runs `bd cook`.
pub fn cook(args: &CookArgs, json: bool, town: Option<&Path>) -> Result<Answer, Error> {
    let CookArgs { name, vars, mode, search, dry_run: _ } = args;
    let values = vars.read()?;
    let mode = match mode {
        Some(CookMode::Runtime) => Mode::Runtime,
        None if !values.is_empty() => Mode::Runtime,
        Some(CookMode::Compile) | None => Mode::Compile,
    };
    let folders = Folders::here(search, town)?;
    let cooked = folders.cook(&folders.named(name)?, mode, &values)?;
    let out = if json { formula::in_json(&cooked) } else { formula::text(&cooked) };
    Ok(Answer { out, note: library::notes(&cooked.warnings), code: 0 })
}
