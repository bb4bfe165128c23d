//! `gt validate`: everything that is wrong with manifests, offline. No town is looked for and nothing is written, so that it
//! runs in CI, in a hook and in an editor alike.
//!
//! What is judged by `gt apply` is judged here by the same rules, but for what only a town knows: objects that are there, and
//! what may not change of them.

mod base;
mod inputs;
mod judge;
mod report;

use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::admission::SetOptions;

use super::apply;
use super::common::context::Context;
use super::common::error::CliError;
use base::Base;
use inputs::{Folder, Inputs};
use judge::Judged;
use report::Report;

/// The exit code if something was found.
const FOUND: u8 = 1;
/// The exit code if the check could not run.
const COULD_NOT: u8 = 2;

/// Check manifests without a town: for CI, for hooks, and before `gt apply`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 2 the check could not run."
)]
pub struct Args {
    /// Manifests, folders (all YAML and JSON below them, but what git ignores), or `-` for standard input.
    #[arg(required = true, value_name = "PATH|-")]
    paths: Vec<String>,
    /// How to write what was found.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Accept references to what is in none of the files.
    #[arg(long)]
    allow_missing: bool,
    /// Report only what is new since this revision of git (`origin/main`, a commit, a tag), and what may not change since then.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people: each with the lines it speaks of.
    #[default]
    Human,
    /// For programs.
    Json,
    /// Annotations of GitHub Actions, on the lines of a pull request.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML: a test for each file.
    Junit,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> ExitCode {
    match judged(args, gt).and_then(|report| Ok((report.write(args.output, gt)?, report))) {
        Ok(((), report)) if report.errors() > 0 => ExitCode::from(FOUND),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            gt.out.talk_painted(&error.render(gt.out.talk_color));
            ExitCode::from(COULD_NOT)
        }
    }
}

fn judged(args: &Args, gt: &Context) -> Result<Report, CliError> {
    let inputs = Inputs::find(&args.paths)?;
    let options = SetOptions { allow_missing: args.allow_missing, offline: true };
    let base = args.base.as_deref().map(|revision| Base::read(revision, &args.paths, options));
    let judged = judge_since(base.transpose()?, &inputs, options)?;
    note_skipped(&judged, gt);
    // A check of the wrong folder must not be green for ever.
    let is_foreign = |folder: &&Folder| !folder.repeats && judged.ours.range(folder.inputs.clone()).next().is_none();
    let foreign: Vec<String> = inputs.folders.iter().filter(is_foreign).map(|folder| folder.name.clone()).collect();
    apply::nothing_of_ours(&foreign, judged.ours.is_empty())?;
    let files = inputs.all.into_iter().map(|input| input.name).collect();
    let Judged { found, objects, skipped, .. } = judged;
    Ok(Report { files, objects, skipped, found })
}

fn judge_since(base: Option<Base>, inputs: &Inputs, options: SetOptions) -> Result<Judged, CliError> {
    let Some(mut base) = base else {
        return judge::judge(&inputs.all, None, options, &mut |_, _, _| Ok(Vec::new()));
    };
    let judged = judge::judge(&inputs.all, None, options, &mut |_, manifest, value| base.changes(manifest, value))?;
    Ok(Judged { found: base.news(judged.found), ..judged })
}

/// Says what was skipped.
fn note_skipped(judged: &Judged, gt: &Context) {
    apply::note_skipped(&judged.notes, gt);
    if let Some(more) = judged.skipped.checked_sub(judged.notes.len()).filter(|more| *more > 0) {
        gt.out.talk(&format!("note: skipped {more} more of that sort"));
    }
}
