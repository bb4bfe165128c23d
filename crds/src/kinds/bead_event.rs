//! A `BeadEvent` is something that happened and that people or agents want on record: who did what to whom, and when.
//!
//! It is what Beads calls an issue of type `event`; `bd create --type=event` makes one. Events may be many, so controllers
//! do not hold them, and have them watched only while a gate waits for one; the oldest go once there are more than are kept. The labels of a role's bead say how things are
//! now; events say how they came to be so.

use std::time::Duration;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::access::{AgentAccess, AgentWrite, Verb};
use crate::admission;
use crate::kinds::{Column, Compiled, Kind, NamedBy, Registered, Retained, Role};
use crate::names;

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "BeadEvent",
    singular: "beadevent",
    plural: "beadevents",
    short_names: &["be"],
    purpose: "something that happened: `bd create --type=event`",
    columns: &[
        Column::text("Event", ".spec.eventType"),
        Column::text("Actor", ".spec.actor"),
        Column::text("Target", ".spec.target"),
        Column::text("Payload", ".spec.payload"),
        Column::AGE,
    ],
    selectable: &["spec.eventType", "spec.actor", "spec.target", "spec.parent", "spec.labels[]"],
    // A busy town has some hundreds a day.
    role: Role::Record(Retained {
        age_max: Duration::from_hours(90 * 24),
        objects_max: 20_000,
        alike: "spec.target",
        alike_max: 2_000,
    }),
    conditions: &[],
    references: &[],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::Gt,
    has_overrides: false,
    agents: AgentAccess::Write(check_agent),
    yaml: include_str!("../../gastown.io_beadevents.yaml"),
    compiled: Compiled::new(),
};

impl Registered for BeadEvent {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// How the actors begin that are no person and no agent: the town itself.
pub const SYSTEM_ACTOR_PREFIX: &str = "system:";
/// The town, as the actor of what it has seen happen.
pub const DAEMON: &str = "system:daemon";

/// Whether a text can be the type of an event.
pub fn is_event_type(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
        && bytes.iter().all(|byte| is_end(byte) || b"-._".contains(byte))
}

/// An agent says what has happened under its own name, and takes nothing back. It does not speak for the town.
fn check_agent(write: &AgentWrite<'_>) -> Result<(), String> {
    let agent = write.agent.to_string();
    let begins = |pointer: &str, with: &str| {
        let text = write.new.and_then(|new| new.pointer(pointer)).and_then(serde_json::Value::as_str);
        text.is_some_and(|text| text.starts_with(with))
    };
    if begins("/spec/actor", SYSTEM_ACTOR_PREFIX) || begins("/metadata/name", names::SYSTEM_EVENT_PREFIX) {
        return Err(format!("{agent} may not say what the town has seen: events of `system:` are its own"));
    }
    let by = write.new.and_then(|new| new.pointer("/spec/createdBy")).and_then(serde_json::Value::as_str);
    if write.verb == Verb::Create && by == Some(&*agent) {
        return Ok(());
    }
    Err(format!("{agent} may only add events of its own: `bd create --type=event`"))
}

/// Something that happened.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "BeadEvent",
    doc = "A `BeadEvent` is something that happened: who did what to whom. It is written once.",
    namespaced,
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self == oldSelf").message("what has happened stays as it was: file another event"))]
pub struct BeadEventSpec {
    /// What happened, such as `patrol.muted`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$"))]
    pub event_type: String,
    /// Who did it, such as `human:overseer` or `agent:deacon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub actor: Option<String>,
    /// Whom or what it happened to, such as `agent:deacon`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub target: Option<String>,
    /// More about it: a JSON value as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub payload: Option<String>,
    /// The same in a line, for people. Default: the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub title: Option<String>,
    /// The same in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub description: Option<String>,
    /// The bead whose history it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub parent: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 255)))]
    pub labels: Vec<String>,
    /// Who wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub created_by: Option<String>,
    /// When it happened, where that was in another town. Default: when the object was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::optional_instant")]
    pub created_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::check;
    use crate::actor::Actor;
    use serde_json::json;

    #[test]
    fn an_agent_adds_events_of_its_own_and_takes_none_back() {
        let agent = Actor::parse("shop/polecats/nux");
        let by = |name: &str| json!({ "spec": { "eventType": "x", "createdBy": name } });
        let ask = |verb, new: &_| check("BeadEvent", &AgentWrite { agent: &agent, verb, old: None, new: Some(new) });
        assert_eq!(ask(Verb::Create, &by("shop/polecats/nux")), Ok(()));
        assert!(ask(Verb::Create, &by("human:overseer")).is_err());
        assert!(ask(Verb::Delete, &by("shop/polecats/nux")).is_err());
        let mut forged = by("shop/polecats/nux");
        forged["spec"]["actor"] = json!(DAEMON);
        assert!(ask(Verb::Create, &forged).unwrap_err().contains("may not say what the town has seen"));
        let mut taken = by("shop/polecats/nux");
        taken["metadata"] = json!({ "name": names::system_event(&["agent.started", "u", "1"]) });
        assert!(ask(Verb::Create, &taken).is_err(), "it would keep the town from writing its own");
    }

    #[test]
    fn what_has_happened_stays_as_it_was() {
        let event = |target: &str| {
            json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "BeadEvent", "metadata": { "name": "e" },
                "spec": { "eventType": "patrol.muted", "target": target } })
        };
        let changed = |new: &str| KIND.schema().cel(&event(new), Some(&event("agent:deacon")));
        assert!(changed("agent:deacon").is_empty());
        assert!(changed("agent:boot")[0].to_string().contains("stays as it was"));
    }
}
