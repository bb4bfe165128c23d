//! `bd list`: beads by what they are, in the order of their ids.

use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_crds::actor::Worker;

use super::filter::{self, TypeName};
use super::issue::{Listed, status};
use super::print;
use super::scan::{Query, scan};
use super::slim::Slim;

/// List beads; closed ones and steps are left out unless asked for
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only these, separated by commas
    #[arg(short, long, value_delimiter = ',', value_name = "STATUS")]
    status: Vec<StatusName>,
    /// Only this type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<TypeName>,
    /// Only what this polecat has: RIG/polecats/NAME
    #[arg(short, long)]
    assignee: Option<String>,
    /// Only with all of these labels: KEY:VALUE, KEY=VALUE or KEY
    #[arg(short, long, value_delimiter = ',')]
    label: Vec<String>,
    /// Only the steps of this bead
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// At most so many; 0: all
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
}

/// A status in Beads' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StatusName {
    Open,
    InProgress,
    Blocked,
    Closed,
    All,
}

impl StatusName {
    fn admits(self, status: &str) -> bool {
        let name = match self {
            Self::All => return true,
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Blocked => "blocked",
            Self::Closed => "closed",
        };
        name == status
    }
}

/// Runs `bd list`.
pub async fn list(args: &ListArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let polecat = args.assignee.as_deref().map(filter::polecat).transpose()?;
    let mut query = Query::default();
    let closed_too = args.all || args.status.iter().any(|s| matches!(s, StatusName::Closed | StatusName::All));
    if !closed_too {
        // What was found closed is closed for ever; what was closed just now is sifted below.
        query.fields.push("status.state!=Closed".into());
    }
    match (args.type_, &args.parent) {
        (Some(type_), _) => query.fields.push(format!("spec.type={}", type_.bead_type())),
        (None, None) => query.fields.push("spec.type!=Step".into()),
        (None, Some(_)) => {}
    }
    if let Some(parent) = &args.parent {
        query.fields.push(format!("spec.parent={}", filter::id(parent)?));
    }
    if let Some(Worker { rig, .. }) = &polecat {
        query.fields.push(format!("spec.rig={rig}"));
    }
    query.labels = args.label.iter().map(|l| filter::label(l)).collect::<Result<_, _>>()?;

    let object = polecat.as_ref().map(Worker::object);
    let mut found: Vec<Slim> = Vec::new();
    let mut has_more = false;
    scan(context, &query, |slim| {
        let status = status(slim.is_closed(), slim.spec.assignee.is_some(), slim.status.state);
        let by_status = match args.status.as_slice() {
            [] => closed_too || status != "closed",
            wanted => wanted.iter().any(|w| w.admits(status)),
        };
        let by_polecat = object.as_ref().is_none_or(|it| slim.spec.assignee.as_ref().is_some_and(|a| a.polecat == *it));
        if !by_status || !by_polecat {
            return Ok(ControlFlow::Continue(()));
        }
        if args.limit != 0 && found.len() == args.limit {
            has_more = true;
            return Ok(ControlFlow::Break(()));
        }
        found.push(slim);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let note = if has_more { format!("the first {}; all: `bd list --limit 0`\n", args.limit) } else { String::new() };
    let out = if json { print::json(&found.iter().map(Listed::of).collect::<Vec<_>>()) } else { print::table(&found) };
    Ok(Answer { out, note, code: 0 })
}
