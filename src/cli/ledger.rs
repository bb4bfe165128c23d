//! `gt ledger`: the record of all that the town holds, in git beside its store: looked at, printed, pushed and fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::{Args as ClapArgs, Subcommand};
use gastown_crds::KINDS;
use gastown_crds::common::GROUP;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, ResourceExt};

use super::common::context::{Context, Link, pages};
use super::common::error::{CliError, Exit};
use crate::api::store::{last_facts, read_facts};
use crate::clock::{Clock as _, SystemClock};
use crate::ledger::{self, Fold, Pulled};
use crate::text::counted;
use crate::town::Town;
use crate::world::git::addresses_around;

/// The ledger: what the town holds, kept apart from its store, and in git.
#[derive(Debug, Subcommand)]
pub enum Command {
    Verify(VerifyArgs),
    Export(ExportArgs),
    Push(RemoteArgs),
    Pull(RemoteArgs),
}

/// Look whether the ledger and its commits say what the store holds. Ends with 1 where they do not.
#[derive(Debug, ClapArgs)]
pub struct VerifyArgs {}

/// Print all beads as the ledger has them, as lines of Beads' JSON. Needs no store.
#[derive(Debug, ClapArgs)]
pub struct ExportArgs {}

/// Push the ledger to refs/gt/ledger of a repository; or fetch it from there, into a town that has nothing yet.
#[derive(Debug, ClapArgs)]
pub struct RemoteArgs {
    /// The repository. Default: the origin of the one that the town's folder is in.
    remote: Option<String>,
}

/// Runs `gt ledger verify`.
pub async fn verify(gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let facts = town.layout.facts();
    if !facts.exists() {
        return Err(CliError::new(Exit::NotFound, "the town has no ledger yet").hint("the first write makes it"));
    }
    let stored = gt.with_api(&town, async |link| stored(link).await).await?;
    let (lines, _) = read_facts(&facts, 0).map_err(|e| failed("could not read the ledger", &e))?;
    // What was written after the store was looked at, the ledger may say already.
    let seen = stored.values().filter_map(|revision| revision.parse::<i64>().ok()).max().unwrap_or(0);
    let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut news: BTreeSet<(String, String)> = BTreeSet::new();
    for fact in last_facts(&lines) {
        let key = (fact.kind.clone(), format!("{}/{}", fact.namespace, fact.name));
        if fact.revision > seen {
            news.insert(key.clone());
        }
        if let Some(object) = &fact.object {
            known.insert(key, object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned());
        }
    }
    let differs = |(key, revision): &(&(String, String), &String)| known.get(*key) != Some(*revision);
    let lacks: Vec<_> = stored.iter().filter(differs).filter(|(key, _)| !news.contains(*key)).collect();
    let extra: Vec<_> = known.keys().filter(|key| !stored.contains_key(*key) && !news.contains(*key)).collect();
    let mut fold = Fold::open(&facts).map_err(|e| failed("could not open the ledger's repository", &e))?;
    // A controller folds by itself, and may be at it now.
    let _folded_elsewhere = fold.fold(SystemClock.now());
    let commits = fold.commits().map_err(|e| failed("could not read the ledger's repository", &e))?;
    gt.out.data(&format!(
        "{} in the store, {} in the ledger, {}",
        counted(stored.len(), "object"),
        known.len(),
        counted(commits, "commit")
    ))?;
    if lacks.is_empty() && extra.is_empty() {
        return gt.out.data("✓ the ledger says what the store holds");
    }
    for ((kind, name), _) in lacks.iter().take(SHOWN_MAX) {
        gt.out.data(&format!("not as it is stored: {kind} {name}"))?;
    }
    for (kind, name) in extra.iter().take(SHOWN_MAX) {
        gt.out.data(&format!("not stored: {kind} {name}"))?;
    }
    let differ = match lacks.len() + extra.len() {
        1 => "1 object differs".to_owned(),
        many => format!("{many} objects differ"),
    };
    Err(CliError::new(Exit::Failed, differ)
        .hint("where it was written meanwhile, ask again; else `gt down` and `gt up`: what is damaged is made anew"))
}

/// Differences that are named.
const SHOWN_MAX: usize = 20;

/// The revision of each object that the store holds.
async fn stored(link: &Link) -> Result<BTreeMap<(String, String), String>, CliError> {
    let mut all = BTreeMap::new();
    for kind in KINDS {
        let resource: ApiResource = kind.resource();
        let api: Api<DynamicObject> = Api::default_namespaced_with(link.client.clone(), &resource);
        for object in pages(&api, &ListParams::default()).await? {
            let name = format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any());
            all.insert((format!("{}.{GROUP}", kind.plural), name), object.resource_version().unwrap_or_default());
        }
    }
    Ok(all)
}

/// Runs `gt ledger export`.
pub fn export(gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let lines = ledger::export(&town.layout.facts()).map_err(|e| failed("could not read the ledger", &e))?;
    lines.iter().try_for_each(|line| gt.out.data(line))
}

/// Runs `gt ledger push`.
pub fn push(args: &RemoteArgs, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let remote = remote(args, &town)?;
    let facts = town.layout.facts();
    let mut fold = Fold::open(&facts).map_err(|e| failed("could not open the ledger's repository", &e))?;
    let _folded_elsewhere = fold.fold(SystemClock.now());
    ledger::push(&facts, &remote).map_err(|e| {
        failed("could not push the ledger", &e)
            .hint("where another town has pushed there: `gt ledger pull` says whether it is this one's")
    })?;
    gt.out.data(&format!("ledger pushed to {} of {}", ledger::REF, gastown_crds::url::redact(&remote)))
}

/// Runs `gt ledger pull`.
pub fn pull(args: &RemoteArgs, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let remote = remote(args, &town)?;
    if town.layout.store().exists() && !town.layout.facts().exists() {
        return Err(CliError::new(Exit::Refused, "the town has a store already")
            .hint("a ledger is fetched into a town that has nothing yet"));
    }
    match ledger::pull(&town.layout.facts(), &remote).map_err(|e| failed("could not fetch the ledger", &e))? {
        Pulled::Known => gt.out.data("the town has all of it already"),
        Pulled::TakenIn(count) => {
            let were = if count == 1 { "was" } else { "were" };
            gt.out.data(&format!("{} {were} taken in", counted(count, "object")))?;
            gt.out.talk("next: gt up");
            Ok(())
        }
        Pulled::Apart => Err(CliError::new(Exit::Refused, "the town has a ledger of its own, which does not hold that one")
            .hint("a ledger is fetched into a town that has nothing yet; it is kept as refs/gt/fetched of the ledger's repository")),
    }
}

fn remote(args: &RemoteArgs, town: &Town) -> Result<String, CliError> {
    if let Some(remote) = &args.remote {
        // As seen from here, and not from the ledger.
        let is_path = Path::new(remote).exists();
        let absolute = fs_err::canonicalize(remote).ok().filter(|_| is_path);
        return Ok(absolute.map_or_else(|| remote.clone(), |path| path.to_string_lossy().into_owned()));
    }
    addresses_around(&town.dir).into_iter().nth(1).ok_or_else(|| {
        CliError::new(Exit::Usage, "the town's folder has no origin")
            .hint("name a repository: gt ledger push git@example.org:acme/town.git")
    })
}

fn failed(what: &str, error: &dyn std::error::Error) -> CliError {
    CliError::new(Exit::Failed, what.to_owned()).because(error)
}
