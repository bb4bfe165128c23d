//! `gt diff`: what applying manifests would change: object by object, and in the world.
//!
//! The real engine runs on a simulated world, begun as this one is, without the change and with it; the difference is what
//! the change does. Nothing is written, nothing is started, and no store is made where there is none.

mod consequences;
mod objects;
mod recorder;
mod report;
mod simulation;
mod source;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::manifest::Manifest;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::apply::{self, prune, read};
use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use crate::clock::SystemClock;
use crate::town::{TOWN_FILE, Town};
use crate::world::observe::{self, Subjects};
use crate::world::session::Sessions;
use consequences::Consequences;
use report::Report;
pub use simulation::Pruned;
use simulation::{Before, By, Change, Objects};
use source::Planned;

/// The exit code if something differs.
const DIFFERS: u8 = 1;
/// The exit code of trouble that has no other: 1 says that something differs.
const TROUBLE: u8 = 2;

/// Say what applying manifests would change, and what that would do.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The town's own controllers are run on a simulated world, until it is at rest: agents do nothing there, jobs work, remotes \
answer. What would happen anyway is left out.

Exit codes: 0 nothing differs, 1 something does, more than 1 it could not be found out, or would not be applied: 4 a source \
would refuse it, 7 it would wait for `gt source approve`.")]
pub struct Args {
    /// A manifest, a folder (all YAML and JSON below it), or `-` for standard input. May be given several times. Default:
    /// what is not committed yet, where a commit in the town's folder is live; else the town's folder. Without what git ignores.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-")]
    files: Vec<String>,
    /// What this source would do at a revision, with what it prunes.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["files", "allow_missing", "force_conflicts", "prune"], add = complete::sources())]
    source: Option<String>,
    /// The revision: whatever git takes, such as a branch, a tag or `HEAD~1`. Default: what the source's origin is at; a repository elsewhere is taken as the town fetched it last (`gt source sync` fetches it).
    #[arg(long, value_name = "REV", requires = "source")]
    revision: Option<String>,
    /// Accept references to what does not exist yet; the objects that refer to it wait until it does.
    #[arg(long)]
    allow_missing: bool,
    /// Take over fields that another applies with another value, as `gt apply --force-conflicts` would.
    #[arg(long)]
    force_conflicts: bool,
    /// Show also what `gt apply --prune` would delete: what was applied before, has these labels, and is in none of the files.
    #[arg(long, requires = "selector")]
    prune: bool,
    /// The labels of what may be pruned, such as `team=checkout`.
    #[arg(short = 'l', long = "selector", value_name = "SELECTOR", requires = "prune")]
    selector: Option<String>,
    /// How to write it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How a difference is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
    /// For a comment on a pull request: at most 60,000 characters.
    Markdown,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> ExitCode {
    match difference(args, gt).and_then(|report| write(&report, args.output, gt).map(|()| report)) {
        Ok(report) if report.is_held() => ExitCode::from(Exit::NeedsYou as u8),
        Ok(report) if report.differs() => ExitCode::from(DIFFERS),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            gt.out.talk_painted(&error.render(gt.out.talk_color));
            let code = error.exit() as u8;
            ExitCode::from(if code == DIFFERS { TROUBLE } else { code })
        }
    }
}

fn write(report: &Report, format: Format, gt: &Context) -> Result<(), CliError> {
    for unseen in &report.unseen {
        gt.out.talk(&format!("note: taken as not there, as it could not be seen: {unseen}"));
    }
    gt.out.data(&match format {
        Format::Human => report.human(&gt.out),
        Format::Json => report
            .json()
            .map_err(|error| CliError::new(Exit::Failed, "could not write the difference").because(&error))?,
        Format::Markdown => report.markdown(),
    })
}

