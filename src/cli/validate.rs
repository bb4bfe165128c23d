//! `gt validate`: everything that is wrong with manifests, offline. No town is looked for and nothing is written, so that it
//! runs in CI, in a hook and in an editor alike.
//!
//! What is judged by `gt apply` is judged here by the same rules, but for what only a town knows: objects that are there, and
//! what may not change of them.

mod report;

use std::process::ExitCode;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::admission::{self, SetOptions};
use gastown_crds::manifest::{Diagnostic, Manifest, Severity};

use super::apply::{self, read};
use super::common::context::Context;
use super::common::error::CliError;
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
    let read = read::all(&args.paths, read::Ignored::ByGit)?;
    apply::note_skipped(&read.skipped, gt);
    // A check of the wrong folder must not be green for ever.
    apply::nothing_of_ours(&read.foreign, read.manifests.is_empty() && read.mistakes.is_empty())?;
    let mut found = read.mistakes;
    let options = SetOptions { allow_missing: args.allow_missing, offline: true };
    let wrong = wrong_with(&read.manifests, &found, options);
    found.extend(wrong);
    found.sort_by_key(|mistake| (mistake.file().to_owned(), mistake.span.start, mistake.severity == Severity::Warning));
    Ok(Report { files: read.files, objects: read.manifests.len(), skipped: read.skipped.len(), found })
}

/// What is wrong with objects, each by itself and with one another.
fn wrong_with(manifests: &[Manifest], unread: &[Diagnostic], options: SetOptions) -> Vec<Diagnostic> {
    let beside = apply::Stored::without_store(unread);
    let mut found: Vec<_> = manifests.iter().flat_map(admission::admit).collect();
    // The town says which namespace is its own, if it is among the files.
    let towns: Vec<&Manifest> = manifests.iter().filter(|manifest| manifest.kind == "Town").collect();
    if let [town] = towns[..]
        && let Some(name) = town.value().pointer("/metadata/namespace").and_then(|it| it.as_str())
    {
        found.extend(read::check_namespace(manifests, name));
    }
    let mut between = admission::admit_set(manifests, &beside, options);
    between.extend(apply::commands::missing(manifests, &beside));
    apply::with_those_between(found, between, manifests)
}
