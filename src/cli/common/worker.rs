//! Who or what a person means by a word: a polecat, or the bead that one works on.
//!
//! `polecat/NAME`, `bead/NAME`, `RIG/NAME` as Gas Town writes a polecat, or a bare name of either; of a polecat, its name in its rig
//! will do where only one is called so. A polecat goes before a bead of the same name.

use gastown_crds::common::LABEL_BEAD;
use gastown_crds::{Bead, Polecat, names, suggest};
use kube::api::{DynamicObject, ListParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::context::{Context, Link, by_name};
use super::error::{CliError, Exit};
use super::kinds::{self, Kind};

/// A polecat or a bead, with its kind.
pub type Found = (&'static Kind, DynamicObject);

/// The polecat or bead of this name; else an error that names the nearest of both.
pub async fn find(link: &Link, word: &str) -> Result<Found, CliError> {
    let (polecats, beads) = (kinds::find("polecat")?, kinds::find("bead")?);
    if let Some((first, name)) = word.split_once('/') {
        return match Kind::called(&first.to_lowercase()) {
            Some(kind) if [polecats.name, beads.name].contains(&kind.name) => Ok((kind, link.get(kind, name).await?)),
            Some(kind) => Err(CliError::new(Exit::Usage, format!("a {} has no session", kind.name))
                .hint("name a polecat, or the bead that one works on: `gt status` lists both")),
            None => Ok((polecats, link.get(polecats, &names::polecat(first, name)).await?)),
        };
    }
    if let Some(polecat) = by_name(&link.api(polecats), word).await? {
        return Ok((polecats, polecat));
    }
    let mut called: Vec<Polecat> = link.all().await?;
    called.retain(|polecat| polecat.spec.name == word);
    match &called[..] {
        [] => {}
        [only] => return Ok((polecats, link.get(polecats, &only.name_any()).await?)),
        many => {
            let names: Vec<String> = many.iter().map(ResourceExt::name_any).collect();
            let message = format!("{} polecats are called `{word}`", many.len());
            return Err(CliError::new(Exit::NotFound, message).hint(format!("name one: {}", names.join(", "))));
        }
    }
    let called = ListParams::default().labels(&format!("{LABEL_BEAD}={word}"));
    let is_bead = by_name(&link.api(beads), word).await?.is_some()
        || names::is_label(word) && !link.list(beads, &called).await?.is_empty();
    if is_bead { Ok((beads, link.get(beads, word).await?)) } else { Err(neither(link, word).await) }
}

/// The error of a name that is neither a polecat's nor a bead's.
async fn neither(link: &Link, word: &str) -> CliError {
    let error = CliError::new(Exit::NotFound, format!("no Polecat and no Bead is named `{}`", word.escape_debug()));
    let mut all: Vec<String> =
        link.all::<Polecat>().await.unwrap_or_default().iter().map(ResourceExt::name_any).collect();
    all.extend(link.all::<Bead>().await.unwrap_or_default().iter().map(ResourceExt::name_any));
    match suggest::nearest(word, all.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`gt status` lists who works on what"),
    }
}

/// The polecat that is meant: itself, or the one that has the bead, or had it last.
pub async fn polecat(link: &Link, word: &str) -> Result<Polecat, CliError> {
    let (kind, object) = find(link, word).await?;
    if kind.name == "Polecat" {
        return parsed(object);
    }
    let text = |pointer: &str| object.data.pointer(pointer).and_then(serde_json::Value::as_str);
    let bead = object.name_any();
    let Some(name) = text("/spec/assignee/polecat").or_else(|| text("/status/lastPolecat")) else {
        return Err(CliError::new(Exit::NotFound, format!("nobody has worked on bead {bead} yet"))
            .hint(format!("`gt describe bead/{bead}` says what it waits for")));
    };
    parsed(link.get(kinds::find("polecat")?, name).await?)
}

/// An object, typed.
pub fn parsed<K>(object: DynamicObject) -> Result<K, CliError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let name = object.name_any();
    object.try_parse().map_err(|error| CliError::new(Exit::Failed, format!("could not read `{name}`")).because(&error))
}

/// The same, over a connection of its own.
pub fn polecat_of(gt: &Context, town: &crate::town::Town, word: &str) -> Result<Polecat, CliError> {
    crate::cli::block_on(gt.with_api(town, async |link| polecat(link, word).await))
}
