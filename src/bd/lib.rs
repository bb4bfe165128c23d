//! `bd`: the verbs of Beads, on the town's own beads. The same binary as `gt`, by its name or as `gt bd`.
//!
//! With `--json` it prints what Beads prints (see `gastown_beads::issue`). Where a command is given several beads and fails at some,
//! it ends with 1 although others went well, which Beads does not: a script must not go on as if all had.

#![allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "what is printed is some lines for people: a text more or less is nothing beside the process that prints it"
)]
#![allow(clippy::struct_excessive_bools, reason = "arguments of commands are flags")]

mod act;
mod activity;
mod circles;
mod claim;
mod close;
mod comments;
mod cook;
mod create;
mod custom;
mod dep;
mod doctor;
mod end;
mod epic;
mod export;
mod fields;
mod filter;
mod find_verbs;
mod formula;
mod gate;
mod import;
mod info;
mod label;
mod library;
mod list;
mod many;
mod memory;
mod mol;
mod overlay;
mod print;
mod ready;
mod reopen;
mod scan;
mod show;
mod slot;
mod sql;
mod state;
mod swarm;
mod town_rigs;
mod update;

pub use gate::TownGateArgs;
pub use mol::TownMolArgs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use gastown_agent::context::{self, Answer, connected, connected_for_long, finish};
use gastown_agent::error::Error;
use gastown_base::text::visible;
use gastown_crds::actor::Actor;

/// The arguments of `bd` and `gt bd`.
#[derive(Debug, Clone, Args)]
pub struct BdArgs {
    /// Print what Beads prints
    #[arg(long, global = true)]
    json: bool,
    /// Who asks; default: the session's actor, else the user
    #[arg(long, global = true, value_name = "NAME")]
    actor: Option<String>,
    /// Words of other releases of Beads that say nothing here
    #[command(flatten)]
    ignored: Ignored,
    #[command(subcommand)]
    verb: Verb,
}

/// Options that prompts still have and that mean nothing here: there is no daemon, and no file beside the store.
#[derive(Debug, Clone, Args)]
struct Ignored {
    #[arg(long, global = true, hide = true)]
    allow_stale: bool,
    #[arg(long, global = true, hide = true)]
    no_daemon: bool,
    #[arg(long, global = true, hide = true)]
    no_auto_flush: bool,
}

#[derive(Debug, Clone, Subcommand)]
enum Verb {
    #[command(visible_alias = "new")]
    Create(Box<create::CreateArgs>),
    #[command(visible_alias = "view")]
    Show(show::ShowArgs),
    List(Box<list::ListArgs>),
    Ready(Box<ready::ReadyArgs>),
    Update(Box<update::UpdateArgs>),
    #[command(visible_alias = "done")]
    Close(close::CloseArgs),
    Reopen(reopen::ReopenArgs),
    Blocked(find_verbs::BlockedArgs),
    Dep(dep::DepArgs),
    Label(label::LabelArgs),
    Comments(comments::CommentsArgs),
    Comment(comments::CommentArgs),
    /// List the parts of a bead, closed ones too
    Children(ChildrenArgs),
    Epic(epic::EpicArgs),
    Swarm(swarm::SwarmArgs),
    Gate(gate::GateArgs),
    Search(Box<find_verbs::SearchArgs>),
    Query(find_verbs::QueryArgs),
    Count(Box<find_verbs::CountArgs>),
    Stale(find_verbs::StaleArgs),
    Graph(find_verbs::GraphArgs),
    /// Leave beads for later
    Defer(DeferArgs),
    /// Beads may be taken up again
    Undefer(IdsArgs),
    /// Keep wisps for good
    Promote(IdsArgs),
    Sql(sql::SqlArgs),
    MergeSlot(slot::SlotArgs),
    Delete(end::DeleteArgs),
    Duplicate(end::DuplicateArgs),
    Supersede(end::SupersedeArgs),
    State(state::StateArgs),
    SetState(state::SetStateArgs),
    Activity(activity::ActivityArgs),
    Remember(memory::RememberArgs),
    Recall(memory::KeyArgs),
    Memories(memory::MemoriesArgs),
    Forget(memory::ForgetArgs),
    Kv(memory::KvArgs),
    /// Settings, for tools that keep some; the town's own are its manifests
    Config(memory::KvArgs),
    Formula(formula::FormulaArgs),
    Cook(cook::CookArgs),
    #[command(visible_alias = "protomolecule")]
    Mol(Box<mol::MolArgs>),
    Import(import::ImportArgs),
    Export(Box<export::ExportArgs>),
    /// Show what a session has to know: as gt prime
    Prime(info::NoArgs),
    Doctor(doctor::DoctorArgs),
    /// List the types that a bead may have
    Types(info::NoArgs),
    /// List the statuses that a bead may have
    Statuses(info::NoArgs),
    /// Say how many beads there are
    #[command(visible_aliases = ["status", "stats"])]
    Info(info::NoArgs),
    /// Print the town's folder
    Where(info::NoArgs),
    /// Print the version
    Version(info::NoArgs),
    /// Nothing: what is written is there at once
    #[command(hide = true)]
    Sync(info::NoArgs),
}

