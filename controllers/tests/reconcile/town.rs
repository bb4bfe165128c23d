//! Town: the capacity in effect, and what this machine lacks.

use crate::common::*;
use gastown_controllers::kinds::town::{CONTROLLER, NAME};
use gastown_controllers::world::*;
use gastown_crds::bead::BeadState;
use gastown_crds::{Runtime, Town};
use serde_json::json;

#[test]
fn it_says_what_the_machine_lacks_and_does_not_guess_when_that_is_not_seen() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key(NAME);
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=False Ok; DiskPressure=False Ok; MemoryPressure=False Ok; Ready=True Ok");
    let machine = Machine { cores: 4, degraded: Some("tmux is not there".into()), ..Machine::default() };
    scene.known(Ask::Machine, Fact::Machine(machine));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=True Degraded (tmux is not there); DiskPressure=False Ok; MemoryPressure=False Ok; Ready=True Ok");
    scene.unknown(Ask::Machine, "no answer");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=Unknown Unknown (no answer; waiting until it can be observed); DiskPressure=False Ok; MemoryPressure=False Ok; Ready=Unknown Unknown (no answer; waiting until it can be observed)");
}

#[test]
fn its_mode_is_on_record_once_each_time_it_changes() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key(NAME);
    scene.rig(rig("shop")).rig(rig("site"));
    let role = json!({"title": "Shop", "type": "Role", "labels": ["team:a", "mode:normal"]});
    scene.bead(object("role-shop", role));
    let see = |scene: &mut Scene, degraded: Option<&str>| {
        let machine = Machine { cores: 4, degraded: degraded.map(str::to_owned), ..Machine::default() };
        scene.known(Ask::Machine, Fact::Machine(machine));
        let plan = scene.plan(&key);
        let mut town: Town = object("town", json!({"capacity": {"polecats": 2}}));
        town.status = plan.status.last().map(|it| serde_json::from_value(it.status.clone()).unwrap());
        let is_news = town.status.is_some();
        if is_news {
            scene.add(town);
        }
        (events(&plan).join("\n"), said(&plan).lines().next().unwrap_or_default().to_owned())
    };
    assert_eq!(see(&mut scene, None).0, "", "it has never been degraded");
    let (told, done) = see(&mut scene, Some("tmux is not there"));
    insta::assert_snapshot!(told, @r#"
    mode.degraded of town: {"reason":"tmux is not there"}
    mode.degraded of rig:shop: {"reason":"tmux is not there"}
    "#);
    assert_eq!(done, "label role-shop mode:degraded");
    assert_eq!(see(&mut scene, Some("tmux is not there")).0, "");
    assert_eq!(see(&mut scene, Some("tmux is not there, nor git")).0, "", "it has not changed");
    let (told, done) = see(&mut scene, None);
    insta::assert_snapshot!(told, @"
    mode.normal of town: {}
    mode.normal of rig:shop: {}
    ");
    assert!(done.starts_with("town: Degraded=False"), "the bead says so still: {done}");
    assert_eq!(see(&mut scene, None).0, "");
}

#[test]
fn it_says_what_is_short_while_somebody_waits_for_it() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key(NAME);
    scene.known(Ask::Free, Fact::Free(Free { memory: 300 << 20, disk: 50 << 30 }));
    assert!(said(&scene.plan(&key)).contains("MemoryPressure=False"), "nobody does");
    scene.rig(rig("shop")).bead(in_state(bead("shop-a", "shop"), BeadState::Ready));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    town: Degraded=False Ok; DiskPressure=False Ok; MemoryPressure=True Insufficient (300Mi of memory are free, and no session is started below 1Gi (capacity.minFreeMemory); what runs goes on); Ready=True Ok
    again at 1005
    ");
    scene.unknown(Ask::Free, "no /proc");
    assert!(said(&scene.plan(&key)).contains("MemoryPressure=Unknown"));
}

#[test]
fn what_the_whole_machine_could_not_give_needs_a_person_once_nobody_else_waits() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key(NAME);
    let mut small = rig("small");
    small.spec.runtime = Some("small".into());
    scene.rig(rig("shop")).rig(small);
    scene.add(script_with(json!({"requests": {"memory": "7.5Gi"}})));
    scene.add::<Runtime>(object(
        "small",
        json!({"command": ["gt:script"], "resources": {"requests": {"memory": "1Gi"}}}),
    ));
    scene.bead(in_state(bead("shop-a", "shop"), BeadState::Ready));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    town: Degraded=False Ok; DiskPressure=False Ok; MemoryPressure=True Unsatisfiable (6Gi of memory are free, and a session of Runtime `script` needs 7680Mi beside 1Gi (resources.requests, capacity.minFreeMemory); what runs goes on; this machine has 8Gi in all); Ready=True Ok
    again at 1005
    ");
    // One that fits, once there is room for it, is the town's own affair.
    scene.bead(in_state(bead("small-a", "small"), BeadState::Ready));
    assert!(said(&scene.plan(&key)).contains("MemoryPressure=True Insufficient"));
    scene.add(script_with(json!({"requests": {"memory": "6Gi"}})));
    scene.bead(in_state(bead("small-a", "small"), BeadState::Closed));
    assert!(said(&scene.plan(&key)).contains("MemoryPressure=True Insufficient"), "it fits into 8Gi, beside 1Gi");
}

#[test]
fn a_bead_that_people_see_wakes_it() {
    let mut scene = Scene::default();
    assert!(scene.add(bead("shop-a", "shop")).contains(&CONTROLLER.key(NAME)));
}
