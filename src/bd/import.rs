//! `bd import`: takes in the beads of a tracker, from its lines of JSON.
//!
//! All lines are read and checked before the first is written. A bead that is there already is brought to what the line says, unless it
//! says so already; one that a polecat works on is left alone. Absent beads are left alone too: a file is no list of what is to go.

mod circles;
mod forge;
mod lot;
mod merge;
mod mistakes;
mod outcome;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::forge::{Shape, elements, shape};
use gastown_beads::incoming::{self, Taking};

use self::lot::{Item, Lot};
use self::merge::Speaks;
use self::mistakes::Mistakes;
use self::outcome::Outcome;
use super::many;
use super::town_rigs::{self, Rigs};

/// The longest file, in bytes: 100,000 beads of 2 KB and some more.
const FILE_BYTES_MAX: usize = 512 << 20;
/// Writes that wait together.
const AT_ONCE: usize = 128;

/// Take in the beads of a tracker: `.beads/issues.jsonl`, or another file of its lines; or the issues of GitHub or GitLab
///
/// An issue is known again by its address: what was changed here stays, and what is new there is added. Its labels also say how urgent
/// it is (P1, priority/high, priority: low) and what sort of work (bug, enhancement or feature, documentation or refactor: a chore, epic).
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// The file; `-` is standard input; a folder is a backup of tables; default: .beads/issues.jsonl here. JSON of issues of
    /// GitHub or GitLab is known by its shape
    file: Option<PathBuf>,
    /// The same, as an option
    #[arg(short, long, conflicts_with = "file", value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    forge: forge::ForgeArgs,
    /// The rig that all of them are for; default: the one whose prefix their ids have, else the one around
    #[arg(long)]
    rig: Option<String>,
    /// Leave out what is open already under the same title
    #[arg(long)]
    dedup: bool,
    /// Take in beads, too, that wait for each other in a circle; `bd dep cycles` lists them
    #[arg(long)]
    allow_circles: bool,
    /// Only say what would be taken in
    #[arg(long)]
    dry_run: bool,
}

/// A file that is to be taken in, and where one is.
pub struct Prepared {
    path: PathBuf,
    text: String,
    /// What the text is; none: lines of Beads.
    shape: Option<Shape>,
    /// Of a forge: how many issues were asked for at most.
    limit: Option<usize>,
    here: Vec<String>,
}

/// What was read.
#[derive(Default)]
struct Read {
    items: Vec<Item>,
    /// How many are pull requests, which are left out.
    pull_requests: usize,
    /// What had to be left out of them, in lines.
    note: String,
}

/// Reads the file, or asks the forge.
pub fn prepare(args: &ImportArgs) -> Result<Prepared, Error> {
    let here = town_rigs::here();
    if let Some((path, text, forge)) = args.forge.ask()? {
        return Ok(Prepared { path, text, shape: Some(Shape::Forge(forge)), limit: args.forge.limit(), here });
    }
    let path = args.file.as_ref().or(args.input.as_ref());
    let mut path = path.cloned().unwrap_or_else(|| Path::new(".beads/issues.jsonl").to_owned());
    let is_folder = path.is_dir();
    if is_folder {
        path.push("issues.jsonl");
    }
    let mut text = many::read(&path, FILE_BYTES_MAX)?;
    if is_folder {
        text = tables::joined(&path, text)?;
    }
    let shape = shape(&text);
    Ok(Prepared { path, text, shape, limit: None, here })
}

/// Runs `bd import`.
pub async fn import(args: &ImportArgs, prepared: &Prepared, is_json: bool, context: &Context) -> Result<Answer, Error> {
    let rigs = Rigs::read(context).await?;
    let named = args.rig.as_deref().map(|rig| rigs.named(rig)).transpose()?;
    let around = rigs.around(&prepared.here);
    let rig_of = |id: &str| named.clone().or_else(|| rigs.of_id(id)).unwrap_or_else(|| around.clone()).rig;
    let taking = Taking { rig_of: &rig_of, actor: &context.actor, now: SystemClock.now() };
    let Read { items, pull_requests, mut note } = match prepared.shape {
        Some(Shape::Forge(forge)) => {
            forge::read(prepared, forge, named.as_ref().unwrap_or(&around), &taking, context).await?
        }
        Some(Shape::Beads) | None => Read { items: read(prepared, &taking)?, ..Read::default() },
    };
    let titles = if args.dedup { open_titles(context).await? } else { BTreeSet::new() };
    let lot = Lot::of(items, &titles);
    let would_be = lot.check(&prepared.path, args.allow_circles, context).await?;
    let mut outcome = Outcome::new(args.dry_run, lot.left, pull_requests);
    let taken = if args.dry_run { would_be.into_iter().map(Ok).collect() } else { lot.take(false, context).await };
    outcome.add_beads(&lot.beads, taken)?;
    outcome.add_events(&lot.events, context).await?;
    outcome.add_memories(&lot.memories, context).await?;
    note.push_str(&lot.note);
    note.push_str(&outcome.failures());
    Ok(Answer { out: outcome.text(is_json), note, code: u8::from(outcome.has_failed()) })
}

/// Reads all lines; with a mistake in any, nothing is taken in.
fn read(prepared: &Prepared, taking: &Taking<'_>) -> Result<Vec<Item>, Error> {
    let mut mistakes = Mistakes::default();
    let mut all = Vec::new();
    for (number, line) in lines(prepared)? {
        if ["<<<<<<< ", "=======", ">>>>>>> "].iter().any(|mark| line.starts_with(mark)) {
            let message = format!("{}:{number}: the file holds the marks of a merge conflict", prepared.path.display());
            return Err(Error::refused(message, "resolve it first; nothing was taken in"));
        }
        match incoming::read(line, taking) {
            Ok(what) => all.push(Item { line: number, what, speaks: Speaks::Whole }),
            Err(refused) => {
                let column = if refused.column == 0 { String::new() } else { format!("{}:", refused.column) };
                mistakes.add(&format!("{}:{number}:{column} {}", prepared.path.display(), refused.message));
            }
        }
    }
    mistakes.refuse("line", "line")?;
    Ok(all)
}

/// The lines of Beads with their numbers: of a file of lines, or of an array.
fn lines(prepared: &Prepared) -> Result<Vec<(usize, &str)>, Error> {
    if prepared.shape.is_some() {
        let all = elements(&prepared.text).map_err(|error| {
            Error::refused(format!("{}: {error}", prepared.path.display()), "nothing was taken in: correct the file")
        })?;
        return Ok(all.into_iter().map(|element| (element.line, element.json)).collect());
    }
    let lines = prepared.text.lines().enumerate().map(|(nth, line)| (nth + 1, line));
    Ok(lines.filter(|(_, line)| !line.trim().is_empty()).collect())
}

async fn open_titles(context: &Context) -> Result<BTreeSet<String>, Error> {
    let query = super::scan::Query { fields: vec!["spec.closed.reason=".into()], ..Default::default() };
    let mut titles = BTreeSet::new();
    super::scan::scan(context, &query, |slim| {
        titles.insert(slim.spec.title);
        Ok(std::ops::ControlFlow::Continue(()))
    })
    .await?;
    Ok(titles)
}
