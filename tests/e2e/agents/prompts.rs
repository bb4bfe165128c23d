//! The ways in which a program is given its prompt, beside an argument: typed at its screen, or on its standard input.

use super::{one_bead, stands};
use crate::town::harness::{Town, wait_until};

/// What a worker does, as shell text, for a bead that it was told of.
const WORK: &str =
    "echo one > one.txt; git add --all; git commit -qm one; gt hook -o steps | xargs -n 1 bd close; gt done";

/// A town in which a shell works on a bead, with this text, by a Runtime that says this beside.
fn at_work(more: &str, text: &str) -> Town {
    let town = Town::new();
    let command = serde_json::json!(["sh", "-c", text]);
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {{name: shy}}\nspec: {{command: {command}, {more}}}\n"
    ));
    one_bead(&town, "shy");
    town.up();
    town
}

#[test]
fn a_prompt_is_typed_once_the_program_shows_where() {
    let text = format!(
        "echo starting; sleep 2; while printf '> ' && read -r line; do case $line in 'Please begin.') {WORK};; *) echo what;; esac; done"
    );
    let town = at_work("promptDelivery: Paste, prompt: Please begin.", &text);
    town.lands("day");
    let log = town.ok(&["logs", "polecat/shop-nux", "--screen"]);
    assert!(log.contains("> Please begin."), "{log}");
    assert!(!log.contains("what"), "{log}");
}

#[test]
fn a_program_that_takes_no_prompt_is_said() {
    let town = at_work("promptDelivery: Paste", "stty -echo; printf '> '; sleep 600");
    let said = stands(&town, "TurnEnded");
    assert_eq!(said, "its first prompt could not be given to it: it was typed, and its program shows nothing of it");
}

#[test]
fn a_prompt_is_read_from_standard_input() {
    let text = format!("prompt=$(cat); [ \"$prompt\" = 'Please begin.' ] || exit 9; {WORK}");
    let town = at_work("promptDelivery: Stdin, prompt: Please begin.", &text);
    town.lands("day");
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

/// A program without hooks is told at its prompt, once its screen is still.
#[test]
fn a_program_without_hooks_is_told_at_its_prompt() {
    let text =
        format!("while printf '> ' && read -r line; do echo \"got $line\"; case $line in *now*) {WORK};; esac; done");
    let town = at_work("promptDelivery: Argument", &text);
    stands(&town, "Working");
    let said = town.ok(&["nudge", "nux", "do it now"]);
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(said, format!("Delivered to shop-nux ({bead})"));
    town.lands("day");
    let log = wait_until(&town, "it is in the log", || Some(town.ok(&["logs", &format!("bead/{bead}"), "--screen"])));
    assert!(log.contains("do it now"), "{log}");
}
