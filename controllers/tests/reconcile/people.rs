//! Merge requests that people have dealt with: what is merged in part, deleted or taken back is asked about, not worked again.

use crate::common::*;
use gastown_controllers::bead::work_digest;
use gastown_controllers::key::Key;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::*;
use gastown_crds::bead::{BeadState, CloseReason, Closed};
use gastown_crds::merge_request::MergeState;
use gastown_crds::{MergeRequest, Rig};
use serde_json::json;

fn key() -> Key {
    gastown_controllers::merge_request::QUEUE.key("shop")
}

/// A rig that leaves branches for people; its target is at `a`.
fn people() -> Rig {
    let mut rig: Rig = object(
        "shop",
        json!({"repo": {"url": "/repos/shop.git", "branch": "main"}, "merge": {"strategy": "Branch", "allowUnverified": true}}),
    );
    rig.status = Some(gastown_crds::RigStatus { conditions: ready(), ..Default::default() });
    rig
}

fn facts() -> RepoFacts {
    RepoFacts {
        cloned: true,
        branch: Some("main".into()),
        target: Some(oid('a')),
        target_tree: Some(oid('0')),
        ..RepoFacts::default()
    }
}

fn repo(scene: &mut Scene, facts: RepoFacts) {
    let owner = Owner::rig("shop", "shop-uid");
    scene.known(Ask::Repo(AskRepo { owner, branch: Some("main".into()) }), Fact::Repo(facts));
}

/// The branch of `shop-a`, pushed at `c` for its first merge request.
fn own(there: Option<Oid>) -> RepoFacts {
    let own = OwnBranch { pushed: oid('c'), of: Some("shop-a-mr1".into()), there };
    RepoFacts { own: [("gastown/shop-a".to_owned(), own)].into(), ..facts() }
}

fn merged(scene: &mut Scene, answer: Merged) {
    let asked = AskMerged {
        owner: Owner::rig("shop", "shop-uid"),
        branch: Some("main".into()),
        merge_request: "shop-a-mr1".into(),
        head: oid('b'),
        base: oid('a'),
        made: Some(oid('c')),
    };
    scene.known(Ask::Merged(asked), Fact::Merged(answer));
}

fn landed_as(mut request: MergeRequest, commit: Oid) -> MergeRequest {
    request.status.as_mut().unwrap().landed = Some(commit.0);
    request
}

fn fetch(cause: &str) -> Job {
    Job::Fetch {
        owner: Owner::rig("shop", "shop-uid"),
        url: "/repos/shop.git".into(),
        secret: None,
        lease: None,
        cause: cause.into(),
        round: 1,
    }
}

fn done() -> JobState {
    JobState::Exited(Exited { code: exit::OK, at: at(950), tail: String::new() })
}

/// A branch that was left for people.
fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(people()).bead(in_state(bead("shop-a", "shop"), BeadState::Landing));
    scene.request(landed_as(request("shop-a", "shop", 1, MergeState::BranchReady), oid('c')));
    scene
}

#[test]
fn one_that_is_merged_in_part_waits_for_a_person() {
    let mut scene = scene();
    repo(&mut scene, own(Some(oid('c'))));
    merged(&mut scene, Merged::Part { missing: vec!["second".into()], of: 2 });
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-a-mr1: BranchReady Merged=False PartlyMerged (the target holds 1 of its 2 commits, and not: second. Merge the rest of `gastown/shop-a`, or close the bead)");
    merged(&mut scene, Merged::All { landed: Some(oid('d')) });
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-a-mr1: Merged Merged=True Merged (found on the target)");
}

#[test]
fn a_branch_that_is_gone_is_a_rejection_once_the_remote_was_asked_again() {
    let mut scene = scene();
    repo(&mut scene, own(None));
    merged(&mut scene, Merged::No);
    let fetch = fetch(&format!("deleted-{}", oid('c')));
    scene.known(Ask::Job(fetch.key()), Fact::Job(JobState::Absent));
    scene.known(Ask::Newest(fetch.track()), Fact::Newest(None));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    fetch for shop, round 1
    shop-a-mr1: BranchReady Merged=False BranchReady (`gastown/shop-a` is not there: the remote is asked again)
    ");
    scene.known(Ask::Job(fetch.key()), Fact::Job(done()));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    archive shop-a-mr1
    shop-a-mr1: BranchDeleted Merged=False BranchDeleted (`gastown/shop-a` was deleted, and its changes are not on the target: close the bead, have it done anew with `gt sling shop-a`, or push cccccccccc there again)
    ");
}

#[test]
fn while_its_rig_is_held_nothing_is_asked_of_the_remote_and_what_is_known_of_a_branch_stays() {
    let mut scene = scene();
    let mut held = people();
    held.spec.suspend = true;
    scene.rig(held);
    merged(&mut scene, Merged::No);
    for there in [Some(oid('c')), None] {
        repo(&mut scene, own(there));
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-a-mr1: BranchReady Merged=False Suspended (its rig `shop` is suspended)");
        }
    }
    let deleted = because(request("shop-a", "shop", 1, MergeState::BranchDeleted), "BranchDeleted");
    scene.request(landed_as(deleted, oid('c')));
    assert_eq!(said(&scene.plan(&key())), "shop-a-mr1: BranchDeleted Merged=False BranchDeleted");
    let mut over = bead("shop-a", "shop");
    over.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    scene.bead(over).request(landed_as(request("shop-a", "shop", 1, MergeState::Merged), oid('c')));
    assert_eq!(said(&scene.plan(&key())), "", "its branch is not removed either");
}

