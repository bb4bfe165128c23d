//! `bd gate`, `gt gate`: beads that others wait for until a person approves, a time has gone by, another bead is closed, a command
//! ends with 0, or something has happened on GitHub.

mod check;
mod create;

use std::ops::ControlFlow;
use std::path::Path;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context, connected};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::Issue;
use gastown_beads::slim::Slim;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadType, CloseReason, Closed};
use kube::ResourceExt as _;
use serde_json::json;

use super::act::{self, find};
use super::comments::{said, with};
use super::filter::shown;
use super::scan::{Query, scan};
use super::{print, show};

/// Gates: what work waits for beside other work
#[derive(Debug, Clone, Args)]
pub struct GateArgs {
    #[command(subcommand)]
    verb: GateVerb,
}

/// Gates: what work waits for beside other work
#[derive(Debug, Clone, Args)]
pub struct TownGateArgs {
    #[command(flatten)]
    gate: GateArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

impl TownGateArgs {
    /// Runs `gt gate`.
    pub(super) fn run(&self, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
        connected(town, actor, async |context| gate(&self.gate, self.json, context).await)
    }
}

#[derive(Debug, Clone, Subcommand)]
enum GateVerb {
    /// List the gates that are not open yet, with what waits for each
    List {
        /// Those too that are open
        #[arg(short, long)]
        all: bool,
        /// At most so many; 0: all
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: usize,
    },
    /// Show a gate, with what waits for it
    Show {
        /// Its id
        id: String,
    },
    /// Have a bead wait for a person, a time, another bead, a command, or a run or pull request on GitHub
    Create(create::CreateArgs),
    /// Have gates looked at now that wait for a command or for GitHub, and say how all stand
    Check(check::CheckArgs),
    /// Open gates: what waits for them goes on
    #[command(visible_aliases = ["resolve", "close"])]
    Approve {
        /// Their ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Why
        #[arg(short, long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Refuse what a gate guards: what it names is done again; else what waits for it is given up
    Reject {
        /// Its id
        id: String,
        /// Why; whoever does it again is told
        #[arg(short, long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs `bd gate`.
pub async fn gate(args: &GateArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    match &args.verb {
        GateVerb::List { all, limit } => list(*all, *limit, json, context).await,
        GateVerb::Show { id } => shown_gate(id, json, context).await,
        GateVerb::Create(args) => create::create(args, json, context).await,
        GateVerb::Check(args) => check::check(args, json, context).await,
        GateVerb::Approve { ids, reason } => approve(ids, reason.as_deref(), json, context).await,
        GateVerb::Reject { id, reason } => reject(id, reason, json, context).await,
    }
}

async fn list(all: bool, limit: usize, json: bool, context: &Context) -> Result<Answer, Error> {
    let found = gates(all, limit, |_| true, context).await?;
    if json {
        return Ok(Answer::out(print::json(&found.iter().map(Issue::of).collect::<Vec<_>>())));
    }
    if found.is_empty() {
        return Ok(Answer::out("no gate is closed\n"));
    }
    let mut out = String::new();
    for gate in &found {
        out.push_str(&line(gate));
        for (waiting, _) in show::dependents(context, &gate.metadata.name).await? {
            out.push_str(&format!("    holds up {}  {}\n", waiting.id(), waiting.spec.title));
        }
    }
    Ok(Answer::out(out))
}

/// Gates, in their order; at most so many, 0 for all.
async fn gates(
    all: bool,
    limit: usize,
    is_meant: impl Fn(&Slim) -> bool,
    context: &Context,
) -> Result<Vec<Slim>, Error> {
    let mut query = Query { fields: vec![format!("spec.type={}", BeadType::Gate)], ..Query::default() };
    if !all {
        query.fields.push("spec.closed.reason=".to_owned());
    }
    let mut found: Vec<Slim> = Vec::new();
    scan(context, &query, |slim| {
        if limit != 0 && found.len() == limit {
            return Ok(ControlFlow::Break(()));
        }
        if is_meant(&slim) {
            found.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(found)
}

/// A gate in a line: its id, whether it is open, what is to be decided, and what it waits for.
fn line(gate: &Slim) -> String {
    let said = gate.status.conditions.iter().find(|it| it.type_ == "Ready").map(|it| it.message.as_str());
    let state = match &gate.spec.closed {
        None => said.filter(|text| !text.is_empty()).unwrap_or("not open"),
        Some(closed) if closed.reason == CloseReason::Withdrawn => "rejected",
        Some(_) => "open",
    };
    format!("{}  {}\n    {state}\n", gate.id(), gate.spec.title)
}

async fn shown_gate(id: &str, json: bool, context: &Context) -> Result<Answer, Error> {
    let bead = named(id, context).await?;
    let slim = act::slim(&bead)?;
    if json {
        let mut out = serde_json::to_value(Issue::of(&slim)).unwrap_or_default();
        out["gate"] = json!(bead.spec.gate);
        return Ok(Answer::out(print::object(&out)));
    }
    let mut out = line(&slim);
    if let Some(description) = &bead.spec.description {
        out.push_str(&format!("\n{}\n\n", description.trim_end()));
    }
    for (waiting, _) in show::dependents(context, &bead.name_any()).await? {
        out.push_str(&format!("    holds up {}  {}\n", waiting.id(), waiting.spec.title));
    }
    Ok(Answer::out(out))
}

async fn named(id: &str, context: &Context) -> Result<Bead, Error> {
    let bead = find(id, context).await?;
    if bead.spec.type_ == BeadType::Gate {
        return Ok(bead);
    }
    Err(Error::refused(format!("`{}` is no gate: it is a {}", shown(id), bead.spec.type_), "`gt gate list` shows them"))
}

async fn approve(ids: &[String], reason: Option<&str>, json: bool, context: &Context) -> Result<Answer, Error> {
    let (mut out, mut opened) = (String::new(), Vec::new());
    for id in ids {
        let gate = named(id, context).await?;
        let name = gate.name_any();
        check_not_rejected(&gate)?;
        let message = reason.unwrap_or("approved").to_owned();
        let closed = Closed::new(CloseReason::Done, Some(message), SystemClock.now(), &context.actor);
        let bead = act::change(&name, &format!("open gate `{name}`"), context, |bead| {
            Ok(bead.spec.closed.is_none().then(|| json!({ "closed": closed })))
        })
        .await?;
        out.push_str(&format!("✓ gate {name} is open: {}\n", bead.spec.title));
        opened.push(Issue::of(&act::slim(&bead)?));
    }
    Ok(Answer::out(if json { print::json(&opened) } else { out }))
}

fn check_not_rejected(gate: &Bead) -> Result<(), Error> {
    match &gate.spec.closed {
        Some(closed) if closed.reason == CloseReason::Withdrawn => Err(Error::refused(
            format!("gate {} was rejected by {}", gate.name_any(), closed.by),
            "what has waited for it is given up: file it anew",
        )),
        _ => Ok(()),
    }
}

async fn reject(id: &str, reason: &str, json: bool, context: &Context) -> Result<Answer, Error> {
    let gate = named(id, context).await?;
    let name = gate.name_any();
    if let Some(closed) = &gate.spec.closed {
        let message = format!("gate {name} is open already, by {}", closed.by);
        return Err(Error::refused(message, "what has waited for it goes on"));
    }
    let comment = said(format!("Rejected at gate {name}: {reason}"), &context.actor);
    let Some(back_to) = gate.spec.gate.as_ref().and_then(|gate| gate.back_to.clone()) else {
        let message = Some(reason.to_owned());
        let closed = Closed::new(CloseReason::Withdrawn, message, SystemClock.now(), &context.actor);
        act::change(&name, &format!("reject gate `{name}`"), context, |bead| {
            Ok(bead.spec.closed.is_none().then(|| json!({ "closed": closed })))
        })
        .await?;
        let out = json!({ "id": name, "status": "rejected" });
        let line = format!("✗ gate {name} is rejected: what waits for it is given up\n");
        return Ok(Answer::out(if json { print::object(&out) } else { line }));
    };
    // What is done again is told why, and waits for the gate once more by its order.
    act::change(&back_to, &format!("open `{back_to}` again"), context, |bead| {
        if let Some(closed) = &bead.spec.closed
            && matches!(closed.reason, CloseReason::Merged | CloseReason::NoChanges)
        {
            let message = format!("`{back_to}` has landed ({}), and cannot be done again", closed.reason);
            return Err(Error::refused(message, "file what is still to be done: bd create \"...\""));
        }
        let comments = with(bead, &comment)?;
        let mut spec = json!({ "comments": comments });
        if bead.spec.closed.is_some() {
            spec["closed"] = serde_json::Value::Null;
        }
        Ok(Some(spec))
    })
    .await?;
    let out = json!({ "id": name, "status": "rejected", "back_to": back_to });
    let line = format!("✗ gate {name} is rejected: {back_to} is to be done again\n");
    Ok(Answer::out(if json { print::object(&out) } else { line }))
}
