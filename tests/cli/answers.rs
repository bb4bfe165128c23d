//! `gt answer`: what a person is shown of a question, and what is written of the answer.

use gastown_crds::Bead;
use serde_json::{Value, json};

use crate::harness::{Folder, bead, condition};

/// A town in which the agent of a bead has asked this.
fn asks(question: &Value) -> Folder {
    let folder = Folder::with_rig();
    let waits = condition("Ready", "False", "Asking", "Tabs or spaces?");
    let status = json!({"state": "Waiting", "observedGeneration": 1, "conditions": [waits]});
    folder.seed::<Bead>(&bead("shop-a", &json!({"questions": [question]}), &status));
    folder
}

fn question() -> Value {
    json!({
        "name": "q1", "text": "Tabs or spaces?", "options": ["tabs", "spaces"], "attempt": 1, "by": "shop/polecats/nux",
        "at": "2026-01-02T03:04:05Z",
    })
}

fn answer(folder: &Folder) -> Value {
    let text = folder.gt(&["get", "bead", "shop-a", "-o", "json"]).out;
    let mut found: Value = serde_json::from_str(&text).unwrap();
    found["spec"]["questions"][0]["answer"].take()
}

#[test]
fn a_question_is_shown_and_answered_once() {
    let folder = asks(&question());
    let status = folder.gt(&["status"]);
    assert!(status.out.contains("gt answer shop-a \"...\""), "{}", status.all());
    insta::assert_snapshot!(folder.gt(&["answer", "shop-a"]).all(), @r#"
    shop/polecats/nux asks: Tabs or spaces?
      1  tabs
      2  spaces
    ! answer it:  gt answer shop-a "..."
    exit 0
    "#);
    insta::assert_snapshot!(folder.gt(&["answer", "bead/shop-a", "2"]).all(), @"
    bead/shop-a answered: spaces
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    assert_eq!(answer(&folder)["text"], "spaces");
    insta::assert_snapshot!(folder.gt(&["answer", "shop-a", "tabs"]).all(), @"
    ! error: bead `shop-a` has no open question
    ! hint: `gt status` shows who waits for you
    exit 4
    ");
    assert_eq!(answer(&folder)["text"], "spaces");
    assert_eq!(folder.gt(&["answer", "shop-b", "tabs"]).code, 3);
}

#[test]
fn a_number_that_no_answer_has_and_what_a_terminal_obeys_are_not_passed_on() {
    let mut question = question();
    question["text"] = "Red \u{1b}[31m or \u{9b}2J?".into();
    let folder = asks(&question);
    let shown = folder.gt(&["answer", "shop-a"]).out;
    assert!(!shown.contains(['\u{1b}', '\u{9b}']) && shown.contains("Red"), "{shown:?}");
    let beyond = folder.gt(&["answer", "shop-a", "3"]);
    assert_eq!((beyond.code, answer(&folder).is_null()), (4, true), "{}", beyond.all());
    // Who waits for an answer moves by nothing else.
    let _serving = folder.serve();
    let waited = folder.gt(&["wait", "bead/shop-a", "--for=condition=Closed", "--timeout", "5s"]);
    assert!(waited.code == 7 && waited.err.contains("asks: Red"), "{}", waited.all());
}

#[test]
fn any_other_answer_is_one_and_an_agent_gives_none() {
    let folder = asks(&question());
    let by_agent = folder.gt_as_agent(&["answer", "shop-a", "tabs"]);
    assert_ne!(by_agent.code, 0);
    assert!(answer(&folder).is_null(), "{}", by_agent.all());
    assert_eq!(folder.gt(&["answer", "shop-a", "8 spaces, as in the kernel"]).code, 0);
    assert_eq!(answer(&folder)["text"], "8 spaces, as in the kernel");
}
