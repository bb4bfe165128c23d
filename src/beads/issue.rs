//! A bead in the shape of `bd --json`: the one place that knows both.
//!
//! Keys come in the order of Beads' own record, and what is empty is left out where Beads leaves it out. What a town does not know is
//! absent. `dependent_count` is absent from lists: what needs a bead is one more question for each, which only `bd show` asks.

use gastown_crds::BeadEvent;
use gastown_crds::bead::{ChildrenGate, Comment, Gate, Link, WAITS_FOR};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::kept::Kept;
use crate::slim::Slim;
use crate::words::{self, reason_name};

/// A bead as Beads prints it.
#[derive(Debug, Clone, Serialize)]
pub struct Issue {
    /// The bead's id.
    pub id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    design: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acceptance_criteria: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_id: Option<String>,
    status: String,
    priority: u32,
    #[serde(rename = "issue_type")]
    type_: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_minutes: Option<u32>,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    defer_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    comments: Vec<IssueComment>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wisp_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    await_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    await_id: Option<String>,
    /// In nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

/// An edge to another bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The bead whose edge it is.
    pub issue_id: String,
    /// The other bead.
    pub depends_on_id: String,
    /// How they are tied.
    #[serde(rename = "type")]
    pub type_: String,
    /// When it was made, as far as that is known.
    pub created_at: String,
    /// More about it, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
}

/// Something that was said about a bead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IssueComment {
    id: String,
    issue_id: String,
    author: String,
    text: String,
    created_at: String,
}

impl IssueComment {
    /// A comment on a bead.
    pub fn of(id: &str, comment: &Comment) -> Self {
        Self {
            id: comment.name.clone(),
            issue_id: id.to_owned(),
            author: comment.author.clone(),
            text: comment.text.clone(),
            created_at: seconds(comment.at),
        }
    }
}

/// A bead in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    issue: Issue,
    dependency_count: usize,
    comment_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// A bead and the beads it is tied to.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    #[serde(flatten)]
    issue: Issue,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Related>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependents: Vec<Related>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epic_total_children: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epic_closed_children: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epic_closeable: Option<bool>,
}

/// The other end of an edge.
#[derive(Debug, Clone, Serialize)]
pub struct Related {
    #[serde(flatten)]
    issue: Issue,
    dependency_type: String,
}

impl Related {
    /// A bead that another is tied to in this way.
    pub fn of(bead: &Slim, how: &str) -> Self {
        Self { issue: Issue::without_edges(bead), dependency_type: how.to_owned() }
    }
}

/// The edge to a bead that must be closed first.
pub const BLOCKS: &str = "blocks";
/// The edge to the bead that this one is a part of.
pub const PARENT_CHILD: &str = "parent-child";

impl Issue {
    /// A bead with its edges.
    pub fn of(bead: &Slim) -> Self {
        let edges = edges(bead);
        Self { dependencies: edges, ..Self::without_edges(bead) }
    }

    /// Its edges.
    pub fn dependencies(&self) -> &[Dependency] {
        &self.dependencies
    }

    /// A bead alone.
    pub fn without_edges(bead: &Slim) -> Self {
        let spec = &bead.spec;
        let closed = spec.closed.as_ref();
        let id = bead.id();
        Self {
            title: spec.title.clone(),
            description: filled(spec.description.as_ref()),
            design: filled(spec.design.as_ref()),
            acceptance_criteria: filled(spec.acceptance_criteria.as_ref()),
            notes: filled(spec.notes.as_ref()),
            spec_id: spec.spec_id.clone(),
            status: bead.status().to_owned(),
            priority: spec.priority,
            type_: bead.type_name().to_owned(),
            assignee: bead.assignee(),
            estimated_minutes: spec.estimated_minutes,
            created_at: seconds(bead.created()),
            created_by: spec.created_by.clone(),
            updated_at: seconds(bead.updated()),
            started_at: spec.started_at.map(seconds),
            closed_at: closed.map(|c| seconds(c.at)),
            close_reason: closed.map(|c| c.message.clone().unwrap_or_else(|| reason_name(c.reason).to_owned())),
            due_at: spec.due.map(seconds),
            defer_until: spec.defer_until.map(seconds),
            external_ref: spec.external_ref.clone(),
            metadata: spec.metadata.clone().and_then(|text| RawValue::from_string(text).ok()),
            labels: sorted(bead.labels()),
            dependencies: Vec::new(),
            comments: spec.comments.iter().map(|comment| IssueComment::of(&id, comment)).collect(),
            ephemeral: spec.ephemeral,
            wisp_type: spec.wisp_type.map(words::wisp_name),
            await_type: spec.gate.as_ref().map(|gate| words::gate_name(gate.type_)),
            await_id: spec.gate.as_ref().and_then(|gate| await_id(gate, bead.metadata.annotations.beads.as_ref())),
            timeout: spec.gate.as_ref().and_then(|gate| gate.timeout).and_then(nanoseconds),
            event_kind: None,
            actor: None,
            target: spec.gate.as_ref().and_then(|gate| gate.target.clone()),
            payload: None,
            id,
        }
    }

