//! The guard of a town's API: a request that names an agent as its actor is checked against what agents may write.
//!
//! Requests carry their actor, which `gt` and `bd` take from the session's environment.

use gastown_api::guard::GuardRequest;
use gastown_crds::access::{self, AgentWrite};
use gastown_crds::actor::Actor;

/// Refuses what an agent may not do.
pub fn check(request: &GuardRequest<'_>) -> Result<(), String> {
    let Some(actor) = request.actor.map(Actor::parse).filter(Actor::is_agent) else { return Ok(()) };
    let GuardRequest { actor: _, verb, kind, old, new } = *request;
    access::check(kind, &AgentWrite { agent: &actor, verb, old, new })
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_api::guard::Verb;
    use serde_json::json;

    #[test]
    fn people_write_what_agents_may_not() {
        let rig = json!({ "spec": {} });
        let asks = |actor| check(&GuardRequest { actor, verb: Verb::Create, kind: "Rig", old: None, new: Some(&rig) });
        assert_eq!(asks(None), Ok(()));
        assert_eq!(asks(Some("kim")), Ok(()));
        assert!(asks(Some("shop/polecats/nux")).unwrap_err().contains("may not write a Rig"));
        assert!(asks(Some("mayor")).is_err());
    }
}
