//! `gt peek`: the last screen of an agent, without a terminal of one's own in it.

use clap::Args as ClapArgs;
use gastown_controllers::world::{Attempt, AttemptState};
use gastown_crds::{Bead, Polecat};
use jiff::Timestamp;
use kube::ResourceExt;

use super::common::age::age;
use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::{screen, worker};
use crate::insight::text::plain;
use crate::insight::{self, LogOf};
use crate::text::visible;
use crate::world::records::{ROWS, Records};

/// Show the last screen of an agent: as it is now, or as it was when it ended.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Such as `gt peek shop-nux`, `gt peek shop/nux` or `gt peek bead/shop-kkrp77zh -n 200`.\n\
    Who it is, and since when, goes to standard error. `gt logs` shows the whole conversation; `gt attach` lets you type.")]
pub struct Args {
    /// polecat/NAME, RIG/NAME, bead/NAME, or a name alone.
    #[arg(value_name = "POLECAT|BEAD", add = complete::workers())]
    target: String,
    /// Show so many of its last lines, also of what has left the screen. Default: a screen of 50.
    #[arg(short = 'n', long, value_name = "LINES")]
    lines: Option<usize>,
}

/// An agent, as it was found.
struct Found {
    bead: Bead,
    polecat: Option<String>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let Found { bead, polecat } = gt.with_api(&town, async |link| found(link, &args.target).await).await?;
    let (name, uid) = (bead.name_any(), bead.uid().unwrap_or_default());
    let records = Records::of(&town.layout);
    let attempts = records.attempts(&uid);
    // One that was meant and never began has printed nothing.
    let begun = attempts.iter().rev().find(|run| run.state != AttemptState::Intended);
    let Some(run) = begun else {
        let what = match &polecat {
            Some(polecat) => format!("{polecat} has not begun with bead {name} yet"),
            None => format!("nobody has worked on bead {name} yet"),
        };
        return Err(
            CliError::new(Exit::NotFound, what).hint(format!("`gt describe bead/{name}` says what it waits for"))
        );
    };
    let screen = screen::of_attempt(&town, &uid, run.attempt)?;
    let began = records.attempt_began(&uid, run.attempt);
    let who = polecat.as_deref().unwrap_or("somebody");
    gt.out.talk(&format!(
        "{who}, bead/{name}, attempt {}, {}: {}",
        run.attempt,
        how(run, screen.runs, began, gt.now()),
        plain(&bead.spec.title)
    ));
    if screen.lines.is_empty() {
        gt.out.talk("it has printed nothing yet");
        return Ok(());
    }
    gt.out.data(&visible(&screen.last(args.lines.unwrap_or(ROWS))))
}

/// How an attempt stands, with how long it has been so.
fn how(run: &Attempt, runs: bool, began: Option<Timestamp>, now: Timestamp) -> String {
    let since = || began.map(|began| format!(" for {}", age(now, began))).unwrap_or_default();
    match &run.state {
        AttemptState::Running | AttemptState::Intended => {
            format!("{}{}", if runs { "at work" } else { "ending" }, since())
        }
        AttemptState::Ended(end) if end.own => format!("ended with {}, {} ago", end.code, age(now, end.at)),
        AttemptState::Ended(end) => format!("ended by the town, {} ago", age(now, end.at)),
        AttemptState::Lost { at } => format!("lost; begun {} ago", age(now, *at)),
    }
}

/// The bead whose agent is meant, and the polecat that has it or had it.
async fn found(link: &Link, word: &str) -> Result<Found, CliError> {
    let (kind, object) = worker::find(link, word).await?;
    if kind.name == "Bead" {
        let bead: Bead = worker::parsed(object)?;
        let has = bead.spec.assignee.as_ref().map(|assignee| assignee.polecat.clone());
        let had = || bead.status.as_ref().and_then(|status| status.last_polecat.clone());
        return Ok(Found { polecat: has.or_else(had), bead });
    }
    let polecat: Polecat = worker::parsed(object)?;
    let name = polecat.name_any();
    let snapshot = link.snapshot(insight::kind(kind.name).log_reads.unwrap_or_default()).await?;
    match insight::Subject::log(&polecat, &snapshot) {
        Some(LogOf::Attempts { bead, .. }) => match snapshot.get::<Bead>(&bead) {
            Some(bead) => Ok(Found { bead: bead.clone(), polecat: Some(name) }),
            None => Err(link.not_found(super::common::kinds::find("bead")?, &bead).await),
        },
        _ => Err(CliError::new(Exit::NotFound, format!("polecat {name} has not worked on anything yet"))
            .hint(format!("`gt describe polecat/{name}` says what it waits for"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::world::AttemptEnd;

    #[test]
    fn how_an_attempt_stands_is_said_with_its_time() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (began, ended, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T00:05:00Z"), at("2026-01-01T00:08:00Z"));
        let end = |own| {
            AttemptState::Ended(AttemptEnd {
                code: 3,
                own,
                at: ended,
                tail: String::new(),
                out_of_memory: None,
                activity: None,
            })
        };
        let said = |state, runs| {
            how(
                &Attempt { attempt: 1, work: String::new(), runtime: None, state, conversation: None },
                runs,
                Some(began),
                now,
            )
        };
        assert_eq!(said(AttemptState::Running, true), "at work for 8m");
        assert_eq!(said(AttemptState::Running, false), "ending for 8m");
        assert_eq!(said(end(true), false), "ended with 3, 3m ago");
        assert_eq!(said(end(false), false), "ended by the town, 3m ago");
        assert_eq!(said(AttemptState::Lost { at: began }, false), "lost; begun 8m ago");
    }
}
