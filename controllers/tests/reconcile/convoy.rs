//! Convoy: what it wants is there, what it no longer wants is withdrawn, and nothing that was worked on is lost.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::plan::{Effect, Write};
use gastown_crds::bead::{BeadState, CloseReason, Closed, Waiting};
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Bead, Convoy, names};
use serde_json::json;

fn key() -> Key {
    gastown_controllers::convoy::CONTROLLER.key("c")
}

/// A convoy of two beads, the second needing the first.
fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    convoy(&mut scene, &["a", "b"]);
    scene
}

fn convoy(scene: &mut Scene, wanted: &[&str]) {
    let needs = |name: &str| if name == "b" { vec!["a"] } else { vec![] };
    let beads: Vec<_> = wanted.iter().map(|name| json!({"name": name, "title": name, "needs": needs(name)})).collect();
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy);
}

fn name(bead: &str) -> String {
    names::bead("shop", "c", 1, bead)
}

fn made(short: &str, state: BeadState) -> Bead {
    let mut bead = in_state(object(&name(short), json!({"title": short, "rig": "shop"})), state);
    bead.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
    if short == "b" {
        bead.spec.needs = vec![name("a")];
    }
    bead
}

fn closed(mut bead: Bead, reason: CloseReason) -> Bead {
    bead.spec.closed = Some(Closed { reason, message: None, at: at(1), by: "gt".into() });
    bead
}

#[test]
fn makes_its_beads_in_the_order_of_their_needs() {
    let plan = said(&scene().plan(&key()));
    let at = |short: &str| plan.find(&format!("create bead {}", name(short))).unwrap();
    assert!(at("a") < at("b"), "{plan}");
    assert!(plan.ends_with("c: 0/2 Landed=False InProgress (0 of 2 beads are closed)"), "{plan}");
}

#[test]
fn a_missing_rig_withdraws_nothing() {
    let mut scene = Scene::default();
    convoy(&mut scene, &["a", "b"]);
    scene.bead(made("a", BeadState::Waiting)).bead(made("b", BeadState::Waiting));
    let plan = said(&scene.plan(&key()));
    assert_eq!(plan, "c: 0/2 Landed=False RefNotFound (there is no Rig named `shop`: apply it)");
}

#[test]
fn what_is_withdrawn_and_wanted_again_is_made_anew() {
    let mut scene = scene();
    scene.bead(closed(made("a", BeadState::Closed), CloseReason::Withdrawn)).bead(made("b", BeadState::Waiting));
    assert!(said(&scene.plan(&key())).starts_with(&format!("delete bead {}\n", name("a"))));
}

#[test]
fn work_that_was_just_handed_in_is_not_withdrawn() {
    let mut scene = scene();
    convoy(&mut scene, &["a"]);
    scene.bead(closed(made("a", BeadState::Closed), CloseReason::Merged));
    // Released because its branch was handed in; its status still says that it is worked on.
    scene.bead(made("b", BeadState::Working)).request(request(&name("b"), "shop", 1, MergeState::Queued));
    assert!(scene.plan(&key()).effects.is_empty());
    scene.request(request(&name("b"), "shop", 1, MergeState::Rejected));
    assert_eq!(said(&scene.plan(&key())).lines().next().unwrap(), format!("close {} Withdrawn", name("b")));
}

#[test]
fn one_that_is_deleted_says_what_it_waits_for_and_goes_then() {
    let mut scene = scene();
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": []}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    convoy.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(5)));
    scene.add(convoy);
    scene.bead(claimed(made("a", BeadState::Working), "shop-nux")).bead(made("b", BeadState::Waiting));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    close shop-k33ehjkk Withdrawn
    c: Landed=False InProgress (is being deleted; goes once nobody is at work on shop-zmnkj5fi, and none of it is landing)
    ");
    scene.bead(closed(made("a", BeadState::Closed), CloseReason::Merged));
    scene.bead(closed(made("b", BeadState::Closed), CloseReason::Withdrawn));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"finalizers of c: []");
}

