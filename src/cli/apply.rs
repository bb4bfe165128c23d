//! `gt apply`: makes the town's objects as the files say. All of it is admitted first, or nothing is applied.
//!
//! A `List` is applied as its items are, and what is not of our API group is skipped where it stands in a folder.
//!
//! It is a server-side apply (`plan`): what the file no longer has is removed, be it a field, a label or an annotation; what
//! others have added stays; what controllers and agents own (a bead's assignee, how it was closed) is left alone.

mod begun;
pub mod commands;
mod conflict;
mod judge;
mod plan;
pub mod prune;
mod put;
pub mod read;
pub mod source;
mod stored;
mod too_late;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::common::GROUP;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Skipped};

use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::kinds::{KINDS, Kind};
use super::common::timeout::Timeout;
use super::wait;
use crate::town::Town;
pub use judge::{Allowed, Judged, judged};
use plan::Change;
pub use plan::Terms;
pub use put::put;
use read::Ignored;
pub use stored::Stored;

/// Most notes on what was skipped in folders: a chart has dozens of files, and they are all of one sort.
pub const NOTES_MAX: usize = 10;

/// Apply manifests: create objects that do not exist, change those that differ.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A manifest, a folder (all YAML and JSON below it), or `-` for standard input. May be given several times.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE|DIR|-")]
    files: Vec<String>,
    /// Accept references to what does not exist yet; the objects that refer to it wait until it does.
    #[arg(long)]
    allow_missing: bool,
    /// Take over fields that another applies with another value, such as a controller of your own. Without it that is refused;
    /// what somebody has edited is taken over in any case.
    #[arg(long)]
    force_conflicts: bool,
    /// Only say what would change: as it is found here, or as the API answers each request.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    /// Then wait until all of it is as it is meant to be: convoys have landed, beads are closed, all else is ready. It ends with 5
    /// when time is up, and with 7 when nothing moves without you. Where no duration is given: 5m.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true, default_missing_value = "5m",
          conflicts_with = "dry_run")]
    wait: Option<Timeout>,
    /// Delete what was applied before, has these labels, and is in none of the files any more.
    #[arg(long, requires = "selector")]
    prune: bool,
    /// The labels of what may be pruned, such as `team=checkout`.
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR", requires = "prune")]
    selector: Option<String>,
}

/// Where it is found out what would change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Here: nothing is sent.
    Client,
    /// In the API: it does all but store it.
    Server,
}

impl DryRun {
    /// kubectl's words for it.
    fn words(this: Option<Self>) -> &'static str {
        match this {
            None => "",
            Some(Self::Client) => " (dry run)",
            Some(Self::Server) => " (server dry run)",
        }
    }
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    if let Some(selector) = &args.selector {
        prune::check(selector)?;
    }
    let manifests = read_files(&args.files, gt)?;
    let applied = gt.with_api(&town, async |link| apply(args, gt, &town, link, manifests).await).await?;
    match args.wait {
        Some(timeout) => wait::all_well(&applied, gt, &town, timeout).await,
        None => Ok(()),
    }
}

async fn apply(
    args: &Args,
    gt: &Context,
    town: &Town,
    link: &Link,
    manifests: Vec<Manifest>,
) -> Result<Vec<(&'static Kind, String)>, CliError> {
    let allowed = Allowed { missing: args.allow_missing, force_conflicts: args.force_conflicts };
    let judged = judged(allowed, gt, town, link, manifests).await?;
    refuse(&source::check(&judged.todo, &judged.stored), gt)?;
    let pruned = match &args.selector {
        Some(selector) => prune::found(link, selector, &judged, gt).await?,
        None => Vec::new(),
    };
    put_all(&judged, args.dry_run, |_| true, (gt, link)).await?;
    for one in pruned {
        one.delete(link, args.dry_run, gt).await?;
    }
    if args.dry_run.is_none() && args.wait.is_none() {
        gt.say_if_down(link.controller);
    }
    Ok(judged.todo.into_iter().filter_map(|manifest| Some((Kind::named(&manifest.kind)?, manifest.name))).collect())
}

/// Applies what a verb has made, as if it had been read from files. A line is printed of objects of the kinds that are shown.
pub async fn made(
    manifests: Vec<Manifest>,
    dry_run: Option<DryRun>,
    is_shown: impl Fn(&str) -> bool,
    (gt, town, link): (&Context, &Town, &Link),
) -> Result<(), CliError> {
    let judged = judged(Allowed { missing: false, force_conflicts: false }, gt, town, link, manifests).await?;
    refuse(&source::check(&judged.todo, &judged.stored), gt)?;
    put_all(&judged, dry_run, is_shown, (gt, link)).await
}

