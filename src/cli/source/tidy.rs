//! `gt source tidy`: moves the manifests of convoys that have landed to `landed/` beside them, by a commit on the source's
//! branch.
//!
//! What stands there is declared as before: nothing is pruned, and nothing runs again. Before it is committed it is judged as a
//! push would be, and has to do exactly what the tip does without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clap::Args as ClapArgs;
use gastown_controllers::objects::Objects;
use gastown_controllers::source::source_of;
use gastown_controllers::world::{Declared, DeclaredObject};
use gastown_crds::common::{condition, is_true, types};
use gastown_crds::manifest::{self, Scope};
use gastown_crds::source::revision;
use gastown_crds::{Convoy, Source};
use kube::ResourceExt;

use super::branch::{Branch, Index, chosen, git};
use super::objects;
use crate::cli::common::complete;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};

/// The folder that they are moved to, beside each.
const LANDED: &str = "landed";
/// Files that a message names.
const NAMED_MAX: usize = 10;

/// Move the manifests of convoys that have landed out of the way, to `landed/` beside them. They stay declared.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The source. Default: the only one.
    #[arg(add = complete::sources())]
    name: Option<String>,
    /// Make the commit on the source's branch. Without it, what it would move is listed.
    #[arg(long)]
    commit: bool,
}

/// A file that is moved, below the source's folder.
#[derive(Debug, PartialEq, Eq)]
struct Move {
    from: String,
    to: String,
    /// What it declares, as `convoy/release`.
    objects: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moves {
    moves: Vec<Move>,
    /// Files that stay although a convoy in them has landed, each with why.
    stay: Vec<String>,
}

/// Runs it.
pub async fn tidy(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let objects = gt.with_api(&town, async |link| objects(link).await).await?;
    let source = chosen(args.name.as_deref(), &objects, ("tidy", "gt source tidy NAME"))?;
    let name = source.name_any();
    let branch = Branch::of(source, &town, "move files of landed convoys to `landed/` where it lives, and push")?;
    let (declared, would) = branch.preview(&branch.tip, source, (gt, &town, &objects))?;
    let before = would.map_err(|(_, message)| {
        gt.out.talk(&message);
        CliError::new(Exit::Refused, format!("{} is not live as it is", revision(&branch.name, &branch.tip)))
            .hint("correct what is above, commit, and try again")
    })?;
    let files = files(&branch)?;
    let Moves { moves, stay } = planned(source, &declared, &objects, |path| files.contains_key(path));
    for why in stay.iter().take(NAMED_MAX) {
        gt.out.talk(&format!("note: {why}"));
    }
    if let Some(more) = stay.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        gt.out.talk(&format!("note: {more} more of that sort stay"));
    }
    if moves.is_empty() {
        gt.out.talk(&format!("there is nothing to move in source `{name}`"));
        return Ok(());
    }
    for Move { from, to, objects } in &moves {
        gt.out.data(&format!("{from} -> {to}  ({})", objects.join(", ")))?;
    }
    if !args.commit {
        gt.out.talk(&format!("nothing is moved yet: `gt source tidy {name} --commit` makes that a commit"));
        return Ok(());
    }
    let tree = branch.changed_tree(|index| rename(index, &branch, &files, &moves))?;
    let count = match moves.len() {
        1 => "a file".to_owned(),
        n => format!("{n} files"),
    };
    let Some(new) = branch.commit(&tree, &format!("Move {count} of landed convoys to {LANDED}/"), (source, &town))?
    else {
        return Ok(());
    };
    let (_, after) = branch.preview(&new, source, (gt, &town, &objects))?;
    if after.as_ref() != Ok(&before) {
        return Err(CliError::new(Exit::Failed, "the files would declare something else there: nothing was committed"));
    }
    branch.move_to(&new, "gt source tidy")?;
    gt.out.data(&format!("source/{name} tidied by {}: {count} moved", revision(&branch.name, &new)))
}