/// The arguments of `bd children`.
#[derive(Debug, Clone, Args)]
struct ChildrenArgs {
    /// The bead
    id: String,
}

/// The arguments of `bd defer`.
#[derive(Debug, Clone, Args)]
struct DeferArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Until when: tomorrow, +3d, 2026-03-01 or RFC 3339; default: until it is said otherwise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Beads.
#[derive(Debug, Clone, Args)]
struct IdsArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
}

/// The town's beads, by the commands of Beads
#[derive(Debug, Parser)]
#[command(name = "bd", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    args: BdArgs,
    /// The town's folder; default: GT_TOWN, else the nearest one upwards from here
    #[arg(long, global = true, value_name = "DIR")]
    town: Option<PathBuf>,
}

/// Runs `bd`, given its arguments with its name first.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => run(&cli.args, cli.town.as_deref()),
        Err(usage) => {
            let _closed = usage.print();
            ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2))
        }
    }
}

/// Runs `gt bd`; `town` is what `--town` says.
pub fn run(args: &BdArgs, town: Option<&Path>) -> ExitCode {
    if let Verb::Prime(_) = &args.verb {
        return gastown_agent::prime::prime(&gastown_agent::prime::PrimeArgs {}, town);
    }
    let json = args.json;
    let answer = answer(args, town);
    // JSON escapes what a terminal would obey; text for people shows it as such. An export is data.
    let is_data = json || matches!(args.verb, Verb::Export(_));
    let answer =
        answer.map(|it| if is_data { it } else { Answer { out: visible(&it.out), note: visible(&it.note), ..it } });
    // Where Beads has it: of these verbs a mistake is an answer.
    let is_answer = matches!(args.verb, Verb::Show(_) | Verb::Update(_) | Verb::Close(_) | Verb::Dep(_));
    finish(answer.or_else(|error| match (json, is_answer) {
        (false, _) => Err(error),
        (true, true) => Ok(Answer { out: print::error(&error), code: 1, ..Answer::default() }),
        (true, false) => Ok(Answer { note: print::error(&error), code: 1, ..Answer::default() }),
    }))
}

