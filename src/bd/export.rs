//! `bd export`: the town's beads as lines of Beads' JSON, in the order of their ids.
//!
//! Steps that were poured from a formula are a part of their bead's work, and of no export; nor is what is no work, unless it is asked for.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use gastown_agent::context::{Answer, Context, connected_for_long};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_base::text::counted;
use gastown_base::whole_file::{Survives, WholeFile};
use gastown_beads::issue::{BLOCKS, Issue};
use gastown_beads::kept::Kept;
use gastown_beads::line::{self, Counts};
use gastown_beads::slim::Slim;

use super::filter::Filter;
use super::memory;
use super::scan::{Query, events, scan};

/// Print beads as lines of JSON that trackers exchange
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Into this file instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Those too that are no work, events, and what is remembered
    #[arg(long)]
    all: bool,
    /// Those too that are no work, and events
    #[arg(long)]
    include_infra: bool,
    /// What is remembered, too
    #[arg(long)]
    include_memories: bool,
    #[command(flatten)]
    filter: Filter,
}

/// Runs `bd export`. The file is written once the store is let go of, and whole.
pub fn export(args: &ExportArgs, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let answer = connected_for_long(town, actor, async |context| lines(args, context).await)?;
    let Some(path) = &args.output else { return Ok(answer) };
    let count = answer.out.lines().count();
    let failed = |source| Error::Io { what: "write the export", source };
    WholeFile::at(path).mode(0o644).survives(Survives::Contents).write(answer.out.as_bytes()).map_err(failed)?;
    Ok(Answer { note: format!("exported {} to {}\n", counted(count, "line"), path.display()), ..Answer::default() })
}

/// The lines.
async fn lines(args: &ExportArgs, context: &Context) -> Result<Answer, Error> {
    let mut query = Query { fields: vec!["spec.type!=Step".into()], ..Query::default() };
    let mut checked = args.filter.check(&mut query, SystemClock.now())?;
    let with_infra = args.all || args.include_infra;
    checked.records |= with_infra;
    // What is of no use once it is closed is in no export, whatever is asked for.
    checked.wisps = false;
    let mut all: Vec<Slim> = Vec::new();
    scan(context, &query, |slim| {
        if checked.admits(&slim) && slim.type_name() != "memory" {
            all.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut dependents: BTreeMap<String, usize> = BTreeMap::new();
    for need in all.iter().flat_map(|slim| &slim.spec.needs) {
        *dependents.entry(need.clone()).or_default() += 1;
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    for slim in &all {
        let counts = Counts {
            dependencies: gastown_beads::issue::edges(slim).iter().filter(|edge| edge.type_ == BLOCKS).count(),
            dependents: dependents.get(&slim.metadata.name).copied().unwrap_or(0),
            comments: slim.spec.comments.len(),
        };
        lines.push((slim.id(), line::of(&Issue::of(slim), slim.metadata.annotations.beads.as_ref(), Some(counts))));
    }
    if with_infra {
        events(context, &Query::default(), |event| {
            let kept = Kept::of(event);
            let issue = Issue::of_event(event);
            lines.push((issue.id.clone(), line::of(&issue, kept.as_ref(), Some(Counts::default()))));
            ControlFlow::Continue(())
        })
        .await?;
    }
    lines.sort();
    let mut lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    if args.all || args.include_memories {
        lines.extend(memory::lines(context).await?);
    }
    Ok(Answer::out(lines.into_iter().map(|line| line + "\n").collect::<String>()))
}
