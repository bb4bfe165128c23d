//! `bd swarm`: an epic as work for many at once: what of it may be done now, what comes after, in waves, and what is in the way.
//!
//! Here a swarm is no object of its own: it is how the parts of an epic or a molecule stand. So there is nothing to create.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::seconds;
use gastown_beads::slim::Slim;
use gastown_crds::bead::{BeadType, CloseReason};
use serde_json::{Map, Value, json};

use super::circles::Ties;
use super::mol::parts::{Below, Parts, Standing};
use super::print;
use super::scan::{Query, scan};

/// Parts within parts that are looked at.
const DEPTH_MAX: usize = 32;

/// Epics as work for many at once
#[derive(Debug, Clone, Args)]
pub struct SwarmArgs {
    #[command(subcommand)]
    verb: SwarmVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum SwarmVerb {
    /// List the open epics that have parts, and how far each is
    List,
    /// Show what of an epic is done, worked on, ready and waiting
    Status {
        /// The epic, or a molecule
        id: String,
    },
    /// Show in which waves an epic can be worked on, and what is in the way; it ends with 1 if it cannot
    Validate {
        /// The epic, or a molecule
        id: String,
        /// In JSON, each part with what it needs, too
        #[arg(long)]
        verbose: bool,
    },
    /// Nothing is made: an epic that is slung is worked on by all that are free
    #[command(hide = true)]
    Create {
        /// The epic
        id: String,
    },
}

/// Runs `bd swarm`.
pub async fn swarm(args: &SwarmArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    match &args.verb {
        SwarmVerb::List => list(json, context).await,
        SwarmVerb::Status { id } => Ok(status(&Swarm::of(id, context).await?, json)),
        SwarmVerb::Validate { id, verbose } => Ok(validate(&Swarm::of(id, context).await?, *verbose, json)),
        SwarmVerb::Create { id } => {
            let hint = format!("`gt sling {id}` has the epic worked on, `bd swarm status {id}` shows how far it is");
            Err(Error::refused("a swarm is how an epic stands: there is nothing to create", hint))
        }
    }
}

/// An epic with the parts that are work, one level below it.
struct Swarm {
    parts: Parts,
    /// Of each part, in their order: the other parts that it needs, by name.
    needs: Vec<(Slim, BTreeSet<String>)>,
}

impl Swarm {
    async fn of(id: &str, context: &Context) -> Result<Self, Error> {
        let parts = Parts::of(id, context).await?;
        let root = parts.root();
        if !root.spec.type_.asks_for_parts() {
            let message = format!("{} is neither an epic nor a molecule: it is a {}", root.id(), root.type_name());
            return Err(Error::refused(message, "`bd swarm list` shows those that have parts"));
        }
        let name = &root.metadata.name;
        let is_part = |it: &&Slim| it.spec.parent.as_ref() == Some(name) && it.spec.type_ != BeadType::Gate;
        let needs = parts.steps().into_iter().filter(is_part).map(|part| (part.clone(), tops(&parts, part))).collect();
        Ok(Self { parts, needs })
    }

    fn closed(&self) -> usize {
        self.needs.iter().filter(|(part, _)| part.is_closed()).count()
    }

