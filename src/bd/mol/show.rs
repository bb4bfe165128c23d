//! `bd mol show`, `current`, `progress` and `list`: where molecules stand.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::{Issue, PARENT_CHILD, edges};
use gastown_connect::actor::variable;
use gastown_crds::bead::BeadType;
use serde_json::{Value, json};

use super::parts::{Below, Done, Parts, Standing, molecule_of};
use crate::print;
use crate::scan::{Query, scan};

/// Show a molecule: its parts, and what they need
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Its root; of an epic the same
    id: String,
    /// What may be worked on at the same time is marked: as always
    #[arg(short, long, hide = true)]
    parallel: bool,
}

/// Show where one is in a molecule
#[derive(Debug, Clone, Args)]
pub struct CurrentArgs {
    /// Its root, or one of its parts; default: those of which the actor has a part
    id: Option<String>,
    /// Of whom; default: the actor
    #[arg(long = "for", value_name = "WHO")]
    whose: Option<String>,
}

/// Say how much of a molecule is done
#[derive(Debug, Clone, Args)]
pub struct ProgressArgs {
    /// Its root, or one of its parts; default: that of the actor
    id: Option<String>,
}

/// List the molecules that are open
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Closed ones, too
    #[arg(long)]
    all: bool,
    /// Wisps, too
    #[arg(long)]
    include_ephemeral: bool,
}

/// Runs `bd mol show`.
pub async fn show(args: &ShowArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let parts = Parts::of(&args.id, context).await?;
    if json_out {
        let issues: Vec<Issue> = parts.all.iter().map(Issue::without_edges).collect();
        let edges: Vec<_> = parts.all.iter().flat_map(edges).collect();
        let root = Issue::without_edges(parts.root());
        return Ok(Answer::out(print::object(&json!({ "root": root, "issues": issues, "dependencies": edges }))));
    }
    let mut out = print::tree(&parts.all);
    for edge in parts.all.iter().flat_map(edges).filter(|edge| edge.type_ != PARENT_CHILD) {
        let _never_fails = writeln!(out, "{} → {}  [{}]", edge.issue_id, edge.depends_on_id, edge.type_);
    }
    Ok(Answer::out(out))
}

/// Runs `bd mol current`.
pub async fn current(args: &CurrentArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let who = args.whose.as_deref().unwrap_or(&context.actor);
    let (mut out, mut all) = (String::new(), Vec::new());
    for root in asked(args.id.as_deref(), who, context).await? {
        let parts = Parts::of(&root, context).await?;
        let (text, value) = where_one_is(&parts);
        out.push_str(&text);
        all.push(value);
    }
    if all.is_empty() {
        out = format!("no molecule of which {who} has a part\n");
    }
    Ok(Answer::out(if json_out { print::json(&all) } else { out }))
}

