//! What a bead says once a line was taken in that speaks of it: what was added here stays, and so does what a line does not speak of.

use std::collections::{BTreeMap, BTreeSet};

use gastown_agent::context::{Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_beads::kept::{ANNOTATION, Kept, digest};
use gastown_beads::words;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, BeadState, COMMENTS_MAX, Gate};
use gastown_crds::common::{ANNOTATION_UPDATED, whole_second};
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Map, Value, json};

use crate::act;
use crate::claim::IN_PROGRESS;
use crate::update::difference;

/// How much of a bead a line speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// All: it is the bead in another store.
    Whole,
    /// What an issue of a forge says.
    Issue {
        /// Whether a label speaks of the priority.
        priority: bool,
        /// Whether a label speaks of the type.
        type_: bool,
    },
}

/// What has become of a line.
pub enum Taken {
    /// It was filed.
    Created,
    /// The bead that was there says what the line does.
    Updated,
    /// It did so already.
    Unchanged,
    /// It is left alone: a polecat has it.
    AtWork,
    /// It is left alone: it was changed here after the line was.
    Older,
}

/// Takes a bead in: files it, or brings the one that is there to what the line says.
pub async fn take(bead: &Bead, speaks: Speaks, dry_run: bool, context: &Context) -> Result<Taken, Error> {
    let api = context.beads();
    let name = bead.name_any();
    let failed = |error| Error::api(format!("take in `{name}`"))(error);
    match api.create(&PostParams { dry_run, ..PostParams::default() }, bead).await {
        Ok(_) => return Ok(Taken::Created),
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        Err(error) => return Err(failed(error)),
    }
    for _ in 0..TRIES_MAX {
        let Some(there) = api.get_opt(&name).await.map_err(failed)? else { break };
        let slim = act::slim(&there)?;
        if there.spec.assignee.is_some() || slim.status.state == BeadState::Landing {
            return Ok(Taken::AtWork);
        }
        let kept = Kept::of(bead).unwrap_or_default();
        let known = match speaks {
            Speaks::Whole => Some(whole_second(slim.updated())),
            // Both sides are kept: so only what was taken in before counts.
            Speaks::Issue { .. } => Kept::of(&there).and_then(|kept| kept.updated).map(|updated| updated.at),
        };
        if kept.updated.as_ref().is_some_and(|updated| known.is_some_and(|known| updated.at < known)) {
            return Ok(Taken::Older);
        }
        let wanted = match speaks {
            Speaks::Whole => merged(&there, &bead.spec, slim.status()),
            Speaks::Issue { priority, type_ } => with_issue(&there, &bead.spec, (priority, type_)),
        };
        let Some(spec) = difference(&there.spec, &wanted) else { return Ok(Taken::Unchanged) };
        let mut kept = match speaks {
            // What it is tied to by what was there already has its id still.
            Speaks::Whole => Kept { ids: ids(&there, kept.ids), ..kept },
            // What was kept of the line of a tracker goes out again as it came.
            Speaks::Issue { .. } => {
                Kept { updated: kept.updated, taken: kept.taken, ..Kept::of(&there).unwrap_or_default() }
            }
        };
        if let Some(updated) = &mut kept.updated {
            updated.generation = there.metadata.generation.unwrap_or(1).saturating_add(1);
        }
        let metadata = json!({
            "resourceVersion": there.metadata.resource_version,
            "annotations": { ANNOTATION: kept.text(), ANNOTATION_UPDATED: null },
        });
        let patch = Patch::Merge(json!({ "metadata": metadata, "spec": spec }));
        match api.patch(&name, &PatchParams { dry_run, ..PatchParams::default() }, &patch).await {
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            patched => return patched.map(|_| Taken::Updated).map_err(failed),
        }
    }
    Err(Error::contended(format!("take in `{name}`")))
}

/// What a bead that is there says once a line of it was taken in. What a line does not speak of stays, and so does what was added here:
/// ties, labels and comments; what was closed stays closed.
fn merged(there: &Bead, line: &BeadSpec, status: &str) -> BeadSpec {
    let old = &there.spec;
    let mut wanted = line.clone();
    let line_status = words::status(line.closed.is_some(), line.held.as_deref(), false, BeadState::Backlog);
    wanted.suspend = old.suspend;
    wanted.rig = if old.rig.is_empty() { line.rig.clone() } else { old.rig.clone() };
    wanted.formula.clone_from(&old.formula);
    wanted.runtime.clone_from(&old.runtime);
    wanted.command.clone_from(&old.command);
    wanted.vars.clone_from(&old.vars);
    wanted.questions.clone_from(&old.questions);
    wanted.handoffs.clone_from(&old.handoffs);
    (wanted.retry, wanted.ephemeral, wanted.wisp_type) = (old.retry, old.ephemeral, old.wisp_type);
    wanted.gate = gate(old.gate.as_ref(), line.gate.as_ref());
    if old.created_at.is_none() {
        // It was filed here.
        wanted.created_at = None;
    }
    if old.closed.is_some() || status == line_status {
        wanted.closed.clone_from(&old.closed);
        wanted.held.clone_from(&old.held);
    }
    wanted.created_by = line.created_by.clone().or_else(|| old.created_by.clone());
    wanted.parent = line.parent.clone().or_else(|| old.parent.clone());
    wanted.needs = together(&old.needs, &line.needs, String::clone);
    wanted.links = together(&old.links, &line.links, |link| (link.to.clone(), link.type_.clone()));
    wanted.labels = labels(there, line);
    wanted.comments = together(&old.comments, &line.comments, |it| (it.author.clone(), it.text.clone(), it.at));
    wanted
}