    /// Something that happened, as Beads has it: an issue of type `event`, which is closed from the start.
    pub fn of_event(event: &BeadEvent) -> Self {
        let spec = &event.spec;
        let kept = Kept::of(event);
        let id = kept.as_ref().and_then(|kept| kept.id.clone()).unwrap_or_else(|| event.name_any());
        let made = event.metadata.creation_timestamp.as_ref().map(|at| at.0).unwrap_or_default();
        let created_at = seconds(spec.created_at.unwrap_or(made));
        let parent = spec.parent.iter().map(|parent| Dependency {
            issue_id: id.clone(),
            depends_on_id: parent.clone(),
            type_: PARENT_CHILD.to_owned(),
            created_at: created_at.clone(),
            metadata: None,
        });
        Self {
            title: spec.title.clone().unwrap_or_else(|| spec.event_type.clone()),
            description: filled(spec.description.as_ref()),
            design: None,
            acceptance_criteria: None,
            notes: None,
            spec_id: None,
            status: "closed".to_owned(),
            priority: EVENT_PRIORITY,
            type_: words::EVENT.to_owned(),
            assignee: None,
            estimated_minutes: None,
            updated_at: created_at.clone(),
            created_by: spec.created_by.clone(),
            started_at: None,
            closed_at: Some(created_at.clone()),
            close_reason: None,
            due_at: None,
            defer_until: None,
            external_ref: None,
            metadata: None,
            labels: spec.labels.clone(),
            dependencies: parent.collect(),
            comments: Vec::new(),
            ephemeral: false,
            wisp_type: None,
            await_type: None,
            await_id: None,
            timeout: None,
            event_kind: Some(spec.event_type.clone()),
            actor: spec.actor.clone(),
            target: spec.target.clone(),
            payload: spec.payload.clone(),
            created_at,
            id,
        }
    }
}

/// What a gate waits for, in Beads' words: of a bead its id.
fn await_id(gate: &Gate, kept: Option<&Kept>) -> Option<String> {
    match (gate.awaited_bead(), kept) {
        (Some(name), Some(kept)) => Some(kept.id_of(name).to_owned()),
        _ => gate.await_id.clone(),
    }
}

/// A duration as Beads has it.
fn nanoseconds(duration: gastown_crds::common::Duration) -> Option<i64> {
    i64::try_from(std::time::Duration::from(duration).as_nanos()).ok()
}

/// The priority of what has happened: it is no work.
const EVENT_PRIORITY: u32 = 4;

/// The edges of a bead, as Beads has them: what must be closed first, what it is a part of, its other ties.
pub fn edges(bead: &Slim) -> Vec<Dependency> {
    let (id, created_at) = (bead.id(), seconds(bead.created()));
    let kept = bead.metadata.annotations.beads.as_ref();
    let edge = |to: &str, type_: &str, metadata: Option<String>| Dependency {
        issue_id: id.clone(),
        depends_on_id: kept.map_or(to, |kept| kept.id_of(to)).to_owned(),
        type_: type_.to_owned(),
        created_at: created_at.clone(),
        metadata,
    };
    let needs = bead.spec.needs.iter().map(|need| edge(need, BLOCKS, None));
    let parent = bead.spec.parent.iter().map(|parent| edge(parent, PARENT_CHILD, None));
    let links = bead.spec.links.iter().map(|link| edge(&link.to, &link.type_, gate_metadata(link)));
    needs.chain(parent).chain(links).collect()
}

