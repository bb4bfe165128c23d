//! The merge queue: what runs, and what it came to, is part of the decision.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::objects::Objects;
use gastown_controllers::plan::{Effect, Plan};
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::*;
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Bead, MergeRequest, Rig};
use kube::ResourceExt;
use serde_json::json;

fn key() -> Key {
    gastown_controllers::kinds::merge_request::QUEUE.key("shop")
}

/// A rig that verifies nothing, with these branches handed in.
fn scene(beads: &[&str]) -> Scene {
    let mut scene = Scene::default();
    scene.rig(unverified("shop"));
    for name in beads {
        scene.bead(bead(name, "shop")).request(request(name, "shop", 1, MergeState::Queued));
    }
    scene
}

fn unverified(name: &str) -> Rig {
    let mut rig = rig(name);
    rig.spec.merge.verify = Vec::new();
    rig.spec.merge.allow_unverified = true;
    rig
}

/// A rig that verifies what lands.
fn verified(beads: &[&str]) -> Scene {
    let mut scene = scene(beads);
    scene.rig(rig("shop"));
    scene
}

/// The plan of the queue, in a world where every branch applies: the nth becomes the commit of the nth letter from c on.
/// What the scene does not know of jobs has never begun. A push is said before it is begun: of a plan that begins nothing, what
/// begins once its statuses are written.
fn plan(scene: &Scene) -> Plan {
    let plan = plan_with(&scene.objects, scene);
    if !plan.effects.is_empty() {
        return plan;
    }
    let mut written = Scene::default();
    scene.objects.all::<Rig>().for_each(|rig| drop(written.add(Rig::clone(rig))));
    scene.objects.all::<Bead>().for_each(|bead| drop(written.add(Bead::clone(bead))));
    for request in scene.objects.all::<MergeRequest>() {
        let mut request = MergeRequest::clone(request);
        if let Some(write) = plan.status.iter().find(|write| write.object.name == request.name_any()) {
            request.status = serde_json::from_value(write.status.clone()).unwrap();
        }
        written.request(request);
    }
    let next = plan_with(&written.objects, scene);
    if next.effects.is_empty() { plan } else { next }
}

fn plan_with(objects: &Objects, scene: &Scene) -> Plan {
    let mut facts: Facts = scene.facts.clone();
    for _ in 0..20 {
        let view = View::new(scene.now, objects, &facts, None);
        let plan = key().reconcile(&view);
        if let [Effect::Act(Act::EnsureReplay(replay))] = &plan.effects[..] {
            let letters = "cdefghij".chars().take(replay.candidates.len());
            let clean = letters.map(|c| Replayed::Clean { commit: oid(c), tree: oid(c) });
            let done = Fact::Replay(Some(clean.collect()));
            facts.insert(Ask::Replay(AskReplay(replay.key.clone())), Seen::Known(done));
            continue;
        }
        let missing = view.missing();
        if missing.is_empty() {
            return plan;
        }
        facts.extend(missing.into_iter().map(never_begun));
    }
    panic!("it asks without end");
}

fn never_begun(ask: Ask) -> (Ask, Seen<Fact>) {
    let fact = match &ask {
        Ask::Job(_) => Fact::Job(JobState::Absent),
        Ask::Newest(_) => Fact::Newest(None),
        Ask::Replay(_) => Fact::Replay(None),
        other => panic!("the scene lacks {other:?}"),
    };
    (ask, Seen::Known(fact))
}

/// The jobs that a plan starts.
fn starts(plan: &Plan) -> Vec<Job> {
    let job = |effect: &Effect| match effect {
        Effect::Act(Act::EnsureJob(job)) => job.clone(),
        other => panic!("not a job: {other}"),
    };
    plan.effects.iter().map(job).collect()
}

fn main_of(rig: &str) -> Track {
    Track::Branch { url: format!("/repos/{rig}.git"), branch: "main".into() }
}

fn is(scene: &mut Scene, track: Track, key: &JobKey, state: JobState) {
    scene.known(Ask::Newest(track), Fact::Newest(Some(key.clone())));
    scene.known(Ask::Job(key.clone()), Fact::Job(state));
}

fn exited(code: i32) -> JobState {
    JobState::Exited(Exited { code, at: at(990), tail: String::new() })
}

fn pushed(plan: &Plan) -> Option<Oid> {
    starts(plan).into_iter().find_map(|job| if let Job::Push { to, .. } = job { Some(to) } else { None })
}

