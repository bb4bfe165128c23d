//! `bd create`: files a bead. It is in the backlog: nobody is dispatched to it before somebody asks, with `gt sling`.

mod event;

mod filing;

mod file;

mod graph;

use std::path::PathBuf;

pub use event::file as file_event;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::{BLOCKS, Issue};
use gastown_beads::{plan, times, words};
use gastown_crds::Bead;
use gastown_crds::bead::WispType;
use kube::ResourceExt as _;

use self::filing::Filing;
use super::act::{self, find};
use super::custom;
use super::fields::{Fields, json_object};
use super::filter::shown;
use super::town_rigs::RigOf;
use super::{dep, print};

/// File a bead; it is worked on once it is slung: `gt sling ID`
#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// What is to be done, in a line
    title: Option<String>,
    /// The same, as an option
    #[arg(long = "title", value_name = "TITLE", conflicts_with = "title")]
    title_option: Option<String>,
    /// Many at once, from a plan in Markdown: each `## Title` is a bead
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["title", "title_option", "graph"])]
    file: Option<PathBuf>,
    /// Many at once, from a graph in JSON: nodes and edges
    #[arg(long, value_name = "FILE", conflicts_with_all = ["title", "title_option"])]
    graph: Option<PathBuf>,
    /// What sort of work it is: task, bug, feature, chore, epic, event, role, or a word of your own
    #[arg(short = 't', long = "type", default_value = "task", value_name = "TYPE")]
    type_: String,
    /// 0 or P0 (first) to 4 (last)
    #[arg(short, long, value_parser = words::priority, default_value = "2")]
    priority: u32,
    #[command(flatten)]
    fields: Fields,
    /// Words to find it by, separated by commas
    #[arg(short, long, visible_alias = "label", value_delimiter = ',')]
    labels: Vec<String>,
    /// Its id; chosen by default
    #[arg(long)]
    id: Option<String>,
    /// The beginning of its id, without the dash; default: its rig's
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// What it is a part of
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// It has the labels of its parent; not with this
    #[arg(long)]
    no_inherit_labels: bool,
    /// Its ties, separated by commas: an id that must be closed first, or TYPE:ID such as discovered-from:ID
    #[arg(long, value_delimiter = ',', value_name = "TYPE:ID")]
    deps: Vec<String>,
    /// The bead whose children must be closed first
    #[arg(long, value_name = "ID")]
    waits_for: Option<String>,
    /// How many of them
    #[arg(long, value_enum, requires = "waits_for", value_name = "GATE")]
    waits_for_gate: Option<Gate>,
    /// The rig it is for; default: the session's, that of the repository around, or the only one
    #[arg(long, visible_alias = "repo")]
    rig: Option<String>,
    /// How long it should take, in minutes
    #[arg(short, long, value_name = "MINUTES")]
    estimate: Option<u32>,
    /// When it should be done: tomorrow, +3d, 2026-03-01 or RFC 3339
    #[arg(long, value_name = "TIME")]
    due: Option<String>,
    /// It is not to be taken up before
    #[arg(long, value_name = "TIME")]
    defer: Option<String>,
    /// A JSON object for tools, or @FILE
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// The specification that it comes from
    #[arg(long, value_name = "ID")]
    spec_id: Option<String>,
    /// Shell text that does it, for the runtime `script`; not for agents
    #[arg(long, value_name = "SHELL")]
    command: Option<String>,
    /// A wisp: of no use once it is closed, and removed some time later
    #[arg(long)]
    ephemeral: bool,
    /// How long the wisp is kept: heartbeat (6 hours), patrol (a day) or recovery (7 days)
    #[arg(long, value_parser = words::wisp_type, requires = "ephemeral", value_name = "TYPE")]
    wisp_type: Option<WispType>,
    /// Print its id alone
    #[arg(long)]
    silent: bool,
    /// Print what would be filed, and file nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    event: event::EventArgs,
}

impl CreateArgs {
    /// Whether it is something that happened.
    pub fn is_event(&self) -> bool {
        self.type_ == words::EVENT
    }
}

