//! `bd state`, `bd set-state`: what something is up to now, as labels `DIMENSION:VALUE` of its bead; and how it came to be so, as events.
//!
//! The event is written first and the label after it: labels are a cache, which `bd state rebuild` makes anew from the events.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_crds::BeadEvent;
use gastown_crds::bead_event::BeadEventSpec;
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::act::{self, find};
use super::create::file_event;
use super::print;
use super::scan::{Query, age, events};
use super::update::difference;

/// The type of the event of a changed state.
const STATE_CHANGED: &str = "state.changed";
/// The states that other types of events say.
const SAYS: [(&str, &str, &str); 4] = [
    ("patrol.muted", "patrol", "muted"),
    ("patrol.unmuted", "patrol", "active"),
    ("mode.degraded", "mode", "degraded"),
    ("mode.normal", "mode", "normal"),
];
/// How the beads of roles are named.
const ROLE_PREFIX: &str = "role-";

/// What something is up to now
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct StateArgs {
    #[command(subcommand)]
    verb: Option<StateVerb>,
    /// The bead's id
    id: Option<String>,
    /// The dimension, such as patrol
    dimension: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum StateVerb {
    /// All dimensions of a bead
    List {
        /// The bead's id
        id: String,
    },
    /// Make the labels of a bead anew from the events of its states
    Rebuild {
        /// The bead's id
        id: String,
    },
}

/// Say what something is up to now, with an event that says why
#[derive(Debug, Clone, Args)]
pub struct SetStateArgs {
    /// The bead's id
    id: String,
    /// The new value: DIMENSION=VALUE
    state: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs `bd state`.
pub async fn state(args: &StateArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    match (&args.verb, &args.id, &args.dimension) {
        (Some(StateVerb::List { id }), ..) => {
            let bead = find(id, context).await?;
            let states = states(&bead.spec.labels);
            let lines: String = states.iter().map(|(dimension, value)| format!("{dimension}: {value}\n")).collect();
            let out = json!({ "issue_id": bead.name_any(), "states": states });
            Ok(Answer::out(if json { print::object(&out) } else { lines }))
        }
        (Some(StateVerb::Rebuild { id }), ..) => rebuild(id, json, context).await,
        (None, Some(id), Some(dimension)) => {
            let bead = find(id, context).await?;
            let value = value_of(&bead.spec.labels, dimension);
            let out = json!({ "issue_id": bead.name_any(), "dimension": dimension, "value": value });
            let line = value.map_or_else(|| format!("(no {dimension} state set)\n"), |value| format!("{value}\n"));
            Ok(Answer::out(if json { print::object(&out) } else { line }))
        }
        _ => Err(Error::refused("the state of what?", "bd state ID DIMENSION; bd state list ID")),
    }
}

/// Runs `bd set-state`.
pub async fn set_state(args: &SetStateArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let Some((dimension, value)) = args.state.split_once(['=', ':']).filter(|(a, b)| is_word(a) && is_word(b)) else {
        return Err(Error::refused(
            format!("invalid state `{}`", super::filter::shown(&args.state)),
            "write it as DIMENSION=VALUE",
        ));
    };
    let bead = find(&args.id, context).await?;
    let id = bead.name_any();
    let old = value_of(&bead.spec.labels, dimension).map(str::to_owned);
    if old.as_deref() == Some(value) {
        let out = json!({ "issue_id": id, "dimension": dimension, "value": value, "changed": false });
        return Ok(Answer::out(if json { print::object(&out) } else { format!("{dimension} is {value} already\n") }));
    }
    let payload = json!({ "dimension": dimension, "old": old, "new": value, "reason": args.reason });
    let spec = BeadEventSpec {
        event_type: STATE_CHANGED.to_owned(),
        actor: Some(context.actor.clone()),
        target: Some(id.clone()),
        payload: Some(payload.to_string()),
        title: Some(format!("{dimension}: {} → {value}", old.as_deref().unwrap_or("(none)"))),
        description: args.reason.clone(),
        parent: Some(id.clone()),
        labels: Vec::new(),
        created_by: Some(context.actor.clone()),
        created_at: None,
    };
    let event = file_event(None, spec, false, context).await?;
    write(&id, &BTreeMap::from([(dimension.to_owned(), value.to_owned())]), context).await?;
    let out = json!({
        "issue_id": id, "dimension": dimension, "old_value": old, "new_value": value,
        "event_id": event.name_any(), "changed": true,
    });
    let previous = old.map(|old| format!("  Previous: {old}\n")).unwrap_or_default();
    Ok(Answer::out(if json {
        print::object(&out)
    } else {
        format!("✓ Set {dimension} = {value} on {id}\n{previous}  Event: {}\n", event.name_any())
    }))
}

/// Makes labels anew: the newest event of each dimension says its value. Those of a role, `role-NAME`, follow from what happened to
/// the agent or the rig of that name, too.
async fn rebuild(id: &str, json: bool, context: &Context) -> Result<Answer, Error> {
    let name = find(id, context).await?.name_any();
    let of_role = name.strip_prefix(ROLE_PREFIX).into_iter();
    let of_role = of_role.flat_map(|of| [format!("spec.target=agent:{of}"), format!("spec.target=rig:{of}")]);
    let mut said: BTreeMap<String, ((Timestamp, u64), String)> = BTreeMap::new();
    for of in std::iter::once(format!("spec.parent={name}")).chain(of_role) {
        let query = Query { fields: vec![of], ..Query::default() };
        events(context, &query, |event| {
            if let Some((dimension, value)) = says(event) {
                let at = age(event);
                match said.get_mut(&dimension) {
                    Some(known) if known.0 >= at => {}
                    _ => drop(said.insert(dimension, (at, value))),
                }
            }
            ControlFlow::Continue(())
        })
        .await?;
    }
    let newest: BTreeMap<String, String> = said.into_iter().map(|(dimension, (_, value))| (dimension, value)).collect();
    write(&name, &newest, context).await?;
    let out = json!({ "issue_id": name, "states": newest });
    let lines: String = newest.iter().map(|(dimension, value)| format!("{dimension}: {value}\n")).collect();
    Ok(Answer::out(if json { print::object(&out) } else { lines }))
}

/// The dimension and the value that an event says; none if it is of no state.
fn says(event: &BeadEvent) -> Option<(String, String)> {
    let spec = &event.spec;
    if let Some((_, dimension, value)) = SAYS.iter().find(|(type_, ..)| *type_ == spec.event_type) {
        return Some(((*dimension).to_owned(), (*value).to_owned()));
    }
    let payload = spec.payload.as_deref().filter(|_| spec.event_type == STATE_CHANGED)?;
    let payload: Value = serde_json::from_str(payload).ok()?;
    Some((payload["dimension"].as_str()?.to_owned(), payload["new"].as_str()?.to_owned()))
}

/// Puts the values of some dimensions in the place of what was said of them.
async fn write(id: &str, values: &BTreeMap<String, String>, context: &Context) -> Result<(), Error> {
    let what = format!("set the state of `{id}`");
    let put = act::change(id, &what, context, |bead| {
        let mut spec = bead.spec.clone();
        let is_of = |label: &String| label.split_once(':').is_some_and(|(dimension, _)| values.contains_key(dimension));
        spec.labels.retain(|label| !is_of(label));
        spec.labels.extend(values.iter().map(|(dimension, value)| format!("{dimension}:{value}")));
        Ok(difference(&bead.spec, &spec))
    });
    put.await.map(drop)
}

fn states(labels: &[String]) -> BTreeMap<&str, &str> {
    labels.iter().filter_map(|label| label.split_once(':')).collect()
}

fn value_of<'a>(labels: &'a [String], dimension: &str) -> Option<&'a str> {
    labels.iter().filter_map(|label| label.split_once(':')).find(|(it, _)| *it == dimension).map(|(_, value)| value)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