#[test]
fn what_is_handed_in_during_a_push_waits_for_it() {
    let one = starts(&plan(&scene(&["shop-a"])));
    let [push @ Job::Push { to, .. }] = &one[..] else { panic!("a push: {one:?}") };
    assert_eq!(*to, oid('c'));
    let mut scene = scene(&["shop-a", "shop-b"]);
    assert_eq!(pushed(&plan(&scene)), Some(oid('d')), "with nothing under way both go at once");
    is(&mut scene, main_of("shop"), &push.key(), JobState::Running);
    insta::assert_snapshot!(said(&plan(&scene)), @"
    shop-a-mr1: Queued Merged=False Pushing (verified)
    shop-b-mr1: Queued Merged=False Pushing (verified)
    ");
}

/// Whoever holds the town then has to know that its branch is on its way.
#[test]
fn what_is_handed_in_during_a_push_does_not_forget_what_is_pushed() {
    let one = starts(&plan(&scene(&["shop-a"])));
    let [push @ Job::Push { to, .. }] = &one[..] else { panic!("a push: {one:?}") };
    let mut scene = scene(&["shop-a", "shop-b"]);
    let mut pushed = request("shop-a", "shop", 1, MergeState::Queued);
    pushed.status.as_mut().unwrap().landed = Some(to.0.clone());
    scene.request(pushed);
    is(&mut scene, main_of("shop"), &push.key(), JobState::Running);
    let plan = plan(&scene);
    assert_eq!(plan.effects, []);
    let landed =
        |name: &str| plan.status.iter().find(|it| it.object.name == name).map(|it| it.status["landed"].clone());
    assert_eq!(landed("shop-a-mr1"), Some(json!(to.0)));
    assert_eq!(landed("shop-b-mr1"), Some(json!(null)));
}

#[test]
fn a_push_that_is_over_is_fetched_before_the_next_begins() {
    for code in [exit::OK, exit::CONTENDED] {
        let mut scene = scene(&["shop-a", "shop-b"]);
        // By another rig that names the same branch.
        let push = JobKey("theirs".into());
        is(&mut scene, main_of("shop"), &push, exited(code));
        let fetch = starts(&plan(&scene));
        let [job @ Job::Fetch { cause, round: 1, .. }] = &fetch[..] else { panic!("a fetch: {fetch:?}") };
        assert_eq!(*cause, push.0);
        is(&mut scene, Track::Clone("shop-uid".into()), &job.key(), JobState::Running);
        assert_eq!(starts(&plan(&scene)), []);
        is(&mut scene, Track::Clone("shop-uid".into()), &job.key(), exited(exit::OK));
        assert_eq!(pushed(&plan(&scene)), Some(oid('d')));
    }
}

#[test]
fn a_push_that_moved_nothing_holds_up_nothing() {
    let mut scene = scene(&["shop-a", "shop-b"]);
    for state in [exited(exit::PROTECTED), exited(exit::FAILED), JobState::Absent] {
        is(&mut scene, main_of("shop"), &JobKey("before".into()), state);
        assert_eq!(pushed(&plan(&scene)), Some(oid('d')));
    }
}

#[test]
fn nothing_is_pushed_while_it_is_unknown_what_runs() {
    let mut scene = scene(&["shop-a"]);
    scene.unknown(Ask::Newest(main_of("shop")), "could not read it");
    insta::assert_snapshot!(said(&plan(&scene)), @"shop-a-mr1: Queued Merged=Unknown Unknown (could not read it; waiting until it can be observed)");
}

#[test]
fn a_verification_that_runs_for_what_the_target_was_ends_before_the_next() {
    let mut scene = verified(&["shop-a"]);
    assert_eq!(starts(&plan(&scene)).len(), 1);
    is(&mut scene, Track::Verification("shop-uid".into()), &JobKey("before".into()), JobState::Running);
    insta::assert_snapshot!(said(&plan(&scene)), @"shop-a-mr1: Queued Merged=False Verifying");
}

#[test]
fn what_was_handed_in_to_a_rig_that_is_gone_waits_for_nobody() {
    let mut scene = scene(&["shop-a", "shop-b"]);
    let mut closed = bead("shop-b", "shop");
    closed.spec.closed = serde_json::from_value(json!({"reason": "Withdrawn", "at": at(1), "by": "gt"})).unwrap();
    scene.bead(closed);
    scene.remove::<Rig>("shop");
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-a-mr1: Rejected Merged=False HeadMissing (its rig `shop` is gone: its bead is worked again if that is applied once more)
    shop-b-mr1: Withdrawn Merged=False Withdrawn (its bead was closed otherwise)
    ");
    let mut going = unverified("shop");
    going.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(1)));
    scene.rig(going);
    assert_eq!(scene.plan(&key()).status.len(), 2);
}

