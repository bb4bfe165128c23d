//! `bd ready`: what may be taken up now, the most urgent first, then the oldest.
//!
//! # Design notes
//! While a controller runs, what it found ready is asked for by field, so that ten thousand beads cost what a hundred do.
//! That a bead was ready stays true while its spec is unchanged: a need that was closed stays closed. So needs are looked
//! at again only where the spec is newer than the finding; closed or taken since is seen in the spec itself. With no
//! controller no status is trusted: every open bead is looked at. Where more is ready than is asked for, it is asked for
//! by priority, and of the last of them the first by name are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_agent::work;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::{Issue, Listed};
use gastown_beads::slim::Slim;
use gastown_beads::words;
use gastown_crds::actor::Worker;
use gastown_crds::bead::{BeadState, BeadType, CONDITIONAL_BLOCKS, ChildrenGate, Link, PARENTS_MAX, PINNED, WAITS_FOR};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::json;

use super::filter::{Filter, is_hidden};
use super::mol::ready as molecule;
use super::scan::{Query, scan};
use super::show::get;
use super::{act, claim, print};

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
    #[command(flatten)]
    filter: Filter,
    /// Wisps, too
    #[arg(long)]
    include_ephemeral: bool,
    /// By what they are sorted: the most urgent first, then the oldest, unless said otherwise
    #[arg(short, long, value_enum, default_value = "hybrid")]
    sort: Order,
    /// Say of each why it is ready, and of what is not what it waits for
    #[arg(long)]
    explain: bool,
    /// Take up the first of them
    #[arg(long)]
    claim: bool,
    /// Only the steps of this molecule that may be done now, in its order
    #[arg(long, value_name = "ID", conflicts_with_all = ["explain", "sort", "assignee", "gated"])]
    mol: Option<String>,
    /// Instead, the molecules with a step that may be done now because a gate has opened
    #[arg(long, conflicts_with_all = ["explain", "sort", "claim"])]
    gated: bool,
}

/// The order of what is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Order {
    /// By priority, then age.
    #[value(alias = "priority")]
    Hybrid,
    /// By age.
    Oldest,
}

/// Runs `bd ready`.
pub async fn ready(args: &ReadyArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    if args.gated {
        return molecule::gated(args.limit, json, context).await;
    }
    if let Some(id) = &args.mol {
        let now = molecule::Now::of(id, &args.filter, context).await?;
        return if args.claim {
            claim_first(now.steps(), json, context).await
        } else {
            Ok(now.answer(args.limit, json))
        };
    }
    let worker = args.filter.assignee.as_deref().and_then(Worker::parse);
    let mut beads = match &worker {
        Some(worker) => steps_of(worker, args, context).await?,
        None if context.controller && is_narrow(&args.filter) => found_ready(args, context).await?,
        None => computed(&args.filter, args.include_ephemeral, context).await?.0,
    };
    if worker.is_none() {
        match args.sort {
            Order::Hybrid => beads.sort_by(|a, b| order(a).cmp(&order(b))),
            Order::Oldest => beads.sort_by_cached_key(|it| (it.created(), it.id())),
        }
    }
    if args.limit != 0 {
        beads.truncate(args.limit);
    }
    if args.claim {
        return claim_first(&beads, json, context).await;
    }
    if args.explain {
        return explain(&beads, args, json, context).await;
    }
    Ok(Answer::out(if json {
        print::json(&beads.iter().map(Listed::of).collect::<Vec<_>>())
    } else if beads.is_empty() {
        "nothing is ready\n".to_owned()
    } else {
        print::table(&beads)
    }))
}

/// Whether the API alone can narrow the beads down to what is asked for.
fn is_narrow(filter: &Filter) -> bool {
    let rest = Filter { type_: None, priority: None, rig: None, parent: None, no_parent: false, ..filter.clone() };
    let has_word_of_its_own =
        filter.type_.as_deref().and_then(words::type_of).is_some_and(|(_, custom)| custom.is_some());
    rest == Filter::default() && !has_word_of_its_own
}

