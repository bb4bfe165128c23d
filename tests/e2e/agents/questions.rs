//! The question tools of agents' own programs: what would be on a screen that nobody looks at is put to a person instead.

use super::clis::CLAUDE;
use super::model::{Line, Model, asks};
use super::{conversation, one_bead, stands, wait_until, worker};

/// The built-in Runtime, which has the tool switched off.
const BUILT_IN: &str = include_str!("../../../manifests/claude.yaml");

#[test]
fn claudes_own_question_is_answered_from_anywhere() {
    if !CLAUDE.is_here() {
        return;
    }
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, asks("Tabs or spaces?"));
    lines.insert(2, Line::Say("I have asked.".to_owned()));
    let model = Model::plays(lines);
    let town = CLAUDE.town(&model);
    let runtime =
        BUILT_IN.replace("name: claude\n", "name: asking\n").replace("--disallowedTools, AskUserQuestion, ", "");
    assert!(!runtime.contains("disallowedTools"));
    town.apply(&runtime);
    one_bead(&town, "asking");
    town.up();
    assert_eq!(stands(&town, "Asking"), "Tabs or spaces?\n- tabs: one a level\n- spaces: four a level");
    wait_until(&town, "its slot is free", || (town.bead("one")["spec"]["assignee"]["waiting"] == "Bead").then_some(()));
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(model.asked().contains("Your question was put to a person (q1): end your turn now"), "the model is told");
    assert_eq!(town.ok(&["answer", &bead, "2"]), format!("bead/{bead} answered: spaces"));
    town.lands("day");
    // No menu was opened: the call was refused, once, and the same conversation went on with the answer.
    assert_eq!(model.played(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(conversation(&town, 2)["id"], conversation(&town, 1)["id"]);
    assert!(model.asked().contains("The answer, by"), "it is told the answer");
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None);
}
