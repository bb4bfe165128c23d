//! What is pruned: objects that were applied before, that a selector picks, and that no file declares any more.
//!
//! Objects that were made otherwise stay, whatever labels they have: only that `gt apply` owns fields of an object, or has noted
//! so in an earlier release, says that it came from a file. An object goes by its uid, so a namesake that comes meanwhile stays.

use std::collections::BTreeSet;

use gastown_crds::apply::appliers;
use gastown_crds::common::{ANNOTATION_PRUNE, DISABLED};
use gastown_crds::order::{self, Member};
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use super::{DryRun, Judged, source, unreadable};
use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::{KINDS, Kind};
use crate::cli::delete;

/// An object that no file declares any more.
pub struct Pruned {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: String,
    /// It, as it was found.
    pub object: DynamicObject,
}

/// Refuses a selector that picks everything.
pub fn check(selector: &str) -> Result<(), CliError> {
    if selector.trim().is_empty() {
        return Err(CliError::new(Exit::Usage, "an empty selector would prune everything that was ever applied")
            .hint("name the labels of what may go, such as `-l team=checkout`"));
    }
    Ok(())
}

/// Finds them, what depends on others first.
pub async fn found(link: &Link, selector: &str, judged: &Judged, gt: &Context) -> Result<Vec<Pruned>, CliError> {
    let declared: BTreeSet<(&str, &str)> =
        judged.todo.iter().map(|manifest| (manifest.kind.as_str(), manifest.name.as_str())).collect();
    let mut found = Vec::new();
    for kind in KINDS {
        for object in link.list(kind, &ListParams::default().labels(selector)).await? {
            let name = object.metadata.name.clone().unwrap_or_default();
            let value: Value = serde_json::to_value(&object).map_err(|error| unreadable(&error))?;
            if declared.contains(&(kind.name, &*name))
                || !appliers::is_from_file(&value)
                || object.metadata.deletion_timestamp.is_some()
            {
                continue;
            }
            if let Some(source) = source::keeper(&value, |source| judged.terms.sources.contains(source)) {
                let object = kind.named_object(&name);
                gt.out.talk(&format!("note: {object} is kept by the source `{}`", source.escape_debug()));
                continue;
            }
            if value["metadata"]["annotations"][ANNOTATION_PRUNE] == DISABLED {
                let object = kind.named_object(&name);
                gt.out.talk(&format!("note: {object} is kept, as it says `{ANNOTATION_PRUNE}: {DISABLED}`"));
                continue;
            }
            found.push(Pruned { kind, name, object });
        }
    }
    let member = |it: &Pruned| Member::new(it.kind, &it.name, it.object.data.get("spec"));
    let mut found = order::sorted(found, member);
    found.reverse();
    Ok(found)
}

impl Pruned {
    /// Deletes it, and says so.
    pub async fn delete(&self, link: &Link, dry_run: Option<DryRun>, gt: &Context) -> Result<(), CliError> {
        let Self { kind, name, object } = self;
        delete::warn(gt, link, kind, name, object).await?;
        if dry_run != Some(DryRun::Client)
            && !link.delete_exactly(kind, name, object.metadata.uid.as_deref(), dry_run.is_some()).await?
        {
            return Ok(());
        }
        gt.out.data(&format!("{} pruned{}", kind.named_object(name), DryRun::words(dry_run)))
    }
}
