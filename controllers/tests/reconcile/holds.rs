//! Holds: what a person keeps from being begun, from going on and from landing, and when that ends by itself.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::kinds::{bead as beads, convoy, merge_request, polecat as polecats, rig as rigs, town};
use gastown_controllers::objects::Watched;
use gastown_controllers::world::*;
use gastown_crds::bead::{BeadState, Waiting};
use gastown_crds::merge_request::MergeState;
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, Mode, Override};
use gastown_crds::{Bead, Convoy, Rig, Town};
use kube::ResourceExt;
use serde_json::json;

/// The same object, of which a person has said this.
fn held<K: kube::Resource>(mut object: K, mode: Mode, until: Option<i64>) -> K {
    let said = Override { mode, by: "kim".into(), at: at(900), reason: None, until: until.map(at) };
    object.annotations_mut().insert(ANNOTATION_OVERRIDE.to_owned(), json!(said).to_string());
    object
}

fn the_town() -> Town {
    object("town", json!({"capacity": {"polecats": 2}}))
}

fn dispatch() -> Key {
    polecats::DISPATCH.single_key().unwrap()
}

fn queue() -> Key {
    merge_request::QUEUE.key("shop")
}

/// A ready bead of convoy `c`, and one that was begun and waits for a slot; a polecat for each.
fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).polecat(polecat("shop", "nux")).polecat(polecat("shop", "toast"));
    scene.bead(ready_bead());
    let begun = in_state(waiting(bead("shop-b", "shop"), "shop-toast", Waiting::Slot), BeadState::Ready);
    scene.bead(begun).runs("shop-b", vec![]);
    scene.add(the_convoy());
    scene
}

fn the_convoy() -> Convoy {
    object("c", json!({"rig": "shop", "beads": [{"name": "a", "title": "A"}]}))
}

fn ready_bead() -> Bead {
    let mut one = in_state(bead("shop-a", "shop"), BeadState::Ready);
    one.metadata.labels = Some([("gastown.io/convoy".to_owned(), "c".to_owned())].into());
    one
}

const MODES: [Mode; 5] = [Mode::Cordoned, Mode::Draining, Mode::Paused, Mode::Frozen, Mode::Stopped];
const BOTH: &str = "claim shop-a for shop-nux\nclaim shop-b for shop-toast";
const BEGUN: &str = "claim shop-b for shop-toast";

#[test]
fn no_new_work_is_begun_where_it_is_held_and_what_is_begun_goes_on_where_it_may() {
    assert_eq!(said(&scene().plan(&dispatch())), BOTH);
    for mode in MODES {
        let begun = if mode.may_start() { BEGUN } else { "" };
        let mut town_is = scene();
        town_is.add(held(the_town(), mode, None));
        assert_eq!(said(&town_is.plan(&dispatch())), begun, "{mode}");
        let mut rig_is = scene();
        rig_is.rig(held(rig("shop"), mode, None));
        assert_eq!(said(&rig_is.plan(&dispatch())), begun, "{mode}");
        let mut convoy_is = scene();
        convoy_is.add(held(the_convoy(), mode, None));
        assert_eq!(said(&convoy_is.plan(&dispatch())), BEGUN, "{mode}");
        let mut bead_is = scene();
        bead_is.bead(held(ready_bead(), mode, None));
        assert_eq!(said(&bead_is.plan(&dispatch())), BEGUN, "{mode}");
        let mut polecat_is = scene();
        polecat_is.polecat(held(polecat("shop", "nux"), mode, None));
        assert_eq!(said(&polecat_is.plan(&dispatch())), format!("create polecat shop-slit\n{BEGUN}"), "{mode}");
    }
}

#[test]
fn a_town_that_is_suspended_or_has_no_capacity_begins_nothing() {
    for spec in [json!({"suspend": true, "capacity": {"polecats": 2}}), json!({"capacity": {"polecats": 0}})] {
        let mut scene = scene();
        scene.add::<Town>(object("town", spec));
        assert_eq!(said(&scene.plan(&dispatch())), "");
    }
}

