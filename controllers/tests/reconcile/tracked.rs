//! Convoys that track beads which are there: they are asked for, counted and held, and never written.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::plan::Plan;
use gastown_crds::bead::{BeadState, BeadType, CloseReason, Closed};
use gastown_crds::{Bead, Convoy};
use serde_json::{Value, json};

fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    scene
}

fn key(name: &str) -> Key {
    gastown_controllers::convoy::CONTROLLER.key(name)
}

fn bead_key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

/// A convoy that tracks these beads.
fn convoy(name: &str, tracks: &[&str], more: &Value) -> Convoy {
    let tracks: Vec<Value> = tracks.iter().map(|bead| json!({ "bead": bead })).collect();
    let mut spec = json!({ "rig": "shop", "tracks": tracks });
    spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let mut convoy: Convoy = object(name, spec);
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    convoy
}

fn epic(name: &str) -> Bead {
    let mut bead = filed(name);
    bead.spec.type_ = BeadType::Epic;
    bead
}

fn closed(mut bead: Bead, reason: CloseReason) -> Bead {
    bead.spec.closed = Some(Closed { reason, message: None, at: at(1), by: "kim".into() });
    bead
}

fn landed(plan: &Plan) -> String {
    said(plan).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_a_convoy_tracks_is_asked_for_while_it_stands_there() {
    let mut scene = scene();
    scene.bead(filed("shop-a")).bead(epic("shop-e")).bead(epic("shop-e.1")).bead(part("shop-e.1.1", "shop-e.1"));
    let mut nested = epic("shop-e.1");
    nested.spec.parent = Some("shop-e".into());
    scene.bead(nested);
    let ready = |scene: &Scene, name: &str| said(&scene.plan(&bead_key(name))).contains("Ready=True");
    assert_eq!(["shop-a", "shop-e.1.1"].map(|name| ready(&scene, name)), [false, false]);
    let keys = scene.add(convoy("c", &["shop-a", "shop-e"], &json!({})));
    assert!(
        ["shop-a", "shop-e", "shop-e.1", "shop-e.1.1"].iter().all(|name| keys.contains(&bead_key(name))),
        "{keys:?}"
    );
    assert_eq!(["shop-a", "shop-e.1.1"].map(|name| ready(&scene, name)), [true, true]);
    // It writes none of them.
    insta::assert_snapshot!(said(&scene.plan(&key("c"))), @"c: 0/4 Landed=False InProgress (0 of 4 beads are closed)");
    // What an agent has filed is asked for by its own name only.
    let mut found = part("shop-e.2", "shop-e");
    found.spec.created_by = Some("shop/polecats/nux".into());
    scene.bead(found);
    assert!(!ready(&scene, "shop-e.2"));
    let keys = scene.add(convoy("c", &["shop-e.2"], &json!({})));
    assert!(keys.contains(&bead_key("shop-a")), "what is taken out looks again, too");
    assert_eq!(["shop-a", "shop-e.2"].map(|name| ready(&scene, name)), [false, true]);
    let mut leaving = convoy("c", &["shop-e.2"], &json!({}));
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(5)));
    scene.add(leaving);
    assert!(!ready(&scene, "shop-e.2"));
    insta::assert_snapshot!(said(&scene.plan(&key("c"))), @"finalizers of c: []");
}

#[test]
fn an_epic_is_landed_with_its_parts_and_those_that_come_later() {
    let mut scene = scene();
    scene.bead(epic("shop-e")).bead(part("shop-e.1", "shop-e")).bead(filed("shop-a"));
    scene.add(convoy("c", &["shop-e", "shop-a"], &json!({})));
    scene.bead(closed(epic("shop-e"), CloseReason::Done)).bead(closed(filed("shop-a"), CloseReason::Merged));
    let keys = scene.add(in_state(part("shop-e.1", "shop-e"), BeadState::Working));
    assert!(keys.contains(&key("c")), "{keys:?}");
    insta::assert_snapshot!(landed(&scene.plan(&key("c"))), @"c: 2/3 Landed=False InProgress (2 of 3 beads are closed)");
    scene.bead(closed(part("shop-e.1", "shop-e"), CloseReason::Merged));
    insta::assert_snapshot!(landed(&scene.plan(&key("c"))), @"c: 3/3 Landed=True Landed (all 3 beads are closed)");
    assert!(scene.add(part("shop-e.2", "shop-e")).contains(&key("c")));
    insta::assert_snapshot!(landed(&scene.plan(&key("c"))), @"c: 3/4 Landed=False InProgress (3 of 4 beads are closed)");
    assert!(
        said(&scene.plan(&bead_key("shop-e.2"))).contains("Ready=True"),
        "it is worked on, though its epic is closed"
    );
    // What stays open for ever, and what only says how things are, is no part of the work.
    let mut pinned = part("shop-e.2", "shop-e");
    pinned.spec.held = Some("pinned".into());
    let mut message = part("shop-e.3", "shop-e");
    message.spec.type_ = BeadType::Message;
    scene.bead(pinned).bead(message);
    assert!(landed(&scene.plan(&key("c"))).contains("Landed=True"));
}

