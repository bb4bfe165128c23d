//! `bd label`: words to find beads by.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use kube::ResourceExt as _;
use serde_json::json;

use super::act::{self, find};
use super::print;
use super::scan::{Query, scan};
use super::update::difference;

/// Words to find beads by
#[derive(Debug, Clone, Args)]
pub struct LabelArgs {
    #[command(subcommand)]
    verb: LabelVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum LabelVerb {
    /// Add a label: the last word
    Add {
        /// Beads, and then the label
        #[arg(required = true, num_args = 2.., value_name = "ID... LABEL")]
        words: Vec<String>,
    },
    /// Take a label away: the last word
    #[command(visible_alias = "rm")]
    Remove {
        /// Beads, and then the label
        #[arg(required = true, num_args = 2.., value_name = "ID... LABEL")]
        words: Vec<String>,
    },
    /// The labels of a bead
    List {
        /// Its id
        id: String,
    },
    /// All labels, and how many beads have them
    ListAll,
    /// Give all parts of a bead a label
    Propagate {
        /// The bead
        parent: String,
        /// The label
        label: String,
    },
}

/// Runs `bd label`.
pub async fn label(args: &LabelArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    match &args.verb {
        LabelVerb::Add { words } => {
            let Some((label, ids)) = words.split_last() else { return Ok(Answer::default()) };
            change(ids, label, true, json, context).await
        }
        LabelVerb::Remove { words } => {
            let Some((label, ids)) = words.split_last() else { return Ok(Answer::default()) };
            change(ids, label, false, json, context).await
        }
        LabelVerb::List { id } => {
            let mut labels: Vec<String> = act::slim(&find(id, context).await?)?.labels().collect();
            labels.sort_unstable();
            Ok(Answer::out(if json { print::json(&labels) } else { lines(&labels) }))
        }
        LabelVerb::ListAll => list_all(json, context).await,
        LabelVerb::Propagate { parent, label } => {
            let parent = find(parent, context).await?.name_any();
            let mut ids = Vec::new();
            let parts = Query { fields: vec![format!("spec.parent={parent}")], ..Query::default() };
            scan(context, &parts, |slim| {
                ids.push(slim.metadata.name);
                Ok(ControlFlow::Continue(()))
            })
            .await?;
            change(&ids, label, true, json, context).await
        }
    }
}

async fn change(ids: &[String], label: &str, is_added: bool, json: bool, context: &Context) -> Result<Answer, Error> {
    if label.is_empty() || label.chars().count() > 255 {
        return Err(Error::refused("a label has 1 to 255 characters", "by convention, DIMENSION:VALUE"));
    }
    let status = if is_added { "added" } else { "removed" };
    let (mut done, mut out, mut note) = (Vec::new(), String::new(), String::new());
    for id in ids {
        let what = format!("label `{id}`");
        let changed = act::change(id, &what, context, |bead| {
            let mut spec = bead.spec.clone();
            spec.labels.retain(|it| it != label);
            if is_added {
                let place = bead.spec.labels.iter().position(|it| it == label).unwrap_or(spec.labels.len());
                spec.labels.insert(place, label.to_owned());
            }
            Ok(difference(&bead.spec, &spec))
        });
        match changed.await {
            Ok(bead) => {
                let id = act::slim(&bead)?.id();
                out.push_str(&format!(
                    "✓ {} label '{label}' {} {id}\n",
                    if is_added { "Added" } else { "Removed" },
                    if is_added { "to" } else { "from" }
                ));
                done.push(json!({ "issue_id": id, "label": label, "status": status }));
            }
            Err(error) if error.is_lost() => return Err(error),
            Err(error) => note.push_str(&error.text()),
        }
    }
    let code = u8::from(!note.is_empty());
    Ok(Answer { out: if json { print::json(&done) } else { out }, note, code })
}

async fn list_all(json: bool, context: &Context) -> Result<Answer, Error> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    scan(context, &Query::default(), |slim| {
        for label in slim.labels().filter(|_| !slim.is_step()) {
            *counts.entry(label).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if json {
        let all: Vec<_> = counts.iter().map(|(label, count)| json!({ "label": label, "count": count })).collect();
        return Ok(Answer::out(print::json(&all)));
    }
    Ok(Answer::out(counts.iter().map(|(label, count)| format!("{count:>5}  {label}\n")).collect::<String>()))
}

fn lines(labels: &[String]) -> String {
    labels.iter().map(|label| format!("{label}\n")).collect()
}
