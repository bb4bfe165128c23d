//! `gt source`: the places where desired state lives; and what came of their revisions.

mod approve;
mod asked;
pub(super) mod branch;
mod receive;
mod sync;
mod take;
mod tidy;

use std::path::Path;

use clap::Subcommand;
use gastown_controllers::objects::{Objects, read};
use gastown_crds::Source;
use gastown_crds::kinds::{KINDS, Role};
use gastown_crds::manifest;
use kube::ResourceExt;
use kube::api::ListParams;

use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use crate::town::{TOWN_FILE, Town};
use crate::world::source::working_folder;

pub use approve::approve;
pub use receive::receive;
pub use sync::{settle, sync};
pub use take::take;
pub use tidy::tidy;

/// Where desired state lives: look at it now, have this machine apply it, let a revision prune, tidy up.
#[derive(Debug, Subcommand)]
pub enum Command {
    Sync(sync::Args),
    Take(take::Args),
    Approve(approve::Args),
    Tidy(tidy::Args),
    #[command(hide = true)]
    Receive(receive::Args),
}

/// The source that makes a file of the town's folder live, once it is committed. A town that cannot be asked keeps nobody from
/// anything.
pub(super) fn committed_to(file: &Path, town: &Town, gt: &Context) -> Option<String> {
    let sources = if town.layout.has_store() {
        let asked = gt.with_api(town, async |link| link.all::<Source>().await);
        super::block_on(asked).ok()?
    } else {
        Vec::new()
    };
    let sources = or_declared(sources, town).ok()?;
    let file = fs_err::canonicalize(file).ok()?;
    let is_over = |source: &&Source| {
        let folder = working_folder(town, source).and_then(|folder| fs_err::canonicalize(folder).ok());
        folder.is_some_and(|folder| file.starts_with(folder))
    };
    Some(sources.iter().find(is_over)?.name_any())
}

/// The town's sources; before its first `gt up`, those that the town's file declares.
pub(super) fn or_declared(sources: Vec<Source>, town: &Town) -> Result<Vec<Source>, CliError> {
    if !sources.is_empty() {
        return Ok(sources);
    }
    let file = town.dir.join(TOWN_FILE);
    let text = fs_err::read_to_string(&file).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    let found = manifest::parse(TOWN_FILE, &text).unwrap_or_default();
    let sources = found.into_iter().filter(|manifest| manifest.kind == "Source");
    Ok(sources.filter_map(|manifest| serde_json::from_value(manifest.value()).ok()).collect())
}

/// Every object that controllers decide by.
pub(super) async fn objects(link: &Link) -> Result<Objects, CliError> {
    let mut objects = Objects::default();
    for kind in KINDS.iter().filter(|kind| kind.role == Role::Reconciled) {
        for object in link.list(kind, &ListParams::default()).await? {
            let name = object.name_any();
            let value = serde_json::to_value(object).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
            objects.change(kind, &name, read(kind, value));
        }
    }
    Ok(objects)
}
