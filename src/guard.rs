//! What an agent may not write: a guard against mistakes, not a wall; agents run as the user.
//!
//! Requests carry their actor, which `gt` and `bd` take from the session's environment.

use serde_json::Value;

use crate::api::guard::GuardRequest;

/// Kinds that only people and controllers write.
const DECLARED: [&str; 6] = ["Town", "Rig", "Runtime", "Formula", "Convoy", "Polecat"];

/// Whether an actor is an agent: `<rig>/polecats/<name>`.
pub fn is_agent(actor: &str) -> bool {
    actor.contains("/polecats/")
}

/// Refuses what an agent may not do.
pub fn check(request: &GuardRequest<'_>) -> Result<(), String> {
    let Some(actor) = request.actor.filter(|actor| is_agent(actor)) else { return Ok(()) };
    if DECLARED.contains(&request.kind) {
        return Err(format!("{actor} may not write a {}: people declare it", request.kind));
    }
    if request.kind == "Bead" {
        let command = |object: Option<&Value>| object.and_then(|o| o.pointer("/spec/command")).cloned();
        let assignee = |object: Option<&Value>| object.and_then(|o| o.pointer("/spec/assignee")).cloned();
        if command(request.new) != command(request.old) && request.new.is_some() {
            return Err(format!("{actor} may not write `spec.command`: it would run as code"));
        }
        let (before, after) = (assignee(request.old), assignee(request.new));
        if before != after && after.is_some() {
            return Err(format!("{actor} may not assign beads: dispatch does"));
        }
        if request.new.is_none() {
            return Err(format!("{actor} may not delete beads: close them"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::guard::Verb;
    use serde_json::json;

    fn asked(actor: &str, kind: &str, old: &Value, new: &Value) -> Result<(), String> {
        check(&GuardRequest { actor: Some(actor), verb: Verb::Update, kind, old: Some(old), new: Some(new) })
    }

    #[test]
    fn an_agent_may_close_a_step_and_may_not_write_a_command() {
        let (open, closed) = (json!({"spec": {"command": "x"}}), json!({"spec": {"command": "x", "closed": {}}}));
        assert!(asked("shop/polecats/nux", "Bead", &open, &closed).is_ok());
        let other = json!({"spec": {"command": "rm -rf ~"}});
        assert!(asked("shop/polecats/nux", "Bead", &open, &other).unwrap_err().contains("spec.command"));
        assert!(asked("kim", "Bead", &open, &other).is_ok());
    }

    #[test]
    fn an_agent_may_neither_declare_nor_assign() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"assignee": {"polecat": "shop-nux", "uid": "1"}}}));
        assert!(asked("shop/polecats/nux", "Rig", &none, &none).is_err());
        assert!(asked("shop/polecats/nux", "Bead", &none, &some).is_err());
        assert!(asked("shop/polecats/nux", "Bead", &some, &none).is_ok());
    }
}
