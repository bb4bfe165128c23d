//! Beads that are slung: those of the backlog are worked on from now on; of others, what a person has said of them is lifted, and what
//! failed before does not count any more.

use gastown_beads::ids::object_name;
use gastown_controllers::holds::{PartOf, strongest_bead, strongest_convoy};
use gastown_controllers::town;
use gastown_crds::bead::{BeadState, BeadType};
use gastown_crds::common::API_VERSION;
use gastown_crds::manifest::to_yaml;
use gastown_crds::overrides::Override;
use gastown_crds::{Bead, Convoy, Polecat, Rig, Town as TownObject};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::convoy::How;
use super::{Args, DryRun, Stored, WAIT_SUGGESTED, commands, needs_command};
use crate::cli::common::context::{Context, Link, by_name};
use crate::cli::common::enforce::{self, Above};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::common::overrides;
use crate::cli::common::worker;
use crate::cli::{block_on, wait};
use crate::town::Town;

/// The beads that are meant.
pub struct Again {
    beads: Vec<Bead>,
}

/// What has to be done for a bead to go on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Todo {
    /// Whether what a person has said of it is lifted.
    lifts: bool,
    /// What `spec.retry` becomes.
    retry: Option<u32>,
    /// Whether it was in the backlog, and is asked for now.
    starts: bool,
    /// The rig of one that named none.
    rig: Option<String>,
    /// The Formula and the Runtime that are named for it.
    by: (Option<String>, Option<String>),
    /// The shell text that does it.
    command: Option<String>,
}

/// The beads that these words name; none if they are a text. A bead is named by `bead/NAME`, or by the whole name of its object:
/// what its convoy calls it may be a text of one word.
pub async fn asked(link: &Link, words: &[String]) -> Result<Option<Again>, CliError> {
    let kind = kinds::find("bead")?;
    let [first, rest @ ..] = words else { return Ok(None) };
    let Some(bead) = named(link, first).await? else { return Ok(None) };
    let (mut beads, mut rig) = (vec![bead], None);
    for (nth, word) in rest.iter().enumerate() {
        match named(link, word).await? {
            Some(bead) => beads.push(bead),
            None if nth + 1 == rest.len() && by_name(&link.typed::<Rig>(), word).await?.is_some() => rig = Some(word),
            None => return Err(link.not_found(kind, word).await),
        }
    }
    for bead in &mut beads {
        check(bead, rig.map(String::as_str))?;
        if bead.spec.rig.is_empty() && bead.spec.type_.is_dispatched() {
            bead.spec.rig = match rig {
                Some(rig) => rig.clone(),
                None => only_rig(bead, link).await?,
            };
        }
    }
    Ok(Some(Again { beads }))
}

/// The rig of a bead that names none: the town's only one.
async fn only_rig(bead: &Bead, link: &Link) -> Result<String, CliError> {
    let rigs: Vec<String> = link.all::<Rig>().await?.iter().map(ResourceExt::name_any).collect();
    let name = bead.name_any();
    match rigs.as_slice() {
        [one] => Ok(one.clone()),
        [] => {
            Err(CliError::new(Exit::NotFound, "the town has no rig yet").hint("`gt rig add PATH-OR-URL` declares one"))
        }
        several => Err(CliError::new(Exit::Usage, format!("bead {name} names no rig"))
            .hint(format!("say which, behind it: gt sling {name} RIG; there are {}", several.join(", ")))),
    }
}

async fn named(link: &Link, word: &str) -> Result<Option<Bead>, CliError> {
    match word.split_once('/') {
        Some((kind, name)) if kinds::find(kind).is_ok_and(|kind| kind.name == "Bead") => {
            worker::parsed(link.get(kinds::find("bead")?, name).await?).map(Some)
        }
        // An API is asked for names only: a text is none.
        _ => match object_name(word) {
            Some(name) => Ok(link.typed::<Bead>().get_opt(&name).await?),
            None => Ok(None),
        },
    }
}

/// Refuses a bead that cannot go on by being slung.
fn check(bead: &Bead, rig: Option<&str>) -> Result<(), CliError> {
    let name = bead.name_any();
    let refused = |what: String, hint: String| Err(CliError::new(Exit::Refused, what).hint(hint));
    if let Some(parent) = bead.spec.parent.as_ref().filter(|_| bead.spec.type_ == BeadType::Step) {
        return refused(format!("bead {name} is a step, which does nothing by itself"), format!("gt sling {parent}"));
    }
    if let Some(closed) = &bead.spec.closed {
        let hint = "what is to be done anew is another bead: gt sling 'TEXT'".to_owned();
        return refused(format!("bead {name} is closed ({}), for ever", closed.reason), hint);
    }
    if bead.spec.type_.is_record() {
        let hint = "what is to be done is a bead of another type: gt sling 'TEXT'".to_owned();
        return refused(format!("bead {name} is a {}, which is no work", bead.spec.type_), hint);
    }
    if let Some(rig) = rig.filter(|rig| !bead.spec.rig.is_empty() && *rig != bead.spec.rig) {
        let hint = format!("say its text anew for that rig: gt sling 'TEXT' {rig}");
        let what =
            format!("bead {name} is of rig {}, where its branches are: it cannot go to rig {rig}", bead.spec.rig);
        return refused(what, hint);
    }
    if let Some(question) = bead.spec.open_question() {
        let hint = format!("gt answer {name} \"...\"");
        return refused(format!("bead {name} waits for an answer: {}", question.text), hint);
    }
    Ok(())
}