#[test]
fn it_does_not_land_by_a_bead_that_is_not_there_nor_by_one_that_was_given_up() {
    let mut scene = scene();
    scene.bead(closed(filed("shop-a"), CloseReason::Merged));
    scene.add(convoy("c", &["shop-a", "shop-b"], &json!({})));
    insta::assert_snapshot!(landed(&scene.plan(&key("c"))), @"c: 1/2 Landed=False RefNotFound (no bead is named shop-b: file it, or take it out of the convoy's `tracks`; 1 of 2 beads are closed)");
    assert!(scene.add(closed(filed("shop-b"), CloseReason::Withdrawn)).contains(&key("c")));
    insta::assert_snapshot!(landed(&scene.plan(&key("c"))), @"c: 1/2 Landed=False NeedsYou (closed before they had landed: 1 of 2 beads, by kim; take them out of the convoy, or `gt delete` them to have them done again)");
    scene.bead(closed(filed("shop-b"), CloseReason::Merged));
    assert!(landed(&scene.plan(&key("c"))).contains("Landed=True"));
}

#[test]
fn what_has_landed_stays_landed_when_a_bead_of_it_is_deleted() {
    let mut scene = scene();
    scene.bead(closed(filed("shop-a"), CloseReason::Merged));
    let mut done = convoy("c", &["shop-a", "shop-b"], &json!({}));
    done.status = serde_json::from_value(json!({ "observedGeneration": 1, "conditions": [{ "type": "Landed",
        "status": "True", "reason": "Landed", "message": "", "lastTransitionTime": at(0) }] }))
    .unwrap();
    scene.add(done);
    assert!(landed(&scene.plan(&key("c"))).contains("Landed=True"), "{}", landed(&scene.plan(&key("c"))));
    scene.bead(filed("shop-a"));
    assert!(landed(&scene.plan(&key("c"))).contains("Landed=False"));
}

#[test]
fn what_it_made_and_what_it_tracks_count_once_each() {
    let mut scene = scene();
    let own = gastown_crds::names::bead("shop", "c", 1, "a");
    let beads = json!({ "beads": [{ "name": "a", "title": "a" }] });
    scene.add(convoy("c", &[&own, "shop-x"], &beads));
    let mut made: Bead = object(&own, json!({ "title": "a", "rig": "shop" }));
    made.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
    // Another convoy's: only its end is waited for.
    let mut other = in_state(bead("shop-x", "shop"), BeadState::Ready);
    other.metadata.labels = Some([("gastown.io/convoy".to_owned(), "d".to_owned())].into());
    scene.bead(in_state(made, BeadState::Ready)).bead(other);
    scene.add(convoy("d", &[], &json!({ "beads": [] })));
    assert!(landed(&scene.plan(&key("c"))).starts_with("c: 0/2 "), "{}", landed(&scene.plan(&key("c"))));
    scene.add(convoy("c", &[&own, "shop-x"], &json!({ "beads": [{ "name": "a", "title": "a" }], "suspend": true })));
    assert!(said(&scene.plan(&bead_key(&own))).contains("Suspended"));
    assert!(said(&scene.plan(&bead_key("shop-x"))).contains("Ready=True"));
}

#[test]
fn it_holds_what_it_tracks_and_bounds_how_much_of_it_is_worked_on_at_once() {
    let mut scene = scene();
    let ready = |name: &str| in_state(part(name, "shop-e"), BeadState::Ready);
    scene.bead(epic("shop-e")).bead(ready("shop-e.1")).bead(ready("shop-e.2"));
    let dispatched = |scene: &Scene| {
        let dispatch = gastown_controllers::polecat::DISPATCH.single_key().unwrap();
        said(&scene.plan(&dispatch)).matches("create polecat").count()
    };
    assert_eq!(dispatched(&scene), 0, "their status is older than that nobody asks for them any more");
    scene.add(convoy("c", &["shop-e"], &json!({})));
    assert_eq!(dispatched(&scene), 2);
    scene.add(convoy("c", &["shop-e"], &json!({ "parallelism": 1 })));
    assert_eq!(dispatched(&scene), 1);
    scene.polecat(polecat("shop", "nux")).bead(claimed(ready("shop-e.1"), "shop-nux"));
    assert_eq!(dispatched(&scene), 0);
    scene.add(convoy("c", &["shop-e"], &json!({})));
    scene.add(convoy("staged", &["shop-e.2"], &json!({ "suspend": true })));
    assert_eq!(dispatched(&scene), 0, "of several convoys the strongest hold counts");
    insta::assert_snapshot!(said(&scene.plan(&bead_key("shop-e.2"))), @"shop-e.2: Waiting Closed=False Open; Ready=False Suspended (its convoy `staged` is suspended)");
}
