//! `gt status`: the town at a glance. The first line says what needs you.

mod needs;

use clap::Args as ClapArgs;
use gastown_crds::bead::{BeadState, BeadType, CloseReason};
use gastown_crds::common::{ConditionStatus, condition, types};
use gastown_crds::{Bead, Convoy, Polecat, Rig};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use super::age::age;
use super::context::{Context, Link};
use super::error::{CliError, Exit};
use super::table::{Table, escaped, plain};
use super::terminal::Color;
use crate::insight::kinds::{bead, rig};
use crate::insight::{self, Snapshot};
use needs::{Need, World};

/// Rows shown of what waits and of what has landed; `gt get beads` has them all.
const ROWS_MAX: usize = 10;

/// What is said of what is on its way out.
const DELETING: &str = "being deleted";

/// Show what needs you, what is worked on, what waits, and what has landed.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// The town at a glance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    town: String,
    up: bool,
    needs_you: Vec<Need>,
    working: Vec<Working>,
    landing: Vec<Line>,
    waiting: Vec<Line>,
    landed: Vec<Landed>,
    convoys: Vec<ConvoyLine>,
    rigs: Vec<RigLine>,
}

#[derive(Debug, Serialize)]
struct Working {
    polecat: String,
    bead: String,
    state: String,
    attempt: u32,
    since: Option<Timestamp>,
    title: String,
}

