//! `bd epic`: how far epics are, and closing those whose parts are all closed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::Issue;
use gastown_beads::slim::Slim;
use gastown_crds::bead::{BeadType, CloseReason, Closed};
use serde_json::json;

use super::scan::{Query, scan};
use super::{act, print};

/// Epics: how far they are
#[derive(Debug, Clone, Args)]
pub struct EpicArgs {
    #[command(subcommand)]
    verb: EpicVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum EpicVerb {
    /// How many parts of each are closed
    Status {
        /// Only those that can be closed
        #[arg(long)]
        eligible_only: bool,
    },
    /// Close those whose parts are all closed
    CloseEligible {
        /// Only say which
        #[arg(long)]
        dry_run: bool,
    },
}

/// An epic with its parts.
struct Epic {
    slim: Slim,
    all: usize,
    closed: usize,
}

impl Epic {
    fn is_eligible(&self) -> bool {
        self.all > 0 && self.all == self.closed
    }
}

/// Runs `bd epic`.
pub async fn epic(args: &EpicArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut epics = open_epics(context).await?;
    match args.verb {
        EpicVerb::Status { eligible_only } => {
            epics.retain(|epic| !eligible_only || epic.is_eligible());
            let of = |epic: &Epic| {
                json!({
                    "epic": Issue::without_edges(&epic.slim), "total_children": epic.all,
                    "closed_children": epic.closed, "eligible_for_close": epic.is_eligible(),
                })
            };
            let line = |epic: &Epic| {
                let mark = if epic.is_eligible() { "  can be closed" } else { "" };
                format!("{}  {}/{} closed  {}{mark}\n", epic.slim.id(), epic.closed, epic.all, epic.slim.spec.title)
            };
            Ok(Answer::out(if json {
                print::json(&epics.iter().map(of).collect::<Vec<_>>())
            } else if epics.is_empty() {
                "no open epics\n".to_owned()
            } else {
                epics.iter().map(line).collect::<String>()
            }))
        }
        EpicVerb::CloseEligible { dry_run } => {
            epics.retain(Epic::is_eligible);
            if !dry_run {
                for epic in &epics {
                    close(&epic.slim.metadata.name, context).await?;
                }
            }
            let ids: Vec<String> = epics.iter().map(|epic| epic.slim.id()).collect();
            let word = if dry_run { "would close" } else { "closed" };
            Ok(Answer::out(match (json, ids.is_empty()) {
                (true, true) => "[]\n".to_owned(),
                (true, false) => print::object(&json!({ "closed": ids, "count": ids.len() })),
                (false, true) => "no epic can be closed\n".to_owned(),
                (false, false) => ids.iter().map(|id| format!("{word} {id}\n")).collect(),
            }))
        }
    }
}

async fn close(name: &str, context: &Context) -> Result<(), Error> {
    let message = Some("All children completed".to_owned());
    let closed = Closed::new(CloseReason::Done, message, SystemClock.now(), &context.actor);
    let what = format!("close `{name}`");
    let close =
        act::change(name, &what, context, |bead| Ok(bead.spec.closed.is_none().then(|| json!({ "closed": closed }))));
    close.await.map(drop)
}

async fn open_epics(context: &Context) -> Result<Vec<Epic>, Error> {
    let mut epics: BTreeMap<String, Epic> = BTreeMap::new();
    let open = Query {
        fields: vec![format!("spec.type={}", BeadType::Epic), "spec.closed.reason=".into()],
        ..Query::default()
    };
    scan(context, &open, |slim| {
        epics.insert(slim.metadata.name.clone(), Epic { slim, all: 0, closed: 0 });
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let parts = Query { fields: vec!["spec.parent!=".into(), "spec.type!=Step".into()], ..Query::default() };
    scan(context, &parts, |slim| {
        if let Some(epic) = slim.spec.parent.as_ref().and_then(|parent| epics.get_mut(parent)) {
            epic.all += 1;
            epic.closed += usize::from(slim.is_closed());
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(epics.into_values().collect())
}
