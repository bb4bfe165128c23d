//! `gt mr refresh`: has the remotes of merge requests looked at now, not at the next `repo.interval`.
//!
//! It writes an annotation on the rig, whose controller fetches once for each new value of it, and waits until its status says
//! that this is done.

use clap::{Args as ClapArgs, Subcommand};
use futures::StreamExt;
use gastown_crds::common::{ConditionStatus, condition, look_now, types};
use gastown_crds::{MergeRequest, Rig};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher;
use tokio::time::Instant;

use super::common::complete;
use super::common::context::{Context, Link, by_name};
use super::common::error::{CliError, Exit};
use super::common::kinds::find;
use super::common::timeout::Timeout;
use super::common::watching;
use crate::insight::conditions;
use crate::town::Town;

/// Merge requests: see at once what people did with them.
#[derive(Debug, Subcommand)]
pub enum Command {
    Refresh(Args),
}

/// Look now whether branches were merged, deleted or taken back, not at the next `repo.interval`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A merge request: its rig's remote is looked at. Default: those of all rigs.
    #[arg(add = complete::merge_requests())]
    name: Option<String>,
    /// How long to wait for the remotes, such as `90s` or `5m`.
    #[arg(long, default_value = "60s")]
    timeout: Timeout,
}

/// Runs `gt mr refresh`.
pub async fn refresh(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let word = gt.now().to_string();
    let (rigs, up) = gt.with_api(&town, async |link| Ok((ask(args, &word, link).await?, link.controller))).await?;
    if rigs.is_empty() {
        gt.out.talk("there is no rig to look at");
        return Ok(());
    }
    if !up {
        gt.out.talk("the town is down: it looks once it is up, `gt up`");
        return Ok(());
    }
    let until = Instant::now() + args.timeout.0;
    for rig in &rigs {
        is_done(rig, &word, until, args.timeout, gt, &town).await?;
        gt.out.data(&format!("rig/{rig} refreshed"))?;
    }
    Ok(())
}

/// Asks the rigs for a look; their names.
async fn ask(args: &Args, word: &str, link: &Link) -> Result<Vec<String>, CliError> {
    let rigs = link.all::<Rig>().await?;
    let of = match &args.name {
        None => None,
        Some(name) => {
            let name = name.split_once('/').map_or(name.as_str(), |(_, name)| name);
            let requests = link.typed::<MergeRequest>();
            match by_name(&requests, name).await? {
                Some(request) => Some(request.spec.rig),
                None => return Err(link.not_found(find("mergerequest")?, name).await),
            }
        }
    };
    let mut asked = Vec::new();
    for rig in rigs.iter().filter(|rig| of.as_ref().is_none_or(|of| rig.name_any() == *of)) {
        let name = rig.name_any();
        if rig.spec.suspend && of.is_none() {
            continue;
        }
        if rig.spec.suspend {
            return Err(CliError::new(Exit::NeedsYou, format!("rig `{name}` is suspended: nothing is fetched there"))
                .hint("take `suspend: true` out of it, and `gt apply -f` it"));
        }
        link.typed::<Rig>().patch(&name, &PatchParams::default(), &Patch::Merge(look_now(word))).await?;
        asked.push(name);
    }
    Ok(asked)
}

/// Waits until a rig says that it has looked.
async fn is_done(
    rig: &str,
    word: &str,
    until: Instant,
    timeout: Timeout,
    gt: &Context,
    town: &Town,
) -> Result<(), CliError> {
    let look = async |_: &Link| Ok(Some(()));
    let (link, ()) = watching::link(gt, town, Some(until), look).await?;
    let config = watcher::Config::default().fields(&format!("metadata.name={rig}"));
    let mut changes = watching::Watches::new(gt.out).changes(link.typed::<Rig>(), config);
    let mut why = None;
    loop {
        let Ok(event) = tokio::time::timeout_at(until, changes.next()).await else {
            let message = format!("the remote of rig `{rig}` was not looked at within {:?}", timeout.0);
            let error = CliError::new(Exit::TimedOut, message);
            let error = why.into_iter().fold(error, CliError::because_of);
            return Err(error.hint(format!("`gt describe rig/{rig}` says more; it goes on by itself")));
        };
        match event {
            Some(watcher::Event::Apply(rig) | watcher::Event::InitApply(rig)) => {
                let status = rig.status.unwrap_or_default();
                if status.refreshed.as_deref() == Some(word) {
                    return Ok(());
                }
                let ready = condition(&status.conditions, types::READY).filter(|it| it.status != ConditionStatus::True);
                why = ready.map(conditions::words);
            }
            Some(watcher::Event::Delete(_)) => {
                return Err(CliError::new(Exit::NotFound, format!("rig `{rig}` was deleted")));
            }
            Some(watcher::Event::Init | watcher::Event::InitDone) => {}
            None => return Err(CliError::new(Exit::Failed, "the watch ended")),
        }
    }
}