#[test]
fn a_bead_whose_polecat_waits_may_be_changed_and_withdrawn() {
    let mut scene = scene();
    let mut other = waiting(made("a", BeadState::Waiting), "shop-nux", Waiting::Bead);
    other.spec.title = "Older".into();
    scene.bead(other).bead(waiting(made("b", BeadState::Waiting), "shop-slit", Waiting::Slot));
    let plan = scene.plan(&key());
    let Effect::Write(Write::Patch { patch, .. }) = &plan.effects[0] else { panic!("{plan:?}") };
    // Who has it stays as it is.
    assert_eq!(*patch, json!({ "spec": { "title": "a" } }));
    convoy(&mut scene, &["a"]);
    assert!(said(&scene.plan(&key())).contains(&format!("close {} Withdrawn", name("b"))));
}

/// The runtime that the scene's convoy names for all, and for one.
fn runtimes(scene: &mut Scene, all: Option<&str>, one: Option<&str>) {
    let beads = json!([{"name": "a", "title": "New", "runtime": one}, {"name": "b", "title": "b", "needs": ["a"]}]);
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "runtime": all, "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy);
}

fn patches(scene: &Scene) -> Vec<serde_json::Value> {
    let patch = |effect: &Effect| match effect {
        Effect::Write(Write::Patch { patch, .. }) => Some(patch.clone()),
        _ => None,
    };
    scene.plan(&key()).effects.iter().filter_map(patch).collect()
}

#[test]
fn its_beads_are_given_the_runtime_that_they_or_it_names() {
    let mut scene = scene();
    scene.bead(made("a", BeadState::Waiting)).bead(made("b", BeadState::Waiting));
    runtimes(&mut scene, Some("codex"), Some("claude"));
    assert_eq!(
        patches(&scene),
        [json!({ "spec": { "title": "New", "runtime": "claude" } }), json!({ "spec": { "runtime": "codex" } })]
    );
    runtimes(&mut scene, None, Some("claude"));
    assert_eq!(patches(&scene), [json!({ "spec": { "title": "New", "runtime": "claude" } })]);
}

#[test]
fn a_bead_that_is_worked_on_keeps_its_text_and_is_given_another_runtime_for_its_next_attempt() {
    let mut scene = scene();
    scene.bead(claimed(made("a", BeadState::Working), "shop-nux")).bead(made("b", BeadState::Waiting));
    runtimes(&mut scene, None, Some("claude"));
    assert_eq!(patches(&scene), [json!({ "spec": { "runtime": "claude" } })]);
    // It was that runtime's, and is nobody's in particular any more.
    let mut given = claimed(made("a", BeadState::Working), "shop-nux");
    given.spec.runtime = Some("claude".into());
    scene.bead(given);
    assert_eq!(patches(&scene), [] as [serde_json::Value; 0]);
    runtimes(&mut scene, None, None);
    assert_eq!(patches(&scene), [json!({ "spec": { "runtime": null } })]);
}

#[test]
fn has_landed_only_once_all_that_it_wants_now_is_closed() {
    let mut scene = scene();
    scene.bead(closed(made("a", BeadState::Closed), CloseReason::Merged));
    scene.bead(closed(made("b", BeadState::Closed), CloseReason::NoChanges));
    assert!(said(&scene.plan(&key())).ends_with("c: 2/2 Landed=True Landed (all 2 beads are closed)"));
    // One bead is replaced by another: as many are closed as are wanted, and it has not landed.
    convoy(&mut scene, &["a", "c"]);
    let plan = said(&scene.plan(&key()));
    assert!(plan.starts_with("create bead ") && plan.contains("Landed=False"), "{plan}");
}

/// The scene, in which `a` is worked on and its convoy no longer wants it.
fn removed_at_work(on_remove: &str) -> Scene {
    let mut scene = scene();
    let beads = json!([{"name": "b", "title": "b"}]);
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "onRemove": on_remove, "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy);
    scene.bead(claimed(made("a", BeadState::Working), "shop-nux"));
    scene
}

