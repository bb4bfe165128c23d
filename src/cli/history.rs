//! `gt history`: which revisions a source came to, what became of each, and what it caused.

mod bead;

mod caused;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::common::{LABEL_BEAD, LABEL_CONVOY};
use gastown_crds::source::{Past, is_meant};
use gastown_crds::{Bead, Source};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::common::age::age;
use super::common::complete;
use super::common::context::{Context, pages};
use super::common::error::{CliError, Exit};
use super::common::kinds::find;
use super::common::table::Table;
use crate::insight::text::{changes, plain, short_revisions};
use crate::text::counted;
use caused::{Caused, caused, convoys, has_landed};

/// List the revisions of a source, what became of each, and what it caused. Or what was changed of a bead.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The source, or a bead. Default: all sources.
    #[arg(add = complete::sources())]
    name: Option<String>,
    /// One revision in detail, with the objects that it changed and the beads that it caused: as it is listed, or the start of its
    /// commit.
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// The form of the output.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Print JSON: the same as `-o json`.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// JSON.
    Json,
}

/// One revision of a source.
struct Entry<'a> {
    source: &'a str,
    past: &'a Past,
    caused: Caused<'a>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let of_bead = args.name.as_deref().map(|name| bead::of(name, &town)).transpose()?.unwrap_or_default();
    let read = gt.with_api(&town, async |link| {
        let mut sources = link.all::<Source>().await?;
        if let Some(name) = &args.name {
            sources.retain(|source| source.name_any() == *name);
            if sources.is_empty() && of_bead.is_empty() {
                return Err(link.not_found(find("source")?, name).await);
            }
        }
        let histories: Vec<(String, Vec<Past>)> =
            sources.into_iter().map(|source| (source.name_any(), source.status.unwrap_or_default().history)).collect();
        let convoys: BTreeSet<&str> =
            histories.iter().flat_map(|(_, history)| history.iter().flat_map(convoys)).collect();
        let beads: Vec<Bead> = if convoys.is_empty() {
            Vec::new()
        } else {
            let all: Vec<&str> = convoys.into_iter().collect();
            let theirs = ListParams::default().labels(&format!("{LABEL_CONVOY} in ({})", all.join(",")));
            pages(&link.typed::<Bead>(), &theirs).await?
        };
        Ok((histories, beads))
    });
    let (histories, beads) = read.await?;
    if histories.is_empty() && !of_bead.is_empty() {
        return bead::print(&of_bead, args.json || args.output == Some(Output::Json), gt);
    }
    let entries = histories.iter().flat_map(|(source, history)| {
        let of_each = history.iter().zip(caused(history, &beads));
        of_each.map(move |(past, caused)| Entry { source, past, caused })
    });
    let mut entries: Vec<Entry<'_>> = entries.collect();
    entries.sort_by_key(|entry| Reverse(entry.past.at));
    let is_json = args.json || args.output == Some(Output::Json);
    if let Some(wanted) = &args.revision {
        let Some(entry) = entries.iter().find(|entry| is_meant(&entry.past.revision, wanted)) else {
            return Err(CliError::new(
                Exit::NotFound,
                format!("no revision `{}` is remembered", wanted.escape_debug()),
            )
            .hint("`gt history` lists the revisions"));
        };
        return gt.out.data(&if is_json { entry.json(true).to_string() } else { entry.detail(gt) });
    }
    if is_json {
        return gt.out.data(&entries.iter().map(|entry| entry.json(false)).collect::<Value>().to_string());
    }
    if entries.is_empty() {
        gt.out.talk("no revision was looked at yet");
        return Ok(());
    }
    gt.out.data(&table(&entries, gt).render(gt.out.width))
}

fn table(entries: &[Entry<'_>], gt: &Context) -> Table {
    let headings = ["SOURCE", "REVISION", "AGE", "RESULT", "CHANGES", "CAUSED", "AUTHOR", "SUBJECT"];
    let mut table = Table::new(headings).fitting(&["SUBJECT", "AUTHOR"], &["AUTHOR", "SOURCE"]);
    for Entry { source, past, caused } in entries {
        let author = past.author.split(" <").next().unwrap_or_default();
        let age = age(gt.now(), past.at);
        let revision = short_revisions(&past.revision);
        table.row([
            source,
            &*revision,
            &age,
            past.result.as_str(),
            &changes(past),
            &caused.word(),
            author,
            &past.subject,
        ]);
    }
    table
}

impl Entry<'_> {
    /// For programs; in detail with the beads.
    fn json(&self, in_detail: bool) -> Value {
        let mut json = json!(self.past);
        json["source"] = json!(self.source);
        json["caused"] = self.caused.json();
        if in_detail {
            let bead = |bead: &&Bead| {
                json!({
                    "name": bead.name_any(), "convoy": bead.labels().get(LABEL_CONVOY), "landed": has_landed(bead),
                    "sessions": bead.status.as_ref().map_or(0, |status| status.attempts),
                })
            };
            json["caused"]["items"] = self.caused.beads.iter().map(bead).collect();
        }
        json
    }

    /// For people.
    fn detail(&self, gt: &Context) -> String {
        let Self { source, past, caused } = self;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let name = if name.is_empty() { String::new() } else { format!("{name}:") };
            if !value.is_empty() {
                let _infallible = writeln!(text, "{name:<10} {}", plain(value));
            }
        };
        line("Source", source);
        line("Revision", &past.revision);
        line("Author", &past.author);
        line("Subject", &past.subject);
        line("Age", &age(gt.now(), past.at));
        line("Result", past.result.as_str());
        line("Message", &past.message);
        line("Changes", &changes(past));
        for object in &past.objects {
            line("", object);
        }
        let all = [past.created, past.configured, past.pruned].into_iter().sum::<u32>() as usize;
        // A revision that an earlier release applied names none.
        if let Some(more) = all.checked_sub(past.objects.len()).filter(|more| *more > 0) {
            line("", &format!("and {more} more"));
        }
        if caused.beads.is_empty() {
            line("Caused", "no bead");
            return text;
        }
        let more = if caused.is_part { " at least" } else { "" };
        let (beads, landed) = (caused.beads.len(), caused.landed());
        let sessions = usize::try_from(caused.sessions()).unwrap_or(usize::MAX);
        line("Caused", &format!("{}{more}, {}, {landed} landed", counted(beads, "bead"), counted(sessions, "session")));
        let mut table = Table::new(["  BEAD", "CONVOY", "CALLED", "STATE", "SESSIONS"]);
        for bead in &caused.beads {
            let label = |label| bead.labels().get(label).map(String::as_str).unwrap_or_default();
            let state = bead.status.as_ref().map(|status| status.state.to_string()).unwrap_or_default();
            let state = if has_landed(bead) { "Landed".to_owned() } else { state };
            let sessions = bead.status.as_ref().map_or(0, |status| status.attempts).to_string();
            let name = format!("  {}", bead.name_any());
            table.row([&*name, label(LABEL_CONVOY), label(LABEL_BEAD), &state, &sessions]);
        }
        text + &table.render(gt.out.width)
    }
}
