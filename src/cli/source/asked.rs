//! A word that asks a source for something by an annotation, and the wait until that is answered.

use std::ops::ControlFlow;

use clap::Args as ClapArgs;
use futures::StreamExt;
use gastown_crds::Source;
use gastown_crds::common::{condition, types};
use gastown_crds::source::SourceStatus;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::Value;
use tokio::time::Instant;

use crate::cli::common::complete;
use crate::cli::common::context::{Context, Link, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds::find;
use crate::cli::common::timeout::Timeout;
use crate::cli::common::watching;

/// Which source, and how long to wait for its answer.
#[derive(Debug, ClapArgs)]
pub(super) struct Which {
    /// The source.
    #[arg(add = complete::sources())]
    pub name: String,
    /// How long to wait, such as `90s` or `5m`.
    #[arg(long, default_value = "60s")]
    pub timeout: Timeout,
}

/// A source that is asked for something.
pub(super) struct Asked<'a> {
    pub which: &'a Which,
    /// What it does once the town is up, such as `it looks`.
    pub does: &'a str,
    /// What had not come to be when the time is over, such as `was not live`.
    pub not_yet: &'a str,
}

impl Asked<'_> {
    /// Asks by a merge patch, if the source may be asked. How it was before; none, and that is said, if the town is down and
    /// answers later.
    pub async fn ask(
        &self,
        gt: &Context,
        patch: &Value,
        may_be: impl Fn(&Source) -> Result<(), CliError>,
    ) -> Result<Option<Source>, CliError> {
        let (name, town) = (&self.which.name, gt.town()?);
        let asked = gt.with_api(&town, async |link| {
            let api = link.typed::<Source>();
            let Some(source) = by_name(&api, name).await? else {
                return Err(link.not_found(find("source")?, name).await);
            };
            may_be(&source)?;
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            Ok(link.controller.then_some(source))
        });
        let asked = asked.await?;
        if asked.is_none() {
            gt.out.talk(&format!("the town is down: {} once it is up, `gt up`", self.does));
        }
        Ok(asked)
    }

    /// Waits until a status answers. The message of `Ready` is given too: why it is as it is.
    pub async fn answer<T>(
        &self,
        gt: &Context,
        mut answer: impl FnMut(&SourceStatus, Option<&str>) -> Result<ControlFlow<T>, CliError>,
    ) -> Result<T, CliError> {
        let (Which { name, timeout }, town) = (self.which, gt.town()?);
        let until = Instant::now() + timeout.0;
        let look = async |_: &Link| Ok(Some(()));
        let (link, ()) = watching::link(gt, &town, Some(until), look).await?;
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut changes = watching::Watches::new(gt.out).changes(link.typed::<Source>(), config);
        let mut why = None;
        loop {
            let Ok(event) = tokio::time::timeout_at(until, changes.next()).await else {
                let message = format!("source `{name}` {} within {:?}", self.not_yet, timeout.0);
                let error = why.into_iter().fold(CliError::new(Exit::TimedOut, message), CliError::because_of);
                return Err(error.hint(format!("`gt describe source/{name}` says more; it goes on by itself")));
            };
            let source = match event {
                Some(watcher::Event::Apply(source) | watcher::Event::InitApply(source)) => source,
                Some(watcher::Event::Delete(_)) => return Err(link.not_found(find("source")?, name).await),
                Some(_) => continue,
                None => return Err(CliError::new(Exit::NoTown, "the town went down").hint("`gt up` starts it")),
            };
            let status = source.status.unwrap_or_default();
            let ready = condition(&status.conditions, types::READY);
            why = ready.map(|ready| ready.message.clone()).filter(|message| !message.is_empty());
            if let ControlFlow::Break(answer) = answer(&status, why.as_deref())? {
                return Ok(answer);
            }
        }
    }
}