#[test]
fn a_fetch_that_hangs_is_not_joined_by_the_next_interval() {
    let mut scene = Scene::default();
    let mut rig = rig("shop");
    rig.spec.repo =
        serde_json::from_value(json!({"url": "/repos/shop.git", "branch": "main", "interval": "1m"})).unwrap();
    scene.rig(rig).bead(bead("shop-a", "shop"));
    let key = gastown_controllers::kinds::rig::CONTROLLER.key("shop");
    let plan = |scene: &Scene| {
        let mut facts = scene.facts.clone();
        loop {
            let view = View::new(scene.now, &scene.objects, &facts, None);
            let plan = key.reconcile(&view);
            let missing = view.missing();
            if missing.is_empty() {
                return plan;
            }
            facts.extend(missing.into_iter().map(never_begun));
        }
    };
    scene.known(Ask::Job(clone_of("shop").key()), Fact::Job(exited(exit::OK)));
    let first = starts(&plan(&scene));
    let [fetch @ Job::Fetch { .. }] = &first[..] else { panic!("a fetch: {first:?}") };
    scene.now = at(1060);
    let next = starts(&plan(&scene));
    assert_ne!(next[0].key(), fetch.key(), "another interval, another fetch");
    is(&mut scene, Track::Clone("shop-uid".into()), &fetch.key(), JobState::Running);
    assert_eq!(starts(&plan(&scene)), []);
}

fn clone_of(rig: &str) -> Job {
    let owner = Owner::rig(rig, format!("{rig}-uid"));
    Job::Clone { owner, url: format!("/repos/{rig}.git"), secret: None, lease: None, round: 1 }
}

#[test]
fn a_fetch_that_fails_after_a_push_is_told_on_the_merge_request() {
    let mut scene = scene(&["shop-a"]);
    let [push] = &starts(&plan(&scene))[..] else { panic!("a push") };
    is(&mut scene, main_of("shop"), &push.key(), exited(exit::OK));
    let [fetch @ Job::Fetch { .. }] = &starts(&plan(&scene))[..] else { panic!("a fetch") };
    let failed = Exited { code: exit::FAILED, at: at(999), tail: "no route to host".into() };
    scene.known(Ask::Job(fetch.key()), Fact::Job(JobState::Exited(failed)));
    insta::assert_snapshot!(said(&plan(&scene)), @"
    shop-a-mr1: Queued Merged=False FetchFailed (the fetch after its push failed once; see the rig:
    no route to host)
    again at 1000
    ");
}

/// An attempt at one thing, of the convoy that [`competition`] makes.
fn attempt(called: &str) -> Bead {
    let mut bead = bead(&gastown_crds::names::bead("shop", "c", 1, called), "shop");
    let labels = [("gastown.io/convoy", "c"), ("gastown.io/bead", called)];
    bead.metadata.labels = Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into());
    bead
}

#[test]
fn of_attempts_at_the_same_thing_one_lands_at_a_time() {
    let mut scene = scene(&[]);
    let beads = ["a", "b"].map(|name| json!({"name": name, "title": name, "competition": "parser"}));
    scene.add::<gastown_crds::Convoy>(object("c", json!({"rig": "shop", "beads": beads})));
    let mut names = ["a", "b"].map(|called| attempt(called).name_any());
    names.sort();
    let requests = names.each_ref().map(|name| request(name, "shop", 1, MergeState::Queued));
    scene.bead(attempt("a")).bead(attempt("b"));
    let keys = requests.map(|request| scene.add(request));
    assert!(keys.iter().all(|keys| keys.contains(&key())));
    let said_of = |scene: &Scene, name: &str| {
        let plan = plan_with(&scene.objects, scene);
        let write = plan.status.iter().find(|write| write.object.name == format!("{name}-mr1")).unwrap();
        write.status["conditions"][0]["message"].as_str().unwrap_or_default().to_owned()
    };
    let [first, second] = &names;
    assert!(said_of(&scene, second).starts_with(&format!("waits for {first}-mr1, an attempt at the same thing")));
    scene.request(request(first, "shop", 1, MergeState::Rejected));
    assert!(!said_of(&scene, second).contains("an attempt at the same thing"));
    scene.request(request(first, "shop", 1, MergeState::Merged));
    assert!(said_of(&scene, second).starts_with(&format!("{first} has landed")));
}
