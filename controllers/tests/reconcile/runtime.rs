//! Runtime: whether its program is on this machine, looked for again until it is.

use crate::common::*;
use gastown_controllers::kinds::runtime::CONTROLLER;
use gastown_controllers::world::*;

#[test]
fn a_program_that_is_not_there_is_looked_for_again() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("script");
    let program = Ask::Program(AskProgram("gt:script".into()));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=True Ok");
    scene.known(program.clone(), Fact::Program(false));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    script: Ready=False CommandNotFound (`gt:script` is not on PATH here: install it)
    again at 1060
    ");
    scene.unknown(program, "no answer");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=Unknown Unknown (no answer; waiting until it can be observed)");
}