#[test]
fn what_is_taken_out_while_it_is_worked_on_is_finished_or_cancelled() {
    let closes = |scene: &Scene| said(&scene.plan(&key())).contains(&format!("close {} Withdrawn", name("a")));
    assert!(!closes(&removed_at_work("Finish")));
    let mut scene = removed_at_work("Cancel");
    assert!(closes(&scene));
    // Landing, it does not land; but what is being pushed is on its way.
    scene.bead(made("a", BeadState::Landing)).request(request(&name("a"), "shop", 1, MergeState::Queued));
    assert!(closes(&scene));
    scene.request(because(request(&name("a"), "shop", 1, MergeState::Queued), "Pushing"));
    assert!(!closes(&scene));
    scene.request(request(&name("a"), "shop", 1, MergeState::Merged));
    assert!(!closes(&scene));
}

#[test]
fn what_a_person_closed_before_it_landed_is_not_landed_and_not_made_again() {
    let mut scene = scene();
    let mut given_up = closed(made("a", BeadState::Closed), CloseReason::Withdrawn);
    given_up.spec.closed.as_mut().unwrap().by = "kim".into();
    scene.bead(given_up).bead(closed(made("b", BeadState::Closed), CloseReason::Merged));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"c: 1/2 Landed=False NeedsYou (closed before they had landed: 1 of 2 beads, by kim; take them out of the convoy, or `gt delete` them to have them done again)");
    // Without it the convoy has landed.
    let beads = json!([{"name": "b", "title": "b"}]);
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy);
    assert!(said(&scene.plan(&key())).contains("Landed=True"), "{}", said(&scene.plan(&key())));
}

