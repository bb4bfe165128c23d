//! What an agent may not write: a guard against mistakes, not a wall; agents run as the user.
//!
//! Requests carry their actor, which `gt` and `bd` take from the session's environment.

use serde_json::Value;

use crate::api::guard::{GuardRequest, Verb};

/// Kinds that only people and controllers write.
const DECLARED: [&str; 6] = ["Town", "Rig", "Runtime", "Formula", "Convoy", "Polecat"];

/// Whether an actor is an agent: `<rig>/polecats/<name>`.
pub fn is_agent(actor: &str) -> bool {
    actor.contains("/polecats/")
}

/// The Polecat object of an agent: `<rig>-<name>`.
fn polecat(actor: &str) -> String {
    actor.replacen("/polecats/", "-", 1)
}

/// Refuses what an agent may not do.
pub fn check(request: &GuardRequest<'_>) -> Result<(), String> {
    let Some(actor) = request.actor.filter(|actor| is_agent(actor)) else { return Ok(()) };
    if DECLARED.contains(&request.kind) {
        return Err(format!("{actor} may not write a {}: people declare it", request.kind));
    }
    if request.verb == Verb::UpdateStatus {
        return Err(format!("{actor} may not write a status: controllers do"));
    }
    match request.kind {
        "Bead" => check_bead(actor, request),
        "MergeRequest" => check_merge_request(actor, request),
        _ => Ok(()),
    }
}

fn check_bead(actor: &str, request: &GuardRequest<'_>) -> Result<(), String> {
    let Some(new) = request.new else { return Err(format!("{actor} may not delete beads: close them")) };
    let of = |object: Option<&Value>, path| object.and_then(|object| object.pointer(path)).cloned();
    let changes = |path| of(Some(new), path) != of(request.old, path);
    if changes("/spec/command") {
        return Err(format!("{actor} may not write `spec.command`: it would run as code"));
    }
    if changes("/spec/assignee") && of(Some(new), "/spec/assignee").is_some() {
        return Err(format!("{actor} may not assign beads: dispatch does"));
    }
    match of(request.old, "/spec/assignee/polecat") {
        Some(Value::String(other)) if other != polecat(actor) => {
            Err(format!("{actor} may not write this bead: it is on the hook of {other}"))
        }
        _ => Ok(()),
    }
}

fn check_merge_request(actor: &str, request: &GuardRequest<'_>) -> Result<(), String> {
    let own = request.new.and_then(|new| new.pointer("/spec/polecat"));
    if request.verb == Verb::Create && own.and_then(Value::as_str) == Some(&polecat(actor)) {
        return Ok(());
    }
    Err(format!("{actor} may hand in as itself only: run `gt done` in its session"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(actor: &str, kind: &str, old: &Value, new: &Value) -> Result<(), String> {
        check(&GuardRequest { actor: Some(actor), verb: Verb::Update, kind, old: Some(old), new: Some(new) })
    }

    const NUX: &str = "shop/polecats/nux";

    #[test]
    fn an_agent_hands_in_its_own_work_only_and_writes_no_status() {
        let hand_in = |polecat: &str, verb| {
            let new = json!({ "spec": { "polecat": polecat } });
            check(&GuardRequest { actor: Some(NUX), verb, kind: "MergeRequest", old: None, new: Some(&new) })
        };
        assert_eq!(hand_in("shop-nux", Verb::Create), Ok(()));
        assert!(hand_in("shop-toast", Verb::Create).is_err());
        assert!(hand_in("shop-nux", Verb::UpdateStatus).unwrap_err().contains("status"));
        let gone = GuardRequest { actor: Some(NUX), verb: Verb::Delete, kind: "MergeRequest", old: None, new: None };
        assert!(check(&gone).is_err());
    }

    #[test]
    fn an_agent_leaves_alone_what_is_on_the_hook_of_another() {
        let on_hook = |polecat: &str| json!({ "spec": { "assignee": { "polecat": polecat, "uid": "1" } } });
        let closed = json!({ "spec": { "closed": {} } });
        assert_eq!(asked(NUX, "Bead", &on_hook("shop-nux"), &closed), Ok(()));
        assert!(asked(NUX, "Bead", &on_hook("shop-toast"), &closed).unwrap_err().contains("shop-toast"));
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
