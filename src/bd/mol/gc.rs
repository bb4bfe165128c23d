//! `bd mol wisp list` and `gc`: what wisps there are, and clearing those that nobody needs. The town does the same, later, by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::seconds;
use gastown_beads::slim::Slim;
use gastown_crds::actor::Actor;
use gastown_crds::bead::PINNED;
use gastown_crds::common::{Duration, LABEL_CONVOY};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::end::remove;
use crate::filter::shown;
use crate::print;
use crate::scan::{Query, scan};

/// After this a wisp counts as old, as in Beads.
const OLD: &str = "24h";
/// Wisps above one that are looked at.
const ABOVE_MAX: usize = 32;

/// List the wisps
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Closed ones, too
    #[arg(long)]
    all: bool,
}

/// Remove wisps that nobody has changed for a while; or with --closed those that are closed
#[derive(Debug, Clone, Args)]
pub struct GcArgs {
    /// Open ones that nobody has changed for so long
    #[arg(long, default_value = "1h", value_parser = age, value_name = "DURATION")]
    age: SignedDuration,
    /// Closed ones, however short ago; without --force, only say which
    #[arg(long)]
    closed: bool,
    /// Remove closed ones
    #[arg(short, long)]
    force: bool,
    /// Only say which
    #[arg(long)]
    dry_run: bool,
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{}` is no duration: write it as 30m, 1h or 24h", shown(text));
    let found = std::time::Duration::from(text.parse::<Duration>().map_err(|_| wrong())?);
    SignedDuration::try_from(found).map_err(|_| wrong())
}

/// Runs `bd mol wisp list`.
pub async fn list(args: &ListArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let mut wisps = Wisps::read(context).await?.all;
    wisps.retain(|_, wisp| args.all || !wisp.is_closed());
    let old_before = before(age(OLD).unwrap_or_default());
    let is_old = |wisp: &Slim| !wisp.is_closed() && wisp.updated() < old_before;
    let old = wisps.values().filter(|wisp| is_old(wisp)).count();
    if json_out {
        let of = |wisp: &Slim| {
            json!({
                "id": wisp.id(), "title": wisp.spec.title, "status": wisp.status(), "priority": wisp.spec.priority,
                "type": wisp.type_name(),
                "created_at": seconds(wisp.created()), "updated_at": seconds(wisp.updated()), "old": is_old(wisp),
            })
        };
        let all: Vec<_> = wisps.values().map(of).collect();
        return Ok(Answer::out(print::object(&json!({ "wisps": all, "count": wisps.len(), "old_count": old }))));
    }
    let note =
        if old == 0 { String::new() } else { format!("{old} of them have not changed for {OLD}: `bd mol wisp gc`\n") };
    let wisps: Vec<Slim> = wisps.into_values().collect();
    let out = if wisps.is_empty() { "no wisps\n".to_owned() } else { print::table(&wisps) };
    Ok(Answer { out, note, code: 0 })
}

/// Runs `bd mol wisp gc`.
pub async fn gc(args: &GcArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let wisps = Wisps::read(context).await?;
    let doomed = if args.closed { wisps.closed() } else { wisps.idle(before(args.age)) };
    let ids: Vec<String> = doomed.iter().map(Slim::id).collect();
    if args.dry_run || (args.closed && !args.force) {
        let note = if args.dry_run || ids.is_empty() { "" } else { "`--force` removes them\n" };
        let out = if json_out {
            print::object(&json!({ "cleaned_ids": [], "cleaned_count": 0, "candidates": ids, "dry_run": true }))
        } else if ids.is_empty() {
            "no wisp is to be removed\n".to_owned()
        } else {
            format!("would remove:\n{}", print::table(&doomed))
        };
        return Ok(Answer { out, note: note.to_owned(), code: 0 });
    }
    if Actor::parse(&context.actor).is_agent() && !doomed.is_empty() {
        let message = "an agent removes nothing: the town removes wisps some time after their close";
        return Err(Error::refused(message, "`bd close ID` closes what is done"));
    }
    let ids = remove(&doomed, context).await?;
    let mut out = String::new();
    for id in &ids {
        let _never_fails = writeln!(out, "✓ Removed {id}");
    }
    if ids.is_empty() {
        out.push_str("no wisp is to be removed\n");
    }
    Ok(Answer::out(if json_out {
        print::object(&json!({ "cleaned_ids": ids, "cleaned_count": ids.len() }))
    } else {
        out
    }))
}

fn before(age: SignedDuration) -> Timestamp {
    SystemClock.now().saturating_sub(age).unwrap_or(Timestamp::MIN)
}

/// All wisps, by name. What is no work, such as a role, is none that can go.
struct Wisps {
    all: BTreeMap<String, Slim>,
    /// What open beads that are no wisps are a part of.
    above_kept: BTreeSet<String>,
}

impl Wisps {
    async fn read(context: &Context) -> Result<Self, Error> {
        let query = Query { fields: vec!["spec.type!=Step".into()], ..Query::default() };
        let mut wisps = Self { all: BTreeMap::new(), above_kept: BTreeSet::new() };
        scan(context, &query, |slim| {
            if !slim.spec.ephemeral && !slim.is_closed() {
                wisps.above_kept.extend(slim.spec.parent);
            } else if slim.spec.ephemeral && !slim.spec.type_.is_record() {
                wisps.all.insert(slim.metadata.name.clone(), slim);
            }
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(wisps)
    }

    /// Those that are closed, but for those of a molecule that is open: its progress is seen by them.
    fn closed(&self) -> Vec<Slim> {
        let of_closed = self.molecules().into_iter().filter(|all| all.iter().all(|wisp| wisp.is_closed()));
        of_closed.flatten().cloned().collect()
    }

    /// The open molecules that nobody has and nobody has changed since.
    fn idle(&self, since: Timestamp) -> Vec<Slim> {
        let stays = |wisp: &Slim| {
            wisp.updated() >= since
                || wisp.spec.assignee.is_some()
                || wisp.spec.held.as_deref() == Some(PINNED)
                || wisp.metadata.labels.contains_key(LABEL_CONVOY)
        };
        let is_idle =
            |all: &Vec<&Slim>| all.iter().any(|wisp| !wisp.is_closed()) && !all.iter().any(|wisp| stays(wisp));
        self.molecules().into_iter().filter(is_idle).flatten().cloned().collect()
    }

    /// The molecules that they are: each is the topmost wisp with what is below it. None that has an open part which is kept.
    fn molecules(&self) -> Vec<Vec<&Slim>> {
        let mut molecules: BTreeMap<&str, Vec<&Slim>> = BTreeMap::new();
        for wisp in self.all.values() {
            let mut root = wisp;
            for _ in 0..ABOVE_MAX {
                match root.spec.parent.as_ref().and_then(|parent| self.all.get(parent)) {
                    Some(parent) => root = parent,
                    None => break,
                }
            }
            molecules.entry(&root.metadata.name).or_default().push(wisp);
        }
        for (root, all) in &mut molecules {
            all.sort_by_key(|wisp| (wisp.metadata.name != *root, &wisp.metadata.name));
        }
        let is_free = |all: &Vec<&Slim>| !all.iter().any(|wisp| self.above_kept.contains(&wisp.metadata.name));
        molecules.into_values().filter(is_free).collect()
    }
}
