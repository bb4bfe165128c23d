//! What is still being done where something is deleted, and what becomes of it: told before it is done.
//! Nothing is asked: `gt delete` does what it is told, as kubectl does.

use gastown_controllers::bead::state;
use gastown_crds::bead::BeadType;
use gastown_crds::common::LABEL_CONVOY;
use gastown_crds::{Bead, MergeRequest, Polecat};
use kube::ResourceExt;

use crate::cli::context::Link;
use crate::cli::error::CliError;
use crate::cli::kinds::Kind;

/// Most names that are listed of what is open.
const NAMES_MAX: usize = 5;

/// A warning; none where nothing is open.
pub async fn warning(link: &Link, kind: &Kind, name: &str) -> Result<Option<String>, CliError> {
    if !["Town", "Rig", "Convoy", "Polecat", "Bead"].contains(&kind.name)
        || link.api(kind).get_opt(name).await?.is_none()
    {
        return Ok(None);
    }
    let object = kind.named_object(name);
    if kind.name == "Town" {
        return Ok(Some(format!("{object} holds the town's settings: without it the defaults are in force")));
    }
    if kind.name == "Bead" {
        let bead: Option<Bead> = link.typed().get_opt(name).await?;
        let convoy = bead.and_then(|bead| bead.labels().get(LABEL_CONVOY).cloned());
        return Ok(convoy.map(|convoy| {
            format!(
                "{object} is of convoy/{convoy}, which makes it anew: its work is done again, even if it has landed\n  \
                 to be rid of it, take it out of the convoy and `gt apply` that"
            )
        }));
    }
    if kind.name == "Polecat" {
        let polecat: Option<Polecat> = link.typed().get_opt(name).await?;
        let bead = polecat.and_then(|polecat| polecat.status?.bead);
        return Ok(
            bead.map(|bead| format!("{object} works on bead/{bead}: {SESSIONS}; the bead is given to another polecat"))
        );
    }
    let mut beads = link.all::<Bead>().await?;
    let is_rig = kind.name == "Rig";
    let here = |bead: &Bead| {
        if is_rig { bead.spec.rig == name } else { bead.labels().get(LABEL_CONVOY).is_some_and(|it| it == name) }
    };
    beads.retain(|bead| bead.spec.closed.is_none() && bead.spec.type_ != BeadType::Step && here(bead));
    if beads.is_empty() {
        return Ok(None);
    }
    let requests = link.all::<MergeRequest>().await?;
    let lands =
        |bead: &Bead| requests.iter().any(|request| request.spec.bead == bead.name_any() && !state(request).is_final());
    let landing = beads.iter().filter(|bead| lands(bead)).count();
    let at_work = |bead: &Bead| bead.spec.assignee.as_ref().is_some_and(|it| it.waiting.is_none());
    let working = beads.iter().filter(|bead| at_work(bead) && !lands(bead)).count();
    let head = format!("{object} has open work: {}{}", counted(beads.len(), "bead"), names(&beads));
    let parts: Vec<String> = [(working, "being worked on"), (landing, "handed in and not landed")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let parts = if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
    let becomes = if is_rig {
        let landing = if landing > 0 { ", and what was handed in is worked again there" } else { "" };
        format!(
            "its polecats go with it: {SESSIONS}; its beads stay open and wait until a rig `{name}` is applied \
             again{landing}"
        )
    } else {
        becomes_of_convoy(beads.len() - working - landing, working + landing)
    };
    Ok(Some(format!("{head}{parts}\n  {becomes}")))
}

/// What becomes of a session.
const SESSIONS: &str = "sessions are ended, and what was not handed in is kept in the town's clone (refs/gt/rescue/…)";

fn becomes_of_convoy(idle: usize, busy: usize) -> String {
    match (idle, busy) {
        (0, _) => "it goes once what is under way has landed".to_owned(),
        (_, 0) => "they are withdrawn; `gt apply` of the convoy makes them anew".to_owned(),
        _ => format!(
            "{} withdrawn; it goes once what is under way has landed",
            if idle == 1 { "1 is".to_owned() } else { format!("{idle} are") }
        ),
    }
}

fn names(beads: &[Bead]) -> String {
    let mut names: Vec<String> = beads.iter().take(NAMES_MAX).map(Bead::name_any).collect();
    if beads.len() > NAMES_MAX {
        names.push("…".to_owned());
    }
    format!(" ({})", names.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
