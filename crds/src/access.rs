//! What agents may write: a guard against mistakes, not a wall, because agents run as the user.
//!
//! Invariant: agents write what a kind's row allows and nothing else; a kind that is not registered is not writable.

use serde_json::Value;

use crate::actor::Actor;
use crate::kinds::Kind;

/// What agents may do with the objects of a kind.
#[derive(Debug, Clone, Copy)]
pub enum AgentAccess {
    /// Read them. People declare them, or controllers make them.
    Read,
    /// Write what this function does not refuse; the text of a refusal is shown to the agent. Status is never theirs.
    Write(fn(&AgentWrite<'_>) -> Result<(), String>),
}

/// The kinds of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Make an object.
    Create,
    /// Change an object.
    Update,
    /// Change an object's status.
    UpdateStatus,
    /// Remove an object.
    Delete,
}

/// A write that an agent is about to make.
#[derive(Debug)]
pub struct AgentWrite<'a> {
    /// The agent.
    pub agent: &'a Actor,
    /// The kind of write.
    pub verb: Verb,
    /// The object as it is.
    pub old: Option<&'a Value>,
    /// The object as it would be.
    pub new: Option<&'a Value>,
}

impl AgentWrite<'_> {
    /// Whether the write changes the field at this JSON pointer.
    pub fn changes(&self, pointer: &str) -> bool {
        self.old.and_then(|old| old.pointer(pointer)) != self.new.and_then(|new| new.pointer(pointer))
    }
}

/// Refuses what an agent may not write. `kind` is the kind's name, such as `Bead`.
pub fn check(kind: &str, write: &AgentWrite<'_>) -> Result<(), String> {
    let agent = write.agent;
    match Kind::named(kind).map(|kind| kind.agents) {
        None => Err(format!("{agent} may not write a {kind}: no kind of this name is known")),
        Some(AgentAccess::Read) => Err(format!("{agent} may not write a {kind}: people declare it")),
        Some(AgentAccess::Write(_)) if write.verb == Verb::UpdateStatus => {
            Err(format!("{agent} may not write a status: controllers do"))
        }
        Some(AgentAccess::Write(check)) => check(write),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;
    use serde_json::json;

    #[test]
    fn an_agent_writes_beads_events_and_merge_requests_and_no_status() {
        let agent = Actor::parse("shop/polecats/nux");
        let new = json!({ "spec": { "polecat": "shop-nux", "createdBy": "shop/polecats/nux", "suspend": true } });
        let may =
            |kind: &str, verb| check(kind, &AgentWrite { agent: &agent, verb, old: None, new: Some(&new) }).is_ok();
        let writable: Vec<&str> = KINDS.iter().map(|kind| kind.name).filter(|kind| may(kind, Verb::Create)).collect();
        assert_eq!(writable, ["Bead", "BeadEvent", "MergeRequest"]);
        assert!(KINDS.iter().all(|kind| !may(kind.name, Verb::UpdateStatus)));
        assert!(!may("Gadget", Verb::Create), "a kind that is not registered is not writable");
    }

    #[test]
    fn other_agents_write_nothing_that_is_not_theirs() {
        let bead = json!({ "spec": { "assignee": { "polecat": "shop-nux", "uid": "1" } } });
        for name in ["mayor", "shop/witness", "shop/crew/kim"] {
            let agent = Actor::parse(name);
            let closes = AgentWrite { agent: &agent, verb: Verb::Update, old: Some(&bead), new: Some(&json!({})) };
            assert!(check("Bead", &closes).unwrap_err().contains("hook of shop-nux"), "{name}");
        }
    }
}
