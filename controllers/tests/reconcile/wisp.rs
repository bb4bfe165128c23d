//! Wisps: when they are removed, and what keeps them.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadStatus, CloseReason, Closed, WispType};
use insta::assert_snapshot;
use serde_json::json;

/// A day, in seconds: how long a patrol is kept.
const DAY: i64 = 24 * 60 * 60;

fn key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

/// A town after so many seconds.
fn after(seconds: i64) -> Scene {
    let mut scene = Scene { now: at(seconds), ..Scene::default() };
    scene.rig(rig("shop")).polecat(polecat("shop", "nux"));
    scene
}

/// A wisp of no work, written at this second.
fn wisp(name: &str, parent: Option<&str>, written: i64) -> Bead {
    let spec = json!({
        "title": format!("Do {name}"), "rig": "shop", "type": "Molecule", "suspend": true, "ephemeral": true, "parent": parent,
    });
    let mut wisp: Bead = object(name, spec);
    let written = (gastown_crds::common::ANNOTATION_UPDATED.to_owned(), at(written).to_string());
    wisp.metadata.annotations = Some([written].into());
    wisp
}

fn closed(mut bead: Bead, second: i64) -> Bead {
    bead.spec.closed = Some(Closed { reason: CloseReason::Done, message: None, at: at(second), by: "kim".into() });
    bead
}

#[test]
fn a_closed_one_is_removed_a_day_after_its_close() {
    let mut scene = after(DAY + 99);
    scene.bead(closed(wisp("w", None, 0), 100));
    assert_snapshot!(said(&scene.plan(&key("w"))), @"
    w: Closed Closed=True Done
    again at 86500
    ");
    scene.now = at(DAY + 100);
    assert_snapshot!(said(&scene.plan(&key("w"))), @"delete bead w");
}

#[test]
fn how_long_it_is_kept_follows_from_its_type() {
    let mut scene = after(7 * 60 * 60);
    for (name, type_) in [("h", WispType::Heartbeat), ("p", WispType::Patrol), ("r", WispType::Recovery)] {
        let mut wisp = closed(wisp(name, None, 0), 0);
        wisp.spec.wisp_type = Some(type_);
        scene.bead(wisp);
    }
    assert_snapshot!(said(&scene.plan(&key("h"))), @"delete bead h");
    assert_snapshot!(said(&scene.plan(&key("p"))), @"
    p: Closed Closed=True Done
    again at 86400
    ");
    assert_snapshot!(said(&scene.plan(&key("r"))), @"
    r: Closed Closed=True Done
    again at 604800
    ");
}

#[test]
fn an_open_one_is_removed_when_nobody_has_changed_it_for_a_day() {
    let mut scene = after(DAY + 50);
    scene.bead(wisp("old", None, 50)).bead(wisp("new", None, 60));
    assert_snapshot!(said(&scene.plan(&key("old"))), @"delete bead old");
    assert_snapshot!(said(&scene.plan(&key("new"))), @"
    new: Backlog Closed=False Open; Ready=False Backlog (in the backlog: `gt sling new` has it worked on)
    again at 86460
    ");
}

#[test]
fn what_is_no_wisp_stays_however_old_it_is() {
    let mut scene = after(365 * DAY);
    let mut bead = closed(wisp("b", None, 0), 0);
    bead.spec.ephemeral = false;
    scene.bead(bead);
    assert_snapshot!(said(&scene.plan(&key("b"))), @"b: Closed Closed=True Done");
}

#[test]
fn what_a_polecat_has_or_has_had_stays_and_so_does_what_is_pinned() {
    let mut scene = after(9 * DAY);
    let work = |name: &str| {
        let mut work = wisp(name, None, 0);
        work.spec.type_ = gastown_crds::bead::BeadType::Task;
        work
    };
    let mut had = work("had");
    had.status = Some(BeadStatus { last_polecat: Some("shop-nux".into()), ..BeadStatus::default() });
    let mut pinned = work("pinned");
    pinned.spec.held = Some("pinned".into());
    scene.bead(claimed(work("has"), "shop-nux")).bead(had).bead(pinned).bead(work("free"));
    scene.runs("has", vec![]).runs("had", vec![]);
    let removes = |name: &str| said(&scene.plan(&key(name))).contains("delete");
    assert_eq!(["has", "had", "pinned", "free"].map(removes), [false, false, false, true]);
}

#[test]
fn a_molecule_stays_while_a_part_of_it_is_open_and_goes_as_a_whole() {
    let mut scene = after(3 * DAY);
    let mut working = claimed(wisp("root.b", Some("root"), 0), "shop-nux");
    working.spec.needs = vec!["root.a".into()];
    scene.bead(wisp("root", None, 0)).bead(closed(wisp("root.a", Some("root"), 0), 0)).bead(working);
    scene.bead(wisp("root.c", Some("root"), 0)).runs("root.b", vec![]);
    let removes = |scene: &Scene| {
        ["root", "root.a", "root.b", "root.c"].map(|name| said(&scene.plan(&key(name))).contains("delete"))
    };
    // A polecat is at work on one of them.
    assert_eq!(removes(&scene), [false; 4]);
    // It was closed an hour ago.
    scene.bead(closed(wisp("root.b", Some("root"), 0), 3 * DAY - 3600));
    assert_eq!(removes(&scene), [false; 4]);
    // A day later what is open goes, from below; what is closed goes with the root.
    scene.now = at(4 * DAY);
    assert_eq!(removes(&scene), [false, false, false, true]);
    scene.remove::<Bead>("root.c");
    assert_eq!(removes_of(&scene, &["root", "root.a", "root.b"]), [true, false, false]);
    scene.remove::<Bead>("root");
    assert_eq!(removes_of(&scene, &["root.a", "root.b"]), [true, true]);
}

fn removes_of(scene: &Scene, names: &[&str]) -> Vec<bool> {
    names.iter().map(|name| said(&scene.plan(&key(name))).contains("delete")).collect()
}
