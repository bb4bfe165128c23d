//! A line of Beads' JSON, as trackers write it, made into an object of the town.
//!
//! Nothing is refused for what the town's kinds have no field for: it is kept beside the object. What comes in is in the backlog:
//! nobody is dispatched to it before a person asks.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::bead::{
    BeadSpec, BeadType, COMMENTS_MAX, ChildrenGate, CloseReason, Closed, Comment, Gate, GateType, Link, WAITS_FOR,
};
use gastown_crds::bead_event::BeadEventSpec;
use gastown_crds::common::whole_second;
use gastown_crds::{Bead, BeadEvent, names};
use jiff::{SignedDuration, Timestamp};
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ids;
use crate::issue::{BLOCKS, Issue, PARENT_CHILD};
use crate::kept::{ANNOTATION, Kept, Updated};
use crate::line;
use crate::slim::Slim;
use crate::words::{self, EVENT};

/// The longest line, in bytes: an object has 256 KiB at most.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// Ties of one bead, and labels: as many as its schema admits.
const TIES_MAX: usize = 256;
const LABELS_MAX: usize = 128;
/// Characters of what a gate waits for.
const AWAIT_ID_CHARS_MAX: usize = 253;

/// What a line is.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// A bead.
    Bead(Box<Bead>),
    /// Something that happened.
    Event(Box<BeadEvent>),
    /// A word to be remembered, with its key.
    Memory(String, String),
    /// Nothing that is taken in; why.
    Left(&'static str),
}

/// Why a line cannot be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// Where in the line, from 1; 0 where it is as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Refused {
    fn whole(message: impl Into<String>) -> Self {
        Self { column: 0, message: message.into() }
    }
}

/// What is decided elsewhere about what comes in.
pub struct Taking<'a> {
    /// The rig of a bead, by its id; empty for none.
    pub rig_of: &'a dyn Fn(&str) -> String,
    /// Whose close it was, where the line does not say.
    pub actor: &'a str,
    /// Now.
    pub now: Timestamp,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    #[serde(rename = "_type")]
    kind: Option<String>,
    key: Option<String>,
    value: Option<String>,
    id: String,
    title: Option<String>,
    description: Option<String>,
    design: Option<String>,
    acceptance_criteria: Option<String>,
    notes: Option<String>,
    spec_id: Option<String>,
    status: Option<String>,
    priority: Option<i64>,
    issue_type: Option<String>,
    assignee: Option<String>,
    estimated_minutes: Option<i64>,
    created_at: Option<String>,
    created_by: Option<String>,
    updated_at: Option<String>,
    started_at: Option<String>,
    closed_at: Option<String>,
    close_reason: Option<String>,
    due_at: Option<String>,
    defer_until: Option<String>,
    external_ref: Option<String>,
    metadata: Option<Box<RawValue>>,
    labels: Option<Vec<String>>,
    dependencies: Option<Vec<Edge>>,
    comments: Option<Vec<Said>>,
    ephemeral: Value,
    wisp: Value,
    await_type: Value,
    await_id: Value,
    timeout: Value,
    event_kind: Option<String>,
    actor: Option<String>,
    target: Option<String>,
    payload: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Edge {
    depends_on_id: String,
    #[serde(rename = "type")]
    type_: String,
    metadata: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    id: Value,
    author: Option<String>,
    text: Option<String>,
    created_at: Option<String>,
}

/// Reads a line.
pub fn read(text: &str, taking: &Taking<'_>) -> Result<Incoming, Refused> {
    if text.len() > LINE_BYTES_MAX {
        return Err(Refused::whole(format!("it is longer than {LINE_BYTES_MAX} bytes")));
    }
    let wrong = |error: serde_json::Error| Refused { column: error.column(), message: plain(&error) };
    let raw = line::fields(text).map_err(wrong)?;
    let fields: Fields = serde_json::from_str(text).map_err(wrong)?;
    match fields.kind.as_deref() {
        None | Some("issue") => {}
        Some("memory") => {
            let (Some(key), Some(value)) = (fields.key, fields.value) else {
                return Err(Refused::whole("a memory has a `key` and a `value`"));
            };
            return Ok(Incoming::Memory(key, value));
        }
        Some(_) => return Ok(Incoming::Left("no issue")),
    }
    if fields.status.as_deref() == Some("tombstone") {
        return Ok(Incoming::Left("deleted"));
    }
    if is_set(&fields.ephemeral) || is_set(&fields.wisp) {
        return Ok(Incoming::Left("a wisp, which is not kept"));
    }
    let mut kept = Kept::default();
    let name = object_name(&fields.id, &mut kept)?;
    let type_ = fields.issue_type.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| "task".to_owned());
    if type_ == EVENT {
        return event(fields, &raw, name, kept, taking).map(|event| Incoming::Event(Box::new(event)));
    }
    let Some((type_, custom_type)) = words::type_of(&type_) else {
        return Err(Refused::whole(format!("`{type_}` cannot be a type")));
    };
    bead(fields, &raw, (name, type_, custom_type), kept, taking).map(|bead| Incoming::Bead(Box::new(bead)))
}

