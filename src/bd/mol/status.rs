//! `bd mol status`: what is on the hook of an agent, how far it is, and what comes next.

use std::fmt::Write as _;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_agent::work;
use gastown_beads::issue::Issue;
use gastown_crds::actor::Worker;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::parts::{Done, Parts, Standing};
use super::show::asked;
use crate::{act, print};

/// Show what is on an agent's hook, how far it is, and what comes next
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// The agent, such as RIG/polecats/NAME; default: the actor
    target: Option<String>,
}

/// How far something is.
struct Far {
    root: String,
    /// Each step: its id, its title, where it stands.
    steps: Vec<(String, String, Standing)>,
}

impl Far {
    fn of(parts: &Parts) -> Self {
        let of = |step: &gastown_beads::slim::Slim| (step.id(), step.spec.title.clone(), parts.standing(step));
        Self { root: parts.root().id(), steps: parts.steps().into_iter().map(of).collect() }
    }

    fn of_work(work: &work::Work) -> Self {
        let of = |step: &work::Step| {
            let standing = match (step.is_open(), step.ready, &step.other) {
                (false, ..) => Standing::Done,
                (true, true, None) => Standing::Ready,
                (true, true, Some(_)) => Standing::Pending,
                (true, false, _) => Standing::Blocked,
            };
            (step.id.clone(), step.title.clone(), standing)
        };
        Self { root: work.bead.name_any(), steps: work.steps.iter().map(of).collect() }
    }

    fn done(&self) -> Done {
        Done::of(self.steps.iter().map(|(.., standing)| *standing))
    }

    fn ids(&self, wanted: Standing) -> Vec<&str> {
        self.steps.iter().filter(|(.., standing)| *standing == wanted).map(|(id, ..)| &**id).collect()
    }

    fn value(&self) -> Value {
        let done = self.done();
        json!({
            "root_id": self.root, "total_steps": done.total, "done_steps": done.done,
            "in_progress": self.ids(Standing::Current), "ready_steps": self.ids(Standing::Ready),
            "blocked_steps": self.ids(Standing::Blocked), "percent_complete": done.percent(),
            "complete": done.total > 0 && done.is_all(),
        })
    }

    /// What comes next, in a line.
    fn next(&self) -> String {
        let (now, ready) = (self.ids(Standing::Current), self.ids(Standing::Ready));
        match (now.first(), ready.first()) {
            (Some(step), _) => format!("go on with {step}; `gt mol step done {step}` once it is done"),
            (None, Some(step)) => format!("do {step}; `gt mol step done {step}` once it is done"),
            (None, None) if self.done().is_all() => "all steps are done: `gt done` hands the work in".to_owned(),
            (None, None) => "nothing is ready: it waits for others, or for a gate (`gt gate list`)".to_owned(),
        }
    }
}

/// Runs `bd mol status`.
pub async fn status(args: &StatusArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let who = args.target.as_deref().unwrap_or(&context.actor);
    let mut found = Vec::new();
    if let Some(worker) = Worker::parse(who) {
        let polecat = worker.object();
        if let Some(bead) = work::find_hooked(context, Some(&worker.rig), &polecat).await?
            && let Some(work) = work::load(context, &bead.name_any(), &polecat).await?
        {
            let issue = Issue::of(&act::slim(&work.bead)?);
            let far = if work.steps.is_empty() {
                Far::of(&Parts::of(&work.bead.name_any(), context).await?)
            } else {
                Far::of_work(&work)
            };
            found.push((issue, work.bead.spec.title.clone(), far));
        }
    }
    if found.is_empty() {
        for root in asked(None, who, context).await? {
            let parts = Parts::of(&root, context).await?;
            found.push((Issue::of(parts.root()), parts.root().spec.title.clone(), Far::of(&parts)));
        }
    }
    let first = found.first();
    if json_out {
        let next = first
            .map_or_else(|| "nothing is on the hook: `bd ready` shows what may be done".to_owned(), |it| it.2.next());
        let mut out = json!({ "target": who, "has_work": first.is_some(), "next_action": next });
        if let Some((issue, _, far)) = first {
            (out["pinned_bead"], out["progress"]) = (json!(issue), far.value());
        }
        return Ok(Answer::out(print::object(&out)));
    }
    let mut out = String::new();
    for (issue, title, far) in &found {
        let Done { done, total } = far.done();
        let _never_fails = writeln!(out, "{}  {title}  {done}/{total} steps done", issue.id);
        for (id, title, standing) in &far.steps {
            let _never_fails = writeln!(out, "  {} {id}  {title}", standing.mark());
        }
        let _never_fails = writeln!(out, "next: {}", far.next());
    }
    if out.is_empty() {
        out = format!("nothing is on the hook of {who}\n");
    }
    Ok(Answer::out(out))
}
