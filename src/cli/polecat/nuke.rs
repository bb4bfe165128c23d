//! `gt polecat nuke`: an end to a polecat: its session, its worktree and its object. Its bead goes to another. Work that nobody
//! else has yet is a reason to refuse; with `--force` it is rescued, as whenever a Polecat is deleted.

use clap::Args as ClapArgs;
use gastown_controllers::polecat::sandbox_id;
use gastown_crds::{MergeRequest, Polecat};
use kube::ResourceExt;
use tokio::time::Instant;

use super::named;
use super::unsafe_work::{self, UnsafeWork};
use crate::cli::common::complete;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::gone::gone_exactly;
use crate::cli::common::kinds;
use crate::cli::common::timeout::Timeout;
use crate::town::Town;
use crate::world::git::Git;

/// End a polecat: its session and its worktree go, its bead goes to another. Refuses while it has work that nobody else has.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt polecat nuke shop-nux`. Its name and its record stay: `gt polecat status shop-nux`.\n\
    To have it do nothing for a while, `gt stop polecat/shop-nux --drain`."
)]
pub struct Args {
    /// Its name, or RIG/NAME.
    #[arg(value_name = "NAME", add = complete::polecats())]
    polecat: String,
    /// Also while it has work that nobody else has: commits are kept on its branch in the rig's clone, and files on
    /// refs/gt/rescue/NAME/… there.
    #[arg(long)]
    force: bool,
    /// Only say what would be ended, and what would be kept.
    #[arg(long)]
    dry_run: bool,
    /// How long to wait until it is gone, such as `90s` or `5m`.
    #[arg(long, default_value = "60s")]
    timeout: Timeout,
}

/// Runs it.
pub async fn nuke(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let kind = kinds::find("polecat")?;
    let found = gt.with_api(&town, async |link| {
        let (name, polecat) = named(link, &args.polecat).await?;
        let Some(polecat) = polecat else { return Err(link.not_found(kind, &name).await) };
        let requests = link.all::<MergeRequest>().await?;
        Ok((polecat, requests))
    });
    let (polecat, requests) = found.await?;
    let name = polecat.name_any();
    // Looked at without the store in hand: git may take long.
    let work = unsafe_work::look(&polecat, &requests, &town);
    if !work.is_none() && !args.force {
        return Err(refusal(&name, &work));
    }
    let bead = polecat.status.as_ref().and_then(|status| status.bead.clone());
    if args.dry_run {
        let back = bead.map(|bead| format!("; bead/{bead} would go to another")).unwrap_or_default();
        let lines = work.lines().iter().map(|line| format!("\n  kept: {line}")).collect::<Vec<_>>().concat();
        return gt.out.data(&format!("polecat/{name} would be ended{back}{lines} (dry run)"));
    }
    let before = kept(&polecat, &town);
    let uid = polecat.uid();
    let is_up = gt
        .with_api(&town, async |link| {
            link.delete_exactly(kind, &name, uid.as_deref(), false).await?;
            Ok(link.controller)
        })
        .await?;
    if !is_up {
        gt.out.data(&format!("polecat/{name} is being deleted"))?;
        gt.out.talk("the town is down: it goes once `gt up` has rescued its work and cleaned up after it");
        return Ok(());
    }
    let until = Instant::now() + args.timeout.0;
    gone_exactly(gt, &town, kind, (&name, uid.as_deref()), until, args.timeout).await?;
    let new: Vec<String> = kept(&polecat, &town).into_iter().filter(|it| !before.contains(it)).collect();
    for place in new {
        gt.out.talk(&format!("kept: {place}"));
    }
    if let Some(bead) = bead {
        gt.out.talk(&format!("bead/{bead} goes to another, if it is still open"));
    }
    Ok(())
}

fn refusal(name: &str, work: &UnsafeWork) -> CliError {
    let error = CliError::new(Exit::Refused, format!("polecat {name} has work that nobody else has"));
    let error = work.lines().into_iter().fold(error, CliError::because_of);
    error.hint(format!(
        "let it hand in, or bring it to safety there; `gt polecat nuke {name} --force` keeps commits on its branch and files \
         on refs/gt/rescue/{name}/… of the rig's clone, and goes on"
    ))
}

/// Where work of a polecat is kept: refs of its rig's clone, and worktrees in quarantine.
fn kept(polecat: &Polecat, town: &Town) -> Vec<String> {
    Git::new(town.layout.clone()).kept_of(&sandbox_id(polecat), &polecat.spec.name)
}