/// The name of the object of this id; one that is not its name is kept.
fn object_name(id: &str, kept: &mut Kept) -> Result<String, Refused> {
    if id.is_empty() {
        return Err(Refused::whole("it has no `id`"));
    }
    let Some(name) = ids::object_name(id) else {
        return Err(Refused::whole(format!("`{}` cannot be an id", id.escape_debug())));
    };
    kept.id = (name != id).then(|| id.to_owned());
    Ok(name.into_owned())
}

fn bead(
    fields: Fields,
    raw: &[(String, &RawValue)],
    (name, type_, custom_type): (String, BeadType, Option<String>),
    mut kept: Kept,
    taking: &Taking<'_>,
) -> Result<Bead, Refused> {
    let title = fields.title.clone().unwrap_or_default();
    if title.trim().is_empty() {
        return Err(Refused::whole("it has no `title`"));
    }
    let status = fields.status.as_deref().filter(|it| !it.is_empty()).unwrap_or("open").to_owned();
    if !words::is_status(&status) {
        return Err(Refused::whole(format!("`{}` cannot be a status", status.escape_debug())));
    }
    let priority = fields.priority.unwrap_or(2);
    let priority = u32::try_from(priority).ok().filter(|it| *it <= 4);
    let priority = priority.ok_or_else(|| Refused::whole("`priority` is 0 (first) to 4 (last)"))?;
    let instant = |what: &str, text: &Option<String>| instant(what, text.as_deref());
    let created_at = instant("created_at", &fields.created_at)?;
    let updated_at = instant("updated_at", &fields.updated_at)?;
    let closed_at = instant("closed_at", &fields.closed_at)?;
    let assigned_to = filled(fields.assignee.clone());
    let closed = (status == "closed").then(|| {
        // As Beads has it: a second after the last change that is known.
        let after = created_at.max(updated_at).map(|at| at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at));
        let at = closed_at.or(after).unwrap_or(taking.now);
        let by = assigned_to.clone().or_else(|| filled(fields.created_by.clone()));
        let by = by.unwrap_or_else(|| taking.actor.to_owned());
        Closed::new(CloseReason::Done, filled(fields.close_reason.clone()), at, by)
    });
    let held = Some(status).filter(|status| status != "open" && status != "closed");
    let ties = Ties::of(&fields.id, fields.dependencies.unwrap_or_default(), &mut kept)?;
    let gate = match type_ {
        BeadType::Gate => {
            let gate = what_it_awaits(fields.await_type.as_str(), fields.await_id.as_str(), &fields.timeout, &mut kept);
            let target = filled(fields.target.clone()).filter(|it| it.chars().count() <= AWAIT_ID_CHARS_MAX);
            gate.map(|gate| Gate { target: target.filter(|_| gate.type_ == GateType::Event), ..gate })
        }
        _ => None,
    };
    let rig = if type_.is_record() { String::new() } else { (taking.rig_of)(&fields.id) };
    let metadata = fields.metadata.as_deref().and_then(object_text);
    let spec = BeadSpec {
        description: filled(fields.description),
        type_,
        custom_type,
        priority,
        suspend: true,
        needs: ties.needs,
        parent: ties.parent,
        links: ties.links,
        labels: labels(fields.labels)?,
        design: filled(fields.design),
        acceptance_criteria: filled(fields.acceptance_criteria),
        notes: filled(fields.notes),
        comments: comments(fields.comments.unwrap_or_default())?,
        held,
        assigned_to,
        started_at: instant("started_at", &fields.started_at)?,
        defer_until: instant("defer_until", &fields.defer_until)?,
        due: instant("due_at", &fields.due_at)?,
        estimated_minutes: fields.estimated_minutes.and_then(|it| u32::try_from(it).ok()),
        external_ref: filled(fields.external_ref),
        spec_id: filled(fields.spec_id),
        metadata,
        created_by: filled(fields.created_by),
        created_at: created_at.map(whole_second),
        closed,
        gate,
        ..BeadSpec::new(title, rig)
    };
    let mut bead = Bead { metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() }, spec, status: None };
    let slim = Slim::of(&bead).map_err(|error| Refused::whole(error.to_string()))?;
    let Kept { id, ids, .. } = kept;
    kept = Kept {
        id,
        ids,
        updated: updated_at.map(|at| Updated { generation: 1, at: whole_second(at) }),
        ..Kept::default()
    };
    let mut shown = slim;
    shown.metadata.generation = Some(1);
    shown.metadata.annotations.beads = Some(kept.clone());
    let Kept { fields, absent, order, no_counts, .. } = line::remainder(raw, &Issue::of(&shown));
    let kept = Kept { fields, absent, order, no_counts, ..kept };
    bead.metadata.annotations = Some(BTreeMap::from([(ANNOTATION.to_owned(), kept.text())]));
    Ok(bead)
}

