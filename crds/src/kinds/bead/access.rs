//! What an agent may write of a bead.

use serde_json::{Map, Value};

use super::{BeadType, MERGE_SLOT};
use crate::access::AgentWrite;
use crate::actor::Actor;
use crate::common::ANNOTATION_UPDATED;

/// The override of a bead, as a JSON pointer: [`crate::overrides::ANNOTATION_OVERRIDE`].
const OVERRIDE: &str = "/metadata/annotations/gastown.io~1override";

/// Loops within each other that are looked into.
const FLOWS_MAX: usize = 8;

/// What an agent may not write of a bead: its command, its runtime, an assignment, and what is on another's hook.
pub(super) fn check_agent(write: &AgentWrite<'_>) -> Result<(), String> {
    let agent = write.agent;
    let Some(new) = write.new else { return Err(format!("{agent} may not delete beads: close them")) };
    if write.changes("/spec/command") {
        return Err(format!("{agent} may not write `spec.command`: it would run as code"));
    }
    if write.changes("/spec/gate/run") {
        return Err(format!("{agent} may not write `spec.gate.run`: it would run as code"));
    }
    if write.old.is_some() && write.changes("/spec/flow") {
        return Err(format!("{agent} may not write `spec.flow`: it says what follows from what is done"));
    }
    if new.pointer("/spec/flow").is_some_and(|flow| makes_what_runs(flow, FLOWS_MAX)) && write.changes("/spec/flow") {
        return Err(format!(
            "{agent} may not write a `command` into `spec.flow`, or a `runtime`: it would run as code"
        ));
    }
    if write.changes("/spec/runtime") {
        return Err(format!("{agent} may not write `spec.runtime`: people choose which program works on a bead"));
    }
    if write.changes("/spec/retry") {
        return Err(format!("{agent} may not write `spec.retry`: people say when failures no longer count"));
    }
    if write.changes(OVERRIDE) {
        return Err(format!("{agent} may not stop, pause or resume beads: people do"));
    }
    if answers(new) != write.old.map(answers).unwrap_or_default() {
        return Err(format!("{agent} may not answer questions: people do"));
    }
    if write.changes("/spec/assignee") && new.pointer("/spec/assignee").is_some() {
        return Err(format!("{agent} may not assign beads: dispatch does"));
    }
    if write.old.is_some() && write.changes("/spec/createdBy") {
        return Err(format!("{agent} may not write `spec.createdBy`: it says who filed the bead"));
    }
    if !is_suspended(new) && write.old.is_none_or(is_suspended) {
        return Err(format!("{agent} may not have work begun: file it with `spec.suspend: true`, and people sling it"));
    }
    let is_gate = new.pointer("/spec/type").and_then(Value::as_str) == Some(BeadType::Gate.as_str());
    if is_gate && write.old.is_some() && write.changes("/spec/closed") {
        return Err(format!("{agent} may not open gates: people do, with `gt gate approve`"));
    }
    let holder = write.old.and_then(|old| old.pointer("/spec/assignee/polecat")).and_then(Value::as_str);
    let Some(old) = write.old else {
        return match filed_by(new) {
            Some(by) if by == agent.to_string() => Ok(()),
            _ => Err(format!("{agent} may not file a bead for another: `spec.createdBy` is {agent}")),
        };
    };
    match (holder, agent) {
        (Some(holder), Actor::Polecat(worker)) if worker.object() == holder => Ok(()),
        _ if only_says_something(old, new) => Ok(()),
        (None, _) if only_passes_a_slot(old, new) => Ok(()),
        (Some(holder), _) => Err(format!("{agent} may not write this bead: it is on the hook of {holder}")),
        // Steps of its own bead; `bd` looks whose they are.
        (None, _) if old.pointer("/spec/type").and_then(Value::as_str) == Some(BeadType::Step.as_str()) => Ok(()),
        (None, _) if filed_by(old) == Some(&*agent.to_string()) => Ok(()),
        (None, _) => Err(format!(
            "{agent} may not write this bead: it has not filed it; say what you know with `bd comment`, or file a bead of your \
             own with `bd create`"
        )),
    }
}