/// The ready steps of what a polecat has, in the formula's order.
async fn steps_of(worker: &Worker, args: &ReadyArgs, context: &Context) -> Result<Vec<Slim>, Error> {
    let polecat = worker.object();
    let Some(bead) = work::find_hooked(context, Some(&worker.rig), &polecat).await? else { return Ok(Vec::new()) };
    let Some(work) = work::load(context, &bead.name_any(), &polecat).await? else { return Ok(Vec::new()) };
    let mut steps = Vec::new();
    for step in work.ready() {
        steps.extend(get(context, &step.id).await?.as_ref().map(act::slim).transpose()?);
    }
    steps.retain(|step| args.filter.priority.is_none_or(|p| p == step.spec.priority));
    Ok(steps)
}

/// The beads that the controller found ready and that still are.
async fn found_ready(args: &ReadyArgs, context: &Context) -> Result<Vec<Slim>, Error> {
    let mut base = Query::default();
    let filter = Filter { priority: None, ..args.filter.clone() };
    filter.check(&mut base, SystemClock.now())?;
    if args.filter.type_.is_none() {
        base.fields.push("spec.type!=Step".to_owned());
    }
    let mut beads = Vec::new();
    for state in [BeadState::Ready, BeadState::Backlog] {
        let query = |priority: Option<u32>, beads: usize| {
            let mut fields = vec![format!("status.state={state}")];
            fields.extend(base.fields.iter().cloned());
            fields.extend(priority.map(|p| format!("spec.priority={p}")));
            let beads_max = (args.limit != 0).then_some(beads.saturating_add(SLACK_BEADS));
            Query { fields, labels: Vec::new(), beads_max }
        };
        let (found, has_more) = still_ready(&query(args.filter.priority, args.limit), args, context).await?;
        if !has_more || args.filter.priority.is_some() {
            beads.extend(found);
            continue;
        }
        let mut seen = 0;
        for priority in PRIORITIES {
            let rest = args.limit.saturating_sub(seen);
            if rest == 0 {
                break;
            }
            let found = still_ready(&query(Some(priority), rest), args, context).await?.0;
            seen += found.len();
            beads.extend(found);
        }
    }
    Ok(beads)
}