    /// The open parts in waves: each in the first one after all that it needs. What goes in a circle is in none.
    fn waves(&self) -> Vec<Vec<&Slim>> {
        let mut open: Vec<&(Slim, BTreeSet<String>)> =
            self.needs.iter().filter(|(part, _)| !part.is_closed()).collect();
        let mut waiting: BTreeSet<&str> = open.iter().map(|(part, _)| part.metadata.name.as_str()).collect();
        let mut waves = Vec::new();
        loop {
            let is_next = |it: &&(Slim, BTreeSet<String>)| !it.1.iter().any(|need| waiting.contains(need.as_str()));
            let (wave, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(is_next);
            if wave.is_empty() {
                return waves;
            }
            for (part, _) in &wave {
                waiting.remove(part.metadata.name.as_str());
            }
            waves.push(wave.into_iter().map(|(part, _)| part).collect());
            open = rest;
        }
    }

    /// What makes it impossible: parts that wait for each other.
    fn errors(&self) -> Vec<String> {
        let mut ties = Ties::default();
        for bead in &self.parts.all {
            ties.put_slim(bead);
        }
        ties.circles().iter().map(|circle| circle.message(str::to_owned, str::to_owned)).collect()
    }

    /// What is odd: an epic without parts, and what is needed from outside.
    fn warnings(&self) -> Vec<String> {
        if self.needs.is_empty() {
            return vec![format!("{} has no parts", self.parts.root().id())];
        }
        let outside = |(part, _): &(Slim, BTreeSet<String>)| {
            let needs = self.parts.open_outside(part);
            (!needs.is_empty()).then(|| format!("{} needs {}, which is no part of it", part.id(), needs.join(", ")))
        };
        self.needs.iter().filter(|(part, _)| !part.is_closed()).filter_map(outside).collect()
    }
}

/// The parts one level below the root that a part needs, by itself or by what they consist of.
fn tops(parts: &Parts, part: &Slim) -> BTreeSet<String> {
    let root = &parts.root().metadata.name;
    let top = |need: &Slim| {
        let mut at = need.clone();
        for _ in 0..DEPTH_MAX {
            if at.spec.parent.as_ref() == Some(root) {
                return Some(at.metadata.name);
            }
            at = parts.parent(&at)?.clone();
        }
        None
    };
    parts.needs(part).filter_map(top).filter(|name| *name != part.metadata.name).collect()
}

fn validate(swarm: &Swarm, verbose: bool, json_out: bool) -> Answer {
    let (waves, errors, warnings) = (swarm.waves(), swarm.errors(), swarm.warnings());
    let root = swarm.parts.root();
    let (total, closed) = (swarm.needs.len(), swarm.closed());
    let most = waves.iter().map(Vec::len).max().unwrap_or(0);
    let code = u8::from(!errors.is_empty());
    if json_out {
        let front = |(nth, wave): (usize, &Vec<&Slim>)| {
            let titles: Vec<&String> = wave.iter().map(|part| &part.spec.title).collect();
            json!({ "wave": nth, "issues": wave.iter().map(|part| part.id()).collect::<Vec<_>>(), "titles": titles })
        };
        let mut out = json!({
            "epic_id": root.id(), "epic_title": root.spec.title, "total_issues": total, "closed_issues": closed,
            "ready_fronts": waves.iter().enumerate().map(front).collect::<Vec<_>>(), "max_parallelism": most,
            "estimated_sessions": total - closed, "warnings": warnings, "errors": errors, "swarmable": code == 0,
        });
        if verbose {
            out["issues"] = issues(swarm, &waves);
        }
        return Answer { out: print::object(&out), code, ..Answer::default() };
    }
    let mut out = format!("{}  {}  {closed}/{total} done\n", root.id(), root.spec.title);
    for (nth, wave) in waves.iter().enumerate() {
        let _never_fails = writeln!(out, "wave {}", nth + 1);
        for part in wave {
            let _never_fails = writeln!(out, "  {} {}  {}", swarm.parts.mark(part), part.id(), part.spec.title);
        }
    }
    for (word, lines) in [("warning", &warnings), ("error", &errors)] {
        for line in lines {
            let _never_fails = writeln!(out, "{word}: {line}");
        }
    }
    out.push_str(&match (code, total - closed) {
        (0, 0) => "nothing is left to do\n".to_owned(),
        (0, _) => format!("it can be worked on, by {most} at once at most\n"),
        _ => "it cannot be worked on to its end: `bd dep remove` takes a need out\n".to_owned(),
    });
    Answer { out, code, ..Answer::default() }
}

/// Each part with what it needs and what needs it; the wave of what is closed, or goes in a circle, is -1.
fn issues(swarm: &Swarm, waves: &[Vec<&Slim>]) -> Value {
    let mut wave_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (nth, wave) in waves.iter().enumerate() {
        wave_of.extend(wave.iter().map(|part| (part.metadata.name.as_str(), nth)));
    }
    let one = |(part, needs): &(Slim, BTreeSet<String>)| {
        let name = &part.metadata.name;
        let needed_by: Vec<String> =
            swarm.needs.iter().filter(|(_, needs)| needs.contains(name)).map(|(part, _)| part.id()).collect();
        let wave = wave_of.get(name.as_str()).and_then(|wave| i64::try_from(*wave).ok()).unwrap_or(-1);
        let value = json!({
            "id": part.id(), "title": part.spec.title, "status": part.status(), "priority": part.spec.priority,
            "depends_on": needs, "depended_on_by": needed_by, "wave": wave,
        });
        (part.id(), value)
    };
    Value::Object(swarm.needs.iter().map(one).collect::<Map<_, _>>())
}

/// How a part stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Completed,
    Active,
    Ready,
    Blocked,
}

impl Swarm {
    fn state(&self, part: &Slim) -> State {
        match self.parts.standing(part) {
            Standing::Done => State::Completed,
            Standing::Current => State::Active,
            Standing::Blocked => State::Blocked,
            // An epic in the epic is as its parts are.
            Standing::Pending if self.is_begun(part) => State::Active,
            Standing::Ready | Standing::Pending => State::Ready,
        }
    }

