//! Town: the capacity in effect, and what this machine lacks.

use crate::common::*;
use gastown_controllers::kinds::town::{CONTROLLER, NAME};
use gastown_controllers::world::*;

#[test]
fn it_says_what_the_machine_lacks_and_does_not_guess_when_that_is_not_seen() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key(NAME);
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=False Ok; Ready=True Ok");
    let machine = Machine { cores: 4, polecats_max: None, degraded: Some("tmux is not there".into()) };
    scene.known(Ask::Machine, Fact::Machine(machine));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=True Degraded (tmux is not there); Ready=True Ok");
    scene.unknown(Ask::Machine, "no answer");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"town: Degraded=Unknown Unknown (no answer; waiting until it can be observed); Ready=Unknown Unknown (no answer; waiting until it can be observed)");
}

#[test]
fn a_bead_that_people_see_wakes_it() {
    let mut scene = Scene::default();
    assert!(scene.add(bead("shop-a", "shop")).contains(&CONTROLLER.key(NAME)));
}
