//! `gt status`: the town at a glance. What somebody has stopped comes first, then what needs you.

use clap::Args as ClapArgs;
use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::world::Session;
use gastown_crds::Polecat;

use super::common::age::age;
use super::common::context::Context;
use super::common::disk;
use super::common::error::{CliError, Exit};
use super::common::table::Table;
use super::common::terminal::Color;
use super::{rig, sessions_of};
use crate::insight::attention::Need;
use crate::insight::overview::{self, Overview};
use crate::text::escaped;
use crate::town::Town;

/// Rows shown of what waits and of what has landed; `gt get beads` has them all.
const ROWS_MAX: usize = 10;

/// Show what needs you, what is worked on, what waits, and what has landed.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let snapshot = gt.with_api(&town, async |link| link.snapshot(overview::READS).await).await?;
    let mut overview = Overview::of(&snapshot);
    if !overview.up {
        // What its controller saw last may have ended since.
        let runs = |name: &str| snapshot.get::<Polecat>(name).is_none_or(|polecat| may_run(polecat, &town));
        overview.without_sessions(runs);
    }
    // A town that is down has not taken off yet what is over.
    overview.held.retain(|held| held.until.is_none_or(|until| until > gt.now()));
    overview.needs_you.splice(0..0, disk::need(&town));
    if args.json {
        let text = serde_json::to_string_pretty(&overview)
            .map_err(|error| CliError::new(Exit::Failed, "could not write the status").because(&error))?;
        return gt.out.data(&escaped(text));
    }
    gt.out.data(&text(&overview, &town, gt))
}

/// Whether a session of a polecat runs, as far as that can be seen.
fn may_run(polecat: &Polecat, town: &Town) -> bool {
    sessions_of(town).look(&sandbox_id(polecat)).map_or(true, |session| session != Session::None)
}

fn text(overview: &Overview, town: &Town, gt: &Context) -> String {
    let (out, now) = (gt.out, gt.now());
    // Each table is indented by two.
    let within = gt.out.width.map(|width| width.saturating_sub(2));
    let mut parts = Vec::new();
    if !overview.held.is_empty() {
        let mut table = Table::new(["OBJECT", "STATE", "BY", "SINCE", "UNTIL", "NEXT", "WHY"])
            .fitting(&["WHY"], &["UNTIL", "SINCE", "BY"]);
        for it in &overview.held {
            let until = it.until.map_or_else(|| "-".to_owned(), |until| format!("{until:.0}"));
            let reason = it.reason.clone().unwrap_or_else(|| "-".to_owned());
            table.row([
                it.object.clone(),
                it.mode.to_string(),
                it.by.clone(),
                age(now, it.since),
                until,
                it.next.clone(),
                reason,
            ]);
        }
        // The first line says it, too.
        let also = if overview.needs_you.is_empty() { String::new() } else { format!("; {}", count(overview)) };
        let title = out.paint(Color::Red, &format!("held ({}){also}", overview.held.len()));
        parts.push(format!("{title}\n{}", indented(&table.render(within))));
    }
    let color = if overview.needs_you.is_empty() { Color::Green } else { Color::Red };
    let first = out.paint(color, &count(overview));
    let down = if overview.up { "" } else { "   (the town is down: gt up)" };
    let mut head = format!("{first}{down}");
    if !overview.needs_you.is_empty() {
        head = format!("{head}\n{}", indented(&needs_table(&overview.needs_you).render(within)));
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
    for it in &overview.working {
        let since = it.since.map_or_else(|| "-".into(), |since| age(now, since));
        table.row([&it.polecat, &it.bead, &it.state, &it.attempt.to_string(), &since, &it.title]);
    }
    part("working", overview.working.len(), overview.working.len(), table);
    for (title, lines) in [("landing", &overview.landing), ("waiting", &overview.waiting)] {
        let mut table = Table::new(["BEAD", "WHY", "TITLE"]).fitting(&["TITLE", "WHY"], &[]);
        lines.iter().take(ROWS_MAX).for_each(|line| table.row([&line.bead, &line.why, &line.title]));
        part(title, lines.len(), ROWS_MAX, table);
    }
    let mut table = Table::new(["BEAD", "HOW", "AGO", "TITLE"]).fitting(&["TITLE"], &["AGO"]);
    for it in overview.landed.iter().take(ROWS_MAX) {
        table.row([it.bead.clone(), it.how.to_string(), age(now, it.at), it.title.clone()]);
    }
    part("landed", overview.landed.len(), ROWS_MAX, table);
    let mut table = Table::new(["CONVOY", "BEADS", "STATE"]);
    overview.convoys.iter().for_each(|it| table.row([&it.name, &it.beads, &it.reason]));
    part("convoys", overview.convoys.len(), overview.convoys.len(), table);
    let mut table = Table::new(["RIG", "READY", "BRANCH", "QUEUE"]).fitting(&["BRANCH"], &["QUEUE"]);
    for it in &overview.rigs {
        let ready = match (it.ready, it.base_red) {
            (false, _) => &it.reason,
            (true, true) => "no: base red",
            (true, false) => "yes",
        };
        table.row([&it.name, ready, it.branch.as_deref().unwrap_or("-"), &it.queued.to_string()]);
    }
    part("rigs", overview.rigs.len(), overview.rigs.len(), table);
    if overview.rigs.is_empty() {
        parts.push(if town.dir.join(rig::DIR).is_dir() {
            format!("no rig is live yet: `gt apply -f {0}`, or commit {0}", rig::DIR)
        } else {
            "no rig yet: `gt rig add PATH-OR-URL`".to_owned()
        });
    }
    if let Some(it) = overview.capacity.as_ref().filter(|_| overview.up) {
        let (working, all) = (it.working, it.polecats);
        let (memory, disk) = (&it.min_free_memory, &it.min_free_disk);
        parts.push(format!(
            "capacity: {working} of {all} polecats at work; one starts while {memory} of memory and {disk} of disk are free"
        ));
    }
    parts.join("\n\n")
}

/// How much needs a person, in words.
fn count(overview: &Overview) -> String {
    match overview.needs_you.len() {
        0 => "nothing needs you".to_owned(),
        1 => "1 thing needs you".to_owned(),
        n => format!("{n} things need you"),
    }
}

/// What needs a person, and what to type.
pub(super) fn needs_table(needs: &[Need]) -> Table {
    // What is to be typed names the object.
    let mut table = Table::new(["OBJECT", "NEXT", "WHAT"]).fitting(&["WHAT"], &["OBJECT"]);
    for need in needs {
        table.row([&need.object, &need.next, &need.what]);
    }
    table
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
