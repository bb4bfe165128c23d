//! `bd mol burn`: a molecule goes without being done. And the removal of beads, each only while it is the one that was read.

use std::fmt::Write as _;

use clap::Args;
use futures::{StreamExt as _, stream};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::slim::Slim;
use gastown_crds::actor::Actor;
use gastown_crds::bead::{BeadType, CloseReason, Closed};
use gastown_crds::common::LABEL_CONVOY;
use kube::api::{DeleteParams, Preconditions};
use serde_json::{Value, json};

use super::parts::Parts;
use crate::{act, print};

/// Beads that are removed at the same time: writes that wait together share a commit.
const AT_ONCE: usize = 64;

/// Remove molecules with all their parts; without --force, only say what would go of those that are kept
#[derive(Debug, Clone, Args)]
pub struct BurnArgs {
    /// The roots' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Also what is kept for good
    #[arg(long, short_alias = 'y', alias = "yes")]
    force: bool,
}

/// Runs `bd mol burn`.
pub async fn burn(args: &BurnArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let mut doomed: Vec<Parts> = Vec::new();
    for id in &args.ids {
        let parts = Parts::of(id, context).await?;
        check_free(&parts.all)?;
        let root = parts.all.first().filter(|root| root.spec.type_ != BeadType::Molecule && !root.spec.ephemeral);
        if let Some(root) = root {
            let message = format!("`{}` is a {}, and no molecule", root.id(), root.type_name());
            return Err(Error::refused(message, format!("`bd delete {}` deletes it", root.id())));
        }
        doomed.push(parts);
    }
    let is_kept = doomed.iter().flat_map(|it| &it.all).any(|bead| !bead.spec.ephemeral);
    if args.dry_run || (is_kept && !args.force) {
        let (mut out, mut all) = (String::new(), Vec::new());
        for parts in &doomed {
            let _never_fails = write!(out, "would remove:\n{}", print::tree(&parts.all));
            all.push(result(parts, 0, &parts.all.iter().map(Slim::id).collect::<Vec<_>>()));
        }
        let note = if args.dry_run { "" } else { "`--force` removes them, for good\n" };
        return Ok(Answer { out: if json_out { one_or_all(all) } else { out }, note: note.to_owned(), code: 0 });
    }
    if is_kept && Actor::parse(&context.actor).is_agent() {
        let message = "an agent removes wisps alone: what is kept, people remove";
        return Err(Error::refused(message, "`bd close ID` closes what is of no use any more"));
    }
    let (mut out, mut all, mut note) = (String::new(), Vec::new(), String::new());
    for parts in &doomed {
        let gone = if Actor::parse(&context.actor).is_agent() {
            // Agents remove nothing: what they close, the town removes some time later.
            withdraw(&parts.all, context).await?;
            "they are closed; the town removes them some time later\n".clone_into(&mut note);
            Vec::new()
        } else {
            remove(&parts.all, context).await?
        };
        let beads = if parts.all.len() == 1 { "1 bead".to_owned() } else { format!("{} beads", parts.all.len()) };
        let _never_fails = writeln!(out, "✓ Burned {}: {beads}", parts.root().id());
        all.push(result(parts, gone.len(), &gone));
    }
    Ok(Answer { out: if json_out { one_or_all(all) } else { out }, note, code: 0 })
}

fn result(parts: &Parts, count: usize, ids: &[String]) -> Value {
    json!({ "molecule_id": parts.root().id(), "deleted_ids": ids, "deleted_count": count })
}

fn one_or_all(mut all: Vec<Value>) -> String {
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => print::object(&one),
        (last, _) => {
            all.extend(last);
            let total: u64 = all.iter().filter_map(|it| it["deleted_count"].as_u64()).sum();
            print::object(&json!({ "results": all, "total_deleted": total }))
        }
    }
}

/// Refuses what somebody is at work on, and what would be filed again.
pub fn check_free(beads: &[Slim]) -> Result<(), Error> {
    for bead in beads {
        let id = bead.id();
        if let Some(assignee) = &bead.spec.assignee {
            let message = format!("{id} is on the hook of {}", assignee.polecat);
            let root = beads.first().map(Slim::id).unwrap_or_default();
            return Err(Error::refused(message, format!("`bd close {root} --force` gives all of it up; then burn it")));
        }
        if let Some(convoy) = bead.metadata.labels.get(LABEL_CONVOY) {
            let message = format!("{id} is of convoy {convoy}, which would file it again");
            return Err(Error::refused(message, "take it out of the convoy"));
        }
    }
    Ok(())
}

/// Removes beads, the last ones first, so that what is left of a removal that fails is still a molecule. The ids of those that are gone.
pub async fn remove(beads: &[Slim], context: &Context) -> Result<Vec<String>, Error> {
    let api = context.beads();
    let remove = |bead: &Slim| {
        let (api, name) = (api.clone(), bead.metadata.name.clone());
        let preconditions = Some(Preconditions { uid: bead.metadata.uid.clone(), resource_version: None });
        async move {
            let just_this = DeleteParams { preconditions, ..DeleteParams::default() };
            match api.delete(&name, &just_this).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                done => done.map(drop).map_err(Error::api(format!("remove `{name}`"))),
            }
        }
    };
    let done: Vec<Result<(), Error>> = stream::iter(beads.iter().rev()).map(remove).buffered(AT_ONCE).collect().await;
    done.into_iter().collect::<Result<Vec<()>, Error>>()?;
    Ok(beads.iter().map(Slim::id).collect())
}

/// Closes those of these that are open, as given up.
async fn withdraw(beads: &[Slim], context: &Context) -> Result<(), Error> {
    let message = Some("burned".to_owned());
    let closed = Closed::new(CloseReason::Withdrawn, message, SystemClock.now(), &context.actor);
    for bead in beads.iter().rev().filter(|bead| !bead.is_closed()) {
        let name = &bead.metadata.name;
        let close = |bead: &gastown_crds::Bead| {
            Ok(bead.spec.closed.is_none().then(|| json!({ "closed": closed, "held": null })))
        };
        act::change(name, &format!("close `{name}`"), context, close).await?;
    }
    Ok(())
}
