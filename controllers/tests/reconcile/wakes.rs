//! Wakes: who looks again when something changes, and who does not.

use std::collections::BTreeSet;

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::kinds::{bead as beads, convoy, formula, polecat as polecats, town};
use gastown_controllers::objects::Watched;
use gastown_controllers::world::*;
use gastown_crds::kinds::Registered;
use gastown_crds::{Convoy, Formula, Runtime, Town};
use kube::ResourceExt;
use serde_json::json;

/// A rig with one bead of a convoy, and a polecat.
fn scene() -> Scene {
    let mut scene = Scene::default();
    let mut one = bead("shop-a", "shop");
    one.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
    scene.rig(rig("shop")).polecat(polecat("shop", "nux")).bead(one);
    scene
}

fn woken<K: Watched>(old: K, new: K) -> BTreeSet<Key> {
    let mut scene = scene();
    scene.add(old);
    scene.add(new)
}

fn dispatch() -> Key {
    polecats::DISPATCH.single_key().unwrap()
}

fn bead_key() -> Key {
    beads::CONTROLLER.key("shop-a")
}

#[test]
fn a_formula_that_is_mended_wakes_the_beads_that_are_worked_by_it() {
    let text = |run: &str| object::<Formula>("work", json!({"steps": [{"name": "work", "run": run}]}));
    let own = formula::CONTROLLER.key("work");
    let keys = woken(text("{{nothing}}"), text("{{command}}"));
    assert_eq!(keys, BTreeSet::from([own.clone(), bead_key()]));
    assert_eq!(woken(text("a"), text("a")), BTreeSet::from([own]));
}

#[test]
fn the_status_of_a_town_or_a_convoy_wakes_nothing_below() {
    let own = town::CONTROLLER.key("town");
    let limits = |working: u32, limit: u32| {
        let mut town: Town = object("town", json!({"backoffLimit": limit}));
        town.status.get_or_insert_default().polecats_working = working;
        town
    };
    assert_eq!(woken(limits(1, 3), limits(2, 3)), BTreeSet::from([own.clone()]));
    let all = [own, dispatch(), polecats::CONTROLLER.key("shop-nux"), bead_key()];
    assert_eq!(woken(limits(1, 3), limits(1, 4)), BTreeSet::from(all));
    let standing = |progress: &str, deleted: bool| {
        let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": [{"name": "a", "title": "A"}]}));
        convoy.status.get_or_insert_default().progress = Some(progress.into());
        convoy.metadata.deletion_timestamp =
            deleted.then(|| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(5)));
        convoy
    };
    let own = convoy::CONTROLLER.key("c");
    assert_eq!(woken(standing("0/1", false), standing("1/1", false)), BTreeSet::from([own.clone()]));
    let all = BTreeSet::from([own, bead_key(), dispatch()]);
    assert_eq!(woken(standing("0/1", false), standing("0/1", true)), all);
}

/// What an object that names this says of it while it is absent, and who is woken when it comes.
fn absent<K: Watched + Registered>(scene: &mut Scene, key: &Key, missing: K) -> (String, bool) {
    scene.objects.change(K::row(), &missing.name_any(), None);
    let plan = said(&scene.plan(key));
    let is_woken = scene.add(missing).contains(key);
    (plan, is_woken)
}

#[test]
fn what_names_something_absent_waits_without_another_look_and_is_woken_by_its_arrival() {
    let mut scene = scene();
    let formula = || object::<Formula>("lint", json!({"steps": [{"name": "work", "run": "{{command}}"}]}));
    let runtime = || object::<Runtime>("mine", json!({"command": ["gt:script"]}));
    let mut linted = bead("shop-b", "shop");
    linted.spec.formula = Some("lint".into());
    scene.bead(claimed(linted, "shop-nux")).runs("shop-b", vec![]);
    let mut auth: Convoy = object("c", json!({"rig": "shop", "beads": [{"name": "a", "title": "A"}]}));
    auth.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(auth);
    let mut nux = polecat("shop", "nux");
    nux.spec.runtime = Some("mine".into());
    scene.polecat(nux).known(Ask::Newest(Track::Sandbox("shop-nux-uid".into())), Fact::Newest(None));
    scene.sandbox("shop-nux", SandboxFacts::default());
    let polecat = polecats::CONTROLLER.key("shop-nux");
    let found = [
        absent(&mut scene, &bead_key(), rig("shop")),
        absent(&mut scene, &beads::CONTROLLER.key("shop-b"), formula()),
        absent(&mut scene, &convoy::CONTROLLER.key("c"), rig("shop")),
        absent(&mut scene, &polecat, rig("shop")),
        absent(&mut scene, &polecat, runtime()),
    ];
    for (plan, is_woken) in &found {
        // A Rig and a Town only say what their polecats run by default: of that, the polecat speaks.
        assert!(plan.contains("RefNotFound (there is no "), "{plan}");
        assert!(!plan.contains("again at"), "{plan}");
        assert!(is_woken, "{plan}");
    }
}