/// What a gate waits for; none where that is not said as a town needs it: then a person opens it.
fn what_it_awaits(type_: Option<&str>, id: Option<&str>, timeout: &Value, kept: &mut Kept) -> Option<Gate> {
    let type_ = words::gate_type(type_?)?;
    let mut await_id = filled(id.map(str::to_owned)).filter(|id| id.chars().count() <= AWAIT_ID_CHARS_MAX);
    if type_ == GateType::Bead {
        await_id = await_id.and_then(|id| other_name(&id, kept).ok());
    }
    let nanoseconds = timeout.as_u64().filter(|it| *it > 0);
    let timeout = nanoseconds.map(|it| std::time::Duration::from_nanos(it).into());
    // What comes in brings no commands along: so no gate of type `run` is whole.
    Some(Gate { await_id, timeout, ..Gate::new(type_) }).filter(Gate::is_whole)
}

/// The name of the object of another bead, whose id is kept where that differs.
fn other_name(id: &str, kept: &mut Kept) -> Result<String, Refused> {
    let Some(name) = ids::object_name(id) else {
        return Err(Refused::whole(format!("`{}` cannot be an id", id.escape_debug())));
    };
    let name = name.into_owned();
    if name != id {
        kept.ids.insert(name.clone(), id.to_owned());
    }
    Ok(name)
}

fn event(
    fields: Fields,
    raw: &[(String, &RawValue)],
    name: String,
    kept: Kept,
    taking: &Taking<'_>,
) -> Result<BeadEvent, Refused> {
    let event_type = filled(fields.event_kind).unwrap_or_else(|| EVENT.to_owned());
    let created_at = instant("created_at", fields.created_at.as_deref())?.unwrap_or(taking.now);
    let mut kept = kept;
    let ties = Ties::of(&fields.id, fields.dependencies.unwrap_or_default(), &mut kept)?;
    let spec = BeadEventSpec {
        event_type,
        actor: filled(fields.actor),
        target: filled(fields.target),
        payload: filled(fields.payload),
        title: filled(fields.title),
        description: filled(fields.description),
        parent: ties.parent,
        labels: labels(fields.labels)?,
        created_by: filled(fields.created_by),
        created_at: Some(whole_second(created_at)),
    };
    let mut event = BeadEvent { metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() }, spec };
    let put = |event: &mut BeadEvent, kept: &Kept| {
        event.metadata.annotations = Some(BTreeMap::from([(ANNOTATION.to_owned(), kept.text())]));
    };
    put(&mut event, &kept);
    let Kept { fields, absent, order, no_counts, .. } = line::remainder(raw, &Issue::of_event(&event));
    put(&mut event, &Kept { fields, absent, order, no_counts, ..kept });
    Ok(event)
}