/// How many children are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Gate {
    AllChildren,
    AnyChildren,
}

/// What is known before the store is opened: what files say, and where one is.
pub struct Prepared {
    fields: Fields,
    plan: Option<Vec<plan::Planned>>,
    graph: Option<gastown_beads::graph_plan::GraphPlan>,
    metadata: Option<String>,
    here: Vec<String>,
}

/// Reads the files that are named.
pub fn prepare(args: &CreateArgs) -> Result<Prepared, Error> {
    Ok(Prepared {
        fields: args.fields.read()?,
        plan: args.file.as_deref().map(file::read).transpose()?,
        graph: args.graph.as_deref().map(graph::read).transpose()?,
        metadata: args.metadata.as_deref().map(json_object).transpose()?,
        here: super::town_rigs::here(),
    })
}

/// Runs `bd create`; `as_actor` is what `--actor` says, which of an event is who did it.
pub async fn create(
    args: &CreateArgs,
    prepared: &Prepared,
    (json, as_actor): (bool, Option<&str>),
    context: &Context,
) -> Result<Answer, Error> {
    if let Some(plan) = &prepared.plan {
        return file::create(args, plan, prepared, json, context).await;
    }
    if let Some(graph) = &prepared.graph {
        return graph::create(args, graph, prepared, json, context).await;
    }
    let title = args.title.as_ref().or(args.title_option.as_ref());
    if args.type_ == words::EVENT {
        return event::create(args, (title, as_actor), &prepared.fields, json, context).await;
    }
    args.event.check_unused()?;
    let Some(title) = title else {
        return Err(Error::refused("title required", "bd create \"What is to be done\"; or a plan: -f FILE"));
    };
    let filing = Filing::of(args, prepared, title)?;
    if args.dry_run {
        let bead = filing.bead("(chosen)", None, &RigOf { rig: String::new(), prefix: String::new() }, context);
        let slim = act::slim(&bead)?;
        let out =
            if json { print::object(&Issue::of(&slim)) } else { format!("would file: {}", print::table(&[slim])) };
        return Ok(Answer::out(out));
    }
    custom::check_types(filing.spec.custom_type.as_deref(), context).await?;
    let bead = filing.file(context, prepared).await?;
    let mut note = String::new();
    for other in &filing.blocks {
        note.push_str(&blocks(other, &bead.name_any(), context).await);
    }
    if bead.spec.rig.is_empty() && bead.spec.type_.is_dispatched() {
        note.push_str("it names no rig: `bd update ID --rig RIG` before it is slung\n");
    }
    Ok(Answer { note, ..filed(&bead, args.silent, json)? })
}

/// What is printed of a bead that was filed.
fn filed(bead: &Bead, silent: bool, json: bool) -> Result<Answer, Error> {
    let slim = act::slim(bead)?;
    Ok(Answer::out(if json {
        print::object(&Issue::of(&slim))
    } else if silent {
        format!("{}\n", slim.id())
    } else {
        let (id, title, priority) = (slim.id(), &slim.spec.title, slim.spec.priority);
        format!("✓ Created issue: {id}\n  Title: {title}\n  Priority: P{priority}\n  Status: {}\n", slim.status())
    }))
}

/// Has another bead wait for one that was just filed. The bead stands, whatever comes of it.
async fn blocks(other: &str, id: &str, context: &Context) -> String {
    match dep::add(other, id, BLOCKS, None, context).await {
        Ok(_) => String::new(),
        Err(error) => format!("Warning: `{}` does not wait for `{id}`: {}\n", shown(other), error.line()),
    }
}

/// A time to come, as people write it.
pub fn time_to_come(text: &str) -> Result<jiff::Timestamp, Error> {
    times::to_come(text, SystemClock.now()).ok_or_else(|| {
        Error::refused(
            format!("invalid time `{}`", shown(text)),
            "write it as +6h, 3d, tomorrow, 2026-03-01 or RFC 3339",
        )
    })
}