fn difference(args: &Args, gt: &Context) -> Result<Report, CliError> {
    let town = gt.town()?;
    if let Some(report) = of_sources(args, gt, &town)? {
        return Ok(report);
    }
    let manifests = if args.files.is_empty() {
        apply::read_in(&[town.dir.to_string_lossy().into_owned()], read::Ignored::ByGit, gt)?
    } else {
        apply::read_files(&args.files, gt)?
    };
    if let Some(selector) = &args.selector {
        prune::check(selector)?;
    }
    let allowed = apply::Allowed { missing: args.allow_missing, force_conflicts: args.force_conflicts };
    let (objects, judged, pruned) = super::block_on(with_store(gt, &town, async |link| {
        let judged = apply::judged(allowed, gt, &town, link, manifests).await?;
        let pruned = match &args.selector {
            Some(selector) => prune::found(link, selector, &judged, gt).await?,
            None => Vec::new(),
        };
        Ok((simulation::all(link).await?, judged, pruned))
    }))?;
    let pruned: Vec<Pruned> = pruned
        .into_iter()
        .map(|it| Pruned { kind: it.kind, name: it.name, uid: it.object.metadata.uid.unwrap_or_default() })
        .collect();
    let by = By::Files(&judged.terms);
    preview(gt, &town, objects, Change { manifests: &judged.todo, pruned: &pruned, by })
}

/// What sources would do: one of them at a revision, or those of the town's folder with what is not committed there. None if
/// `gt apply` is meant.
fn of_sources(args: &Args, gt: &Context, town: &Town) -> Result<Option<Report>, CliError> {
    let is_folder = args.files.is_empty() && !args.allow_missing && !args.force_conflicts && !args.prune;
    if args.source.is_none() && !is_folder {
        return Ok(None);
    }
    let found = super::block_on(with_store(gt, town, async |link| {
        let objects = simulation::all(link).await?;
        let planned = match &args.source {
            Some(name) => Some(source::revision(gt, town, link, &objects, (name, args.revision.as_deref())).await?),
            None => source::pending(gt, town, &objects)?,
        };
        Ok(planned.map(|planned| (objects, planned)))
    }))?;
    let Some((objects, planned)) = found else { return Ok(None) };
    let Planned { sources, manifests, writes } = planned;
    let change = Change { manifests: &manifests, pruned: &[], by: By::Sources(&writes) };
    let report = preview(gt, town, objects, change)?;
    Ok(Some(Report { sources, ..report }))
}

/// What a change of a town would do. For a thread that is in no runtime; `objects` are all that the town has.
pub fn preview(gt: &Context, town: &Town, objects: Objects, change: Change<'_>) -> Result<Report, CliError> {
    let sessions = super::sessions_of(town);
    let seen = observe::observe(town, &sessions, &subjects(&objects));
    let town_file =
        fs_err::read_to_string(town.dir.join(TOWN_FILE)).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let before = Before {
        name: town.name.clone(),
        missing: missing(&sessions, &objects, change.manifests),
        objects,
        town_file,
        observed: seen.observed,
        now: gt.now(),
    };
    let runs = simulation::run(&before, change)?;
    let consequences = Consequences::of(&before, &runs);
    Ok(Report::of(runs.objects, consequences, seen.unseen))
}

/// Does something with the town's API; where there is no store yet, with an empty one in memory.
async fn with_store<T>(
    gt: &Context,
    town: &Town,
    work: impl AsyncFnOnce(&Link) -> Result<T, CliError>,
) -> Result<T, CliError> {
    if town.layout.has_store() || crate::api::connect(&town.layout.api_socket()).is_ok() {
        return gt.with_api(town, work).await;
    }
    let link = simulation::in_memory(&town.name, Arc::new(SystemClock), Vec::new()).await?;
    work(&link).await
}

/// The objects that the world is looked at for.
fn subjects(objects: &Objects) -> Subjects {
    Subjects {
        rigs: typed(objects, "Rig"),
        polecats: typed(objects, "Polecat"),
        beads: typed(objects, "Bead"),
        requests: typed(objects, "MergeRequest"),
    }
}

fn typed<K: DeserializeOwned>(objects: &Objects, kind: &str) -> Vec<K> {
    let of_kind = objects.iter().filter(|((of, _), _)| of == kind);
    of_kind.filter_map(|(_, object)| serde_json::from_value(object.clone()).ok()).collect()
}

/// The programs of runtimes that are not installed here.
fn missing(sessions: &Sessions, objects: &Objects, manifests: &[Manifest]) -> BTreeSet<String> {
    let stored = objects.iter().filter(|((kind, _), _)| kind == "Runtime").map(|(_, object)| object.clone());
    let declared = manifests.iter().filter(|manifest| manifest.kind == "Runtime").map(Manifest::value);
    let program = |runtime: Value| runtime.pointer("/spec/command/0").and_then(Value::as_str).map(str::to_owned);
    stored.chain(declared).filter_map(program).filter(|name| !sessions.program_exists(name)).collect()
}