/// A convoy of one bead `a` that needs these.
fn needy(scene: &mut Scene, name: &str, needs: &[&str]) -> std::collections::BTreeSet<Key> {
    let beads = json!([{"name": "a", "title": "a", "needs": needs}]);
    let mut convoy: Convoy = object(name, json!({"rig": "shop", "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy)
}

/// The bead `a` of a convoy, as made by it.
fn made_by(convoy: &str, needs: &[&str]) -> Bead {
    let mut bead: Bead =
        object(&names::bead("shop", convoy, 1, "a"), json!({"title": "a", "rig": "shop", "needs": needs}));
    let labels = [("gastown.io/convoy", convoy), ("gastown.io/bead", "a")];
    bead.metadata.labels = Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into());
    bead
}

fn key_of(name: &str) -> Key {
    gastown_controllers::convoy::CONTROLLER.key(name)
}

#[test]
fn a_bead_that_needs_one_of_another_convoy_is_made_once_that_is_there() {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    needy(&mut scene, "c", &["d/a", "shop-x"]);
    insta::assert_snapshot!(said(&scene.plan(&key_of("c"))), @"c: 0/1 Landed=False RefNotFound (bead `a` needs `d/a`, which is not there: it is made once that is)");
    assert!(needy(&mut scene, "d", &[]).contains(&key_of("c")));
    assert!(scene.add(made_by("d", &[])).contains(&key_of("c")));
    insta::assert_snapshot!(said(&scene.plan(&key_of("c"))), @"c: 0/1 Landed=False RefNotFound (bead `a` needs `shop-x`, which is not there: it is made once that is)");
    assert!(scene.add(bead("shop-x", "shop")).contains(&key_of("c")));
    let plan = scene.plan(&key_of("c"));
    let Effect::Write(Write::Create { object, .. }) = &plan.effects[0] else { panic!("{plan:?}") };
    assert_eq!(object["spec"]["needs"], json!([names::bead("shop", "d", 1, "a"), "shop-x"]));
    // Once it is made, what goes does not take it back; nor does the convoy that has made what it needs.
    scene.bead(made_by("c", &[&names::bead("shop", "d", 1, "a"), "shop-x"]));
    scene.remove::<Bead>("shop-x");
    scene.remove::<Convoy>("d");
    insta::assert_snapshot!(said(&scene.plan(&key_of("c"))), @"c: 0/1 Landed=False InProgress (0 of 1 beads are closed)");
}

#[test]
fn beads_that_need_each_other_across_convoys_say_by_which_way() {
    let mut scene = Scene::default();
    scene.rig(rig("shop"));
    needy(&mut scene, "c", &["d/a"]);
    needy(&mut scene, "d", &["shop-x"]);
    let mut between = bead("shop-x", "shop");
    between.spec.needs = vec![names::bead("shop", "c", 1, "a")];
    scene.bead(between.clone());
    // It goes on by what is there: what is not made yet blocks nothing.
    assert!(said(&scene.plan(&key_of("d"))).contains("create bead"));
    insta::assert_snapshot!(said(&scene.plan(&key_of("c"))), @"c: 0/1 Landed=False RefNotFound (beads need each other in a circle: c/a → d/a → shop-x → c/a; take one of these needs out)");
    between.spec.needs = Vec::new();
    assert!(scene.add(between).contains(&key_of("d")), "whatever may have changed a circle");
}

/// A convoy of two attempts at one thing, and a bead beside them.
fn competition(scene: &mut Scene) {
    let attempt = |name: &str| json!({"name": name, "title": name, "competition": "parser"});
    let beads = json!([attempt("a"), attempt("b"), {"name": "x", "title": "x"}]);
    let mut convoy: Convoy = object("c", json!({"rig": "shop", "beads": beads}));
    convoy.metadata.finalizers = Some(vec!["gastown.io/beads".into()]);
    scene.add(convoy);
}

fn attempt(short: &str, state: BeadState) -> Bead {
    let mut bead = made(short, state);
    bead.spec.needs = Vec::new();
    bead.metadata.labels.get_or_insert_default().insert("gastown.io/bead".into(), short.into());
    bead
}

#[test]
fn of_attempts_at_the_same_thing_the_first_that_lands_wins_and_they_count_once() {
    let mut scene = scene();
    competition(&mut scene);
    let last = |scene: &Scene| said(&scene.plan(&key())).lines().last().unwrap().to_owned();
    scene.bead(closed(attempt("x", BeadState::Closed), CloseReason::Merged));
    scene.bead(claimed(attempt("a", BeadState::Working), "shop-nux")).bead(attempt("b", BeadState::SetAside));
    insta::assert_snapshot!(last(&scene), @"c: 1/2 Landed=False InProgress (1 of 2 beads are closed)");
    scene.bead(closed(attempt("b", BeadState::Closed), CloseReason::Merged));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    close shop-zmnkj5fi Withdrawn
    c: 2/2 Landed=True Landed (all 2 beads are closed)
    ");
    // What is being pushed lands too; and what has lost is not made again.
    scene
        .bead(attempt("a", BeadState::Landing))
        .request(because(request(&name("a"), "shop", 1, MergeState::Queued), "Pushing"));
    assert!(scene.plan(&key()).effects.is_empty());
    scene.bead(closed(attempt("a", BeadState::Closed), CloseReason::Withdrawn));
    assert!(scene.plan(&key()).effects.is_empty());
    assert!(last(&scene).contains("Landed=True"), "{}", last(&scene));
    scene.remove::<Bead>(&name("a"));
    assert!(scene.plan(&key()).effects.is_empty());
}

#[test]
fn a_competition_needs_a_person_once_all_of_its_attempts_are_given_up() {
    let mut scene = scene();
    competition(&mut scene);
    scene.bead(closed(attempt("x", BeadState::Closed), CloseReason::Merged));
    let given_up = |short: &str| {
        let mut bead = closed(attempt(short, BeadState::Closed), CloseReason::Withdrawn);
        bead.spec.closed.as_mut().unwrap().by = "kim".into();
        bead
    };
    scene.bead(given_up("a")).bead(attempt("b", BeadState::Ready));
    assert!(said(&scene.plan(&key())).contains("InProgress"), "the other one goes on");
    scene.bead(given_up("b"));
    assert!(said(&scene.plan(&key())).contains("NeedsYou"), "{}", said(&scene.plan(&key())));
    // One that found nothing to change has not won, and leaves nothing to do where it is the last.
    scene.bead(closed(attempt("b", BeadState::Closed), CloseReason::NoChanges));
    assert!(said(&scene.plan(&key())).contains("Landed=True"));
}