impl Todo {
    fn of(bead: &Bead, how: &How, command: Option<&String>) -> Self {
        let is_set_aside = bead.status.as_ref().is_some_and(|status| status.state == BeadState::SetAside);
        let retry = is_set_aside.then(|| bead.spec.retry.unwrap_or(0).saturating_add(1));
        let starts = bead.spec.suspend;
        Self {
            lifts: Override::of(&bead.metadata).is_some(),
            retry,
            starts,
            rig: starts.then(|| bead.spec.rig.clone()).filter(|rig| !rig.is_empty()),
            by: (how.formula.clone(), how.runtime.clone()),
            command: command.cloned(),
        }
    }

    /// What of the spec is written; nothing where it says so already.
    fn patch(&self) -> Option<Value> {
        let Self { lifts: _, retry, starts, rig, by: (formula, runtime), command } = self;
        let mut spec = Map::new();
        let mut put = |name: &str, value: Option<Value>| value.map(|value| spec.insert(name.to_owned(), value));
        put("retry", retry.map(Value::from));
        put("suspend", starts.then_some(Value::Null));
        put("rig", rig.clone().map(Value::from));
        put("formula", formula.clone().map(Value::from));
        put("runtime", runtime.clone().map(Value::from));
        put("command", command.clone().map(Value::from));
        (!spec.is_empty()).then_some(Value::Object(spec))
    }

    /// What is done, in a word.
    fn word(&self) -> &'static str {
        if self.starts { "slung" } else { "slung again" }
    }
}

impl Again {
    /// Has them go on.
    pub fn run(self, args: &Args, gt: &Context, town: &Town) -> Result<(), CliError> {
        let is_new = self.beads.iter().all(|bead| bead.spec.suspend);
        let how = How { formula: None, runtime: None, ..args.how.clone() };
        let is_said = args.how != How::default() || args.command.is_some();
        if how != How::default() || (!is_new && is_said) {
            return Err(CliError::new(Exit::Usage, "what works on a bead, and how, is said by its convoy")
                .hint("without --formula, --runtime, --branch, --notify and --command, it goes on as it was"));
        }
        let all: Vec<(Bead, Todo)> = self
            .beads
            .into_iter()
            .map(|bead| (bead.clone(), Todo::of(&bead, &args.how, args.command.as_ref())))
            .collect();
        block_on(gt.with_api(town, async |link| check_commands(&all, args.how.runtime.as_deref(), link).await))?;
        let names: Vec<String> = all.iter().map(|(bead, _)| bead.name_any()).collect();
        if args.output.is_some() {
            let yaml: Vec<String> = all.iter().map(|(bead, todo)| to_yaml(&as_it_will_be(bead, todo))).collect();
            gt.out.data(&yaml.join("---\n"))?;
        }
        if args.dry_run == Some(DryRun::Client) {
            if args.output.is_none() {
                for (bead, todo) in &all {
                    let what = if *todo == Todo::default() { "goes on already" } else { todo.word() };
                    gt.out.data(&format!("bead/{} {what} (dry run)", bead.name_any()))?;
                }
            }
            return Ok(());
        }
        let is_dry = args.dry_run == Some(DryRun::Server);
        let is_quiet = args.output.is_some();
        let (is_up, notes, todo) = block_on(gt.with_api(town, async |link| {
            let mut notes = Vec::new();
            let convoys = link.all::<Convoy>().await?;
            for (bead, todo) in &all {
                put(gt, link, bead, todo, (is_dry, is_quiet)).await?;
                notes.extend(
                    still_held(bead, &convoys, link, gt)
                        .await?
                        .map(|why| format!("note: bead/{} waits: {why}", bead.name_any())),
                );
            }
            Ok((link.controller, notes, enforce::todo(gt, town, link).await?))
        }))?;
        if is_dry {
            return Ok(());
        }
        // What was frozen goes on at once, with a controller or without.
        enforce::carry_out(town, &todo)?;
        for note in &notes {
            gt.out.talk(note);
        }
        if let Some(timeout) = args.wait {
            let kind = kinds::find("bead")?;
            let beads: Vec<_> = names.into_iter().map(|name| (kind, name)).collect();
            return block_on(wait::all_well(&beads, gt, town, timeout));
        }
        gt.say_if_down(is_up);
        let objects: Vec<String> = names.iter().map(|name| format!("bead/{name}")).collect();
        gt.out.talk(&format!("next: gt wait {} --timeout {WAIT_SUGGESTED}", objects.join(" ")));
        Ok(())
    }
}

