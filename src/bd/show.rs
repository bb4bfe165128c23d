//! `bd show`: one or more beads in full, with what they need and what needs them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_crds::Bead;
use kube::ResourceExt;

use super::issue::{BLOCKS, Details, Issue, PARENT_CHILD, label_name};
use super::scan::{Query, scan};
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
    dependencies: Vec<(Bead, &'static str)>,
    dependents: Vec<(Bead, &'static str)>,
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
        let details = shown.iter().map(|s| Details::of(&s.bead, &s.dependencies, &s.dependents));
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

/// Finds what each bead needs, and by one look at all beads what needs it.
async fn neighbours(context: &Context, found: Vec<Bead>) -> Result<Vec<Shown>, Error> {
    let mut shown = Vec::new();
    for bead in found {
        let mut dependencies = Vec::new();
        let needs = bead.spec.needs.iter().map(|n| (n, BLOCKS));
        for (id, how) in needs.chain(bead.spec.parent.iter().map(|p| (p, PARENT_CHILD))) {
            // What does not exist (any more) is left out, as in Beads.
            dependencies.extend(get(context, id).await?.map(|bead| (bead, how)));
        }
        shown.push(Shown { bead, dependencies, dependents: Vec::new() });
    }
    scan(context, &Query::default(), |candidate| {
        let spec = &candidate.slim.spec;
        for shown in &mut shown {
            let id = shown.bead.name_any();
            if spec.needs.contains(&id) {
                shown.dependents.push((candidate.bead()?, BLOCKS));
            } else if spec.parent.as_ref() == Some(&id) {
                shown.dependents.push((candidate.bead()?, PARENT_CHILD));
            }
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(shown)
}

fn text(shown: &Shown) -> String {
    let Shown { bead, dependencies, dependents } = shown;
    let mut text = Issue::of(bead).line(0) + "\n";
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
            let _never_fails = writeln!(text, "  {}{how}", Issue::of(bead).line(0));
        }
    }
    text
}