/// The molecules that are meant, by their roots.
pub(super) async fn asked(id: Option<&str>, who: &str, context: &Context) -> Result<Vec<String>, Error> {
    if let Some(id) = id {
        // An epic that nobody has poured has parts as well.
        return Ok(vec![molecule_of(id, context).await?.unwrap_or_else(|| id.to_owned())]);
    }
    let mut ids: Vec<String> = variable("GT_BEAD").filter(|_| who == context.actor).into_iter().collect();
    let open = Query { fields: vec!["spec.closed.reason=".into(), "spec.type!=Step".into()], ..Query::default() };
    scan(context, &open, |slim| {
        if slim.assignee().as_deref() == Some(who) {
            ids.push(slim.metadata.name);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut roots = Vec::new();
    for id in ids {
        let root = match molecule_of(&id, context).await {
            Err(error) if error.is_lost() => return Err(error),
            root => root.unwrap_or_default(),
        };
        roots.extend(root.filter(|root| !roots.contains(root)));
    }
    Ok(roots)
}

fn where_one_is(parts: &Parts) -> (String, Value) {
    let root = parts.root();
    let steps: Vec<_> = parts.steps().into_iter().map(|step| (step, parts.standing(step))).collect();
    let given_up = steps.iter().filter(|(step, _)| step.is_given_up()).count();
    let first = |wanted| steps.iter().find(|(_, standing)| *standing == wanted).map(|(step, _)| *step);
    let (now, next) = (first(Standing::Current), first(Standing::Ready));
    let all = Done::of(steps.iter().map(|(_, standing)| *standing));
    let Done { done, total } = all;
    let failed = if given_up > 0 { format!(", {given_up} of them given up") } else { String::new() };
    let mut text = format!("{}  {}  {done}/{total} done{failed}\n", root.id(), root.spec.title);
    for (step, _) in &steps {
        let who = step.assignee().map(|who| format!("  ({who})")).unwrap_or_default();
        let _never_fails = writeln!(text, "  {} {}  {}{who}", parts.mark(step), step.id(), step.spec.title);
    }
    let hint = match (now, next) {
        (Some(step), _) => format!("current: {}\n", step.id()),
        (None, Some(step)) => format!("next: {}\n", step.id()),
        (None, None) if root.is_closed() => "it is closed\n".to_owned(),
        (None, None) if all.is_all() => format!("all done: `bd mol squash {}` closes it\n", root.id()),
        (None, None) => "nothing is ready\n".to_owned(),
    };
    text.push_str(&hint);
    let of = |(step, standing): &(&_, Standing)| {
        let is_current = now.is_some_and(|now| std::ptr::eq(now, *step));
        json!({ "issue": Issue::of(step), "status": standing, "is_current": is_current })
    };
    let mut value = json!({
        "molecule_id": root.id(), "molecule_title": root.spec.title, "steps": steps.iter().map(of).collect::<Vec<_>>(),
        "completed": done, "total": total,
    });
    let some = [
        ("assignee", root.assignee().map(Value::from)),
        ("current_step", now.map(|step| json!(Issue::of(step)))),
        ("next_step", next.map(|step| json!(Issue::of(step)))),
    ];
    for (key, some) in some {
        if let Some(some) = some {
            value[key] = some;
        }
    }
    (text, value)
}

/// Runs `bd mol progress`.
pub async fn progress(args: &ProgressArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let roots = asked(args.id.as_deref(), &context.actor, context).await?;
    let Some(root) = roots.first() else {
        return Err(Error::refused("which molecule?", "bd mol progress ID; `bd mol list` shows the ids"));
    };
    let parts = Parts::of(root, context).await?;
    let root = parts.root();
    let steps: Vec<_> = parts.steps().into_iter().map(|step| (step, parts.standing(step))).collect();
    let count = |wanted| steps.iter().filter(|(_, standing)| *standing == wanted).count();
    let (current, ready) = (count(Standing::Current), count(Standing::Ready));
    let all = Done::of(steps.iter().map(|(_, standing)| *standing));
    let (Done { done, total }, percent) = (all, all.percent());
    let now = steps.iter().find(|(_, standing)| *standing == Standing::Current).map(|(step, _)| step.id());
    Ok(Answer::out(if json_out {
        print::object(&json!({
            "molecule_id": root.id(), "molecule_title": root.spec.title, "completed": done, "total": total,
            "in_progress": current, "ready": ready, "percent": percent, "current_step_id": now.unwrap_or_default(),
        }))
    } else {
        let title = &root.spec.title;
        format!("{}  {title}\n  {done}/{total} done ({percent} %), {current} in progress, {ready} ready\n", root.id())
    }))
}

/// Runs `bd mol list`.
pub async fn list(args: &ListArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let mut fields = vec![format!("spec.type={}", BeadType::Molecule)];
    fields.extend((!args.all).then(|| "spec.closed.reason=".to_owned()));
    let mut roots = Vec::new();
    scan(context, &Query { fields, ..Query::default() }, |slim| {
        if args.include_ephemeral || !slim.spec.ephemeral {
            roots.push(slim);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let below = if roots.is_empty() { None } else { Some(Below::read(context).await?) };
    let (mut out, mut all) = (String::new(), Vec::new());
    for root in roots {
        let Some(below) = &below else { break };
        let parts = below.of(root);
        let steps = || parts.iter().skip(1).filter(|bead| bead.spec.type_ != BeadType::Gate);
        let (done, total) = (steps().filter(|bead| bead.is_closed()).count(), steps().count());
        let root = &parts[0];
        let _never_fails = writeln!(out, "{}  {}  {done}/{total} done  {}", root.id(), root.status(), root.spec.title);
        let mut value = json!(Issue::of(root));
        (value["completed"], value["total"]) = (done.into(), total.into());
        all.push(value);
    }
    if out.is_empty() {
        out.push_str("no molecules\n");
    }
    Ok(Answer::out(if json_out { print::json(&all) } else { out }))
}