/// The ties of a bead to others, sorted by what they mean here.
#[derive(Debug, Default)]
struct Ties {
    needs: Vec<String>,
    parent: Option<String>,
    links: Vec<Link>,
}

impl Ties {
    fn of(id: &str, edges: Vec<Edge>, kept: &mut Kept) -> Result<Self, Refused> {
        if edges.len() > TIES_MAX {
            return Err(Refused::whole(format!("it has {} dependencies; {TIES_MAX} are taken", edges.len())));
        }
        let mut ties = Self::default();
        let mut seen = BTreeSet::new();
        for Edge { depends_on_id: to, type_, metadata } in edges {
            let name = other_name(&to, kept)?;
            // As an old release of a tracker spelt it.
            let type_ = if type_ == "parent_child" { PARENT_CHILD.to_owned() } else { type_ };
            if to == id || !seen.insert((name.clone(), type_.clone())) {
                continue;
            }
            match type_.as_str() {
                BLOCKS | "" => ties.needs.push(name),
                PARENT_CHILD if ties.parent.is_none() => ties.parent = Some(name),
                _ if type_.len() > 50 => {
                    return Err(Refused::whole(format!("`{type_}` cannot be a type of dependency")));
                }
                _ => {
                    let gate = (type_ == WAITS_FOR).then(|| gate(metadata.as_ref())).flatten();
                    ties.links.push(Link { to: name, type_, gate });
                }
            }
        }
        Ok(ties)
    }
}

/// Whether a flag is set: tables of a database have 0 and 1.
fn is_set(flag: &Value) -> bool {
    flag.as_bool().unwrap_or(false) || flag.as_i64().is_some_and(|it| it != 0)
}

/// The text of a JSON object; tables of a database have it as text in a text. An empty one is none.
fn object_text(raw: &RawValue) -> Option<String> {
    let text = serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    let is_object =
        |text: &str| serde_json::from_str::<serde_json::Map<String, Value>>(text).is_ok_and(|it| !it.is_empty());
    Some(text).filter(|text| is_object(text))
}

/// The gate that the metadata of a dependency names: JSON, or JSON as text.
fn gate(metadata: Option<&Value>) -> Option<ChildrenGate> {
    let inner = match metadata? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        value => value.clone(),
    };
    match inner["gate"].as_str()? {
        "any-children" => Some(ChildrenGate::AnyChildren),
        "all-children" => Some(ChildrenGate::AllChildren),
        _ => None,
    }
}

fn labels(labels: Option<Vec<String>>) -> Result<Vec<String>, Refused> {
    let mut seen = BTreeSet::new();
    let labels = labels.unwrap_or_default().into_iter().filter(|label| !label.is_empty() && seen.insert(label.clone()));
    let labels: Vec<String> = labels.collect();
    if labels.len() > LABELS_MAX {
        return Err(Refused::whole(format!("it has {} labels; {LABELS_MAX} are taken", labels.len())));
    }
    Ok(labels)
}

fn comments(comments: Vec<Said>) -> Result<Vec<Comment>, Refused> {
    if comments.len() > COMMENTS_MAX {
        return Err(Refused::whole(format!("it has {} comments; {COMMENTS_MAX} are taken", comments.len())));
    }
    let mut all: Vec<Comment> = Vec::new();
    for (nth, Said { id, author, text, created_at }) in comments.into_iter().enumerate() {
        let name = match id {
            Value::String(text) if !text.is_empty() && text.len() <= 63 => text,
            Value::Number(number) => number.to_string(),
            _ => format!("c{}", nth + 1),
        };
        // Where two have one id, the second has one of its own.
        let name = if all.iter().any(|it| it.name == name) {
            format!("c{}-{}", nth + 1, names::short_hash(&[&name]))
        } else {
            name
        };
        all.push(Comment {
            name,
            author: author.unwrap_or_default(),
            text: text.unwrap_or_default(),
            at: whole_second(instant("created_at", created_at.as_deref())?.unwrap_or(Timestamp::UNIX_EPOCH)),
        });
    }
    Ok(all)
}

fn instant(what: &str, text: Option<&str>) -> Result<Option<Timestamp>, Refused> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Refused::whole(format!("`{what}` is no time: `{}`; write it as 2026-03-01T10:00:00Z", text.escape_debug()))
    })
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The message of a parser, without the place, which is said apart from it.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}