/// The files of the source's folder at the tip, each with its mode and its object in git.
fn files(branch: &Branch) -> Result<BTreeMap<String, String>, CliError> {
    let tree = format!("{}:{}", branch.tip, branch.folder);
    let listed = git(&branch.repository, &["ls-tree", "-r", "-z", &tree])?;
    let file = |line: &str| {
        let (what, path) = line.split_once('\t')?;
        let mut words = what.split(' ');
        let (mode, object) = (words.next()?, words.nth(1)?);
        Some((path.to_owned(), format!("{mode} {object}")))
    };
    Ok(listed.split('\0').filter_map(file).collect())
}

/// Renames files in an index.
fn rename(
    index: &Index<'_>,
    branch: &Branch,
    files: &BTreeMap<String, String>,
    moves: &[Move],
) -> Result<(), CliError> {
    let prefix = if branch.folder.is_empty() { String::new() } else { format!("{}/", branch.folder) };
    let mut lines = String::new();
    for Move { from, to, .. } in moves {
        let Some(what) = files.get(from) else { continue };
        // A name that is no object: the entry goes.
        let nothing = what.split(' ').next_back().unwrap_or_default().replace(|_| true, "0");
        let _infallible = write!(lines, "0 {nothing}\t{prefix}{from}\0{what}\t{prefix}{to}\0");
    }
    index.git_with(&["update-index", "-z", "--index-info"], &lines).map(drop)
}

/// Which files are moved: those all of whose objects are convoys of this source that have landed.
fn planned(source: &Source, declared: &Declared, objects: &Objects, is_there: impl Fn(&str) -> bool) -> Moves {
    let mut by_file: BTreeMap<&str, Vec<&Arc<DeclaredObject>>> = BTreeMap::new();
    for object in &declared.objects {
        by_file.entry(object.manifest.file()).or_default().push(object);
    }
    let name = source.name_any();
    let has_landed = |object: &&&Arc<DeclaredObject>| {
        let convoy = objects.get::<Convoy>(&object.manifest.name).filter(|_| object.kind.name == "Convoy");
        convoy.is_some_and(|convoy| is_over(convoy) && source_of(&convoy.metadata) == Some(&name))
    };
    let mut found = Moves::default();
    let mut taken = BTreeSet::new();
    for (file, all) in by_file {
        let landed = all.iter().filter(has_landed).count();
        let path = Path::new(file);
        let folder = path.parent().unwrap_or(Path::new(""));
        if landed == 0 || folder.file_name().is_some_and(|name| name == LANDED) {
            continue;
        }
        let to = folder.join(LANDED).join(path.file_name().unwrap_or_default()).to_string_lossy().into_owned();
        let others = all.len() - landed;
        // What is not ours in it would go with it.
        let foreign = manifest::survey(file, all[0].manifest.source.text().as_bytes(), Scope::Anybodys).skipped.len();
        let why = if others > 0 {
            Some(format!("{landed} of its {} objects have landed", all.len()))
        } else if foreign > 0 {
            Some("not all of it is of gastown.io".to_owned())
        } else if is_there(&to) || !taken.insert(to.clone()) {
            Some(format!("there is a file `{to}` already"))
        } else {
            None
        };
        if let Some(why) = why {
            found.stay.push(format!("{file} stays: {why}"));
        } else {
            let objects = all.iter().map(|object| object.named()).collect();
            found.moves.push(Move { from: file.to_owned(), to, objects });
        }
    }
    found
}

/// Whether a convoy has landed as it is declared now.
fn is_over(convoy: &Convoy) -> bool {
    let conditions = convoy.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let is_present = condition(conditions, types::LANDED)
        .is_some_and(|landed| landed.observed_generation.is_none_or(|seen| Some(seen) == convoy.metadata.generation));
    is_present && is_true(conditions, types::LANDED) && convoy.metadata.deletion_timestamp.is_none()
}