/// Puts all that was judged, in its order.
async fn put_all(
    judged: &Judged,
    dry_run: Option<DryRun>,
    is_shown: impl Fn(&str) -> bool,
    (gt, link): (&Context, &Link),
) -> Result<(), CliError> {
    let Judged { stored, todo, terms, .. } = judged;
    for (nth, manifest) in todo.iter().enumerate() {
        let done = if judged.is_unchanged(manifest) {
            Ok(Change::Unchanged)
        } else {
            put(link, manifest, stored.object(&manifest.kind, &manifest.name), terms, dry_run).await
        };
        let done = done.map_err(|error| failed_at(error, todo, nth))?;
        let kind = Kind::named(&manifest.kind).map_or(manifest.kind.as_str(), |kind| kind.singular);
        if is_shown(&manifest.kind) {
            gt.out.data(&format!("{kind}/{} {}{}", manifest.name, done.word(), DryRun::words(dry_run)))?;
        }
    }
    Ok(())
}

/// Says which object the API refused, and what was done before.
fn failed_at(error: CliError, todo: &[Manifest], nth: usize) -> CliError {
    let manifest = &todo[nth];
    let (line, column) = manifest.source.line_col(manifest.name_at().start);
    let place = format!("{}:{line}:{column}", manifest.file());
    let done = if nth == 0 { "nothing was applied" } else { "what is listed above was applied" };
    let what = format!("{} `{}` ({place}) was not applied; {done}", manifest.kind, manifest.name);
    CliError::new(error.exit(), what).caused_by(error)
}

/// Reads as errors do: everything that was found, then one line.
fn refuse(found: &[Diagnostic], gt: &Context) -> Result<(), CliError> {
    if found.is_empty() {
        return Ok(());
    }
    gt.out.talk_painted(&manifest::render_all(found, gt.out.talk_color));
    gt.out.talk("");
    let errors = found.iter().filter(|mistake| mistake.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        1 => Err(CliError::new(Exit::Refused, "nothing was applied: there is a mistake in it")),
        n => Err(CliError::new(Exit::Refused, format!("nothing was applied: there are {n} mistakes in it"))),
    }
}

/// The manifests in files, or everything that could not be read.
pub fn read_files(files: &[String], gt: &Context) -> Result<Vec<Manifest>, CliError> {
    read_in(files, Ignored::Nothing, gt)
}

/// The same, without what is ignored in folders.
pub fn read_in(files: &[String], ignored: Ignored, gt: &Context) -> Result<Vec<Manifest>, CliError> {
    admitted(read::all(files, ignored)?, gt)
}

/// What could be read, or everything that could not.
fn admitted(read: read::Read, gt: &Context) -> Result<Vec<Manifest>, CliError> {
    let read::Read { manifests, mistakes, lost: _, skipped, foreign, files: _ } = read;
    note_skipped(&skipped, gt);
    refuse(&mistakes, gt)?;
    nothing_of_ours(&foreign, manifests.is_empty()).map(|()| manifests)
}

/// Refuses what holds none of our objects, as a whole or in one of the folders.
pub fn nothing_of_ours(foreign: &[String], is_empty: bool) -> Result<(), CliError> {
    let none = match foreign.first() {
        Some(folder) => Some(format!("there are no objects of {GROUP} in the folder `{folder}`")),
        None => is_empty.then(|| "there are no objects in there".to_owned()),
    };
    none.map_or(Ok(()), |message| {
        let hint = "manifests are files, or folders with .yaml, .yml or .json files below them";
        Err(CliError::new(Exit::Refused, message).hint(hint))
    })
}

/// Says what was skipped.
pub fn note_skipped(skipped: &[Skipped], gt: &Context) {
    for one in skipped.iter().take(NOTES_MAX) {
        gt.out.talk(&format!("note: skipped {one}"));
    }
    if let Some(more) = skipped.len().checked_sub(NOTES_MAX).filter(|more| *more > 0) {
        gt.out.talk(&format!("note: skipped {more} more of that sort"));
    }
}

/// Whether manifests may name objects of this kind.
fn is_referred_to(kind: &Kind) -> bool {
    KINDS.iter().flat_map(|from| from.references).any(|reference| reference.kind == kind.name)
}

/// An object that cannot be read.
pub fn unreadable(error: &serde_json::Error) -> CliError {
    CliError::new(Exit::Failed, "could not read an object").because(error)
}
