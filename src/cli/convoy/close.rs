//! `gt convoy close`: an end to a convoy. What nobody has begun of it is withdrawn; what is worked on is finished, and lands.

use clap::Args as ClapArgs;
use gastown_crds::bead::BeadState;
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;
use kube::api::ListParams;

use super::declared;
use crate::cli::block_on;
use crate::cli::common::complete;
use crate::cli::common::context::{Context, Link, by_name, pages};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;

/// What is said behind a bead that a convoy tracks.
const TRACKED: &str = " (tracked: it stays, and nobody asks for it any more)";

/// Open beads that are named.
const NAMED_MAX: usize = 10;

/// Close a convoy. Refuses while beads of it are open; then, with --force: what is worked on is finished and lands, the rest is
/// withdrawn.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy close release`. Its beads and their record stay: `gt get beads -l gastown.io/convoy=release`.\n\
    It is `gt delete convoy/release`, and asks for --force first."
)]
pub struct Args {
    /// Its name.
    #[arg(value_name = "NAME", add = complete::convoys())]
    convoy: String,
    /// Also while beads of it are open.
    #[arg(long)]
    force: bool,
    /// Only say what would be closed.
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub fn close(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let (name, kind) = (super::bare(&args.convoy), kinds::find("convoy")?);
    let found = block_on(gt.with_api(&town, async |link| read(link, name).await))?;
    declared::refuse(name, ("remove it from", "it would be made again"), gt, &town)?;
    let Found { uid, open } = found;
    if !open.is_empty() && !args.force {
        let many = if open.len() == 1 { "1 bead is".to_owned() } else { format!("{} beads are", open.len()) };
        let error = CliError::new(Exit::Refused, format!("convoy {name} is not finished: {many} open"));
        let error = open.iter().take(NAMED_MAX).cloned().fold(error, CliError::because_of);
        return Err(error.hint(format!(
            "`gt convoy close {name} --force`: what is worked on is finished and lands, the rest is withdrawn"
        )));
    }
    if args.dry_run {
        gt.out.data(&format!("convoy/{name} would be closed (dry run)"))?;
        for bead in &open {
            gt.out.data(&format!("  open: {bead}"))?;
        }
        return Ok(());
    }
    let is_up = block_on(gt.with_api(&town, async |link| {
        link.delete_exactly(kind, name, uid.as_deref(), false).await?;
        Ok(link.controller)
    }))?;
    gt.out.data(&format!("convoy/{name} closed"))?;
    if !is_up {
        gt.out.talk("the town is down: it goes once `gt up` has looked at its beads");
    } else if !open.is_empty() {
        gt.out.talk("it goes once nobody is at work on its beads, and none is landing");
    }
    Ok(())
}

struct Found {
    uid: Option<String>,
    /// Its open beads, a line for each.
    open: Vec<String>,
}

async fn read(link: &Link, name: &str) -> Result<Found, CliError> {
    let Some(convoy) = by_name(&link.typed::<Convoy>(), name).await? else {
        return Err(link.not_found(kinds::find("convoy")?, name).await);
    };
    let mine = ListParams::default().labels(&format!("{LABEL_CONVOY}={name}"));
    let mut tracked = Vec::new();
    for track in &convoy.spec.tracks {
        let bead = link.typed::<Bead>().get_opt(&track.bead).await?;
        tracked.extend(bead.filter(|bead| bead.spec.closed.is_none()));
    }
    let beads: Vec<Bead> = pages(&link.typed::<Bead>(), &mine).await?;
    let open = beads.iter().filter(|bead| bead.spec.closed.is_none() && !bead.spec.is_step());
    let line = |bead: &Bead| {
        let state = bead.status.as_ref().map_or(BeadState::Waiting, |status| status.state);
        format!("bead/{} {state}: {}", bead.name_any(), bead.spec.title)
    };
    let mut open: Vec<String> = open.map(line).collect();
    open.extend(tracked.iter().map(|bead| line(bead) + TRACKED));
    // Before any controller has looked, none of them is made yet.
    if beads.is_empty() {
        open.extend(convoy.spec.beads.iter().map(|bead| format!("{} is not begun: {}", bead.name, bead.title)));
    }
    Ok(Found { uid: convoy.uid(), open })
}
