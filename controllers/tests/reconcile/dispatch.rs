//! Dispatch: who gets what, within which capacity.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::world::{Ask, AskRepo, Fact, Free, LandedBead, Owner};
use gastown_crds::bead::{BeadState, Waiting};
use gastown_crds::merge_request::MergeState;
use gastown_crds::polecat::{PolecatState, PolecatStatus};
use gastown_crds::{Convoy, Runtime, Town};
use serde_json::json;

fn dispatch() -> Key {
    gastown_controllers::polecat::DISPATCH.single_key().unwrap()
}

fn scene(beads: usize) -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    for n in 0..beads {
        scene.bead(in_state(bead(&format!("shop-{n}"), "shop"), BeadState::Ready));
    }
    scene
}

/// A bead that was begun, and waits for a slot and nothing else.
fn may_go_on(name: &str, polecat: &str) -> gastown_crds::Bead {
    in_state(waiting(bead(name, "shop"), polecat, Waiting::Slot), BeadState::Ready)
}

#[test]
fn makes_workers_first_and_no_more_than_the_town_may_have() {
    insta::assert_snapshot!(said(&scene(5).plan(&dispatch())), @"
    create polecat shop-nux
    create polecat shop-toast
    ");
}

#[test]
fn claims_on_the_bead_for_an_idle_polecat() {
    let mut scene = scene(1);
    scene.polecat(polecat("shop", "nux"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-0 for shop-nux");
}

/// Store and ledger are lost, and the same convoy is applied again.
#[test]
fn what_the_target_names_already_is_closed_and_never_begun() {
    let landed = |at_second| LandedBead { commit: oid('c'), at: at(at_second) };
    let mut scene = scene(2);
    scene.polecat(polecat("shop", "nux"));
    scene.lands("shop", [("shop-0".to_owned(), landed(500))].into());
    let plan = scene.plan(&dispatch());
    insta::assert_snapshot!(said(&plan), @"
    close shop-0 Merged
    claim shop-1 for shop-nux
    ");
    let text = format!("{:?}", plan.effects[0]);
    assert!(text.contains("landed before as cccccccccc"), "{text}");
    // What this town handed in itself is the merge queue's to judge.
    scene.request(request("shop-0", "shop", 1, MergeState::Rejected));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-0 for shop-nux
    create polecat shop-toast
    ");
    // Somebody has filed it after that commit, under a name that another had: it is other work.
    let mut filed = bead("shop-1", "shop");
    filed.spec.created_by = Some("human:overseer".into());
    filed.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(600)));
    scene.bead(in_state(filed, BeadState::Ready));
    scene.lands("shop", [("shop-1".to_owned(), landed(500))].into());
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-0 for shop-nux
    create polecat shop-toast
    ");
    scene.lands("shop", [("shop-1".to_owned(), landed(700))].into());
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-0 for shop-nux
    close shop-1 Merged
    ");
    // What cannot be seen begins nothing.
    let asked = AskRepo { owner: Owner::rig("shop", "shop-uid"), branch: Some("main".into()) };
    scene.unknown(Ask::Repo(asked), "git timed out");
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"");
}

#[test]
fn prefers_the_polecat_whose_sandbox_is_warm() {
    let mut scene = scene(0);
    scene.polecat(polecat("shop", "nux")).polecat(polecat("shop", "toast"));
    let mut again = in_state(bead("shop-9", "shop"), BeadState::Ready);
    again.status.as_mut().unwrap().last_polecat = Some("shop-toast".into());
    scene.bead(again);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-9 for shop-toast");
}

/// A branch may come back while the session that handed it in is still ending: its polecat has the conversation.
#[test]
fn prefers_the_polecat_that_had_it_although_its_session_is_ending() {
    let ending = |name: &str| {
        let mut polecat = polecat("shop", name);
        let state = PolecatState::Zombie;
        polecat.status = Some(PolecatStatus { state, conditions: ready(), ..PolecatStatus::default() });
        polecat
    };
    let mut scene = scene(0);
    scene.polecat(polecat("shop", "nux")).polecat(ending("toast"));
    let mut again = in_state(bead("shop-9", "shop"), BeadState::Ready);
    again.status.as_mut().unwrap().last_polecat = Some("shop-toast".into());
    scene.bead(again);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-9 for shop-toast");
    // Other work waits until it has ended.
    scene.bead(in_state(bead("shop-9", "shop"), BeadState::Ready)).polecat(ending("nux"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"create polecat shop-slit");
}

#[test]
fn counts_claims_not_sessions() {
    let mut scene = scene(2);
    scene.polecat(polecat("shop", "nux")).polecat(polecat("shop", "toast")).polecat(polecat("shop", "slit"));
    scene.bead(claimed(bead("shop-x", "shop"), "shop-nux"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-0 for shop-slit");
}

#[test]
fn who_waits_takes_no_place_and_gets_the_next_that_is_free() {
    let mut scene = scene(1);
    let mut one = may_go_on("shop-x", "shop-nux");
    one.spec.priority = 0;
    // The town has two slots.
    scene.bead(claimed(bead("shop-y", "shop"), "shop-toast"));
    scene.bead(waiting(bead("shop-z", "shop"), "shop-slit", Waiting::Bead)).polecat(polecat("shop", "slit"));
    scene.bead(one).polecat(polecat("shop", "nux"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-x for shop-nux");
    // Without it, the place is another's, and that gets a polecat of its own.
    scene.bead(waiting(bead("shop-x", "shop"), "shop-nux", Waiting::Bead));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"create polecat shop-toast");
}

#[test]
fn a_rig_that_keeps_its_beads_waiting_holds_its_own_places_and_no_others() {
    let mut scene = scene(1);
    let mut small = rig("shop");
    small.spec.polecats.max = Some(1);
    scene.rig(small).rig(rig("site"));
    scene.bead(waiting(bead("shop-x", "shop"), "shop-nux", Waiting::Rig));
    scene.bead(in_state(bead("site-1", "site"), BeadState::Ready));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"create polecat site-nux");
    // What is begun goes on, however many wait for the rig, and though it cannot be reached by then.
    let mut far = rig("shop");
    far.spec.polecats.max = Some(1);
    far.status = None;
    scene.rig(far);
    scene.bead(may_go_on("shop-y", "shop-slit"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-y for shop-slit
    create polecat site-nux
    ");
}

#[test]
fn where_many_beads_wait_no_more_are_begun() {
    let mut scene = scene(1);
    let mut small = rig("shop");
    small.spec.polecats.max = Some(1);
    scene.rig(small);
    let wait = |n: u32| waiting(bead(&format!("shop-x{n}"), "shop"), &format!("shop-p{n}"), Waiting::Bead);
    (1..4).for_each(|n| {
        scene.bead(wait(n));
    });
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"create polecat shop-nux");
    scene.bead(wait(4));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"");
    // One that may not go on, as its convoy is suspended, stops nobody.
    let mut held_back = in_state(waiting(bead("shop-x4", "shop"), "shop-p4", Waiting::Slot), BeadState::Waiting);
    let mut suspended = ready();
    suspended[0].reason = "Suspended".into();
    held_back.status.as_mut().unwrap().conditions = suspended;
    scene.bead(held_back);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"create polecat shop-nux");
    scene.bead(may_go_on("shop-x4", "shop-p4"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-x4 for shop-p4");
}

#[test]
fn a_more_urgent_bead_goes_first() {
    let mut scene = scene(1);
    scene.polecat(polecat("shop", "nux"));
    let mut urgent = in_state(bead("shop-z", "shop"), BeadState::Ready);
    urgent.spec.priority = 0;
    scene.bead(urgent);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-z for shop-nux
    create polecat shop-toast
    ");
}

#[test]
fn a_rig_that_is_parked_or_not_ready_gets_nothing() {
    let mut scene = scene(1);
    let mut parked = rig("shop");
    parked.spec.suspend = true;
    scene.rig(parked);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"");
}

#[test]
fn a_rigs_pool_and_a_convoys_parallelism_are_bounds_of_their_own() {
    let mut scene = scene(0);
    let mut small = rig("shop");
    small.spec.polecats.max = Some(1);
    scene.rig(small).rig(rig("site"));
    scene.add::<Convoy>(object("c", json!({"rig": "site", "parallelism": 1, "beads": [{"name": "a", "title": "A"}]})));
    for (name, rig) in [("shop-1", "shop"), ("shop-2", "shop"), ("site-1", "site"), ("site-2", "site")] {
        let mut bead = in_state(bead(name, rig), BeadState::Ready);
        if rig == "site" {
            bead.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
        }
        scene.bead(bead);
    }
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    create polecat shop-nux
    create polecat site-nux
    ");
}

#[test]
fn begins_nothing_below_what_must_be_free_and_looks_again_ever_later() {
    let free = |memory, disk| Fact::Free(Free { memory, disk });
    let mut scene = scene(2);
    scene.polecat(polecat("shop", "nux")).bead(may_go_on("shop-9", "shop-toast")).polecat(polecat("shop", "toast"));
    // By default a gibibyte of memory; five of disk, or a twentieth.
    scene.known(Ask::Free, free((1 << 30) - 1, 50 << 30));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    scene.known(Ask::Free, free(6 << 30, 4 << 30));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    let mut town: Town = object("town", json!({"capacity": {"polecats": 2, "minFreeDisk": "4Gi"}}));
    scene.add(town.clone());
    assert_eq!(scene.plan(&dispatch()).effects.len(), 2, "it is as the town says");
    // It has been short for 100 s.
    let condition =
        json!({"type": "DiskPressure", "status": "True", "reason": "Insufficient", "lastTransitionTime": at(900)});
    town.status = serde_json::from_value(json!({"conditions": [condition]})).unwrap();
    scene.add(town);
    scene.known(Ask::Free, free(6 << 30, 0));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1050");
    scene.unknown(Ask::Free, "no /proc");
    assert!(scene.plan(&dispatch()).effects.is_empty());
}

/// An agent's memory is not used yet when the next one is begun.
#[test]
fn what_is_being_started_is_taken_to_need_memory() {
    let mut scene = scene(2);
    scene.polecat(polecat("shop", "nux")).polecat(polecat("shop", "toast"));
    scene.known(Ask::Free, Fact::Free(Free { memory: (1 << 30) + (500 << 20), disk: 50 << 30 }));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-0 for shop-nux");
    // Claimed in an earlier round, it is not at work yet, and then it is.
    scene.bead(claimed(bead("shop-0", "shop"), "shop-nux"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    let mut works = polecat("shop", "nux");
    works.status = serde_json::from_value(json!({"state": "Working", "bead": "shop-0"})).unwrap();
    scene.polecat(works);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-1 for shop-toast");
}

#[test]
fn dispatches_nothing_while_the_machines_limits_are_unknown() {
    let mut scene = scene(3);
    scene.unknown(Ask::Machine, "no /proc");
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"");
}

/// One that needs more than there is waits alone.
#[test]
fn what_a_session_requests_has_to_be_free_beside_what_the_town_keeps() {
    let mut scene = scene(1);
    scene.polecat(polecat("shop", "nux"));
    scene.add(script_with(json!({"requests": {"memory": "3Gi"}})));
    scene.known(Ask::Free, Fact::Free(Free { memory: (4 << 30) - 1, disk: 50 << 30 }));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    scene.add(object::<Runtime>("small", json!({"command": ["small"]})));
    let mut site = rig("site");
    site.spec.runtime = Some("small".into());
    scene.rig(site).polecat(polecat("site", "nux")).bead(in_state(bead("site-0", "site"), BeadState::Ready));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim site-0 for site-nux
    again at 1005
    ");
    scene.known(Ask::Free, Fact::Free(Free { memory: 4 << 30, disk: 50 << 30 }));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"
    claim shop-0 for shop-nux
    claim site-0 for site-nux
    ");
}

#[test]
fn the_room_is_asked_for_the_runtime_of_whoever_would_work() {
    let mut scene = scene(1);
    scene.add(object::<Runtime>("big", json!({"command": ["big"], "resources": {"requests": {"memory": "8Gi"}}})));
    let mut nux = polecat("shop", "nux");
    nux.spec.runtime = Some("big".into());
    scene.polecat(nux);
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    let woken = scene.add(object::<Runtime>("big", json!({"command": ["big"]})));
    assert!(woken.contains(&dispatch()), "what it needs may fit now");
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-0 for shop-nux");
}

#[test]
fn the_room_is_asked_for_the_runtime_that_the_bead_names_whoever_works() {
    let mut scene = scene(1);
    scene.add(object::<Runtime>("big", json!({"command": ["big"], "resources": {"requests": {"memory": "8Gi"}}})));
    scene.polecat(polecat("shop", "nux"));
    let named = |runtime: &str| {
        let mut named = in_state(bead("shop-0", "shop"), BeadState::Ready);
        named.spec.runtime = Some(runtime.into());
        named
    };
    assert!(scene.add(named("big")).contains(&dispatch()), "it needs something else now");
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"again at 1005");
    let mut big = polecat("shop", "nux");
    big.spec.runtime = Some("big".into());
    scene.polecat(big).bead(named("script"));
    insta::assert_snapshot!(said(&scene.plan(&dispatch())), @"claim shop-0 for shop-nux");
}
