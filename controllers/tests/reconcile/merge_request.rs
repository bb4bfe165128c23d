//! MergeRequest: the queue of its rig decides about it, once the rig's clone is there.

use crate::common::*;
use gastown_controllers::kinds::merge_request::QUEUE;
use gastown_controllers::world::*;
use gastown_crds::Bead;
use gastown_crds::merge_request::MergeState;

fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).bead(bead("shop-a", "shop"));
    scene
}

#[test]
fn it_waits_for_the_clone_of_its_rig() {
    let mut scene = scene();
    let asked = AskRepo { owner: Owner::rig("shop", "shop-uid"), branch: Some("main".into()) };
    scene.known(Ask::Repo(asked), Fact::Repo(RepoFacts::default()));
    scene.request(request("shop-a", "shop", 1, MergeState::Queued));
    insta::assert_snapshot!(said(&scene.plan(&QUEUE.key("shop"))), @"shop-a-mr1: Queued Merged=False Queued (waits for its rig's clone)");
}

#[test]
fn it_wakes_the_queue_of_its_rig_and_is_withdrawn_when_its_bead_is_gone() {
    let mut scene = scene();
    let woken = scene.add(request("shop-a", "shop", 1, MergeState::Queued));
    assert!(woken.contains(&QUEUE.key("shop")));
    scene.remove::<Bead>("shop-a");
    insta::assert_snapshot!(said(&scene.plan(&QUEUE.key("shop"))), @"
    archive shop-a-mr1
    shop-a-mr1: Withdrawn Merged=False Withdrawn (its bead was closed otherwise)
    ");
}
