//! A bead in the shape of `bd --json`: the one place that knows both.
//!
//! Keys come in the order of Beads' own record, and what is empty is left out where Beads leaves it out. What a town does
//! not know (an owner, an estimate, comments) is absent. `dependent_count` is absent from lists: what needs a bead is
//! one more question for each, which only `bd show` asks.

use gastown_crds::actor::Worker;
use gastown_crds::bead::{Assignee, BeadState, BeadType, CloseReason};
use jiff::Timestamp;
use serde::Serialize;

use super::slim::Slim;

/// A bead as Beads prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// The bead's name.
    pub id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    status: &'static str,
    priority: u32,
    #[serde(rename = "issue_type")]
    type_: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    close_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
}

/// An edge to what a bead waits for or is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Dependency {
    issue_id: String,
    depends_on_id: String,
    #[serde(rename = "type")]
    type_: &'static str,
    created_at: String,
}

/// A bead in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    issue: Issue,
    dependency_count: usize,
    comment_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// A bead and the beads it is tied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Details {
    #[serde(flatten)]
    issue: Issue,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Related>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependents: Vec<Related>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

/// The other end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    #[serde(flatten)]
    issue: Issue,
    dependency_type: &'static str,
}

/// The edge to a bead that must be closed first.
pub const BLOCKS: &str = "blocks";
/// The edge to the bead that this one is a part of.
pub const PARENT_CHILD: &str = "parent-child";

impl Issue {
    /// A bead with its edges.
    pub fn of(bead: &Slim) -> Self {
        let id = bead.metadata.name.clone();
        let created_at = seconds(bead.created());
        let edge = |type_| {
            let (id, created_at) = (id.clone(), created_at.clone());
            move |to: &String| Dependency {
                issue_id: id.clone(),
                depends_on_id: to.clone(),
                type_,
                created_at: created_at.clone(),
            }
        };
        let needs = bead.spec.needs.iter().map(edge(BLOCKS));
        let dependencies = needs.chain(bead.spec.parent.iter().map(edge(PARENT_CHILD))).collect();
        let closed = bead.spec.closed.as_ref();
        Self {
            title: bead.spec.title.clone(),
            description: bead.spec.description.clone(),
            status: status(closed.is_some(), bead.spec.assignee.is_some(), bead.status.state),
            priority: bead.spec.priority,
            type_: type_name(bead.spec.type_),
            assignee: bead.spec.assignee.as_ref().map(|a| assignee_name(&bead.spec.rig, a)),
            created_at: created_at.clone(),
            updated_at: seconds(bead.updated()),
            closed_at: closed.map(|c| seconds(c.at)),
            close_reason: closed.map(|c| c.message.clone().unwrap_or_else(|| reason_name(c.reason).to_owned())),
            labels: bead.metadata.labels.iter().map(|(key, value)| label_name(key, value)).collect(),
            dependencies,
            id,
        }
    }

    fn without_edges(bead: &Slim) -> Self {
        Self { dependencies: Vec::new(), ..Self::of(bead) }
    }
}

impl Listed {
    /// A bead as `list` and `ready` print it.
    pub fn of(bead: &Slim) -> Self {
        Self {
            issue: Issue::of(bead),
            dependency_count: bead.spec.needs.len(),
            comment_count: 0,
            parent: bead.spec.parent.clone(),
        }
    }
}

impl Details {
    /// A bead as `show` prints it; each neighbour comes with how they are tied.
    pub fn of(bead: &Slim, dependencies: &[(Slim, &'static str)], dependents: &[(Slim, &'static str)]) -> Self {
        let related = |(bead, dependency_type): &(Slim, &'static str)| Related {
            issue: Issue::without_edges(bead),
            dependency_type,
        };
        Self {
            issue: Issue::without_edges(bead),
            dependencies: dependencies.iter().map(related).collect(),
            dependents: dependents.iter().map(related).collect(),
            parent: bead.spec.parent.clone(),
        }
    }
}

/// A bead's status in Beads' words. Handed in is still in progress; set aside is blocked, until a person acts.
pub fn status(closed: bool, assigned: bool, state: BeadState) -> &'static str {
    match (closed, assigned, state) {
        (true, ..) => "closed",
        (false, true, _) | (false, false, BeadState::Landing) => "in_progress",
        (false, false, BeadState::SetAside) => "blocked",
        (false, false, _) => "open",
    }
}

/// One line for people: id, priority, type, status, title, who has it.
pub fn line(bead: &Slim, id_width: usize) -> String {
    let Slim { metadata, spec, status: seen } = bead;
    let status = status(bead.is_closed(), spec.assignee.is_some(), seen.state);
    let who = spec.assignee.as_ref().map(|who| format!("  ({})", assignee_name(&spec.rig, who))).unwrap_or_default();
    let (id, priority, type_, title) = (&metadata.name, spec.priority, type_name(spec.type_), &spec.title);
    format!("{id:<id_width$}  P{priority}  {type_:<7}  {status:<11}  {title}{who}")
}

/// A type in Beads' words.
pub fn type_name(type_: BeadType) -> &'static str {
    match type_ {
        BeadType::Task => "task",
        BeadType::Bug => "bug",
        BeadType::Feature => "feature",
        BeadType::Chore => "chore",
        BeadType::Step => "step",
    }
}

/// `<rig>/polecats/<name>`: a polecat works in the bead's own rig.
pub fn assignee_name(rig: &str, assignee: &Assignee) -> String {
    Worker::of_object(rig, &assignee.polecat).unwrap_or_else(|| Worker::new(rig, &assignee.polecat)).to_string()
}

fn reason_name(reason: CloseReason) -> &'static str {
    match reason {
        // Beads' own default.
        CloseReason::Done => "Closed",
        CloseReason::Merged => "Merged",
        CloseReason::NoChanges => "no-changes",
        CloseReason::Withdrawn => "Withdrawn",
    }
}

/// Beads' labels are plain texts, by convention `dimension:value`.
pub fn label_name(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}:{value}") }
}

/// RFC 3339 in whole seconds, as Beads has it.
fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
        let details = Details::of(&bead, &[(self::bead(), BLOCKS)], &[]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&details).unwrap());
    }

    #[test]
    fn a_status_follows_from_the_spec_first() {
        assert_eq!(status(true, true, BeadState::Working), "closed");
        assert_eq!(status(false, true, BeadState::Ready), "in_progress");
        assert_eq!(status(false, false, BeadState::Landing), "in_progress");
        assert_eq!(status(false, false, BeadState::SetAside), "blocked");
        assert_eq!(status(false, false, BeadState::Closed), "open");
    }
}
