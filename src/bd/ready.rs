//! `bd ready`: what may be taken up now, the most urgent first, then the oldest.
//!
//! # Design notes
//! While a controller runs, what it found ready is asked for by field, so that ten thousand beads cost what a hundred do.
//! That a bead was ready stays true while its spec is unchanged: a need that was closed stays closed. So needs are looked
//! at again only where the spec is newer than the finding; closed or taken since is seen in the spec itself. With no
//! controller no status is trusted: every open bead is looked at. Where more is ready than is asked for, it is asked for
//! by priority, and of the last of them the first by name are taken.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_agent::work;
use gastown_crds::bead::BeadState;
use jiff::Timestamp;
use kube::ResourceExt;

use super::filter::{self, TypeName};
use super::issue::Listed;
use super::print;
use super::scan::{Query, scan};
use super::show::get;
use super::slim::Slim;

/// Priorities there are.
const PRIORITIES: std::ops::RangeInclusive<u32> = 0..=4;
/// Asked for beyond the limit: some of what was found ready may have been taken since.
const SLACK_BEADS: usize = 16;

/// List what may be taken up now
#[derive(Debug, Clone, Args)]
pub struct ReadyArgs {
    /// At most so many; 0: all
    #[arg(short = 'n', long, default_value_t = 100)]
    limit: usize,
    /// Only this priority: 0 (first) to 4 (last)
    #[arg(short, long, value_parser = filter::priority)]
    priority: Option<u32>,
    /// The ready steps of what this polecat has: RIG/polecats/NAME
    #[arg(short, long, conflicts_with = "type_")]
    assignee: Option<String>,
    /// Only this type; steps are left out unless asked for
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<TypeName>,
}

/// Runs `bd ready`.
pub async fn ready(args: &ReadyArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut beads = match &args.assignee {
        Some(assignee) => steps_of(assignee, args, context).await?,
        None if context.controller => found_ready(args, context).await?,
        None => computed(args, context).await?,
    };
    if args.assignee.is_none() {
        beads.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    if args.limit != 0 {
        beads.truncate(args.limit);
    }
    Ok(Answer::out(if json {
        print::json(&beads.iter().map(Listed::of).collect::<Vec<_>>())
    } else if beads.is_empty() {
        "nothing is ready\n".to_owned()
    } else {
        print::table(&beads)
    }))
}

/// The ready steps of what a polecat has, in the formula's order.
async fn steps_of(assignee: &str, args: &ReadyArgs, context: &Context) -> Result<Vec<Slim>, Error> {
    let worker = filter::polecat(assignee)?;
    let polecat = worker.object();
    let Some(bead) = work::find_hooked(context, Some(&worker.rig), &polecat).await? else { return Ok(Vec::new()) };
    let Some(work) = work::load(context, &bead.name_any(), &polecat).await? else { return Ok(Vec::new()) };
    let mut steps = Vec::new();
    for step in work.ready() {
        steps.extend(get(context, &step.id).await?.as_ref().map(Slim::of).transpose()?);
    }
    steps.retain(|step| args.priority.is_none_or(|p| p == step.spec.priority));
    Ok(steps)
}

fn type_condition(args: &ReadyArgs) -> String {
    args.type_.map_or_else(|| "spec.type!=Step".to_owned(), |t| format!("spec.type={}", t.bead_type()))
}

/// The beads that the controller found ready and that still are.
async fn found_ready(args: &ReadyArgs, context: &Context) -> Result<Vec<Slim>, Error> {
    let query = |priority: Option<u32>, beads: usize| {
        let mut fields = vec!["status.state=Ready".to_owned(), type_condition(args)];
        fields.extend(priority.map(|p| format!("spec.priority={p}")));
        let beads_max = (args.limit != 0).then_some(beads.saturating_add(SLACK_BEADS));
        Query { fields, labels: Vec::new(), beads_max }
    };
    let (mut beads, has_more) = still_ready(&query(args.priority, args.limit), context).await?;
    if has_more && args.priority.is_none() {
        beads.clear();
        for priority in PRIORITIES {
            let rest = args.limit.saturating_sub(beads.len());
            if rest == 0 {
                break;
            }
            beads.extend(still_ready(&query(Some(priority), rest), context).await?.0);
        }
    }
    Ok(beads)
}

async fn still_ready(query: &Query, context: &Context) -> Result<(Vec<Slim>, bool), Error> {
    let (mut sure, mut unsure) = (Vec::new(), Vec::new());
    let has_more = scan(context, query, |slim| {
        if is_free(&slim) {
            let judged = slim.status.observed_generation == slim.metadata.generation;
            let list = if judged || slim.spec.needs.is_empty() { &mut sure } else { &mut unsure };
            list.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    for bead in unsure {
        if open_needs(context, &bead.spec.needs).await?.is_empty() {
            sure.push(bead);
        }
    }
    Ok((sure, has_more))
}

/// The needs that are still open. A need that does not exist does not block.
pub async fn open_needs(context: &Context, needs: &[String]) -> Result<Vec<String>, Error> {
    let mut open = Vec::new();
    for need in needs {
        if get(context, need).await?.is_some_and(|b| b.spec.closed.is_none()) {
            open.push(need.clone());
        }
    }
    Ok(open)
}

/// Whether a bead is open, and nobody has it, has handed it in, or has to fix it.
fn is_free(slim: &Slim) -> bool {
    let out = matches!(slim.status.state, BeadState::Landing | BeadState::SetAside);
    !slim.is_closed() && slim.spec.assignee.is_none() && !out
}

/// Ready beads by their specs alone: one look at every open bead.
async fn computed(args: &ReadyArgs, context: &Context) -> Result<Vec<Slim>, Error> {
    let query = Query { fields: vec!["status.state!=Closed".into()], ..Query::default() };
    let (mut open, mut free) = (BTreeSet::new(), Vec::new());
    let wanted = args.type_.map(TypeName::bead_type);
    scan(context, &query, |slim| {
        if !slim.is_closed() {
            open.insert(slim.metadata.name.clone());
        }
        let by_type = wanted.map_or(!slim.is_step(), |wanted| slim.spec.type_ == wanted);
        if is_free(&slim) && by_type && args.priority.is_none_or(|p| p == slim.spec.priority) {
            free.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    free.retain(|slim| !slim.spec.needs.iter().any(|need| open.contains(need)));
    Ok(free)
}

fn order(slim: &Slim) -> (u32, Timestamp, &str) {
    (slim.spec.priority, slim.created(), &slim.metadata.name)
}