fn answer(args: &BdArgs, town: Option<&Path>) -> Result<Answer, Error> {
    let BdArgs { json, actor: named, ignored: _, verb } = args;
    let json = *json;
    // Of an event, `--actor` says who did it, and not who asks.
    let is_event = matches!(verb, Verb::Create(args) if args.is_event());
    let asks = context::actor();
    // Whoever is an agent by its session is one under any name.
    let is_other = !is_event && !Actor::parse(&asks).is_agent();
    let actor = named.clone().filter(|_| is_other).unwrap_or(asks);
    match verb {
        Verb::Create(args) => {
            let prepared = create::prepare(args)?;
            let asked = (json, named.as_deref());
            connected(town, &actor, async |cx| create::create(args, &prepared, asked, cx).await)
        }
        Verb::Show(args) => connected(town, &actor, async |cx| show::show(args, json, cx).await),
        Verb::List(args) => connected(town, &actor, async |cx| list::list(args, json, cx).await),
        Verb::Ready(args) => connected(town, &actor, async |cx| ready::ready(args, json, cx).await),
        Verb::Update(args) if args.closes() => {
            close::close(&close::CloseArgs::of(args.ids().to_vec()), json, town, &actor)
        }
        Verb::Update(args) => updated(args, json, town, &actor),
        Verb::Close(args) => close::close(args, json, town, &actor),
        Verb::Reopen(args) => connected(town, &actor, async |cx| reopen::reopen(args, json, cx).await),
        Verb::Blocked(args) => connected(town, &actor, async |cx| find_verbs::blocked(args, json, cx).await),
        Verb::Dep(args) => connected(town, &actor, async |cx| dep::dep(args, json, cx).await),
        Verb::Label(args) => connected(town, &actor, async |cx| label::label(args, json, cx).await),
        Verb::Comments(args) => match args.says() {
            Some(args) => said(args, json, town, &actor),
            None => connected(town, &actor, async |cx| comments::comments(args, json, cx).await),
        },
        Verb::Comment(args) => said(args, json, town, &actor),
        Verb::Children(ChildrenArgs { id }) => {
            let args = list::ListArgs::children(id);
            connected(town, &actor, async |cx| list::list(&args, json, cx).await)
        }
        Verb::Gate(args) => connected(town, &actor, async |cx| gate::gate(args, json, cx).await),
        Verb::Epic(args) => connected(town, &actor, async |cx| epic::epic(args, json, cx).await),
        Verb::Swarm(args) => connected(town, &actor, async |cx| swarm::swarm(args, json, cx).await),
        Verb::Search(args) => connected(town, &actor, async |cx| find_verbs::search(args, json, cx).await),
        Verb::Query(args) => connected(town, &actor, async |cx| find_verbs::query(args, json, cx).await),
        Verb::Count(args) => connected(town, &actor, async |cx| find_verbs::count(args, json, cx).await),
        Verb::Stale(args) => connected(town, &actor, async |cx| find_verbs::stale(args, json, cx).await),
        Verb::Graph(args) => connected(town, &actor, async |cx| find_verbs::graph(args, json, cx).await),
        Verb::Defer(DeferArgs { ids, until }) => {
            updated(&update::UpdateArgs::deferred(ids.clone(), until.clone()), json, town, &actor)
        }
        Verb::Undefer(IdsArgs { ids }) => updated(&update::UpdateArgs::undeferred(ids.clone()), json, town, &actor),
        Verb::Promote(IdsArgs { ids }) => updated(&update::UpdateArgs::promoted(ids.clone()), json, town, &actor),
        Verb::Sql(args) => connected(town, &actor, async |cx| sql::sql(args, json, cx).await),
        Verb::MergeSlot(args) => {
            let here = town_rigs::here();
            connected(town, &actor, async |cx| slot::slot(args, &here, json, cx).await)
        }
        Verb::Delete(args) => connected(town, &actor, async |cx| end::delete(args, json, cx).await),
        Verb::Duplicate(args) => connected(town, &actor, async |cx| end::duplicate(args, json, cx).await),
        Verb::Supersede(args) => connected(town, &actor, async |cx| end::supersede(args, json, cx).await),
        Verb::State(args) => connected(town, &actor, async |cx| state::state(args, json, cx).await),
        Verb::SetState(args) => connected(town, &actor, async |cx| state::set_state(args, json, cx).await),
        Verb::Activity(args) if args.follows() => {
            connected_for_long(town, &actor, async |cx| activity::activity(args, json, cx).await)
        }
        Verb::Activity(args) => connected(town, &actor, async |cx| activity::activity(args, json, cx).await),
        Verb::Remember(args) => connected(town, &actor, async |cx| memory::remember(args, json, cx).await),
        Verb::Recall(args) => connected(town, &actor, async |cx| memory::recall(args, json, cx).await),
        Verb::Memories(args) => connected(town, &actor, async |cx| memory::memories(args, json, cx).await),
        Verb::Forget(args) => connected(town, &actor, async |cx| memory::forget(args, json, cx).await),
        Verb::Kv(args) => connected(town, &actor, async |cx| memory::kv(args, false, json, cx).await),
        Verb::Config(args) => connected(town, &actor, async |cx| memory::kv(args, true, json, cx).await),
        Verb::Formula(args) => formula::formula(args, json, town),
        Verb::Cook(args) => cook::cook(args, json, town),
        Verb::Mol(args) => mol::mol(args, json, town, &actor),
        Verb::Import(args) => {
            let prepared = import::prepare(args)?;
            connected_for_long(town, &actor, async |cx| import::import(args, &prepared, json, cx).await)
        }
        Verb::Export(args) => export::export(args, town, &actor),
        Verb::Doctor(args) => connected(town, &actor, async |cx| doctor::doctor(args, json, cx).await),
        Verb::Types(_) => Ok(info::types(json)),
        Verb::Statuses(_) => Ok(info::statuses(json)),
        Verb::Info(_) => connected(town, &actor, async |cx| info::info(json, cx).await),
        Verb::Where(_) => info::place(town, json),
        Verb::Version(_) => Ok(info::version(json)),
        Verb::Sync(_) => {
            Ok(Answer { note: "nothing to do: what is written is there at once\n".into(), ..Answer::default() })
        }
        Verb::Prime(_) => Ok(Answer::default()),
    }
}

/// Runs `gt gate`; `town` is what `--town` says.
pub fn run_gate(args: &TownGateArgs, town: Option<&Path>) -> ExitCode {
    let answer = args.run(town, &context::actor());
    finish(answer.map(|it| Answer { out: visible(&it.out), note: visible(&it.note), ..it }))
}

/// Runs `gt mol`; `town` is what `--town` says.
pub fn run_mol(args: &TownMolArgs, town: Option<&Path>) -> ExitCode {
    let answer = args.run(town, &context::actor());
    finish(answer.map(|it| Answer { out: visible(&it.out), note: visible(&it.note), ..it }))
}

fn updated(args: &update::UpdateArgs, json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let update = update::Update::read(args)?;
    connected(town, actor, async |cx| update::update(&update, json, cx).await)
}

fn said(args: &comments::CommentArgs, json: bool, town: Option<&Path>, actor: &str) -> Result<Answer, Error> {
    let text = args.read()?;
    connected(town, actor, async |cx| comments::comment(args, &text, json, cx).await)
}