async fn still_ready(query: &Query, args: &ReadyArgs, context: &Context) -> Result<(Vec<Slim>, bool), Error> {
    let (mut sure, mut unsure) = (Vec::new(), Vec::new());
    let has_more = scan(context, query, |slim| {
        // A molecule is done by its parts, as Beads has it.
        let is_root = args.filter.type_.is_none() && slim.spec.type_ == BeadType::Molecule;
        let is_shown = !slim.spec.ephemeral || args.include_ephemeral || args.filter.parent.is_some();
        if is_free(&slim) && is_shown && !is_root && !is_hidden(slim.spec.type_) {
            let judged = slim.status.observed_generation == slim.metadata.generation;
            let list = if judged || (slim.spec.needs.is_empty() && slim.spec.links.is_empty()) {
                &mut sure
            } else {
                &mut unsure
            };
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

/// Of these, those that may be taken up.
pub async fn only_ready(mut beads: Vec<Slim>, wisps: bool, context: &Context) -> Result<Vec<Slim>, Error> {
    let ready = computed(&Filter::default(), wisps, context).await?.0;
    let ready: BTreeSet<String> = ready.into_iter().map(|bead| bead.metadata.name).collect();
    beads.retain(|bead| ready.contains(&bead.metadata.name));
    Ok(beads)
}

async fn claim_first(beads: &[Slim], json: bool, context: &Context) -> Result<Answer, Error> {
    for bead in beads {
        if let Some(claimed) = claim::claim(&bead.metadata.name, context).await? {
            let slim = act::slim(&claimed)?;
            let out = if json { print::json(&[Issue::of(&slim)]) } else { print::table(&[slim]) };
            return Ok(Answer::out(out));
        }
    }
    Ok(Answer::out(if json { "[]\n" } else { "nothing is ready\n" }))
}

/// What is ready and why, and what is not and why not.
async fn explain(ready: &[Slim], args: &ReadyArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let blocked = computed(&args.filter, args.include_ephemeral, context).await?.1;
    if json {
        return Ok(in_json(ready, &blocked));
    }
    let mut out = print::table(ready);
    if ready.is_empty() {
        out.push_str("nothing is ready\n");
    }
    for Blocked { bead, why, .. } in &blocked {
        out.push_str(&format!("{}  not ready: {why}\n", bead.id()));
    }
    Ok(Answer::out(out))
}

/// The same in JSON: of what is ready which of its needs were closed, of what is not which are open.
fn in_json(ready: &[Slim], blocked: &[Blocked]) -> Answer {
    let (mut free, mut waiting) = (Vec::new(), Vec::new());
    for bead in ready {
        let needs = &bead.spec.needs;
        let why = if needs.is_empty() { "no blocking dependencies".to_owned() } else { closed(needs.len()) };
        let more = json!({ "reason": why, "resolved_blockers": needs });
        free.push(print::with(&Listed::of(bead), more));
    }
    for Blocked { bead, why, needs, .. } in blocked {
        let more = json!({ "reason": why, "blocked_by_count": needs.len(), "blocked_by": needs });
        waiting.push(print::with(&Issue::of(bead), more));
    }
    let summary = json!({ "total_ready": free.len(), "total_blocked": waiting.len() });
    Answer::out(print::object(&json!({ "ready": free, "blocked": waiting, "summary": summary })))
}

fn closed(needs: usize) -> String {
    if needs == 1 {
        "the bead that it needs is closed".to_owned()
    } else {
        format!("the {needs} beads that it needs are closed")
    }
}

/// The needs that are still open. A need that does not exist does not block.
pub async fn open_needs(context: &Context, needs: &[String]) -> Result<Vec<String>, Error> {
    let mut open = Vec::new();
    for need in needs {
        if get(context, need).await?.is_some_and(|b| b.spec.blocks()) {
            open.push(need.clone());
        }
    }
    Ok(open)
}

/// Whether a bead is open, and nobody has it, has handed it in, has to fix it, or has set it aside.
fn is_free(slim: &Slim) -> bool {
    taken(slim).is_none()
}

/// Why a bead may not be taken up, by itself; none if it may.
fn taken(slim: &Slim) -> Option<String> {
    let spec = &slim.spec;
    if slim.is_closed() {
        return Some("it is closed".to_owned());
    }
    if let Some(who) = slim.assignee() {
        return Some(format!("{who} has it"));
    }
    if let Some(held) = &spec.held {
        return Some(format!("its status was set to {held}"));
    }
    if spec.defer_until.is_some_and(|until| until > SystemClock.now()) {
        return spec.defer_until.map(|until| format!("deferred until {until}"));
    }
    match slim.status.state {
        BeadState::Landing => Some("its branch is landing".to_owned()),
        BeadState::SetAside => Some("it needs a person".to_owned()),
        _ => None,
    }
}

/// An open bead that may not be taken up.
pub struct Blocked {
    /// The bead.
    pub bead: Slim,
    /// Why it may not.
    pub why: String,
    /// Whether it waits for other beads, itself or with its parent.
    pub waits: bool,
    /// What it needs itself that is open.
    pub needs: Vec<Need>,
}

/// A bead that another one needs, in short.
#[derive(Debug, Clone, Serialize)]
pub struct Need {
    /// Its id.
    pub id: String,
    title: String,
    status: String,
    priority: u32,
}

impl Need {
    fn of(bead: &Slim) -> Self {
        let (title, status) = (bead.spec.title.clone(), bead.status().to_owned());
        Self { id: bead.id(), title, status, priority: bead.spec.priority }
    }
}

/// Ready beads by their specs alone, and those that are not with the reason: one look at every open bead; `wisps` among them, too.
pub async fn computed(filter: &Filter, wisps: bool, context: &Context) -> Result<(Vec<Slim>, Vec<Blocked>), Error> {
    let query = Query { fields: vec!["spec.closed.reason=".into()], ..Query::default() };
    let mut checked = filter.check(&mut Query::default(), SystemClock.now())?;
    checked.wisps |= wisps;
    let by_type = filter.type_.as_deref().and_then(words::type_of);
    let mut all: BTreeMap<String, Slim> = BTreeMap::new();
    scan(context, &query, |slim| {
        all.insert(slim.metadata.name.clone(), slim);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let waits_for_children = all.values().any(|bead| bead.spec.links.iter().any(|link| link.type_ == WAITS_FOR));
    let closed_parents = if waits_for_children { closed_children(context).await? } else { BTreeSet::new() };
    let open = Open { all: &all, closed_parents: &closed_parents };
    let (mut ready, mut blocked) = (Vec::new(), Vec::new());
    for slim in all.values() {
        let wanted = match &by_type {
            Some((type_, custom)) => slim.spec.type_ == *type_ && slim.spec.custom_type == *custom,
            None => !slim.is_step() && slim.spec.type_ != BeadType::Molecule,
        };
        let in_rig = filter.rig.as_ref().is_none_or(|rig| *rig == slim.spec.rig);
        let by_priority = filter.priority.is_none_or(|it| it == slim.spec.priority);
        let parent = filter.parent.as_ref();
        let by_parent = parent.is_none_or(|it| slim.spec.parent.as_ref() == Some(it))
            && !(filter.no_parent && slim.spec.parent.is_some());
        if !wanted || !in_rig || !by_priority || !by_parent || !checked.admits(slim) {
            continue;
        }
        match taken(slim).map(|why| (why, false)).or_else(|| open.waits(slim)) {
            None => ready.push(slim.clone()),
            Some((why, waits)) => {
                let needs = open.needs_open(slim).filter_map(|need| all.get(need)).map(Need::of).collect();
                blocked.push(Blocked { bead: slim.clone(), why, waits, needs });
            }
        }
    }
    Ok((ready, blocked))
}

/// The parents of which some child is closed.
async fn closed_children(context: &Context) -> Result<BTreeSet<String>, Error> {
    let query = Query { fields: vec!["spec.closed.reason!=".into(), "spec.parent!=".into()], ..Query::default() };
    let mut parents = BTreeSet::new();
    scan(context, &query, |slim| {
        parents.extend(slim.spec.parent);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(parents)
}

/// The open beads, to be asked what one of them waits for.
struct Open<'a> {
    all: &'a BTreeMap<String, Slim>,
    closed_parents: &'a BTreeSet<String>,
}

impl Open<'_> {
    fn blocks(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|bead| bead.spec.held.as_deref() != Some(PINNED))
    }

    /// What a bead needs that is open.
    fn needs_open<'b>(&'b self, bead: &'b Slim) -> impl Iterator<Item = &'b String> {
        bead.spec.needs.iter().filter(|need| self.blocks(need))
    }

    /// What has to be closed before a bead, by what it says itself.
    fn needs(&self, bead: &Slim) -> Vec<String> {
        let needs = self.needs_open(bead).cloned();
        let linked = bead.spec.links.iter().filter_map(|link| match link.type_.as_str() {
            CONDITIONAL_BLOCKS if self.blocks(&link.to) => Some(link.to.clone()),
            WAITS_FOR if self.children_block(link) => Some(format!("the children of {}", link.to)),
            _ => None,
        });
        needs.chain(linked).collect()
    }

    fn children_block(&self, link: &Link) -> bool {
        let mut children = self.all.values().filter(|it| !it.is_step() && it.spec.parent.as_ref() == Some(&link.to));
        let any_open = children.any(|child| child.spec.held.as_deref() != Some(PINNED));
        any_open && (link.gate != Some(ChildrenGate::AnyChildren) || !self.closed_parents.contains(&link.to))
    }

    /// What a bead waits for, itself or with its parent; and whether that is other beads.
    fn waits(&self, bead: &Slim) -> Option<(String, bool)> {
        let needs = self.needs(bead);
        if !needs.is_empty() {
            return Some((format!("waits for {}", needs.join(", ")), true));
        }
        let parent = bead.spec.parent.as_ref().filter(|_| !bead.is_step()).and_then(|name| self.all.get(name))?;
        if parent.spec.defer_until.is_some_and(|until| until > SystemClock.now()) {
            return Some((format!("its parent {} is deferred", parent.metadata.name), false));
        }
        let mut needs = self.needs(parent);
        needs.retain(|need| !self.is_part(need, &parent.metadata.name));
        let why = || format!("its parent {} waits for {}", parent.metadata.name, needs.join(", "));
        (!needs.is_empty()).then(|| (why(), true))
    }

    fn is_part(&self, name: &str, of: &str) -> bool {
        let mut parent = self.all.get(name).and_then(|bead| bead.spec.parent.as_deref());
        for _ in 0..PARENTS_MAX {
            match parent {
                Some(name) if name == of => return true,
                Some(name) => parent = self.all.get(name).and_then(|bead| bead.spec.parent.as_deref()),
                None => return false,
            }
        }
        false
    }
}

fn order(slim: &Slim) -> (u32, Timestamp, &str) {
    (slim.spec.priority, slim.created(), &slim.metadata.name)
}
