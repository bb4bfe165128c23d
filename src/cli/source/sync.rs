//! `gt source sync`: has a source look at its origin now, and waits until what is there is live or cannot be.

use std::ops::ControlFlow;

use clap::Args as ClapArgs;
use gastown_crds::Source;
use gastown_crds::common::{condition, is_true, look_now, types};
use gastown_crds::reason::Reason;
use kube::ResourceExt;

use super::asked::{Asked, Which};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::town::Town;
use crate::world::source::working_folder;

/// Look at a source's origin now, and wait until what is there is live.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs it.
pub async fn sync(args: &Args, gt: &Context) -> Result<(), CliError> {
    let (which, name) = (&args.which, &args.which.name);
    let word = gt.now().to_string();
    let asked = Asked { which, does: "it looks", not_yet: "was not live" };
    if asked.ask(gt, &look_now(&word), may_look).await?.is_none() {
        return Ok(());
    }
    let revision = asked.answer(gt, |status, why| {
        if status.refreshed.as_ref() != Some(&word) || is_true(&status.conditions, types::RECONCILING) {
            return Ok(ControlFlow::Continue(()));
        }
        let because = |error| why.into_iter().fold(error, CliError::because_of);
        if is_true(&status.conditions, types::STALLED) {
            let error = CliError::new(Exit::NeedsYou, format!("source `{name}` cannot go on by itself"));
            return Err(because(error));
        }
        let ready = condition(&status.conditions, types::READY);
        if ready.is_some_and(|ready| ready.reason == Reason::AppliedElsewhere) {
            let error = CliError::new(Exit::Refused, format!("source `{name}` is not applied by this town"));
            return Err(because(error));
        }
        if !is_true(&status.conditions, types::READY) {
            return Ok(ControlFlow::Continue(()));
        }
        Ok(ControlFlow::Break(status.applied.as_ref().map(|applied| applied.revision.clone()).unwrap_or_default()))
    });
    let revision = revision.await?;
    gt.out.data(&format!("source/{name} is at {revision}"))
}

/// Whether a source looks at all.
fn may_look(source: &Source) -> Result<(), CliError> {
    if !source.spec.suspend {
        return Ok(());
    }
    let message = format!("source `{}` is suspended, and looks at nothing", source.name_any());
    Err(CliError::new(Exit::Refused, message).hint("set `spec.suspend` to false first"))
}

/// The longest wait for what was committed a moment ago.
const SETTLE_MAX: &str = "10s";

/// Has each source that reads a working copy here look at it now, and waits for a moment until what is there is live. Whether there was
/// one: what was not found may be there now.
pub async fn settle(gt: &Context, town: &Town) -> bool {
    let found = gt.with_api(town, async |link| {
        let sources = if link.controller { link.all::<Source>().await? } else { Vec::new() };
        Ok(sources.into_iter().filter(|source| !source.spec.suspend && working_folder(town, source).is_some()))
    });
    let Ok(sources) = found.await else { return false };
    let mut has_looked = false;
    for source in sources {
        let (word, name) = (gt.now().to_string(), source.name_any());
        let Ok(timeout) = SETTLE_MAX.parse() else { return false };
        let which = Which { name, timeout };
        let asked = Asked { which: &which, does: "it looks", not_yet: "was not live" };
        // Who may not ask, such as an agent, is told what was not found.
        if !matches!(asked.ask(gt, &look_now(&word), |_| Ok(())).await, Ok(Some(_))) {
            continue;
        }
        let looked = asked.answer(gt, |status, _| {
            let is_over = status.refreshed.as_ref() == Some(&word) && !is_true(&status.conditions, types::RECONCILING);
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        has_looked |= looked.await.is_ok();
    }
    has_looked
}
