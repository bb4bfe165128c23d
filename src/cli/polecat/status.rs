//! `gt polecat status`: how a polecat stands, and its record. The record is there, too, when the polecat is gone.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use gastown_controllers::rig::RigSettings;
use gastown_crds::actor::Worker;
use gastown_crds::{Polecat, Rig};
use kube::ResourceExt;
use serde_json::json;

use super::list::{Line, Output};
use super::named;
use super::spent::Spent;
use crate::cli::common::age::age;
use crate::cli::common::complete;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::common::table::Table;
use crate::insight::record::{self, Entry, Record};
use crate::insight::text::plain;
use crate::text::{escaped, visible};
use crate::town::Town;
use crate::world::git::{Git, LandedCommit};
use crate::world::records::Records;

/// Characters of a commit that people tell apart.
const COMMIT_CHARS: usize = 9;

/// Show how a polecat stands, and its record: beads, landings, what came back, and the tokens that it took.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Such as `gt polecat status shop-nux` or `gt polecat status shop/nux`.\n\
    A name has its record for good: it is shown, too, when there is no such polecat any more, and another of the name goes on with it.")]
pub struct Args {
    /// Its name, or RIG/NAME.
    #[arg(value_name = "NAME", add = complete::polecats())]
    polecat: String,
    /// The form of the output. Default: text.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Runs it.
pub async fn status(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let found = gt.with_api(&town, async |link| {
        let (name, polecat) = named(link, &args.polecat).await?;
        let snapshot = link.snapshot(record::READS).await?;
        let mut record = Record::of(&name, &snapshot);
        let rigs = link.all::<Rig>().await?;
        record.add_landed(landed(&name, &rigs, &town), &snapshot);
        let spent = Spent::of(&name, &snapshot, &Records::of(&town.layout));
        if polecat.is_none() && record.is_empty() {
            return Err(link.not_found(kinds::find("polecat")?, &name).await);
        }
        let title =
            polecat.as_ref().and_then(|it| it.status.as_ref()?.bead.as_deref()).and_then(|bead| snapshot.bead(bead));
        let title = title.map(|bead| bead.spec.title.clone());
        Ok((name, polecat, title, (record, spent)))
    });
    let (name, polecat, title, (record, spent)) = found.await?;
    if args.output == Some(Output::Json) {
        let mut value = json!({ "polecat": name, "isThere": polecat.is_some(), "record": record, "tokens": spent });
        if let (Some(polecat), Some(value)) = (&polecat, value.as_object_mut())
            && let serde_json::Value::Object(line) = json!(Line::of(polecat))
        {
            value.extend(line);
        }
        let text = serde_json::to_string_pretty(&value)
            .map_err(|error| CliError::new(Exit::Failed, "could not write the status").because(&error))?;
        return gt.out.data(&escaped(text));
    }
    let now = match &polecat {
        Some(polecat) => standing(polecat, title.as_deref(), gt),
        None => format!("{name} is gone; another of the name goes on with its record"),
    };
    let spent = spent.map(|spent| spent.words() + "\n").unwrap_or_default();
    gt.out.data(&visible(&format!("{now}\n{spent}{}", of_record(&record, gt))))
}

/// What the targets of rigs have of it, each with its merge request. A rig whose commits have one author tells nothing of who
/// made them, and one that cannot be read is left out.
fn landed(name: &str, rigs: &[Rig], town: &Town) -> Vec<(String, Entry)> {
    let git = Git::new(town.layout.clone());
    let mut found = Vec::new();
    for rig in rigs {
        let settings = RigSettings::of(rig);
        let Some(worker) = Worker::of_object(&rig.name_any(), name) else { continue };
        let author = settings.author(&worker.name);
        if author.name != worker.name {
            continue;
        }
        found.extend(git.landed_by(&settings.id, settings.branch, &author).unwrap_or_default());
    }
    let entry = |it: LandedCommit| {
        let (title, commit) = (plain(&it.subject), Some(it.commit.0));
        (it.merge_request, Entry { at: it.at, bead: it.bead, title, how: "Merged".to_owned(), commit })
    };
    found.into_iter().map(entry).collect()
}

/// How it stands, in a few lines.
fn standing(polecat: &Polecat, title: Option<&str>, gt: &Context) -> String {
    let Line { polecat: name, rig, state, bead, attempt, since, waits_for } = Line::of(polecat);
    let since = since.map(|since| format!(" for {}", age(gt.now(), since))).unwrap_or_default();
    let mut text = format!("{name}, of rig {rig}: {state}{since}");
    if let Some(bead) = bead {
        let attempt = attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
        let title = title.map(|title| format!(": {title}")).unwrap_or_default();
        let _never_fails = write!(text, "\n  on its hook: bead/{bead}{attempt}{title}");
    }
    if let Some(waits_for) = waits_for {
        let _never_fails = write!(text, "\n  it waits: {waits_for}");
    }
    if let Some(branch) = polecat.status.as_ref().and_then(|status| status.branch.as_ref()) {
        let _never_fails = write!(text, "\n  its branch: {branch}");
    }
    if state_is_live(polecat) {
        let _never_fails = write!(text, "\n  its screen: gt peek {}", polecat.name_any());
    }
    text
}

fn state_is_live(polecat: &Polecat) -> bool {
    polecat.status.as_ref().is_some_and(|status| status.attempt.is_some())
}

/// The record, in a line and a table.
fn of_record(record: &Record, gt: &Context) -> String {
    let Record { beads, landed, reworks, rejected, last } = record;
    if record.is_empty() {
        return "its record: it has worked on nothing yet".to_owned();
    }
    let of_beads = if *beads == 1 { "1 bead".to_owned() } else { format!("{beads} beads") };
    let mut table = Table::new(["AGO", "BEAD", "HOW", "COMMIT", "TITLE"]).fitting(&["TITLE"], &["COMMIT", "AGO"]);
    for entry in last {
        let commit = entry.commit.as_deref().map_or("-", |commit| commit.get(..COMMIT_CHARS).unwrap_or(commit));
        let ago = age(gt.now(), entry.at);
        table.row([ago.as_str(), &entry.bead, &entry.how, commit, &entry.title]);
    }
    let within = gt.out.width.map(|width| width.saturating_sub(2));
    let rows = table.render(within);
    let rows: Vec<String> = rows.lines().map(|line| format!("  {line}")).collect();
    format!("its record: {of_beads}, {landed} landed, {reworks} came back, {rejected} rejected\n{}", rows.join("\n"))
}