#[derive(Debug, Serialize)]
struct Line {
    bead: String,
    why: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Landed {
    bead: String,
    how: CloseReason,
    at: Timestamp,
    title: String,
}

#[derive(Debug, Serialize)]
struct ConvoyLine {
    name: String,
    landed: bool,
    beads: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct RigLine {
    name: String,
    ready: bool,
    reason: String,
    base_red: bool,
    branch: Option<String>,
    queued: u32,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let status = gt.with_api(&town, async |link| look(link, &town.name).await).await?;
    if args.json {
        let text = serde_json::to_string_pretty(&status)
            .map_err(|error| CliError::new(Exit::Failed, "could not write the status").because(&error))?;
        return gt.out.data(&escaped(text));
    }
    gt.out.data(&text(&status, gt))
}

async fn look(link: &Link, town: &str) -> Result<Status, CliError> {
    let mut beads = link.all::<Bead>().await?;
    beads.retain(|bead| bead.spec.type_ != BeadType::Step);
    let (polecats, rigs) = (link.all::<Polecat>().await?, link.all::<Rig>().await?);
    let (requests, convoys) = (link.all().await?, link.all::<Convoy>().await?);
    let (runtimes, towns) = (link.all().await?, link.all().await?);
    let world = World {
        beads: &beads,
        rigs: &rigs,
        requests: &requests,
        convoys: &convoys,
        polecats: &polecats,
        runtimes: &runtimes,
        town: towns.first(),
    };
    let mut snapshot = Snapshot::new(town, link.controller);
    snapshot.load(link, insight::kind("Bead").reads).await?;
    Ok(Status {
        town: town.to_owned(),
        up: link.controller,
        needs_you: needs::of(&world),
        working: working(&polecats, &beads),
        landing: lines(&beads, &rigs, &snapshot, &[BeadState::Landing]),
        waiting: lines(&beads, &rigs, &snapshot, &[BeadState::Ready, BeadState::Waiting]),
        landed: landed(&beads),
        convoys: convoys.iter().map(convoy_line).collect(),
        rigs: rigs.iter().map(rig_line).collect(),
    })
}

fn state(bead: &Bead) -> BeadState {
    if bead.spec.closed.is_some() {
        return BeadState::Closed;
    }
    bead.status.as_ref().map(|status| status.state).unwrap_or_default()
}

fn working(polecats: &[Polecat], beads: &[Bead]) -> Vec<Working> {
    let at_work = polecats.iter().filter_map(|polecat| {
        let status = polecat.status.clone()?;
        let bead = status.bead?;
        let found = beads.iter().find(|it| it.name_any() == bead);
        // One that waits with its bead is told of there.
        let waits = found.and_then(|it| it.spec.assignee.as_ref()).is_some_and(|it| it.waiting.is_some());
        if waits {
            return None;
        }
        let title = found.map(|it| plain(&it.spec.title));
        Some(Working {
            polecat: polecat.name_any(),
            state: format!("{:?}", status.state),
            attempt: status.attempt.unwrap_or(0),
            since: condition(&status.conditions, types::READY).map(|ready| ready.last_transition_time),
            title: title.unwrap_or_default(),
            bead,
        })
    });
    at_work.collect()
}

fn lines(beads: &[Bead], rigs: &[Rig], snapshot: &Snapshot, states: &[BeadState]) -> Vec<Line> {
    let mut found: Vec<&Bead> = beads.iter().filter(|bead| states.contains(&state(bead))).collect();
    found.sort_by_key(|bead| (states.iter().position(|it| *it == state(bead)), bead.spec.priority, bead.name_any()));
    let line = |bead: &&Bead| {
        let status = bead.status.clone().unwrap_or_default();
        let ready = condition(&status.conditions, types::READY);
        let why = match ready {
            Some(ready) if ready.status == ConditionStatus::True => waits_for(bead, rigs),
            Some(ready) if !ready.message.is_empty() => bead::explained(bead, &ready.message, snapshot),
            Some(ready) => ready.reason.clone(),
            None => "not looked at yet".to_owned(),
        };
        Line { bead: bead.name_any(), why, title: plain(&bead.spec.title) }
    };
    found.iter().map(line).collect()
}

/// What a ready bead waits for: a place, if it is begun; else its rig, else somebody who takes it.
fn waits_for(bead: &Bead, rigs: &[Rig]) -> String {
    if bead.spec.assignee.is_some() {
        return "goes on as soon as a place is free".to_owned();
    }
    let name = &bead.spec.rig;
    let rig = rigs.iter().find(|rig| rig.name_any() == *name);
    let why = rig.map_or_else(|| Some("there is none".to_owned()), rig::not_ready);
    why.map_or_else(|| "ready: waits for a free place".to_owned(), |why| format!("waits for rig `{name}`: {why}"))
}

/// What was closed, the latest first. What was withdrawn has not landed.
fn landed(beads: &[Bead]) -> Vec<Landed> {
    let mut found: Vec<Landed> = beads
        .iter()
        .filter_map(|bead| {
            let closed = bead.spec.closed.as_ref().filter(|closed| closed.reason != CloseReason::Withdrawn)?;
            let (bead, title) = (bead.name_any(), plain(&bead.spec.title));
            Some(Landed { bead, how: closed.reason, at: closed.at, title })
        })
        .collect();
    found.sort_by_key(|landed| (std::cmp::Reverse(landed.at), landed.bead.clone()));
    found
}

fn convoy_line(convoy: &Convoy) -> ConvoyLine {
    let status = convoy.status.clone().unwrap_or_default();
    let landed = condition(&status.conditions, types::LANDED);
    ConvoyLine {
        name: convoy.name_any(),
        landed: landed.is_some_and(|landed| landed.status == ConditionStatus::True),
        beads: status.progress.unwrap_or_else(|| format!("0/{}", convoy.spec.beads.len())),
        reason: match landed {
            _ if convoy.metadata.deletion_timestamp.is_some() => DELETING.to_owned(),
            Some(landed) => landed.reason.clone(),
            None => "not looked at yet".to_owned(),
        },
    }
}

fn rig_line(rig: &Rig) -> RigLine {
    let status = rig.status.clone().unwrap_or_default();
    let ready = condition(&status.conditions, types::READY);
    let is_going = rig.metadata.deletion_timestamp.is_some();
    RigLine {
        name: rig.name_any(),
        ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True) && !is_going,
        reason: match ready {
            _ if is_going => DELETING.to_owned(),
            Some(ready) => ready.reason.clone(),
            None => "not looked at yet".to_owned(),
        },
        base_red: rig::base_red(rig).is_some(),
        branch: status.branch,
        queued: status.queued,
    }
}

fn text(status: &Status, gt: &Context) -> String {
    let (out, now) = (gt.out, gt.now());
    // Each table is indented by two.
    let within = gt.out.width.map(|width| width.saturating_sub(2));
    let mut parts = Vec::new();
    let first = match status.needs_you.len() {
        0 => out.paint(Color::Green, "nothing needs you"),
        1 => out.paint(Color::Red, "1 thing needs you"),
        n => out.paint(Color::Red, &format!("{n} things need you")),
    };
    let down = if status.up { "" } else { "   (the town is down: gt up)" };
    let mut head = format!("{first}{down}");
    if !status.needs_you.is_empty() {
        // What is to be typed names the object.
        let mut table = Table::new(["OBJECT", "NEXT", "WHAT"]).fitting(&["WHAT"], &["OBJECT"]);
        status.needs_you.iter().for_each(|need| table.row([&need.object, &need.next, &need.what]));
        head = format!("{head}\n{}", indented(&table.render(within)));
    }
    parts.push(head);
    let mut part = |title: &str, all: usize, shown: usize, mut table: Table| {
        if all == 0 {
            return;
        }
        let more = if all > shown { format!("\n  … and {} more: gt get beads", all - shown) } else { String::new() };
        let title = out.paint(Color::Bold, &format!("{title} ({all})"));
        parts.push(format!("{title}\n{}{more}", indented(&table.render(within))));
    };
    let mut table = Table::new(["POLECAT", "BEAD", "STATE", "ATTEMPT", "SINCE", "TITLE"])
        .fitting(&["TITLE"], &["ATTEMPT", "SINCE", "STATE"]);
    for it in &status.working {
        let since = it.since.map_or_else(|| "-".into(), |since| age(now, since));
        table.row([&it.polecat, &it.bead, &it.state, &it.attempt.to_string(), &since, &it.title]);
    }
    part("working", status.working.len(), status.working.len(), table);
    for (title, lines) in [("landing", &status.landing), ("waiting", &status.waiting)] {
        let mut table = Table::new(["BEAD", "WHY", "TITLE"]).fitting(&["TITLE", "WHY"], &[]);
        lines.iter().take(ROWS_MAX).for_each(|line| table.row([&line.bead, &line.why, &line.title]));
        part(title, lines.len(), ROWS_MAX, table);
    }
    let mut table = Table::new(["BEAD", "HOW", "AGO", "TITLE"]).fitting(&["TITLE"], &["AGO"]);
    for it in status.landed.iter().take(ROWS_MAX) {
        table.row([it.bead.clone(), format!("{:?}", it.how), age(now, it.at), it.title.clone()]);
    }
    part("landed", status.landed.len(), ROWS_MAX, table);
    let mut table = Table::new(["CONVOY", "BEADS", "STATE"]);
    status.convoys.iter().for_each(|it| table.row([&it.name, &it.beads, &it.reason]));
    part("convoys", status.convoys.len(), status.convoys.len(), table);
    let mut table = Table::new(["RIG", "READY", "BRANCH", "QUEUE"]).fitting(&["BRANCH"], &["QUEUE"]);
    for it in &status.rigs {
        let ready = match (it.ready, it.base_red) {
            (false, _) => &it.reason,
            (true, true) => "no: base red",
            (true, false) => "yes",
        };
        table.row([&it.name, ready, it.branch.as_deref().unwrap_or("-"), &it.queued.to_string()]);
    }
    part("rigs", status.rigs.len(), status.rigs.len(), table);
    if status.rigs.is_empty() {
        parts.push("no rig yet: `gt rig add PATH-OR-URL`".to_owned());
    }
    parts.join("\n\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
