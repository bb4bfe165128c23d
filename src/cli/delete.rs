//! `gt delete`: removes objects. What they stand for in the world is rescued and removed by their controllers first.

use clap::Args as ClapArgs;
use gastown_crds::order::{self, Member};
use kube::api::{DeleteParams, DynamicObject};
use tokio::time::Instant;

use super::apply;
use super::common::complete;
use super::common::context::{Context, Link, by_name};
use super::common::error::{CliError, Exit};
use super::common::gone::gone;
use super::common::kinds::{Kind, targets};
use super::common::timeout::Timeout;
use crate::insight::{self, overrides};

/// Delete objects.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", required_unless_present = "files", add = complete::targets())]
    objects: Vec<String>,
    /// Delete the objects that these manifests declare.
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", conflicts_with = "objects")]
    files: Vec<String>,
    /// Wait until they are gone.
    #[arg(long)]
    wait: bool,
    /// How long to wait for each object, such as `90s` or `5m`.
    #[arg(long, default_value = "30s", requires = "wait")]
    timeout: Timeout,
    /// Do not fail when an object does not exist.
    #[arg(long)]
    ignore_not_found: bool,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let objects = objects(args, gt)?;
    let town = gt.town()?;
    let mut waits = gt
        .with_api(&town, async |link| {
            let mut waits = Vec::new();
            for (kind, name) in &objects {
                if !delete(args, gt, link, kind, name).await? {
                    waits.push((*kind, name.clone()));
                }
            }
            Ok(waits)
        })
        .await?;
    if !args.wait || waits.is_empty() {
        return Ok(());
    }
    let until = Instant::now() + args.timeout.0;
    while let Some((kind, name)) = waits.pop() {
        gone(gt, &town, kind, &name, until, args.timeout).await?;
    }
    Ok(())
}

fn objects(args: &Args, gt: &Context) -> Result<Vec<(&'static Kind, String)>, CliError> {
    if args.files.is_empty() {
        return Ok(targets(&args.objects)?.into_iter().map(|it| (it.kind, it.name.to_owned())).collect());
    }
    // What depends on others goes first.
    let manifests = order::sorted(apply::read_files(&args.files, gt)?, Member::of);
    manifests
        .into_iter()
        .rev()
        .map(|manifest| match Kind::named(&manifest.kind) {
            Some(kind) => Ok((kind, manifest.name)),
            None => Err(CliError::new(Exit::Refused, format!("no kind is named `{}`", manifest.kind))),
        })
        .collect()
}

/// Warns of what goes with an object that is about to be deleted.
pub async fn warn(gt: &Context, link: &Link, kind: &Kind, name: &str, object: &DynamicObject) -> Result<(), CliError> {
    let snapshot = link.snapshot(insight::kind(kind.name).deletion_reads).await?;
    if let Some(note) = overrides::goes_with(&kind.named_object(name), &object.metadata) {
        gt.out.talk(&format!("warning: {note}"));
    }
    if let Some(warning) = insight::subject(kind.name, object).open_work(&snapshot) {
        gt.out.talk(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Deletes one; whether it is gone already.
async fn delete(args: &Args, gt: &Context, link: &Link, kind: &Kind, name: &str) -> Result<bool, CliError> {
    if let Some(object) = by_name(&link.api(kind), name).await? {
        // Nothing is asked: `gt delete` does what it is told, as kubectl does.
        warn(gt, link, kind, name, &object).await?;
    }
    match link.api(kind).delete(name, &DeleteParams::default()).await {
        Ok(answer) => {
            // An object comes back as long as somebody has something to clean up first.
            let waits = answer.left().is_some_and(|object| {
                object.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty())
            });
            let object = kind.named_object(name);
            gt.out.data(&format!("{object} {}", if waits { "is being deleted" } else { "deleted" }))?;
            if waits && !link.controller {
                gt.out.talk("the town is down: it goes once `gt up` has cleaned up after it");
            }
            Ok(!waits)
        }
        Err(kube::Error::Api(status)) if status.code == 404 => {
            if args.ignore_not_found {
                return Ok(true);
            }
            Err(link.not_found(kind, name).await)
        }
        Err(error) => Err(error.into()),
    }
}