#[test]
fn a_bead_whose_branch_was_deleted_waits_for_a_person_and_a_new_text_is_a_new_chance() {
    let bead_key = gastown_controllers::bead::CONTROLLER.key("shop-a");
    let mut scene = scene();
    let mut told = bead("shop-a", "shop");
    let attempt = |state| Attempt {
        attempt: 1,
        work: work_digest(&bead("shop-a", "shop").spec),
        state,
        conversation: None,
        runtime: None,
    };
    let end = AttemptEnd { code: 0, own: true, at: at(900), tail: String::new(), out_of_memory: None, activity: None };
    scene.runs("shop-a", vec![attempt(AttemptState::Ended(end))]);
    let deleted = because(request("shop-a", "shop", 1, MergeState::BranchDeleted), "BranchDeleted");
    scene.request(deleted);
    insta::assert_snapshot!(said(&scene.plan(&bead_key)), @"shop-a: SetAside Closed=False Open; Ready=False BranchDeleted (set aside for a person); SetAside=True BranchDeleted");
    told.spec.title = "Do it another way".into();
    scene.bead(told);
    insta::assert_snapshot!(said(&scene.plan(&bead_key)), @"shop-a: Ready Closed=False Open; Ready=True Ready");
}

#[test]
fn a_branch_whose_bead_is_over_is_removed_unless_it_is_somebody_elses() {
    let mut scene = scene();
    let mut over = bead("shop-a", "shop");
    over.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    scene.bead(over);
    scene.request(landed_as(request("shop-a", "shop", 1, MergeState::Merged), oid('c')));
    let remove = Job::RemoveBranch {
        owner: Owner::rig("shop", "shop-uid"),
        url: "/repos/shop.git".into(),
        branch: "gastown/shop-a".into(),
        pushed: oid('c'),
        round: 1,
    };
    scene.known(Ask::Job(remove.key()), Fact::Job(JobState::Absent));
    scene.known(Ask::Newest(remove.track()), Fact::Newest(None));
    let failed = JobState::Exited(Exited { code: exit::PROTECTED, at: at(100), tail: String::new() });
    for (there, plan) in [(Some('c'), "remove for shop, round 1"), (None, "remove for shop, round 1"), (Some('d'), "")]
    {
        repo(&mut scene, own(there.map(oid)));
        assert_eq!(said(&scene.plan(&key())), plan, "{there:?}");
    }
    // A remote that keeps it is not asked for ever.
    repo(&mut scene, own(Some(oid('c'))));
    for tries in 1..=5 {
        let round = |of: u32| match remove.clone() {
            Job::RemoveBranch { owner, url, branch, pushed, .. } => {
                Job::RemoveBranch { owner, url, branch, pushed, round: of }
            }
            other => other,
        };
        scene.known(Ask::Job(round(tries).key()), Fact::Job(failed.clone()));
        scene.known(Ask::Job(round(tries + 1).key()), Fact::Job(JobState::Absent));
        let plan = if tries < 5 { format!("remove for shop, round {}", tries + 1) } else { String::new() };
        assert_eq!(said(&scene.plan(&key())), plan, "after {tries} tries");
    }
}

#[test]
fn what_has_left_its_target_says_so_until_it_is_back() {
    let mut scene = scene();
    let landed = || landed_as(request("shop-a", "shop", 1, MergeState::Merged), oid('c'));
    scene.request(landed());
    let mut left = facts();
    left.left.insert(oid('c'), Some("shop-a-mr1".into()));
    repo(&mut scene, left);
    merged(&mut scene, Merged::No);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-a-mr1: Merged LeftTarget=True LeftTarget (cccccccccc is not on `main` any more, which was reset or pushed over: push it there again, or, if that was meant, `gt delete mr/shop-a-mr1`); Merged=False LeftTarget (cccccccccc is not on `main` any more, which was reset or pushed over: push it there again, or, if that was meant, `gt delete mr/shop-a-mr1`)");
    let mut says_so = landed();
    let condition =
        json!({"type": "LeftTarget", "status": "True", "reason": "LeftTarget", "lastTransitionTime": at(0)});
    says_so.status.as_mut().unwrap().conditions.push(serde_json::from_value(condition).unwrap());
    scene.request(says_so);
    let mut over = bead("shop-a", "shop");
    over.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    scene.bead(over);
    insta::assert_snapshot!(said(&scene.plan(&gastown_controllers::bead::CONTROLLER.key("shop-a"))), @"shop-a: Closed Closed=True Merged; LeftTarget=True LeftTarget");
    // That the clone remembers no more what has left brings nothing back.
    repo(&mut scene, facts());
    assert!(said(&scene.plan(&key())).contains("LeftTarget=True"), "{}", said(&scene.plan(&key())));
    merged(&mut scene, Merged::All { landed: Some(oid('c')) });
    insta::assert_snapshot!(said(&scene.plan(&key())), @"shop-a-mr1: Merged Merged=True Merged (found on the target)");
}
