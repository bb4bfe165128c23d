//! Runtime: whether its program is on this machine, looked for again until it is.

use crate::common::*;
use gastown_controllers::kinds::runtime::CONTROLLER;
use gastown_controllers::world::*;
use serde_json::json;

#[test]
fn a_program_that_is_not_there_is_looked_for_again() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("script");
    let program = Ask::Program(AskProgram("gt:script".into()));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=True Ok");
    scene.known(program.clone(), Fact::Program(false));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=False CommandNotFound (`gt:script` is not on PATH here: install it)");
    // From when something uses it; nothing else looks for it.
    assert_eq!(scene.add(rig("shop")).into_iter().filter(|it| *it == key).count(), 1);
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    script: Ready=False CommandNotFound (`gt:script` is not on PATH here: install it)
    again at 1060
    ");
    scene.unknown(program, "no answer");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=Unknown Unknown (no answer; waiting until it can be observed)");
}

#[test]
fn limits_that_do_not_hold_here_are_said_and_looked_for_again() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("script");
    scene.add(rig("shop"));
    scene.add(script_with(json!({"limits": {"memory": "2Gi", "cpu": "1500m"}})));
    scene.known(Ask::Limiting, Fact::Limiting(Limiting::Cgroup { memory: true, cpu: true }));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: LimitsEnforced=True Ok; Ready=True Ok");
    scene.known(Ask::Limiting, Fact::Limiting(Limiting::Cgroup { memory: true, cpu: false }));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    script: LimitsEnforced=False CannotLimit (its sessions run without a limit of cpu: `Delegate=` of user@.service does not list that); Ready=True Ok
    again at 1060
    ");
    scene.known(Ask::Limiting, Fact::Limiting(Limiting::No("systemd-run is not on PATH here".into())));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    script: LimitsEnforced=False CannotLimit (its sessions run without limits: systemd-run is not on PATH here); Ready=True Ok
    again at 1060
    ");
    // One that has no limits asks for nothing.
    scene.add(script_with(json!({"requests": {"memory": "2Gi"}})));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"script: Ready=True Ok");
}
