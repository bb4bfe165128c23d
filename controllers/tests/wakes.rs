//! Wakes: who looks again when something changes, and who does not.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::*;
use gastown_controllers::objects::{Kind, Object};
use gastown_controllers::wakes::{Key, wakes};
use gastown_crds::{Convoy, Formula, Town};
use serde_json::json;

/// A rig with one bead of a convoy, and a polecat.
fn scene() -> Scene {
    let mut scene = Scene::default();
    let mut one = bead("shop-a", "shop");
    one.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
    scene.rig(rig("shop")).polecat(polecat("shop", "nux")).bead(one);
    scene
}

fn woken(kind: Kind, old: Object, new: Object) -> BTreeSet<Key> {
    let mut scene = scene();
    scene.add(new.clone());
    wakes(kind, Some(&old), Some(&new), &scene.objects)
}

fn bead_key() -> Key {
    Key::Bead("shop-a".into())
}

#[test]
fn a_formula_that_is_mended_wakes_the_beads_that_are_worked_by_it() {
    let formula = |run: &str| {
        Object::Formula(Arc::new(object::<Formula>("work", json!({"steps": [{"name": "work", "run": run}]}))))
    };
    let keys = woken(Kind::Formula, formula("{{nothing}}"), formula("{{command}}"));
    assert_eq!(keys, BTreeSet::from([Key::Formula("work".into()), bead_key()]));
    assert_eq!(woken(Kind::Formula, formula("a"), formula("a")), BTreeSet::from([Key::Formula("work".into())]));
}

#[test]
fn the_status_of_a_town_or_a_convoy_wakes_nothing_below() {
    let town = |working: u32, limit: u32| {
        let mut town: Town = object("town", json!({"backoffLimit": limit}));
        town.status.get_or_insert_default().polecats_working = working;
        Object::Town(Arc::new(town))
    };
    assert_eq!(woken(Kind::Town, town(1, 3), town(2, 3)), BTreeSet::from([Key::Town]));
    let all = [Key::Town, Key::Dispatch, Key::Polecat("shop-nux".into()), bead_key()];
    assert_eq!(woken(Kind::Town, town(1, 3), town(1, 4)), BTreeSet::from(all));
    let convoy = |progress: &str, deleted: bool| {
        let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": [{"name": "a", "title": "A"}]}));
        convoy.status.get_or_insert_default().progress = Some(progress.into());
        convoy.metadata.deletion_timestamp =
            deleted.then(|| k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(5)));
        Object::Convoy(Arc::new(convoy))
    };
    let own = Key::Convoy("c".into());
    assert_eq!(woken(Kind::Convoy, convoy("0/1", false), convoy("1/1", false)), BTreeSet::from([own.clone()]));
    let all = BTreeSet::from([own, bead_key(), Key::Dispatch]);
    assert_eq!(woken(Kind::Convoy, convoy("0/1", false), convoy("0/1", true)), all);
}