#[test]
fn an_override_ends_by_itself_and_is_taken_off() {
    let mut scene = scene();
    scene.add(held(the_town(), Mode::Stopped, Some(2000)));
    insta::assert_snapshot!(said(&scene.plan(&town::CONTROLLER.key("town"))), @"
    town: Degraded=False Ok; DiskPressure=False Ok; MemoryPressure=False Ok; Ready=False Stopped (town/town is stopped by kim (until 1970-01-01T00:33:20Z))
    again at 2000
    ");
    scene.now = at(2000);
    assert_eq!(said(&scene.plan(&dispatch())), BOTH, "whether it is taken off already or not");
    insta::assert_snapshot!(said(&scene.plan(&town::CONTROLLER.key("town"))), @"
    town is no longer stopped: its time is up
    town: Degraded=False Ok; DiskPressure=False Ok; MemoryPressure=False Ok; Ready=True Ok
    ");
}

#[test]
fn whoever_is_held_is_woken_when_that_changes() {
    fn woken<K: Watched + Clone>(scene: impl Fn() -> Scene, object: K) -> String {
        let mut scene = scene();
        scene.add(object.clone());
        let keys = scene.add(held(object, Mode::Stopped, None));
        keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    insta::assert_snapshot!(woken(scene, the_town()), @"town/town rig/shop bead/shop-b dispatch polecat/shop-nux polecat/shop-toast merge/shop");
    insta::assert_snapshot!(woken(scene, rig("shop")), @"rig/shop bead/shop-a bead/shop-b dispatch polecat/shop-nux polecat/shop-toast merge/shop");
    insta::assert_snapshot!(woken(scene, the_convoy()), @"convoy/c bead/shop-a dispatch merge/shop");
    insta::assert_snapshot!(woken(scene, ready_bead()), @"town/town rig/shop convoy/c bead/shop-a dispatch merge/shop");
    insta::assert_snapshot!(woken(scene, polecat("shop", "toast")), @"bead/shop-b dispatch polecat/shop-toast");
}

/// The beads of these names have handed in; the rig has no checks.
fn handed_in(scene: &mut Scene, names: &[&str]) -> Rig {
    let mut unverified = rig("shop");
    unverified.spec.merge.verify.clear();
    unverified.spec.merge.allow_unverified = true;
    scene.rig(unverified.clone());
    for name in names {
        scene.bead(in_state(bead(name, "shop"), BeadState::Landing));
        scene.request(request(name, "shop", 1, MergeState::Queued));
    }
    unverified
}

fn candidate(bead: &str) -> Candidate {
    Candidate {
        merge_request: format!("{bead}-mr1"),
        bead: bead.into(),
        head: oid('b'),
        base: oid('a'),
        date: at(0),
        title: format!("Do {bead}"),
    }
}

fn owner() -> Owner {
    Owner::rig("shop", "shop-uid")
}

/// Their replay, each becoming a commit; the tip of them.
fn replayed(scene: &mut Scene, names: &[&str]) -> Oid {
    let committer = gastown_crds::common::Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() };
    let candidates: Vec<_> = names.iter().map(|name| candidate(name)).collect();
    let key = replay_key(&owner(), &oid('a'), &candidates, &committer);
    let commit = |n: usize| oid(char::from(b'1' + u8::try_from(n).unwrap()));
    let clean = (0..names.len()).map(|n| Replayed::Clean { commit: commit(n), tree: commit(n) }).collect();
    scene.known(Ask::Replay(AskReplay(key)), Fact::Replay(Some(clean)));
    commit(names.len() - 1)
}

fn push(to: &Oid) -> Job {
    Job::Push {
        owner: owner(),
        url: "/repos/shop.git".into(),
        branch: "main".into(),
        from: Some(oid('a')),
        to: to.clone(),
        force: false,
        update_checked_out: false,
        round: 1,
    }
}

fn fetch(because: &Job) -> Job {
    Job::Fetch {
        owner: owner(),
        url: "/repos/shop.git".into(),
        secret: None,
        lease: None,
        cause: because.key().0,
        round: 1,
    }
}

/// It is the newest of its track, unless it never began.
fn job_is(scene: &mut Scene, job: &Job, state: JobState) {
    let newest = (state != JobState::Absent).then(|| job.key());
    scene.known(Ask::Newest(job.track()), Fact::Newest(newest));
    scene.known(Ask::Job(job.key()), Fact::Job(state));
}

fn done() -> JobState {
    JobState::Exited(Exited { code: 0, at: at(990), tail: String::new() })
}

/// Their statuses say that they are pushed, as the commits that [`replayed`] gives.
fn said_to_be_pushed(scene: &mut Scene, names: &[&str]) {
    for (n, name) in names.iter().enumerate() {
        let mut request = because(request(name, "shop", 1, MergeState::Queued), "Pushing");
        request.status.as_mut().unwrap().landed = Some(oid(char::from(b'1' + u8::try_from(n).unwrap())).0);
        scene.request(request);
    }
}

#[test]
fn what_is_held_does_not_land_and_the_others_do() {
    let mut scene = Scene::default();
    handed_in(&mut scene, &["shop-a", "shop-b"]);
    scene.bead(held(in_state(bead("shop-a", "shop"), BeadState::Landing), Mode::Paused, None));
    replayed(&mut scene, &["shop-a", "shop-b"]);
    let both = push(&oid('2'));
    job_is(&mut scene, &both, JobState::Absent);
    let tip = replayed(&mut scene, &["shop-b"]);
    said_to_be_pushed(&mut scene, &["shop-b"]);
    job_is(&mut scene, &push(&tip), JobState::Absent);
    insta::assert_snapshot!(said(&scene.plan(&queue())), @"
    push for shop, round 1
    shop-a-mr1: Queued Merged=False Paused (bead/shop-a is paused by kim)
    shop-b-mr1: Queued Merged=False Pushing (verified)
    ");
}

#[test]
fn a_stop_sees_a_push_that_was_begun_to_its_end_and_begins_no_other() {
    for mode in [Mode::Paused, Mode::Frozen, Mode::Stopped] {
        let mut scene = Scene::default();
        let rig = handed_in(&mut scene, &["shop-a", "shop-b"]);
        let tip = replayed(&mut scene, &["shop-a", "shop-b"]);
        let push = push(&tip);
        job_is(&mut scene, &push, JobState::Absent);
        assert!(scene.plan(&queue()).effects.is_empty(), "it is said first");
        said_to_be_pushed(&mut scene, &["shop-a", "shop-b"]);
        assert!(said(&scene.plan(&queue())).starts_with("push for shop, round 1"), "{mode}");
        scene.rig(held(rig, mode, None));
        let held = format!("Merged=False {mode} (rig/shop is {} by kim)", mode.word());
        let all_held = format!("shop-a-mr1: Queued {held}\nshop-b-mr1: Queued {held}");
        assert_eq!(said(&scene.plan(&queue())), all_held);
        job_is(&mut scene, &push, JobState::Running);
        assert!(said(&scene.plan(&queue())).contains("Pushing"), "it is waited for: {}", said(&scene.plan(&queue())));
        job_is(&mut scene, &push, done());
        job_is(&mut scene, &fetch(&push), JobState::Absent);
        assert!(said(&scene.plan(&queue())).starts_with("fetch for shop, round 1"), "and looked at");
        // It was moved back by somebody: nothing is begun again.
        job_is(&mut scene, &fetch(&push), done());
        assert_eq!(said(&scene.plan(&queue())), all_held);
    }
}

#[test]
fn a_push_is_seen_to_its_end_whatever_was_handed_in_meanwhile_and_though_it_was_lost() {
    let mut scene = Scene::default();
    let rig = handed_in(&mut scene, &["shop-a"]);
    let push = push(&replayed(&mut scene, &["shop-a"]));
    said_to_be_pushed(&mut scene, &["shop-a"]);
    handed_in(&mut scene, &["shop-b"]);
    scene.rig(held(rig, Mode::Stopped, None));
    job_is(&mut scene, &push, JobState::Running);
    insta::assert_snapshot!(said(&scene.plan(&queue())), @"
    shop-a-mr1: Queued Merged=False Pushing (verified)
    shop-b-mr1: Queued Merged=False Queued
    ");
    job_is(&mut scene, &push, JobState::Lost { at: at(990) });
    job_is(&mut scene, &fetch(&push), JobState::Absent);
    assert!(said(&scene.plan(&queue())).starts_with("fetch for shop, round 1"), "it may have moved the target");
    job_is(&mut scene, &fetch(&push), done());
    assert!(!said(&scene.plan(&queue())).contains("Pushing"));
    // One that was refused has moved nothing.
    let refused = Exited { code: exit::PROTECTED, at: at(990), tail: String::new() };
    job_is(&mut scene, &push, JobState::Exited(refused));
    job_is(&mut scene, &fetch(&push), JobState::Absent);
    assert!(scene.plan(&queue()).effects.is_empty());
}

#[test]
fn a_branch_whose_bead_was_withdrawn_is_kept_before_that_is_said_and_a_push_of_it_is_seen_to_its_end() {
    use gastown_crds::bead::{CloseReason, Closed};
    let mut scene = Scene::default();
    handed_in(&mut scene, &["shop-a"]);
    let tip = replayed(&mut scene, &["shop-a"]);
    said_to_be_pushed(&mut scene, &["shop-a"]);
    job_is(&mut scene, &push(&tip), JobState::Running);
    let mut withdrawn = bead("shop-a", "shop");
    let (reason, by) = (CloseReason::Withdrawn, "kim".to_owned());
    withdrawn.spec.closed = Some(Closed { reason, message: None, at: at(900), by });
    scene.bead(withdrawn);
    assert!(said(&scene.plan(&queue())).contains("Pushing"));
    job_is(&mut scene, &push(&tip), JobState::Absent);
    insta::assert_snapshot!(said(&scene.plan(&queue())), @"
    archive shop-a-mr1
    shop-a-mr1: Withdrawn Merged=False Withdrawn (its bead was closed otherwise)
    ");
}

#[test]
fn a_rig_that_is_held_fetches_nothing_and_says_why() {
    let mut scene = Scene::default();
    scene.rig(held(rig("shop"), Mode::Stopped, None));
    insta::assert_snapshot!(said(&scene.plan(&rigs::CONTROLLER.key("shop"))), @"shop: BaseRed=False Ok; Ready=False Stopped (nothing is dispatched, fetched or landed here: rig/shop is stopped by kim)");
}

#[test]
fn a_bead_says_what_it_is_held_by() {
    let mut scene = scene();
    scene.add(held(the_convoy(), Mode::Cordoned, None));
    insta::assert_snapshot!(said(&scene.plan(&beads::CONTROLLER.key("shop-a"))), @"shop-a: Waiting Closed=False Open; Ready=False Cordoned (convoy/c is cordoned by kim)");
    // What is begun says so of the town too.
    scene.add(held(the_town(), Mode::Stopped, None));
    insta::assert_snapshot!(said(&scene.plan(&beads::CONTROLLER.key("shop-b"))), @"
    create bead shop-b.work
    shop-b: Waiting Closed=False Open; Ready=False Stopped (town/town is stopped by kim)
    ");
    let convoy = convoy::CONTROLLER.key("c");
    assert!(said(&scene.plan(&convoy)).starts_with("finalizers of c"));
}
