//! An agent asks and waits, a person is told by the town's own command, and the answer goes back into the same tool call.

use serde_json::Value;

use super::harness::{Town, git, wait_until};

/// What the town's command was told, in order.
fn told(town: &Town) -> Vec<Value> {
    let text = fs_err::read_to_string(town.path("town/told.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A convoy of one bead, whose agent asks this and writes down what it is told.
fn asks(town: &Town, convoy: &str, question: &str) {
    let command = format!(
        "gt ask '{question}' --option tabs --option spaces --wait --timeout 80s > {convoy}.txt; git add --all; git commit -qm 'Do it'"
    );
    town.convoy(convoy, &[(convoy, &[], &command)]);
}

#[test]
fn a_question_reaches_a_person_once_and_the_answer_the_tool_call_that_waits() {
    let town = Town::new();
    town.file("town/tell.sh", "[ -z \"$SECRET$GT_TOWN\" ] || exit 1\ncat >> told.jsonl\n");
    let notify = "notify: {command: [sh, tell.sh], events: [NeedsPerson, ConvoyLanded]}";
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {{name: town}}\nspec: {{capacity: {{polecats: 3}}, {notify}}}\n"
    ));
    asks(&town, "first", "Tabs or spaces?");
    let up = town.gt(&["up"]).env("SECRET", "key").run().unwrap();
    assert!(up.ok(), "{}", up.complaint());
    let needs: Value = serde_json::from_str(&town.ok(&["wait", "--needs-me", "--timeout", "80s", "--json"])).unwrap();
    let bead = town.bead("first")["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(needs[0]["next"], format!("gt answer {bead} \"...\""));
    let first = wait_until(&town, "a person is told", || told(&town).first().cloned());
    assert_eq!(first["next"], needs[0]["next"]);
    assert_eq!((first["question"].as_str(), first["options"][1].as_str()), (Some("Tabs or spaces?"), Some("spaces")));
    town.ok(&["answer", &bead, "spaces"]);
    town.lands("first");
    let answer = git(&town.path("repos/shop.git"), &["show", "main:first.txt"]);
    assert!(answer.starts_with("The answer, by ") && answer.ends_with(": spaces"), "{answer}");
    assert_eq!(town.record(&town.bead("first"), 2, "spec.json"), None, "one session did it");
    // Whoever was told is not told again by another controller.
    wait_until(&town, "the landing is told", || (told(&town).len() == 2).then_some(()));
    town.ok(&["down"]);
    town.up();
    asks(&town, "second", "Again?");
    let told = wait_until(&town, "a person is told again", || Some(told(&town)).filter(|told| told.len() > 2));
    let reasons: Vec<_> = told.iter().map(|it| it["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["Asking", "Landed", "Asking"]);
    let condition = |it: &&Value| it["type"] == "NotifyFailed";
    let conditions = town.json(&["town", "town"])["status"]["conditions"].as_array().cloned().unwrap();
    assert_eq!(conditions.iter().find(condition).unwrap()["status"], "False");
}