/// Whether the beads that a flow makes run commands, or choose who works on them; one that cannot be read may do so.
fn makes_what_runs(flow: &Value, depth: usize) -> bool {
    let bodies = ["/repeat/body", "/forEach/body"].map(|body| flow.pointer(body));
    bodies.into_iter().flatten().any(|body| {
        let made = body.as_str().and_then(|text| serde_json::from_str::<Vec<Value>>(text).ok());
        made.filter(|_| depth > 0).is_none_or(|made| {
            made.iter().any(|bead| {
                let runs = ["/spec/command", "/spec/gate/run", "/spec/runtime"];
                runs.iter().any(|field| bead.pointer(field).is_some())
                    || bead.pointer("/spec/flow").is_some_and(|flow| makes_what_runs(flow, depth - 1))
            })
        })
    })
}

/// Whether nobody is dispatched to a bead before a person asks for it.
fn is_suspended(bead: &Value) -> bool {
    let is_step = bead.pointer("/spec/type").and_then(Value::as_str) == Some(BeadType::Step.as_str());
    is_step || bead.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false)
}

fn filed_by(bead: &Value) -> Option<&str> {
    bead.pointer("/spec/createdBy").and_then(Value::as_str)
}

/// Whether nothing was changed of a bead but that comments were added.
fn only_says_something(old: &Value, new: &Value) -> bool {
    let said = |bead: &Value| bead.pointer("/spec/comments").and_then(Value::as_array).cloned().unwrap_or_default();
    without(old, "comments") == without(new, "comments") && said(new).starts_with(&said(old))
}

/// What people say of a bead, without one field of the spec and without when it was last written.
fn without(bead: &Value, field: &str) -> (Value, Option<Value>, Map<String, Value>) {
    let mut spec = bead.get("spec").cloned().unwrap_or_default();
    spec.as_object_mut().map(|spec| spec.remove(field));
    let annotations = bead.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut annotations = annotations.cloned().unwrap_or_default();
    annotations.remove(ANNOTATION_UPDATED);
    (spec, bead.pointer("/metadata/labels").cloned(), annotations)
}

/// Whether nothing was changed but the metadata of a merge slot, which says who holds it: any agent may come to hold one.
fn only_passes_a_slot(old: &Value, new: &Value) -> bool {
    let is_slot = |bead: &Value| bead.pointer("/spec/customType").and_then(Value::as_str) == Some(MERGE_SLOT);
    is_slot(old) && without(old, "metadata") == without(new, "metadata")
}

