//! `gt source receive`: what a repository's `pre-receive` hook runs. It judges what is pushed before git takes it, and says
//! what it will do; with a mistake in it, nothing is taken.
//!
//! It works with no controller running. The API has the last word: what it refuses is said in the source's status.

use std::io::{BufRead, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args as ClapArgs;
use gastown_controllers::source::{Preview, live_tree, preview, runner};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::{Ask, At, Fact, Origin, Seen};
use gastown_crds::Source;
use gastown_crds::reason::Reason;
use gastown_crds::source::commit_in;
use kube::ResourceExt;

use super::{objects, or_declared};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::town::Town;
use crate::world::session::probe::host_name;
use crate::world::source::{pushed, repository_of};

/// Most refs of one push that are looked at.
const REFS_MAX: usize = 1000;
/// Objects that a line names.
const NAMED_MAX: usize = 5;

/// Judge a push to the repository of a source; its refs come by standard input, as of githooks(5).
#[derive(Debug, ClapArgs)]
pub struct Args {}

/// Runs it.
pub async fn receive(_: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let refs = refs()?;
    let here = here()?;
    gt.with_api(&town, async |link| {
        let objects = objects(link).await?;
        let there = objects.all::<Source>().map(|source| Source::clone(source)).collect();
        for source in or_declared(there, &town)? {
            let Some((branch, commit, folder, worktree)) = meant(&source, &refs, &here, &town) else { continue };
            let verify = source.spec.git.as_ref().and_then(|git| git.verify.as_ref());
            let read = pushed(&town, &here, (&branch, &commit), &folder, worktree.as_deref(), verify);
            let read =
                read.map_err(|why| CliError::new(Exit::Failed, "could not read what is pushed").because_of(why))?;
            let (revision, declared) = read.map_err(|missing| CliError::new(Exit::Refused, missing))?;
            let mut facts = Facts::new();
            let applied = source.status.as_ref().and_then(|status| status.applied.as_ref());
            if let Some(applied) = applied.filter(|_| !declared.unread.is_empty())
                && let Some(ask) = live_tree(&source, &applied.tree)
                && let Ok(Ok((_, live))) =
                    pushed(&town, &here, (&branch, commit_in(&applied.revision)), &folder, worktree.as_deref(), None)
            {
                facts.insert(Ask::Declared(ask), Seen::Known(Fact::Declared(Some(Arc::new(live)))));
            }
            let view = View::new(gt.now(), &objects, &facts, None);
            let name = source.name_any();
            match preview(&source, &revision, &declared, &view) {
                Ok(preview) => {
                    let runner = runner(&source, Some(&declared)).filter(|it| !it.eq_ignore_ascii_case(&host_name()));
                    say(&name, &town, &preview, runner.as_deref(), link.controller)?;
                }
                Err((reason, message)) => {
                    gt.out.talk(&message);
                    return Err(CliError::new(
                        Exit::Refused,
                        format!("the push is refused, and town `{}` stays as it is", town.name),
                    )
                    .hint(match reason {
                        Reason::NotSigned | Reason::CannotVerify => reason.hint().unwrap_or_default(),
                        _ => "correct what is above, commit, and push again",
                    }));
                }
            }
        }
        Ok(())
    })
    .await
}

/// Three lines of what a push will do.
fn say(source: &str, town: &Town, preview: &Preview, runner: Option<&str>, is_up: bool) -> Result<(), CliError> {
    let Preview { created, configured, pruned, held, writes: _ } = preview;
    let mut lines = vec![format!(
        "town `{}`: {} created, {} changed, {} pruned",
        town.name,
        created.len(),
        configured.len(),
        pruned.len()
    )];
    let marks = [("+", created), ("~", configured), ("-", pruned)];
    let named = marks.iter().flat_map(|(mark, names)| names.iter().map(move |name| format!("{mark}{name}")));
    let mut named: Vec<String> = named.collect();
    let more = named.len().saturating_sub(NAMED_MAX);
    named.truncate(NAMED_MAX);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    lines.push(if named.is_empty() { "nothing that is declared changes".to_owned() } else { named.join(" ") });
    lines.push(match (runner, held) {
        (Some(runner), _) => format!("it is applied on `{runner}` alone, and changes nothing here"),
        (None, Some(why)) => format!("it waits for `gt source approve {source}`: {why}"),
        (None, None) if is_up => format!("live in a moment: gt get source {source} -w"),
        (None, None) => "the town is down: live at the next `gt up`".to_owned(),
    });
    // On its standard error, which git shows to whoever pushes.
    let mut err = std::io::stderr();
    for line in lines {
        writeln!(err, "{line}").map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    }
    Ok(())
}

/// The refs that are pushed, each with its new commit.
fn refs() -> Result<Vec<(String, String)>, CliError> {
    let mut refs = Vec::new();
    for line in std::io::stdin().lock().lines().take(REFS_MAX) {
        let line =
            line.map_err(|error| CliError::new(Exit::Failed, "could not read standard input").because(&error))?;
        let mut words = line.splitn(3, ' ');
        let (Some(_), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(CliError::new(Exit::Usage, "standard input is not that of a pre-receive hook")
                .hint("`git push` runs this; `gt validate` judges manifests by hand"));
        };
        refs.push((name.to_owned(), new.to_owned()));
    }
    Ok(refs)
}

/// The repository that is pushed to: git runs a hook with its folder in the environment.
fn here() -> Result<PathBuf, CliError> {
    let dir = std::env::var_os("GIT_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    fs_err::canonicalize(dir).map_err(|error| CliError::from_error(Exit::Failed, &error))
}

/// The branch or tag, the commit and the folder that a push makes of a source; none if it does not touch that.
fn meant(
    source: &Source,
    refs: &[(String, String)],
    here: &Path,
    town: &Town,
) -> Option<(String, String, String, Option<PathBuf>)> {
    let Origin::Path { path, at, folder } = Origin::of(&source.spec)? else { return None };
    let (repository, worktree) = repository_of(town, &path)?;
    if fs_err::canonicalize(repository).ok()? != here {
        return None;
    }
    let (name, reference) = match at {
        At::Head => {
            let head = fs_err::read_to_string(here.join("HEAD")).ok()?;
            let reference = head.trim().strip_prefix("ref: ")?.to_owned();
            (reference.strip_prefix("refs/heads/").unwrap_or(&reference).to_owned(), reference)
        }
        At::Branch(branch) => (branch.clone(), format!("refs/heads/{branch}")),
        At::Tag(tag) => (tag.clone(), format!("refs/tags/{tag}")),
        At::Commit(_) => return None,
    };
    let (_, new) = refs.iter().find(|(pushed, _)| *pushed == reference)?;
    // Deleted: nothing is declared there then, and the source says so.
    (!new.bytes().all(|byte| byte == b'0')).then(|| (name, new.clone(), folder, worktree))
}