fn gate_metadata(link: &Link) -> Option<String> {
    let gate = link.gate.filter(|_| link.type_ == WAITS_FOR)?;
    let word = match gate {
        ChildrenGate::AllChildren => "all-children",
        ChildrenGate::AnyChildren => "any-children",
    };
    Some(format!(r#"{{"gate":"{word}"}}"#))
}

impl Listed {
    /// A bead as `list` and `ready` print it.
    pub fn of(bead: &Slim) -> Self {
        let issue = Issue::of(bead);
        let dependency_count = issue.dependencies.iter().filter(|edge| edge.type_ == BLOCKS).count();
        let comment_count = issue.comments.len();
        // A list has their number; `bd show` and `bd comments` have them.
        let issue = Issue { comments: Vec::new(), ..issue };
        Self { issue, dependency_count, comment_count, parent: bead.spec.parent.clone() }
    }

    /// What has happened, as `list` prints it.
    pub fn of_event(event: &BeadEvent) -> Self {
        let issue = Issue::of_event(event);
        Self { issue, dependency_count: 0, comment_count: 0, parent: event.spec.parent.clone() }
    }
}

impl Details {
    /// A bead as `show` prints it; each neighbour comes with how they are tied.
    pub fn of(bead: &Slim, dependencies: &[(Slim, String)], dependents: &[(Slim, String)]) -> Self {
        let related = |(bead, how): &(Slim, String)| Related::of(bead, how);
        let children: Vec<&Slim> =
            dependents.iter().filter(|(_, how)| how == PARENT_CHILD).map(|(bead, _)| bead).collect();
        let is_epic = bead.type_name() == "epic";
        let closed = children.iter().filter(|child| child.is_closed()).count();
        Self {
            issue: Issue::without_edges(bead),
            dependencies: dependencies.iter().map(related).collect(),
            dependents: dependents.iter().map(related).collect(),
            parent: bead.spec.parent.clone(),
            epic_total_children: is_epic.then_some(children.len()),
            epic_closed_children: is_epic.then_some(closed),
            epic_closeable: is_epic.then_some(!children.is_empty() && closed == children.len() && !bead.is_closed()),
        }
    }

    /// What has happened, as `show` prints it.
    pub fn of_event(event: &BeadEvent) -> Self {
        let issue = Issue { dependencies: Vec::new(), ..Issue::of_event(event) };
        Self {
            issue,
            dependencies: Vec::new(),
            dependents: Vec::new(),
            parent: event.spec.parent.clone(),
            epic_total_children: None,
            epic_closed_children: None,
            epic_closeable: None,
        }
    }
}

/// One line for people: id, priority, type, status, title, who has it.
pub fn line(bead: &Slim, id_width: usize) -> String {
    let who = bead.assignee().map(|who| format!("  ({who})")).unwrap_or_default();
    let (id, priority, type_, title, status) =
        (bead.id(), bead.spec.priority, bead.type_name(), &bead.spec.title, bead.status());
    format!("{id:<id_width$}  P{priority}  {type_:<7}  {status:<11}  {title}{who}")
}

/// RFC 3339 in whole seconds, as Beads has it.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Labels as Beads shows them: in the order of their letters.
fn sorted(labels: impl Iterator<Item = String>) -> Vec<String> {
    let mut labels: Vec<String> = labels.collect();
    labels.sort_unstable();
    labels
}

/// An empty text is none.
fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn bead() -> Slim {
        from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": {
                "name": "shop-1", "creationTimestamp": "2026-03-01T10:00:00Z",
                "labels": {"gastown.io/convoy": "auth", "urgent": ""},
            },
            "spec": {
                "title": "Log out", "description": "Everywhere.", "type": "Bug", "priority": 1, "rig": "shop",
                "needs": ["shop-0"], "assignee": {"polecat": "shop-nux", "uid": "1"},
                "labels": ["area:auth"], "links": [
                    {"to": "shop-9", "type": "discovered-from"},
                    {"to": "shop-8", "type": "waits-for", "gate": "AnyChildren"},
                ],
                "comments": [{"name": "c1", "author": "kim", "text": "Soon.", "at": "2026-03-01T10:30:00Z"}],
                "metadata": "{\"b\":1,\"a\":2}", "estimatedMinutes": 30,
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_bead_in_progress_has_beads_keys_in_beads_order() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&Listed::of(&bead())).unwrap());
    }

    #[test]
    fn a_closed_bead_says_when_and_why() {
        let mut bead = bead();
        bead.spec.assignee = None;
        bead.spec.closed =
            Some(from_value(json!({"reason": "Done", "at": "2026-03-01T11:00:00.25Z", "by": "kim"})).unwrap());
        let details = Details::of(&bead, &[(self::bead(), BLOCKS.to_owned())], &[]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&details).unwrap());
    }
}