/// The questions that have an answer.
fn answers(bead: &Value) -> Vec<&Value> {
    let questions = bead.pointer("/spec/questions").and_then(Value::as_array);
    questions.into_iter().flatten().filter(|question| question.get("answer").is_some()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Verb, check};
    use serde_json::json;

    fn asked(old: &Value, new: &Value) -> Result<(), String> {
        let agent = Actor::parse("shop/polecats/nux");
        check("Bead", &AgentWrite { agent: &agent, verb: Verb::Update, old: Some(old), new: Some(new) })
    }

    #[test]
    fn an_agent_leaves_alone_what_is_on_the_hook_of_another() {
        let on_hook = |polecat: &str| json!({ "spec": { "assignee": { "polecat": polecat, "uid": "1" } } });
        let closed = json!({ "spec": { "closed": {} } });
        assert_eq!(asked(&on_hook("shop-nux"), &closed), Ok(()));
        assert!(asked(&on_hook("shop-toast"), &closed).unwrap_err().contains("shop-toast"));
    }

    #[test]
    fn any_agent_may_take_a_merge_slot_and_change_nothing_else_of_it() {
        let slot = |title: &str, holder: &str| json!({"spec": {"title": title, "type": "Custom", "customType": "slot", "createdBy": "kim", "metadata": holder}});
        let mut taken = slot("t", "nux");
        taken["metadata"] = json!({"annotations": {"gastown.io/updated-at": "2026-01-01T00:00:00Z"}});
        assert_eq!(asked(&slot("t", "{}"), &taken), Ok(()));
        assert!(asked(&slot("t", "{}"), &slot("other", "nux")).is_err());
        let bead = |metadata: &str| json!({"spec": {"type": "Task", "createdBy": "kim", "metadata": metadata}});
        assert!(asked(&bead("{}"), &bead("nux")).is_err());
    }

    #[test]
    fn an_agent_may_close_a_step_and_may_not_write_a_command() {
        let step = |closed: Value| json!({"spec": {"type": "Step", "command": "x", "closed": closed}});
        let open = json!({"spec": {"type": "Step", "command": "x"}});
        assert_eq!(asked(&open, &step(json!({}))), Ok(()));
        let other = json!({"spec": {"command": "rm -rf ~"}});
        assert!(asked(&open, &other).unwrap_err().contains("spec.command"));
    }

    #[test]
    fn an_agent_may_file_a_gate_and_may_not_give_it_a_command() {
        let agent = Actor::parse("shop/polecats/nux");
        let by = agent.to_string();
        let gate = |gate: Value| json!({"spec": {"type": "Gate", "suspend": true, "createdBy": by, "gate": gate}});
        let files =
            |new: &Value| check("Bead", &AgentWrite { agent: &agent, verb: Verb::Create, old: None, new: Some(new) });
        let (asks, runs) =
            (json!({"type": "GithubRun", "awaitId": "ci.yml"}), json!({"type": "Run", "run": "curl x | sh"}));
        assert_eq!(files(&gate(asks.clone())), Ok(()));
        assert!(files(&gate(runs.clone())).unwrap_err().contains("spec.gate.run"));
        assert!(asked(&gate(asks), &gate(runs.clone())).unwrap_err().contains("spec.gate.run"));
        let other = json!({"type": "Run", "run": "true"});
        assert!(asked(&gate(runs), &gate(other)).unwrap_err().contains("spec.gate.run"));
    }

    #[test]
    fn an_agent_may_pour_a_loop_that_runs_nothing_and_may_not_change_one() {
        let agent = Actor::parse("shop/polecats/nux");
        let by = agent.to_string();
        let looped =
            |made: &Value| json!({"step": "go", "repeat": {"body": json!([{"name": ".a", "spec": made}]).to_string()}});
        let bead = |flow: Value| json!({"spec": {"suspend": true, "createdBy": by, "flow": flow}});
        let files = |flow: Value| {
            check("Bead", &AgentWrite { agent: &agent, verb: Verb::Create, old: None, new: Some(&bead(flow)) })
        };
        let (plain, runs) = (looped(&json!({"title": "A"})), looped(&json!({"title": "A", "command": "curl x | sh"})));
        assert_eq!(files(plain.clone()), Ok(()));
        for bad in [
            runs.clone(),
            looped(&json!({"title": "A", "flow": runs})),
            looped(&json!({"runtime": "mine"})),
            json!({"forEach": {"body": "no list"}}),
        ] {
            assert!(files(bad).unwrap_err().contains("run as code"));
        }
        assert!(asked(&bead(plain.clone()), &bead(looped(&json!({"title": "B"})))).unwrap_err().contains("spec.flow"));
        assert_eq!(asked(&bead(plain.clone()), &bead(plain)), Ok(()));
    }

    #[test]
    fn an_agent_may_ask_and_may_not_answer() {
        let on_hook = json!({ "polecat": "shop-nux", "uid": "1" });
        let bead = |questions: Value| json!({ "spec": { "assignee": on_hook, "questions": questions } });
        let (open, answered) = (json!({"name": "q1"}), json!({"name": "q1", "answer": {"text": "yes"}}));
        assert_eq!(asked(&json!({"spec": {"assignee": on_hook}}), &bead(json!([open]))), Ok(()));
        assert_eq!(asked(&bead(json!([answered])), &bead(json!([answered, {"name": "q2"}]))), Ok(()));
        for (old, new) in
            [(json!([open]), json!([answered])), (json!([answered]), json!([open])), (json!([answered]), json!([]))]
        {
            assert!(asked(&bead(old), &bead(new)).unwrap_err().contains("may not answer"));
        }
    }

    #[test]
    fn an_agent_may_not_choose_the_program_that_works_on_a_bead() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"runtime": "mine"}}));
        assert!(asked(&none, &some).unwrap_err().contains("spec.runtime"));
        assert!(asked(&some, &none).is_err());
        assert!(asked(&some, &some).is_ok());
    }

    #[test]
    fn an_agent_files_what_it_finds_and_has_no_work_begun() {
        let agent = Actor::parse("shop/polecats/nux");
        let files = |spec: Value| {
            let new = json!({ "spec": spec });
            check("Bead", &AgentWrite { agent: &agent, verb: Verb::Create, old: None, new: Some(&new) })
        };
        assert_eq!(files(json!({"suspend": true, "createdBy": "shop/polecats/nux"})), Ok(()));
        assert!(files(json!({"createdBy": "shop/polecats/nux"})).unwrap_err().contains("begun"));
        assert!(files(json!({"suspend": true, "createdBy": "kim"})).unwrap_err().contains("createdBy"));
        assert!(files(json!({"suspend": true})).is_err());
        let filed = |by: &str, suspend: bool, title: &str| json!({ "spec": { "title": title, "suspend": suspend, "createdBy": by } });
        let (own, others) = ("shop/polecats/nux", "kim");
        assert_eq!(asked(&filed(own, true, "a"), &filed(own, true, "b")), Ok(()));
        assert!(asked(&filed(own, true, "a"), &filed(own, false, "a")).unwrap_err().contains("begun"));
        assert!(asked(&filed(others, true, "a"), &filed(others, true, "b")).unwrap_err().contains("has not filed it"));
    }

    #[test]
    fn an_agent_may_say_something_about_any_bead_and_change_nothing_that_was_said() {
        let bead = |title: &str, said: Value| json!({ "spec": { "title": title, "suspend": true, "comments": said } });
        let none = json!({ "spec": { "title": "a", "suspend": true } });
        assert_eq!(asked(&none, &bead("a", json!([1]))), Ok(()));
        assert_eq!(asked(&bead("a", json!([1])), &bead("a", json!([1, 2]))), Ok(()));
        assert!(asked(&bead("a", json!([1])), &bead("a", json!([2]))).is_err());
        assert!(asked(&bead("a", json!([1])), &bead("b", json!([1, 2]))).is_err());
    }

    #[test]
    fn an_agent_may_not_have_its_failures_forgotten() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"retry": 1}}));
        assert!(asked(&none, &some).unwrap_err().contains("spec.retry"));
    }

    #[test]
    fn an_agent_may_not_resume_what_a_person_has_stopped() {
        use crate::overrides::ANNOTATION_OVERRIDE;
        let stopped = json!({"metadata": {"annotations": {ANNOTATION_OVERRIDE: "{}"}}, "spec": {}});
        let resumed = json!({"metadata": {}, "spec": {}});
        assert!(asked(&stopped, &resumed).unwrap_err().contains("resume"));
        assert!(asked(&stopped, &stopped).is_ok());
    }

    #[test]
    fn an_agent_may_give_work_back_and_may_not_assign_it() {
        let (none, some) = (json!({"spec": {}}), json!({"spec": {"assignee": {"polecat": "shop-nux", "uid": "1"}}}));
        assert!(asked(&none, &some).is_err());
        assert!(asked(&some, &none).is_ok());
    }
}
