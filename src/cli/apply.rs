//! `gt apply`: makes the town's objects as the files say. All of it is admitted first, or nothing is applied.
//!
//! A `List` is applied as its items are, and what is not of our API group is skipped where it stands in a folder.
//!
//! What exists is changed by a merge patch: fields that people own and the file no longer has are removed; fields that
//! controllers and agents own (a bead's assignee, how it was closed) are left alone; of labels and annotations, those that
//! the file no longer has are removed, and what others set stays.

mod applied;
mod begun;
mod change;
pub mod commands;
pub mod read;
mod stored;
mod too_late;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use clap::Args as ClapArgs;
use gastown_crds::admission::{self, SetOptions};
use gastown_crds::common::GROUP;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Skipped, Source};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::Value;

use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::kinds::{KINDS, Kind};
use crate::manifests;
use crate::town::Town;
use change::Change;
use read::Ignored;
pub use stored::Stored;

/// Most notes on what was skipped in folders: a chart has dozens of files, and they are all of one sort.
const NOTES_MAX: usize = 10;
/// How often a change is computed anew because somebody else changed the object meanwhile.
const TRIES_MAX: u32 = 5;

/// Apply manifests: create objects that do not exist, change those that differ.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A manifest, a folder (all YAML and JSON below it), or `-` for standard input. May be given several times.
    #[arg(short = 'f', long = "filename", required = true, value_name = "FILE|DIR|-")]
    files: Vec<String>,
    /// Accept references to what does not exist yet; the objects that refer to it wait until it does.
    #[arg(long)]
    allow_missing: bool,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let manifests = read_files(&args.files, gt)?;
    gt.with_api(&town, async |link| apply(args, gt, &town, link, manifests).await).await
}

async fn apply(
    args: &Args,
    gt: &Context,
    town: &Town,
    link: &Link,
    mut manifests: Vec<Manifest>,
) -> Result<(), CliError> {
    let stored = Stored::read(link, &manifests).await?;
    let mut found = read::check_namespace(&manifests, &town.name);
    for manifest in &manifests {
        let old = stored.object(&manifest.kind, &manifest.name);
        found.extend(match (Kind::named(&manifest.kind), old) {
            (Some(kind), Some(old)) => {
                admission::admit_change(&manifest.with(&change::patch(kind, &manifest.value(), old)), old)
            }
            _ => admission::admit(manifest),
        });
    }
    let options = SetOptions { allow_missing: args.allow_missing, offline: false };
    let between = admission::admit_set(&manifests, &stored, options);
    let mut more = between;
    more.extend(commands::missing(&manifests, &stored));
    more.extend(too_late::check(link, &manifests, &stored).await?);
    refuse(&with_those_between(found, more, &manifests), gt)?;

    manifests.sort_by_key(|manifest| rank(&manifest.kind));
    let mut todo = built_in(&stored, &manifests)?;
    todo.extend(manifests);
    for (nth, manifest) in todo.iter().enumerate() {
        let old = stored.object(&manifest.kind, &manifest.name);
        let done = put(link, manifest, old, args.dry_run).await.map_err(|error| failed_at(error, &todo, nth))?;
        let dry = if args.dry_run { " (dry run)" } else { "" };
        let kind = Kind::named(&manifest.kind).map_or(manifest.kind.as_str(), |kind| kind.singular);
        gt.out.data(&format!("{kind}/{} {}{dry}", manifest.name, done.word()))?;
    }
    if !link.controller && !args.dry_run {
        gt.out.talk("the town is down, so nothing moves yet: `gt up`");
    }
    Ok(())
}

/// All mistakes: those of objects by themselves, and those between objects that are right by themselves. One that is wrong is
/// not understood: what it seems to say of others is left for the next try.
pub fn with_those_between(
    mut found: Vec<Diagnostic>,
    mut between: Vec<Diagnostic>,
    manifests: &[Manifest],
) -> Vec<Diagnostic> {
    // Where objects stand matters only if there is something to say of them.
    let places = if found.is_empty() { Places::default() } else { Places::of(manifests) };
    let wrong: BTreeSet<usize> = found.iter().filter_map(|mistake| places.manifest_of(mistake)).collect();
    between.retain(|mistake| places.manifest_of(mistake).is_none_or(|nth| !wrong.contains(&nth)));
    found.extend(between);
    found
}

