//! `bd show`: one or more beads in full, with what they need and what needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_crds::Bead;
use kube::ResourceExt;

use super::issue::{BLOCKS, Details, PARENT_CHILD, label_name, line as line_of};
use super::scan::{Query, scan};
use super::slim::Slim;
use super::{filter, print};

/// Show beads in full
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// A bead and its neighbours, each with how they are tied.
struct Shown {
    bead: Bead,
    slim: Slim,
    dependencies: Vec<(Slim, &'static str)>,
    dependents: Vec<(Slim, &'static str)>,
}

/// Runs `bd show`.
pub async fn show(args: &ShowArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut note = String::new();
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for id in args.ids.iter().filter(|id| seen.insert(id.as_str())) {
        match get(context, id).await? {
            Some(bead) => found.push(bead),
            None => {
                let _never_fails = writeln!(note, "no issue found matching \"{}\"", id.escape_default());
            }
        }
    }
    if found.is_empty() {
        let message = "no issues found matching the provided IDs";
        if json {
            return Ok(Answer { out: print::failure(message, None), note: String::new(), code: 1 });
        }
        return Err(Error::refused(
            format!("{message}: {}", args.ids.join(", ").escape_default()),
            "`bd list` shows the ids",
        ));
    }
    let shown = neighbours(context, found).await?;
    let out = if json {
        let details = shown.iter().map(|s| Details::of(&s.slim, &s.dependencies, &s.dependents));
        print::json(&details.collect::<Vec<_>>())
    } else {
        shown.iter().map(text).collect::<Vec<_>>().join("\n")
    };
    Ok(Answer { out, note, code: 0 })
}

/// A bead by its id; none also for what cannot be an id.
pub async fn get(context: &Context, id: &str) -> Result<Option<Bead>, Error> {
    let Ok(id) = filter::id(id) else { return Ok(None) };
    context.beads().get_opt(id).await.map_err(Error::api(format!("read bead `{id}`")))
}

/// Finds what each bead needs, and what needs it: by field, so that the beads in between cost nothing.
async fn neighbours(context: &Context, found: Vec<Bead>) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    for bead in found {
        let mut dependencies = Vec::new();
        let needs = bead.spec.needs.iter().map(|n| (n, BLOCKS));
        for (id, how) in needs.chain(bead.spec.parent.iter().map(|p| (p, PARENT_CHILD))) {
            // What does not exist (any more) is left out, as in Beads.
            if let Some(bead) = get(context, id).await? {
                dependencies.push((Slim::of(&bead)?, how));
            }
        }
        let dependents = dependents(context, &bead.name_any()).await?;
        shown.push(Shown { slim: Slim::of(&bead)?, bead, dependencies, dependents });
    }
    Ok(shown)
}

/// The beads that need one, and its steps, by name.
async fn dependents(context: &Context, id: &str) -> Result<Vec<(Slim, &'static str)>, Error> {
    let mut found: BTreeMap<String, (Slim, &'static str)> = BTreeMap::new();
    for (field, how) in [("spec.needs[]", BLOCKS), ("spec.parent", PARENT_CHILD)] {
        let query = Query { fields: vec![format!("{field}={id}")], ..Query::default() };
        scan(context, &query, |slim| {
            found.entry(slim.metadata.name.clone()).or_insert((slim, how));
            Ok(ControlFlow::Continue(()))
        })
        .await?;
    }
    Ok(found.into_values().collect())
}

fn text(shown: &Shown) -> String {
    let Shown { bead, slim, dependencies, dependents } = shown;
    let mut text = line_of(slim, 0) + "\n";
    let mut line = |name: &str, value: &str| {
        let _never_fails = writeln!(text, "  {name:<9}{value}");
    };
    line("rig", &bead.spec.rig);
    for (key, value) in bead.labels() {
        line("label", &label_name(key, value));
    }
    for condition in bead.status.iter().flat_map(|s| &s.conditions).filter(|c| !c.message.is_empty()) {
        line("now", &condition.message);
    }
    if let Some(closed) = &bead.spec.closed {
        let message = closed.message.as_deref().unwrap_or_default();
        line("closed", format!("{} by {}: {message}", closed.reason, closed.by).trim_end_matches(": "));
    }
    if let Some(description) = &bead.spec.description {
        let _never_fails = writeln!(text, "\n{}", description.trim_end());
    }
    if let Some(command) = &bead.spec.command {
        let _never_fails = writeln!(text, "\ncommand:\n{}", command.trim_end());
    }
    for (title, beads) in [("needs", dependencies), ("needed by", dependents)] {
        if beads.is_empty() {
            continue;
        }
        let _never_fails = writeln!(text, "\n{title}:");
        for (bead, how) in beads {
            let how = if *how == PARENT_CHILD { "  [part]" } else { "" };
            let _never_fails = writeln!(text, "  {}{how}", line_of(bead, 0));
        }
    }
    text
}