/// Refuses beads of the backlog that would never run: what works on them runs commands, and they have none.
async fn check_commands(all: &[(Bead, Todo)], runtime: Option<&str>, link: &Link) -> Result<(), CliError> {
    let may_lack = |bead: &Bead, todo: &Todo| {
        let type_ = bead.spec.type_;
        todo.starts && type_.is_dispatched() && !type_.asks_for_parts() && !bead.spec.rig.is_empty()
    };
    let all: Vec<_> = all.iter().filter(|(bead, todo)| may_lack(bead, todo)).collect();
    if all.is_empty() {
        return Ok(());
    }
    let stored = Stored::read(link, &[]).await?;
    let lacks = |bead: &Bead, todo: &Todo| commands::bead_lacks(&as_it_will_be(bead, todo)["spec"], &stored);
    match all.iter().find(|(bead, todo)| lacks(bead, todo)) {
        Some((bead, todo)) => {
            let runtime = todo.by.1.as_deref().or(runtime).or(bead.spec.runtime.as_deref());
            Err(needs_command(&bead.spec.rig, runtime, "say --command 'SHELL'"))
        }
        None => Ok(()),
    }
}

/// Writes what is to be done; says what was.
async fn put(
    gt: &Context,
    link: &Link,
    bead: &Bead,
    todo: &Todo,
    (is_dry, is_quiet): (bool, bool),
) -> Result<(), CliError> {
    let name = bead.name_any();
    if let Some(spec) = todo.patch() {
        let patch = json!({ "metadata": { "uid": bead.uid() }, "spec": spec });
        let params = PatchParams { dry_run: is_dry, ..PatchParams::default() };
        link.typed::<Bead>().patch(&name, &params, &Patch::Merge(patch)).await?;
    }
    if todo.lifts && !is_dry {
        overrides::put_as(gt, link, (kinds::find("bead")?, &name), None, None, (!is_quiet).then_some("slung again"))
            .await?;
    } else if is_quiet {
        return Ok(());
    } else if *todo == Todo::default() {
        let state = bead.status.as_ref().map(|status| status.state).unwrap_or_default();
        gt.out.data(&format!("bead/{name} goes on already: {state}"))?;
    } else {
        gt.out.data(&format!("bead/{name} {}{}", todo.word(), if is_dry { " (server dry run)" } else { "" }))?;
    }
    Ok(())
}

/// What keeps it from going on all the same: something that it is part of.
async fn still_held(bead: &Bead, convoys: &[Convoy], link: &Link, gt: &Context) -> Result<Option<String>, CliError> {
    if let Some(held) = &bead.spec.held {
        let name = bead.name_any();
        return Ok(Some(format!("somebody set it to `{held}`; `bd update {name} --status open` takes that back")));
    }
    if let Some(who) = &bead.spec.assigned_to {
        let name = bead.name_any();
        return Ok(Some(format!("{who} has it; `bd update {name} --assignee \"\"` gives it to the pool")));
    }
    let the_town = link.typed::<TownObject>().get_opt(town::NAME).await?;
    let rig = match bead.spec.rig.as_str() {
        "" => None,
        name => link.typed::<Rig>().get_opt(name).await?,
    };
    let above = Above::new(link).of(bead).await?;
    let of_bead = enforce::convoys_of(bead, &above, convoys);
    let polecat = match &bead.spec.assignee {
        Some(assignee) => link.typed::<Polecat>().get_opt(&assignee.polecat).await?,
        None => None,
    };
    let part_of = PartOf {
        town: the_town.as_ref(),
        rig: rig.as_ref(),
        convoy: strongest_convoy(of_bead.into_iter(), gt.now()),
        bead: strongest_bead(above.iter(), gt.now()),
        polecat: polecat.as_ref(),
    };
    Ok(part_of.hold(gt.now()).map(|hold| hold.message))
}

/// The bead as it is written.
fn as_it_will_be(bead: &Bead, todo: &Todo) -> Value {
    let mut spec = json!(bead.spec);
    for (name, value) in todo.patch().as_ref().and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::Null => drop(spec.as_object_mut().and_then(|spec| spec.remove(name))),
            value => spec[name] = value.clone(),
        }
    }
    json!({ "apiVersion": API_VERSION, "kind": "Bead", "metadata": { "name": bead.name_any() }, "spec": spec })
}