/// Where objects stand in their files, to find the one that a mistake is in.
#[derive(Default)]
struct Places(BTreeMap<(*const Source, usize), (usize, usize)>);

impl Places {
    fn of(manifests: &[Manifest]) -> Self {
        let place = |(nth, manifest): (usize, &Manifest)| {
            let Range { start, end } = manifest.spans().value;
            ((Arc::as_ptr(&manifest.source), start), (end, nth))
        };
        Self(manifests.iter().enumerate().map(place).collect())
    }

    /// The number of the object that a mistake is in.
    fn manifest_of(&self, mistake: &Diagnostic) -> Option<usize> {
        let (file, at) = (Arc::as_ptr(&mistake.source), mistake.span.start);
        let (_, (end, nth)) = self.0.range((file, 0)..=(file, at)).next_back()?;
        (at < *end).then_some(*nth)
    }
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
    admitted(read::all(files, Ignored::Nothing)?, gt)
}

/// What could be read, or everything that could not.
fn admitted(read: read::Read, gt: &Context) -> Result<Vec<Manifest>, CliError> {
    let read::Read { manifests, mistakes, skipped, foreign, files: _ } = read;
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

/// What every town has, as far as it is absent from the store and from the files.
fn built_in(stored: &Stored, manifests: &[Manifest]) -> Result<Vec<Manifest>, CliError> {
    let mut absent = Vec::new();
    for (file, text) in manifests::built_in() {
        let read = manifest::parse(file, text);
        let read = read.map_err(|_| CliError::new(Exit::Failed, format!("the built-in {file} cannot be read")))?;
        let is_there = |new: &Manifest| {
            stored.has(&new.kind, &new.name) || manifests.iter().any(|m| m.kind == new.kind && m.name == new.name)
        };
        absent.extend(read.into_iter().filter(|new| !is_there(new)));
    }
    absent.sort_by_key(|manifest| rank(&manifest.kind));
    Ok(absent)
}

/// Where a kind stands in the order of dependencies.
fn rank(kind: &str) -> usize {
    Kind::named(kind).map_or(KINDS.len(), Kind::rank)
}

/// Whether manifests may name objects of this kind.
fn is_referred_to(kind: &Kind) -> bool {
    KINDS.iter().flat_map(|from| from.references).any(|reference| reference.kind == kind.name)
}

async fn put(link: &Link, manifest: &Manifest, old: Option<&Value>, dry_run: bool) -> Result<Change, CliError> {
    let kind = Kind::named(&manifest.kind)
        .ok_or_else(|| CliError::new(Exit::Refused, format!("no kind is named `{}`", manifest.kind)))?;
    let api = link.api(kind);
    let (wish, mut old) = (manifest.value(), old.cloned());
    for _ in 0..TRIES_MAX {
        let change = Change::of(kind, &wish, old.as_ref());
        if dry_run || matches!(change, Change::Unchanged) {
            return Ok(change);
        }
        let written = match &change {
            Change::Create(object) => {
                let object: DynamicObject =
                    serde_json::from_value(object.clone()).map_err(|error| unreadable(&error))?;
                api.create(&PostParams::default(), &object).await
            }
            Change::Configure(patch) => api.patch(&manifest.name, &PatchParams::default(), &Patch::Merge(patch)).await,
            Change::Unchanged => return Ok(change),
        };
        match written {
            Ok(_) => return Ok(change),
            // Somebody made, changed or removed it since it was read: look again.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {
                let now = api.get_opt(&manifest.name).await?;
                old = now.map(|object| serde_json::to_value(object).map_err(|error| unreadable(&error))).transpose()?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::new(Exit::Refused, "others change it all the time").hint("apply again"))
}

fn unreadable(error: &serde_json::Error) -> CliError {
    CliError::new(Exit::Failed, "could not read an object").because(error)
}
