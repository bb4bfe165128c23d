//! `gt polecat list`: all polecats at a glance.

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::{Polecat, PolecatStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::cli::common::age::age;
use crate::cli::common::complete;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::table::Table;
use crate::insight::conditions;
use crate::text::escaped;

/// List polecats: what each does, since when, and what it waits for.
#[derive(Debug, ClapArgs)]
#[command(after_help = "`gt get polecats` has the objects; `gt polecat status NAME` what one has done so far.")]
pub struct Args {
    /// Only those of this rig.
    #[arg(value_name = "RIG", add = complete::rigs())]
    rig: Option<String>,
    /// The form of the output. Default: a table.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// JSON.
    Json,
}

/// A polecat as it stands.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// Its name.
    pub polecat: String,
    /// Its rig.
    pub rig: String,
    /// Where it stands, in one word.
    pub state: String,
    /// The bead on its hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bead: Option<String>,
    /// The attempt at that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What it waits for; none while it works, or has nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
}

impl Line {
    pub(super) fn of(polecat: &Polecat) -> Self {
        let status = polecat.status.clone().unwrap_or_default();
        let ready = condition(&status.conditions, types::READY);
        let is_leaving = polecat.metadata.deletion_timestamp.is_some();
        Self {
            polecat: polecat.name_any(),
            rig: polecat.spec.rig.clone(),
            state: if is_leaving { "Deleting".to_owned() } else { status.state.to_string() },
            since: ready.map(|ready| ready.last_transition_time),
            waits_for: waits_for(ready, &status),
            attempt: status.attempt.filter(|_| status.bead.is_some()),
            bead: status.bead,
        }
    }
}

/// What a polecat waits for, by its condition, or by what its agent reports.
fn waits_for(ready: Option<&Condition>, status: &PolecatStatus) -> Option<String> {
    if let Some(ready) = ready.filter(|ready| ready.status != ConditionStatus::True) {
        return Some(conditions::words(ready));
    }
    let activity = status.activity.as_ref().filter(|it| it.state.is_refused() || it.message.is_some())?;
    let message = activity.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    Some(format!("{:?}{message}", activity.state))
}

/// Runs it.
pub async fn list(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let all = gt.with_api(&town, async |link| link.all::<Polecat>().await).await?;
    let wanted = all.iter().filter(|polecat| args.rig.as_ref().is_none_or(|rig| *rig == polecat.spec.rig));
    let lines: Vec<Line> = wanted.map(Line::of).collect();
    if args.output == Some(Output::Json) {
        let text = serde_json::to_string_pretty(&lines)
            .map_err(|error| CliError::new(Exit::Failed, "could not write the list").because(&error))?;
        return gt.out.data(&escaped(text));
    }
    if lines.is_empty() {
        gt.out.talk("no polecats found: they are made as there is work for them");
        return Ok(());
    }
    let mut table = Table::new(["NAME", "RIG", "STATE", "BEAD", "SINCE", "WAITS FOR"])
        .fitting(&["WAITS FOR"], &["RIG", "SINCE", "STATE"]);
    let or_nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for Line { polecat, rig, state, bead, attempt: _, since, waits_for } in lines {
        let since = since.map(|since| age(gt.now(), since));
        table.row([polecat, rig, state, or_nothing(bead), or_nothing(since), or_nothing(waits_for)]);
    }
    gt.out.data(&table.render(gt.out.width))
}
