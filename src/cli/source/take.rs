//! `gt source take`: this machine applies a remote source from now on, whichever has done so before.

use std::ops::ControlFlow;

use clap::Args as ClapArgs;
use gastown_controllers::world::Origin;
use gastown_crds::Source;
use gastown_crds::common::take_now;
use gastown_crds::source::{LeasePolicy, LeaseStatus};
use kube::ResourceExt;

use super::asked::{Asked, Which};
use crate::cli::common::age;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::world::session::probe::host_name;

/// Have this machine apply a source, whichever has done so before.
///
/// Of several machines whose towns declare a remote source, the one that holds the lease in the remote applies it. This takes
/// the lease; the other machine sees that with its next fetch, and only looks from then on. Convoys that this town does not
/// have yet begin here, even if they have landed there: `gt diff --source NAME` says first which.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(flatten)]
    which: Which,
}

/// Runs it.
pub async fn take(args: &Args, gt: &Context) -> Result<(), CliError> {
    let (which, name) = (&args.which, &args.which.name);
    let word = gt.now().to_string();
    let asked = Asked { which, does: "it takes the lease", not_yet: "was not taken" };
    let Some(source) = asked.ask(gt, &take_now(&word), may_be_taken).await? else { return Ok(()) };
    let held = asked.answer(gt, |status, _| {
        let is_answered = status.taken.as_ref() == Some(&word);
        Ok(if is_answered { ControlFlow::Break(status.lease.clone()) } else { ControlFlow::Continue(()) })
    });
    if let Some(LeaseStatus { machine, seen: Some(_) }) = held.await? {
        let message = format!("`{machine}` keeps source `{name}`: its remote does not let this town write the lease");
        return Err(CliError::new(Exit::Refused, message)
            .hint("give this town the right to push to the remote, or name this machine there: `spec.runner`"));
    }
    gt.out.data(&format!("source/{name} is applied on this machine"))?;
    let before = source.status.and_then(|status| status.lease).filter(|lease| lease.seen.is_some());
    if let (Some(before), Some(git)) = (before, source.spec.git) {
        let within = i64::try_from(git.fetch_interval().as_secs()).unwrap_or(i64::MAX);
        gt.out.talk(&format!(
            "`{}` sees that with its next fetch, within {}; what it has at work goes on there until `gt stop`, and what it has landed is not known here",
            before.machine,
            age::short(within)
        ));
    }
    Ok(())
}

/// Whether a source has a lease.
fn may_be_taken(source: &Source) -> Result<(), CliError> {
    let name = source.name_any();
    let refused = |why: &str, hint: &str| {
        let message = format!("source `{name}` has no lease: {why}");
        Err(CliError::new(Exit::Refused, message).hint(hint))
    };
    if let Some(runner) = &source.spec.runner {
        if runner.eq_ignore_ascii_case(&host_name()) {
            return refused("`spec.runner` names this machine, so it is applied here", "there is nothing to take");
        }
        let hint = "commit the name of another machine there; `hostname` says this one's";
        return refused(&format!("`spec.runner` says that `{runner}` applies it"), hint);
    }
    let is_remote = matches!(Origin::of(&source.spec), Some(Origin::Clone { .. }));
    if !is_remote {
        return refused("it is read on this machine, and applied here", "a source of a remote repository has one");
    }
    if source.spec.git.as_ref().is_some_and(|git| git.lease == LeasePolicy::Never) {
        return refused("`spec.git.lease` is `Never`, so each machine applies it", "set it to `Auto` first");
    }
    if source.spec.suspend {
        return refused("it is suspended", "set `spec.suspend` to false first");
    }
    Ok(())
}
