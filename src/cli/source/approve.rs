//! `gt source approve`: lets the revision that is held prune as much as it does.

use clap::Args as ClapArgs;
use gastown_crds::Source;
use gastown_crds::common::ANNOTATION_APPROVE;
use gastown_crds::source::{RevisionResult, is_meant};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cli::common::complete;
use crate::cli::common::context::{Context, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::find;

/// Let the revision that waits prune as much as it does.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The source.
    #[arg(add = complete::sources())]
    name: String,
    /// The revision that is meant, as `gt history` shows it, or the start of its commit. Default: the one that waits.
    revision: Option<String>,
}

/// Runs it.
pub async fn approve(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    gt.with_api(&town, async |link| {
        let api = link.typed::<Source>();
        let Some(source) = by_name(&api, &args.name).await? else {
            return Err(link.not_found(find("source")?, &args.name).await);
        };
        let past = source.status.unwrap_or_default().history.into_iter().next();
        let Some(past) = past.filter(|past| past.result == RevisionResult::Held) else {
            return Err(CliError::new(Exit::Refused, format!("no revision of source `{}` waits", args.name))
                .hint(format!("`gt history {}` says what became of each", args.name)));
        };
        if args.revision.as_ref().is_some_and(|wanted| !is_meant(&past.revision, wanted)) {
            let message = format!("the revision that waits is {}", past.revision);
            return Err(CliError::new(Exit::Refused, message).hint("approve that one, or leave the revision out"));
        }
        let patch = json!({ "metadata": { "annotations": { ANNOTATION_APPROVE: past.revision } } });
        api.patch(&args.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        gt.out.data(&format!("source/{} approved: {}", args.name, past.revision))?;
        gt.say_if_down(link.controller);
        Ok(())
    })
    .await
}
