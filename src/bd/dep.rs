//! `bd dep`: the ties between beads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::{Args, Subcommand, ValueEnum};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::{BLOCKS, Issue, PARENT_CHILD, Related, line};
use gastown_beads::slim::Slim;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, CONDITIONAL_BLOCKS, ChildrenGate, Link};
use kube::ResourceExt as _;
use serde_json::json;

use super::act::{self, find};
use super::circles::{Circle, Ties, waits};
use super::filter::shown;
use super::print;
use super::scan::{Query, scan};
use super::show::{self, get};
use super::update::{check_not_below, difference};

/// Beads that are looked at in search of a circle.
const SEEN_MAX: usize = 10_000;

/// Ties between beads: what must be closed first, and others
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DepArgs {
    #[command(subcommand)]
    verb: Option<DepVerb>,
    /// With --blocks: the bead that has to be closed first
    id: Option<String>,
    /// The bead that waits for it
    #[arg(short, long, value_name = "ID")]
    blocks: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum DepVerb {
    /// A bead waits for another one, or is tied to it
    Add {
        /// The bead that waits
        id: String,
        /// What it waits for
        on: Option<String>,
        /// The same, as an option
        #[arg(long, visible_alias = "depends-on", conflicts_with = "on", value_name = "ID")]
        blocked_by: Option<String>,
        /// How they are tied: blocks, parent-child, related, discovered-from, waits-for, conditional-blocks or a word of your own
        #[arg(short = 't', long = "type", default_value = "blocks")]
        type_: String,
        /// Of waits-for: how many children are waited for
        #[arg(long, value_enum, value_name = "GATE")]
        gate: Option<GateWord>,
    },
    /// Take a tie away
    #[command(visible_alias = "rm")]
    Remove {
        /// The bead that waits
        id: String,
        /// What it waited for
        on: String,
    },
    /// List the ties of beads
    List {
        /// The beads' ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// What it waits for (down), or what waits for it (up)
        #[arg(long, value_enum, default_value = "down")]
        direction: Direction,
        /// Only this type
        #[arg(short = 't', long = "type")]
        type_: Option<String>,
    },
    /// Draw what a bead waits for, and what that waits for
    Tree {
        /// The bead's id
        id: String,
        /// How deep
        #[arg(short = 'd', long, default_value_t = 50)]
        max_depth: usize,
        /// What it waits for (down), or what waits for it (up)
        #[arg(long, value_enum, default_value = "down")]
        direction: Direction,
        /// What waits for it
        #[arg(long)]
        reverse: bool,
    },
    /// Find beads that wait for each other in a circle
    Cycles,
    /// Tie two beads that have to do with each other
    Relate {
        /// One
        a: String,
        /// The other
        b: String,
    },
    /// Take that tie away
    Unrelate {
        /// One
        a: String,
        /// The other
        b: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Direction {
    Down,
    Up,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GateWord {
    AllChildren,
    AnyChildren,
}

impl GateWord {
    fn gate(self) -> ChildrenGate {
        match self {
            Self::AllChildren => ChildrenGate::AllChildren,
            Self::AnyChildren => ChildrenGate::AnyChildren,
        }
    }
}

/// The tie of two beads that have to do with each other; on both of them.
const RELATES_TO: &str = "relates-to";

/// Runs `bd dep`.
pub async fn dep(args: &DepArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    match (&args.verb, &args.id, &args.blocks) {
        (Some(DepVerb::Add { id, on, blocked_by, type_, gate }), ..) => {
            let Some(on) = on.as_ref().or(blocked_by.as_ref()) else {
                return Err(Error::refused("what does it depend on?", "bd dep add ID ON"));
            };
            let (a, b) = add(id, on, type_, gate.map(GateWord::gate), context).await?;
            let out = json!({ "status": "added", "issue_id": a, "depends_on_id": b, "type": type_ });
            Ok(Answer::out(if json {
                print::object(&out)
            } else {
                format!("✓ Added dependency: {a} depends on {b} ({type_})\n")
            }))
        }
        (None, Some(blocker), Some(blocked)) => {
            let (blocked, blocker) = add(blocked, blocker, BLOCKS, None, context).await?;
            let out = json!({ "status": "added", "blocker_id": blocker, "blocked_id": blocked, "type": BLOCKS });
            Ok(Answer::out(if json {
                print::object(&out)
            } else {
                format!("✓ Added dependency: {blocker} blocks {blocked}\n")
            }))
        }
        (Some(DepVerb::Remove { id, on }), ..) => {
            let (a, b) = remove(id, on, context).await?;
            let out = json!({ "status": "removed", "issue_id": a, "depends_on_id": b });
            Ok(Answer::out(if json {
                print::object(&out)
            } else {
                format!("✓ Removed dependency: {a} no longer depends on {b}\n")
            }))
        }
        (Some(DepVerb::List { ids, direction, type_ }), ..) => {
            list(ids, *direction, type_.as_deref(), json, context).await
        }
        (Some(DepVerb::Tree { id, max_depth, direction, reverse }), ..) => {
            let is_up = *reverse || *direction == Direction::Up;
            tree(id, *max_depth, is_up, json, context).await
        }
        (Some(DepVerb::Cycles), ..) => cycles(json, context).await,
        (Some(DepVerb::Relate { a, b }), ..) => {
            for (a, b) in [(a, b), (b, a)] {
                add(a, b, RELATES_TO, None, context).await?;
            }
            Ok(Answer::out(if json {
                print::object(&json!({ "status": "related", "related": true, "id1": a, "id2": b }))
            } else {
                format!("✓ Linked {a} ↔ {b}\n")
            }))
        }
        (Some(DepVerb::Unrelate { a, b }), ..) => {
            for (a, b) in [(a, b), (b, a)] {
                remove(a, b, context).await?;
            }
            Ok(Answer::out(if json {
                print::object(&json!({ "status": "unrelated", "unrelated": true, "id1": a, "id2": b }))
            } else {
                format!("✓ Unlinked {a} ↔ {b}\n")
            }))
        }
        _ => Err(Error::refused("what about them?", "bd dep add ID ON; or bd dep ID --blocks ID; see `bd dep --help`")),
    }
}

/// Ties a bead to another; their ids.
pub async fn add(
    id: &str,
    on: &str,
    type_: &str,
    gate: Option<ChildrenGate>,
    context: &Context,
) -> Result<(String, String), Error> {
    let (bead, other) = (find(id, context).await?, find(on, context).await?);
    let (a, b) = (bead.name_any(), other.name_any());
    if type_.is_empty() || type_.len() > 50 {
        return Err(Error::refused(format!("invalid type `{}`", shown(type_)), "it has 1 to 50 characters"));
    }
    if a == b {
        return Err(Error::refused(format!("`{a}` cannot depend on itself"), "name another bead"));
    }
    if type_ == BLOCKS || type_ == CONDITIONAL_BLOCKS {
        if other.spec.parent.as_ref() == Some(&a) {
            // Such an epic is closed after its parts in any case.
            let message = format!("`{b}` is a part of `{a}`, which is closed after its parts in any case");
            return Err(Error::refused(message, "nothing has to be said"));
        }
        check_circle(&a, &other, context).await?;
    }
    if type_ == PARENT_CHILD {
        check_not_below(&a, &b, context).await?;
    }
    let what = format!("tie `{a}` to `{b}`");
    act::change(&a, &what, context, |bead| {
        let mut spec = bead.spec.clone();
        if let Some(has) = tie_of(&spec, &b).filter(|has| *has != type_) {
            let message = format!("dependency {a} -> {b} already exists with type \"{has}\" (requested \"{type_}\")");
            return Err(Error::refused(message, format!("take it away first: bd dep remove {a} {b}")));
        }
        if tie_of(&spec, &b).is_none() {
            match type_ {
                BLOCKS => spec.needs.push(b.clone()),
                PARENT_CHILD => {
                    if let Some(parent) = &spec.parent {
                        let message = format!("`{a}` is a part of `{parent}` already");
                        return Err(Error::refused(message, format!("bd update {a} --parent {b} moves it")));
                    }
                    spec.parent = Some(b.clone());
                }
                _ => spec.links.push(Link { to: b.clone(), type_: type_.to_owned(), gate }),
            }
        }
        Ok(difference(&bead.spec, &spec))
    })
    .await?;
    Ok((a, b))
}

/// How a bead is tied to another.
fn tie_of<'a>(spec: &'a BeadSpec, other: &str) -> Option<&'a str> {
    if spec.needs.iter().any(|need| need == other) {
        return Some(BLOCKS);
    }
    if spec.parent.as_deref() == Some(other) {
        return Some(PARENT_CHILD);
    }
    spec.links.iter().find(|link| link.to == other).map(|link| link.type_.as_str())
}

async fn remove(id: &str, on: &str, context: &Context) -> Result<(String, String), Error> {
    let a = find(id, context).await?.name_any();
    // What it is tied to may not be there any more.
    let b = super::filter::id(on)?;
    act::change(&a, &format!("untie `{a}` from `{b}`"), context, |bead| {
        let mut spec = bead.spec.clone();
        spec.needs.retain(|need| *need != b);
        spec.links.retain(|link| link.to != b);
        spec.parent = spec.parent.filter(|parent| *parent != b);
        Ok(difference(&bead.spec, &spec))
    })
    .await?;
    Ok((a, b))
}

/// Refuses that a bead waits for one that waits for it; the path is said.
pub async fn check_circle(a: &str, other: &Bead, context: &Context) -> Result<(), Error> {
    let mut came_from: BTreeMap<String, String> = BTreeMap::new();
    let mut waiting = vec![other.clone()];
    while let Some(bead) = waiting.pop() {
        let name = bead.name_any();
        let spec = &bead.spec;
        for need in waits(&spec.needs, &spec.links, spec.gate.as_ref()) {
            if need == a {
                let mut path = vec![a.to_owned(), name.clone()];
                let mut at = name;
                while let Some(before) = came_from.get(&at) {
                    path.push(before.clone());
                    at.clone_from(before);
                }
                path.push(a.to_owned());
                path.reverse();
                let message = format!("adding dependency would create a cycle: {}", path.join(" → "));
                return Err(Error::refused(message, "each waits for the one behind it; take one of these out first"));
            }
            if came_from.len() >= SEEN_MAX || came_from.contains_key(need) || *need == other.name_any() {
                continue;
            }
            came_from.insert(need.clone(), name.clone());
            waiting.extend(get(context, need).await?);
        }
    }
    Ok(())
}

/// The ties of a bead, with the beads at their other ends.
async fn ties(bead: &Bead, direction: Direction, context: &Context) -> Result<Vec<(Slim, String)>, Error> {
    let mut found = Vec::new();
    if direction != Direction::Up {
        found.extend(show::dependencies(context, bead).await?);
    }
    if direction != Direction::Down {
        found.extend(show::dependents(context, &bead.name_any()).await?);
    }
    Ok(found)
}

async fn list(
    ids: &[String],
    direction: Direction,
    type_: Option<&str>,
    json: bool,
    context: &Context,
) -> Result<Answer, Error> {
    let (mut related, mut edges, mut out) = (Vec::new(), Vec::new(), String::new());
    for id in ids {
        let bead = find(id, context).await?;
        let slim = act::slim(&bead)?;
        for (other, how) in ties(&bead, direction, context).await? {
            if type_.is_some_and(|wanted| wanted != how) {
                continue;
            }
            let _never_fails = writeln!(out, "{}  [{how}]", line(&other, 0));
            related.push(Related::of(&other, &how));
        }
        edges.extend(
            gastown_beads::issue::edges(&slim).into_iter().filter(|edge| type_.is_none_or(|it| it == edge.type_)),
        );
    }
    Ok(Answer::out(match (json, ids.len()) {
        (true, 1) => print::json(&related),
        (true, _) => print::json(&edges),
        (false, _) if out.is_empty() => "no dependencies\n".to_owned(),
        (false, _) => out,
    }))
}

async fn tree(id: &str, depth_max: usize, is_up: bool, json: bool, context: &Context) -> Result<Answer, Error> {
    let root = find(id, context).await?;
    let direction = if is_up { Direction::Up } else { Direction::Down };
    let (mut out, mut nodes) = (String::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut waiting = vec![(root, 0, String::new(), String::new())];
    while let Some((bead, depth, how, above)) = waiting.pop() {
        let slim = act::slim(&bead)?;
        let is_new = seen.insert(bead.name_any());
        let mark = if is_new { "" } else { "  (above)" };
        let how = if how.is_empty() || how == BLOCKS { String::new() } else { format!("  [{how}]") };
        let _never_fails = writeln!(out, "{}{}{how}{mark}", "  ".repeat(depth), line(&slim, 0));
        let mut node = serde_json::to_value(Issue::without_edges(&slim)).unwrap_or_default();
        let is_cut = depth >= depth_max || seen.len() > SEEN_MAX;
        node["depth"] = depth.into();
        node["parent_id"] = above.into();
        node["truncated"] = is_cut.into();
        nodes.push(node);
        if !is_new || is_cut {
            continue;
        }
        let mut below = ties(&bead, direction, context).await?;
        below.reverse();
        for (other, how) in below {
            let (bead, above) = (get(context, &other.metadata.name).await?, slim.id());
            waiting.extend(bead.map(|bead| (bead, depth + 1, how, above)));
        }
    }
    Ok(Answer::out(if json { print::json(&nodes) } else { out }))
}

async fn cycles(json: bool, context: &Context) -> Result<Answer, Error> {
    let mut all: BTreeMap<String, Slim> = BTreeMap::new();
    let open = Query { fields: vec!["spec.closed.reason=".into()], ..Query::default() };
    scan(context, &open, |slim| {
        all.insert(slim.metadata.name.clone(), slim);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut ties = Ties::default();
    for bead in all.values() {
        ties.put_slim(bead);
    }
    let circles = ties.circles();
    if json {
        let of = |name: &String| all.get(name).map(Issue::of);
        let circles: Vec<Vec<Issue>> =
            circles.iter().map(|circle| circle.names.iter().filter_map(of).collect()).collect();
        return Ok(Answer::out(print::json(&circles)));
    }
    if circles.is_empty() {
        return Ok(Answer::out("✓ No dependency cycles detected\n"));
    }
    let lines: String = circles.iter().map(Circle::shown).map(|line| line + "\n").collect();
    Ok(Answer { out: lines, note: "`bd dep remove ID ON` takes a dependency out\n".to_owned(), code: 1 })
}
