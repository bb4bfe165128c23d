//! Beads that were filed by hand: the backlog, epics and their parts, and ties that block.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadType, ChildrenGate, CloseReason, Closed, Link};

fn key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    scene
}

fn epic(name: &str) -> Bead {
    let mut bead = bead(name, "shop");
    bead.spec.type_ = BeadType::Epic;
    bead
}

fn closed(mut bead: Bead, reason: CloseReason, message: &str) -> Bead {
    bead.spec.closed = Some(Closed { reason, message: Some(message.into()), at: at(1), by: "kim".into() });
    bead
}

#[test]
fn what_is_filed_waits_until_somebody_asks_for_it() {
    let mut scene = scene();
    let mut blocked = filed("shop-b");
    blocked.spec.needs = vec!["shop-a".into()];
    scene.bead(filed("shop-a")).bead(blocked);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"shop-a: Backlog Closed=False Open; Ready=False Backlog (in the backlog: `gt sling shop-a` has it worked on)");
    insta::assert_snapshot!(said(&scene.plan(&key("shop-b"))), @"shop-b: Blocked Closed=False Open; Ready=False NeedsOpen (waits for shop-a)");
}

#[test]
fn who_asks_for_an_epic_asks_for_its_parts_and_it_is_closed_after_them() {
    let mut scene = scene();
    scene.bead(epic("shop-e")).bead(part("shop-e.1", "shop-e"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-e.1"))), @"shop-e.1: Ready Closed=False Open; Ready=True Ready");
    insta::assert_snapshot!(said(&scene.plan(&key("shop-e"))), @"shop-e: Waiting Closed=False Open; Ready=False PartsOpen (0 of 1 parts are closed)");
    scene.bead(closed(part("shop-e.1", "shop-e"), CloseReason::Merged, "landed"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-e"))), @"
    close shop-e Done
    shop-e: Waiting Closed=False Open; Ready=False PartsOpen (1 of 1 parts are closed)
    ");
    let mut task = bead("shop-t", "shop");
    task.spec.type_ = BeadType::Task;
    scene.bead(task).bead(part("shop-t.1", "shop-t"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-t.1"))), @"shop-t.1: Backlog Closed=False Open; Ready=False Backlog (in the backlog: `gt sling shop-t.1` has it worked on)");
}

#[test]
fn a_part_waits_with_its_parent_and_never_for_itself() {
    let mut scene = scene();
    let mut upside_down = epic("shop-e");
    upside_down.spec.needs = vec!["shop-e.1".into(), "shop-x".into()];
    scene.bead(upside_down.clone()).bead(part("shop-e.1", "shop-e")).bead(bead("shop-x", "shop"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-e.1"))), @"shop-e.1: Waiting Closed=False Open; Ready=False NeedsOpen (its parent shop-e waits for shop-x)");
    scene.bead(closed(bead("shop-x", "shop"), CloseReason::Merged, "landed"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-e.1"))), @"shop-e.1: Ready Closed=False Open; Ready=True Ready");
    upside_down.spec.defer_until = Some(at(2_000_000_000));
    scene.bead(upside_down);
    let plan = scene.plan(&key("shop-e.1"));
    insta::assert_snapshot!(said(&plan).lines().last().unwrap_or_default(), @"again at 2000000000");
}

#[test]
fn children_are_waited_for_all_or_one_of_them() {
    let mut scene = scene();
    let waits = |gate| {
        let mut bead = bead("shop-w", "shop");
        bead.spec.links = vec![Link { to: "shop-e".into(), type_: "waits-for".into(), gate }];
        bead
    };
    scene.bead(epic("shop-e")).bead(part("shop-e.1", "shop-e")).bead(part("shop-e.2", "shop-e"));
    let mut state = |gate, one_is_closed: bool| {
        let one = part("shop-e.1", "shop-e");
        scene.bead(waits(gate)).bead(if one_is_closed { closed(one, CloseReason::Done, "") } else { one });
        said(&scene.plan(&key("shop-w"))).contains("Ready=True")
    };
    let (all, any) = (Some(ChildrenGate::AllChildren), Some(ChildrenGate::AnyChildren));
    assert_eq!([state(None, true), state(all, true), state(any, false), state(any, true)], [false, false, false, true]);
}

#[test]
fn what_is_for_the_case_of_a_failure_is_skipped_where_there_was_none() {
    let mut scene = scene();
    let mut repair = bead("shop-r", "shop");
    repair.spec.links = vec![Link { to: "shop-a".into(), type_: "conditional-blocks".into(), gate: None }];
    scene.bead(bead("shop-a", "shop")).bead(repair);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-r"))), @"shop-r: Waiting Closed=False Open; Ready=False NeedsOpen (waits for shop-a)");
    scene.bead(closed(bead("shop-a", "shop"), CloseReason::Withdrawn, "gave up"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-r"))), @"shop-r: Ready Closed=False Open; Ready=True Ready");
    scene.bead(closed(bead("shop-a", "shop"), CloseReason::Done, "Tests FAILED"));
    assert!(said(&scene.plan(&key("shop-r"))).contains("Ready=True"), "the reason says that it failed");
    scene.bead(closed(bead("shop-a", "shop"), CloseReason::Merged, "landed"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-r"))), @"
    close shop-r Skipped
    shop-r: Waiting Closed=False Open; Ready=False Skipped (it was for the case that shop-a fails, and that went well)
    ");
}

#[test]
fn what_people_set_by_hand_holds_and_a_pinned_bead_blocks_nothing() {
    let mut scene = scene();
    let held = |change: &dyn Fn(&mut Bead)| {
        let mut held = bead("shop-h", "shop");
        change(&mut held);
        let mut scene = Scene::default();
        scene.rig(rig("shop")).bead(held);
        said(&scene.plan(&key("shop-h")))
    };
    insta::assert_snapshot!(held(&|it| it.spec.held = Some("blocked".into())), @"shop-h: Waiting Closed=False Open; Ready=False Held (somebody set it to `blocked`: `bd update shop-h --status open` takes that back)");
    insta::assert_snapshot!(held(&|it| it.spec.assigned_to = Some("kim".into())), @"shop-h: Waiting Closed=False Open; Ready=False AssignedTo (kim has it)");
    insta::assert_snapshot!(held(&|it| it.spec.rig = String::new()), @"shop-h: Waiting Closed=False Open; Ready=False RefNotFound (names no rig: `bd update shop-h --rig RIG`)");
    let mut pinned = bead("shop-p", "shop");
    pinned.spec.held = Some("pinned".into());
    let mut after = bead("shop-q", "shop");
    after.spec.needs = vec!["shop-p".into()];
    scene.bead(pinned).bead(after);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-q"))), @"shop-q: Ready Closed=False Open; Ready=True Ready");
}

#[test]
fn a_record_is_as_it_is() {
    let mut scene = scene();
    let mut role = filed("role-deacon");
    role.spec.type_ = BeadType::Role;
    scene.bead(role);
    insta::assert_snapshot!(said(&scene.plan(&key("role-deacon"))), @"role-deacon: Backlog Closed=False Open");
}

#[test]
fn whoever_may_be_concerned_looks_again() {
    let mut scene = scene();
    scene.bead(epic("shop-e")).bead(part("shop-e.1", "shop-e")).bead(bead("shop-x", "shop"));
    let mut waits = bead("shop-w", "shop");
    waits.spec.links = vec![Link { to: "shop-e".into(), type_: "waits-for".into(), gate: None }];
    scene.bead(waits);
    let mut needs = epic("shop-e");
    needs.spec.needs = vec!["shop-x".into()];
    let woken = |keys: std::collections::BTreeSet<Key>, name: &str| keys.contains(&key(name));
    assert!(woken(scene.add(needs), "shop-e.1"), "a part, when its parent changes what it needs");
    assert!(
        woken(scene.add(closed(bead("shop-x", "shop"), CloseReason::Merged, "")), "shop-e.1"),
        "and when that is closed"
    );
    let keys = scene.add(closed(part("shop-e.1", "shop-e"), CloseReason::Merged, ""));
    assert!(keys.contains(&key("shop-e")) && keys.contains(&key("shop-w")), "who waits for parts");
}

#[test]
fn what_an_agent_has_filed_is_asked_for_by_a_person_and_not_with_its_epic() {
    let mut scene = scene();
    let mut found = part("shop-e.1", "shop-e");
    found.spec.created_by = Some("shop/polecats/nux".into());
    scene.bead(epic("shop-e")).bead(found);
    assert!(said(&scene.plan(&key("shop-e.1"))).starts_with("shop-e.1: Backlog"));
}

#[test]
fn a_bead_that_is_called_as_a_step_of_another_keeps_that_from_beginning() {
    let mut scene = scene();
    scene.bead(bead("shop-a", "shop")).bead(filed("shop-a.work"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"shop-a: Waiting Closed=False Open; Ready=False InvalidFormula (its step would be called shop-a.work, as another bead is: `bd delete shop-a.work`)");
}