    fn is_begun(&self, epic: &Slim) -> bool {
        let of_epic = |it: &&Slim| it.spec.parent.as_ref() == Some(&epic.metadata.name);
        let begun = |it: &Slim| matches!(self.parts.standing(it), Standing::Done | Standing::Current);
        self.parts.all.iter().filter(of_epic).any(begun)
    }
}

fn status(swarm: &Swarm, json_out: bool) -> Answer {
    let root = swarm.parts.root();
    let of = |state: State| -> Vec<&Slim> {
        swarm.needs.iter().map(|(part, _)| part).filter(|part| swarm.state(part) == state).collect()
    };
    let (completed, active) = (of(State::Completed), of(State::Active));
    let (ready, blocked) = (of(State::Ready), of(State::Blocked));
    let total = swarm.needs.len();
    let percent = (completed.len() * 100).checked_div(total).unwrap_or(0);
    if json_out {
        let list = |parts: &[&Slim]| -> Vec<Value> { parts.iter().map(|part| value(swarm, part)).collect() };
        return Answer::out(print::object(&json!({
            "epic_id": root.id(), "epic_title": root.spec.title, "total_issues": total, "completed": list(&completed),
            "active": list(&active), "ready": list(&ready), "blocked": list(&blocked), "progress_percent": percent,
            "active_count": active.len(), "ready_count": ready.len(), "blocked_count": blocked.len(),
        })));
    }
    let mut out = format!("{}  {}  {}/{total} done ({percent} %)\n", root.id(), root.spec.title, completed.len());
    for (word, parts) in [("done", completed), ("worked on", active), ("ready", ready), ("waits", blocked)] {
        for part in parts {
            let word = match part.spec.closed.as_ref().map(|closed| closed.reason) {
                Some(CloseReason::Withdrawn) => "given up",
                Some(CloseReason::Skipped) => "skipped",
                None if part.status() == "blocked" => "set aside",
                None if part.status() == "deferred" => "deferred",
                _ => word,
            };
            let who = part.assignee().filter(|_| word == "worked on").map(|who| format!("  by {who}"));
            let needs = (word == "waits").then(|| swarm.parts.open_needs(part)).filter(|needs| !needs.is_empty());
            let more = who.or_else(|| needs.map(|needs| format!("  for {}", needs.join(", ")))).unwrap_or_default();
            let _never_fails = writeln!(out, "{word:<9}  {}  {}{more}", part.id(), part.spec.title);
        }
    }
    Answer::out(out)
}

fn value(swarm: &Swarm, part: &Slim) -> Value {
    let mut value = json!({ "id": part.id(), "title": part.spec.title });
    if let Some(who) = part.assignee() {
        value["assignee"] = who.into();
    }
    if let Some(closed) = &part.spec.closed {
        value["closed_at"] = seconds(closed.at).into();
    } else {
        let needs = swarm.parts.open_needs(part);
        if !needs.is_empty() {
            value["blocked_by"] = json!(needs);
        }
    }
    value
}

async fn list(json_out: bool, context: &Context) -> Result<Answer, Error> {
    let mut roots = Vec::new();
    let fields = vec![format!("spec.type={}", BeadType::Epic), "spec.closed.reason=".to_owned()];
    scan(context, &Query { fields, ..Query::default() }, |slim| {
        roots.push(slim);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let below = Below::read(context).await?;
    let (mut out, mut all) = (String::new(), Vec::new());
    for root in roots {
        let parts: Vec<&Slim> = below.direct(&root).filter(|part| part.spec.type_ != BeadType::Gate).collect();
        if parts.is_empty() {
            continue;
        }
        let (total, done) = (parts.len(), parts.iter().filter(|part| part.is_closed()).count());
        let active = parts.iter().filter(|part| !part.is_closed() && part.assignee().is_some()).count();
        let (id, title) = (root.id(), &root.spec.title);
        let _never_fails = writeln!(out, "{id}  {done}/{total} done, {active} worked on  {title}");
        let percent = done * 100 / total;
        all.push(json!({
            "id": id, "title": title, "epic_id": id, "epic_title": title, "status": root.status(), "total_issues": total,
            "completed_issues": done, "active_issues": active, "progress_percent": percent,
        }));
    }
    if json_out {
        return Ok(Answer::out(print::object(&json!({ "swarms": all }))));
    }
    Ok(Answer::out(if out.is_empty() { "no open epic has parts\n".to_owned() } else { out }))
}