/// What a gate waits for is what the line says, if it says so; of one of the same type, what a line cannot say stays.
fn gate(old: Option<&Gate>, line: Option<&Gate>) -> Option<Gate> {
    match (old, line) {
        (Some(old), Some(Gate { type_, await_id, target, timeout, .. })) if old.type_ == *type_ => Some(Gate {
            await_id: await_id.clone().or_else(|| old.await_id.clone()),
            target: target.clone().or_else(|| old.target.clone()),
            timeout: timeout.or(old.timeout),
            ..old.clone()
        }),
        (old, line) => line.or(old).cloned(),
    }
}

/// The ids that are kept of other beads: of those that one is tied to here, and of those of a line.
fn ids(there: &Bead, of_line: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut ids = Kept::of(there).unwrap_or_default().ids;
    ids.extend(of_line);
    ids
}

/// All of both, each once, in their order.
fn together<T: Clone, K: Ord>(old: &[T], new: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    old.iter().chain(new).filter(|it| seen.insert(key(it))).cloned().collect()
}

/// What an issue says of itself, by field, as far as it may be changed on both sides: a digest of each.
pub fn taken(spec: &BeadSpec) -> BTreeMap<String, String> {
    let text = |text: Option<&str>| digest(text);
    let fields = [
        ("title", text(Some(&spec.title))),
        ("description", text(spec.description.as_deref())),
        ("priority", text(Some(&spec.priority.to_string()))),
        ("type", text(Some(words::type_name(spec.type_, spec.custom_type.as_deref())))),
        ("assignee", text(spec.assigned_to.as_deref())),
        ("due", text(spec.due.map(|due| due.to_string()).as_deref())),
    ];
    fields.into_iter().map(|(name, digest)| (name.to_owned(), digest)).collect()
}

/// What a bead says once an issue of a forge was taken in. A field that was changed here since it was last taken in stays.
fn with_issue(there: &Bead, issue: &BeadSpec, (says_priority, says_type): (bool, bool)) -> BeadSpec {
    let old = &there.spec;
    let (last, now) = (Kept::of(there).unwrap_or_default().taken, taken(old));
    let is_as_taken = |field: &str| last.get(field).is_some_and(|last| now.get(field) == Some(last));
    let mut wanted = old.clone();
    if is_as_taken("title") {
        wanted.title.clone_from(&issue.title);
    }
    if is_as_taken("description") || old.description.is_none() {
        wanted.description.clone_from(&issue.description);
    }
    if is_as_taken("priority") && says_priority {
        wanted.priority = issue.priority;
    }
    if is_as_taken("type") && says_type {
        (wanted.type_, wanted.custom_type) = (issue.type_, issue.custom_type.clone());
    }
    if is_as_taken("assignee") {
        wanted.assigned_to.clone_from(&issue.assigned_to);
    }
    if is_as_taken("due") || old.due.is_none() {
        wanted.due = issue.due;
    }
    if old.closed.is_none() && issue.closed.is_some() && old.held.as_deref() != Some(IN_PROGRESS) {
        wanted.closed.clone_from(&issue.closed);
        wanted.held = None;
    }
    wanted.external_ref = old.external_ref.clone().or_else(|| issue.external_ref.clone());
    wanted.metadata = both(old.metadata.as_deref(), issue.metadata.as_deref());
    wanted.labels = labels(there, issue);
    wanted.comments = together(&old.comments, &issue.comments, |it| (it.author.clone(), it.text.clone(), it.at));
    // As many as a bead holds; those from here stay, and the newest of the issue.
    let too_many = wanted.comments.len().saturating_sub(COMMENTS_MAX);
    let mut left = too_many;
    wanted.comments.retain(|it| {
        let goes = left > 0 && !old.comments.contains(it);
        left -= usize::from(goes);
        !goes
    });
    wanted
}

/// A JSON object with the keys of both; the second one counts.
fn both(old: Option<&str>, new: Option<&str>) -> Option<String> {
    let object = |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let (before, after) = (object(old), object(new));
    match (before, after) {
        (Some(mut both), Some(after)) => {
            let before = both.clone();
            both.extend(after);
            if both == before { old.map(str::to_owned) } else { Some(Value::Object(both).to_string()) }
        }
        (None, Some(_)) => new.map(str::to_owned),
        (_, None) => old.map(str::to_owned),
    }
}

/// The labels of both; those of the object, which are shown as labels of the bead, are left out.
fn labels(there: &Bead, line: &BeadSpec) -> Vec<String> {
    let of_object: BTreeSet<String> = there.labels().iter().map(|(key, value)| words::label_name(key, value)).collect();
    let mut labels = together(&there.spec.labels, &line.labels, String::clone);
    labels.retain(|label| !of_object.contains(label));
    labels
}
