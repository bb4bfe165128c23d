//! Runtime: which one works on a bead, and whether its program is on this machine, looked for again until it is.

use crate::common::*;
use gastown_controllers::kinds::runtime::CONTROLLER;
use gastown_controllers::plan::Effect;
use gastown_controllers::world::*;
use gastown_crds::bead::{CloseReason, Closed};
use gastown_crds::{Bead, Convoy, Runtime, Town};
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

/// A bead on a polecat's hook, its worktree ready, and a Runtime for each of these names.
fn choice(names: &[&str]) -> Scene {
    let mut scene = crate::polecat::scene();
    scene.sandbox("shop-nux", crate::polecat::sandbox(Session::None)).runs("shop-a", vec![]);
    for name in names {
        scene.add(object::<Runtime>(name, json!({"command": [name]})));
        scene.known(Ask::Program(AskProgram((*name).into())), Fact::Program(true));
    }
    scene
}

fn names(runtime: &str) -> Bead {
    let mut bead = claimed(bead("shop-a", "shop"), "shop-nux");
    bead.spec.runtime = Some(runtime.into());
    bead
}

/// The Runtime of the session that is started.
fn started(scene: &Scene) -> String {
    let started = scene.plan(&crate::polecat::key()).effects.into_iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec.runtime.name),
        _ => None,
    });
    started.expect("a session is started")
}

#[test]
fn the_smallest_that_names_a_runtime_decides_which_works_on_a_bead() {
    let mut scene = choice(&["towns", "rigs", "polecats", "beads"]);
    assert_eq!(started(&scene), "script");
    scene.add(object::<Town>("town", json!({"runtime": "towns"})));
    assert_eq!(started(&scene), "towns");
    let mut shop = rig("shop");
    shop.spec.runtime = Some("rigs".into());
    scene.rig(shop);
    assert_eq!(started(&scene), "rigs");
    let mut nux = polecat("shop", "nux");
    nux.spec.runtime = Some("polecats".into());
    scene.polecat(nux);
    assert_eq!(started(&scene), "polecats");
    assert!(scene.add(names("beads")).contains(&crate::polecat::key()), "it looks again");
    assert_eq!(started(&scene), "beads");
}

#[test]
fn another_runtime_is_no_other_text_and_what_runs_goes_on() {
    let mut scene = choice(&["mine"]);
    let running = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
    scene.sandbox("shop-nux", crate::polecat::sandbox(running)).bead(names("mine"));
    assert_eq!(said(&scene.plan(&crate::polecat::key())), "shop-nux: Working Ready=True Working");
    // What was tried by another counts all the same, and the next attempt is in the worktree as it is.
    scene.sandbox("shop-nux", crate::polecat::sandbox(Session::None));
    scene.runs("shop-a", vec![crate::polecat::run(1, crate::polecat::died(900))]);
    assert_eq!(started(&scene), "mine");
}

#[test]
fn what_one_bead_wants_and_is_not_there_keeps_no_other_bead_of_its_rig_from_work() {
    let mut scene = choice(&["mine"]);
    let waits = |scene: &Scene| said(&scene.plan(&crate::polecat::key())).lines().next().unwrap().to_owned();
    scene.known(Ask::Program(AskProgram("mine".into())), Fact::Program(false));
    let mut shop = rig("shop");
    shop.spec.runtime = Some("mine".into());
    scene.rig(shop);
    assert_eq!(waits(&scene), "shop-nux waits with shop-a for its Rig");
    scene.bead(names("mine"));
    assert_eq!(waits(&scene), "shop-nux waits with shop-a for its Bead");
    scene.bead(names("nobodys"));
    assert_eq!(waits(&scene), "shop-nux waits with shop-a for its Bead");
    scene.add(object::<Runtime>("mine", json!({"command": ["mine"], "skipsPermissions": true})));
    scene.bead(names("mine"));
    assert_eq!(waits(&scene), "shop-nux waits with shop-a for its Bead");
}

#[test]
fn one_that_only_work_names_is_used_until_the_work_is_done() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("mine");
    scene.rig(rig("shop")).add(object::<Runtime>("mine", json!({"command": ["mine"]})));
    scene.known(Ask::Program(AskProgram("mine".into())), Fact::Program(false));
    let is_used = |scene: &Scene| said(&scene.plan(&key)).contains("again at");
    assert!(!is_used(&scene));
    let convoy = |landed: bool| {
        let beads = json!([{"name": "a", "title": "A"}, {"name": "b", "title": "B", "runtime": "mine"}]);
        let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": beads}));
        let condition =
            json!({"type": "Landed", "status": "True", "reason": "Landed", "message": "", "lastTransitionTime": at(0)});
        let status = convoy.status.get_or_insert_default();
        status.observed_generation = Some(1);
        status.conditions.extend(landed.then(|| serde_json::from_value(condition).unwrap()));
        convoy
    };
    assert!(scene.add(convoy(false)).contains(&key) && is_used(&scene));
    assert!(!scene.add(convoy(false)).contains(&key), "nothing that matters here has changed");
    assert!(scene.add(convoy(true)).contains(&key) && !is_used(&scene));
    assert!(scene.add(names("mine")).contains(&key) && is_used(&scene));
    let mut done = names("mine");
    done.spec.assignee = None;
    done.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    assert!(scene.add(done).contains(&key) && !is_used(&scene));
}
