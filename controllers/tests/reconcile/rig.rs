//! Rig: its clone is made, and it is ready once its target is seen.

use crate::common::*;
use gastown_controllers::kinds::rig::{CONTROLLER, RigSettings};
use gastown_controllers::world::*;

fn asked() -> Ask {
    Ask::Repo(AskRepo { owner: Owner::rig("shop", "shop-uid"), branch: Some("main".into()) })
}

#[test]
fn it_is_cloned_and_waits_for_as_long_as_it_is_not_seen() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("shop");
    let rig = rig("shop");
    let clone = RigSettings::of(&rig).clone_job(1);
    scene.rig(rig.clone());
    scene.known(asked(), Fact::Repo(RepoFacts::default()));
    scene.known(Ask::Job(clone.key()), Fact::Job(JobState::Absent));
    scene.known(Ask::Newest(clone.track()), Fact::Newest(None));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"
    clone for shop, round 1
    shop: BaseRed=False Ok; Ready=False Cloning (cloning `/repos/shop.git`)
    ");
    scene.unknown(asked(), "no answer");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"shop: BaseRed=False Ok; Ready=Unknown Unknown (no answer; waiting until it can be observed)");
}

#[test]
fn a_rig_that_is_suspended_wants_nothing_of_the_world() {
    let mut scene = Scene::default();
    let mut rig = rig("shop");
    rig.spec.suspend = true;
    scene.rig(rig);
    insta::assert_snapshot!(said(&scene.plan(&CONTROLLER.key("shop"))), @"shop: BaseRed=False Ok; Ready=False Suspended (nothing is dispatched, fetched or landed here)");
}
