//! `gt unsling`: takes beads off their hooks until they are slung again. Nothing of the work is lost: it is an override, as `gt stop`
//! says one, so the polecat keeps its worktree for the bead, and takes no slot with it meanwhile.

use clap::Args as ClapArgs;
use gastown_crds::Bead;
use gastown_crds::bead::BeadState;
use gastown_crds::common::API_VERSION;
use gastown_crds::manifest::to_yaml;
use gastown_crds::overrides::{self as said, Mode, Override};
use kube::ResourceExt;
use serde_json::json;

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::enforce;
use super::common::error::{CliError, Exit};
use super::common::kinds;
use super::common::overrides::{self, Said};
use super::common::worker;
use super::sling::Output;

/// Why, where nobody says it.
const WHY: &str = "unslung";

/// Take beads off their hooks: their sessions end, and they wait, with all that was made, until `gt sling BEAD`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt unsling shop-kkrp77zh --reason 'after the release'`; `gt sling shop-kkrp77zh` has it go on.\n\
    The polecat keeps its worktree for it and takes no slot. What is not wanted at all is withdrawn with `gt bd close`."
)]
pub struct Args {
    /// Names of beads.
    #[arg(value_name = "BEAD", required = true, add = complete::beads())]
    beads: Vec<String>,
    #[command(flatten)]
    said: Said,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Print what is written on the beads, and not what became of them.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let mut off = args.said.mode(Mode::Stopped, gt.now())?;
    off.reason.get_or_insert_with(|| WHY.to_owned());
    let town = gt.town()?;
    let before = enforce::count(&town)?;
    let kind = kinds::find("bead")?;
    let done = gt
        .with_api_again(&town, async |link| {
            // All are looked at before any is written.
            let mut beads = Vec::new();
            for word in &args.beads {
                beads.push(read(link, word).await?);
            }
            for bead in &beads {
                let name = bead.name_any();
                if args.output.is_some() {
                    gt.out.data(&to_yaml(&written(bead, &off)))?;
                } else if args.dry_run {
                    gt.out.data(&format!("bead/{name} unslung (dry run)"))?;
                }
                if !args.dry_run {
                    overrides::put_as(
                        gt,
                        link,
                        (kind, &name),
                        Some(&off),
                        None,
                        args.output.is_none().then_some("unslung"),
                    )
                    .await?;
                }
            }
            Ok((beads, enforce::todo(gt, &town, link).await?))
        })
        .await?;
    if args.dry_run {
        return Ok(());
    }
    let (beads, todo) = done;
    let _done = enforce::carry_out(&town, &todo)?;
    let ended = before.saturating_sub(enforce::count(&town)?);
    if ended > 0 {
        gt.out.talk(&super::stop::ended_words(ended));
    }
    for bead in &beads {
        let name = bead.name_any();
        gt.out.talk(&match &bead.spec.assignee {
            Some(assignee) => {
                format!("{} keeps what was made for bead/{name}; `gt sling {name}` goes on with it", assignee.polecat)
            }
            None => format!("bead/{name} waits; `gt sling {name}` has it go on"),
        });
    }
    Ok(())
}

/// A bead that can be taken off its hook.
async fn read(link: &Link, word: &str) -> Result<Bead, CliError> {
    let name = word.strip_prefix("bead/").unwrap_or(word);
    let bead: Bead = worker::parsed(link.get(kinds::find("bead")?, name).await?)?;
    let name = bead.name_any();
    let refused = |what: String, hint: String| Err(CliError::new(Exit::Refused, what).hint(hint));
    if let Some(parent) = bead.spec.parent.as_ref().filter(|_| bead.spec.is_step()) {
        return refused(format!("bead {name} is a step, which is on no hook"), format!("gt unsling {parent}"));
    }
    if let Some(closed) = &bead.spec.closed {
        return refused(
            format!("bead {name} is closed ({}): it is on no hook", closed.reason),
            "`gt status` lists what is open".to_owned(),
        );
    }
    if bead.status.as_ref().is_some_and(|status| status.state == BeadState::Landing) {
        let hint = format!("`gt pause bead/{name}` keeps it from landing, `gt bd close {name}` withdraws it");
        return refused(format!("bead {name} is on no hook any more: its branch is handed in"), hint);
    }
    Ok(bead)
}

/// What is written on a bead.
fn written(bead: &Bead, off: &Override) -> serde_json::Value {
    let annotation = json!({ (said::ANNOTATION_OVERRIDE): json!(off).to_string() });
    json!({
        "apiVersion": API_VERSION, "kind": "Bead",
        "metadata": { "name": bead.name_any(), "annotations": annotation },
    })
}
