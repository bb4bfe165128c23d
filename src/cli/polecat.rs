//! `gt polecat`: the workers by name: who does what, what each has done so far, and an end to one that nobody wants any more.

mod list;
mod nuke;
mod spent;
mod status;
mod unsafe_work;

use clap::Subcommand;
use gastown_crds::{Polecat, names};
use kube::ResourceExt;

use super::common::context::{Link, by_name};
use super::common::error::CliError;
use super::common::kinds;

pub use list::list;
pub use nuke::nuke;
pub use status::status;

/// Polecats: who does what, the record of one, and an end to one.
#[derive(Debug, Subcommand)]
pub enum Command {
    List(list::Args),
    Status(status::Args),
    Nuke(nuke::Args),
}

/// The name of the object that is meant by `NAME`, `polecat/NAME` or `RIG/NAME`, and the object if it is there. A name within a
/// rig is enough where only one rig has such a polecat.
async fn named(link: &Link, word: &str) -> Result<(String, Option<Polecat>), CliError> {
    let name = match word.split_once('/') {
        Some((kind, name)) if kinds::find(kind).is_ok_and(|kind| kind.name == "Polecat") => name.to_owned(),
        Some((rig, name)) => names::polecat(rig, name),
        None => word.to_owned(),
    };
    if let Some(polecat) = by_name(&link.typed::<Polecat>(), &name).await? {
        return Ok((name, Some(polecat)));
    }
    let mut called = link.all::<Polecat>().await?;
    called.retain(|polecat| polecat.spec.name == name);
    Ok(match called.pop().filter(|_| called.is_empty()) {
        Some(polecat) => (polecat.name_any(), Some(polecat)),
        None => (name, None),
    })
}
