//! Simulated towns whose work people merge, delete and take back: it is merged in whichever way, and nothing is done twice.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown::world::sim::commits::Tree;
use gastown_controllers::seen::Oid;
use gastown_crds::names;
use serde_json::{Value, json};

use crate::harness::{Sim, in_virtual_time};
use crate::towns::{CONVOY, Town, smooth, two_steps};

/// Longer than the remote is left alone while beads are open.
const LOOK: Duration = Duration::from_mins(11);

const BEAD: &str = "must-use";

fn bead() -> String {
    names::bead("reflow", CONVOY, 1, BEAD)
}

fn branch() -> String {
    format!("gastown/{}", bead())
}

/// One bead of two commits, which is left as a branch.
fn left_for_people() -> Town {
    let mut town = two_steps();
    let merge = json!({ "strategy": "Branch", "allowUnverified": true });
    town.objects[3]["spec"]["merge"] = merge;
    town
}

/// What people then do, what becomes of it, and how often it was worked.
fn after(town: &Town, people: impl FnOnce(&Sim, &Oid)) -> (Sim, Value) {
    in_virtual_time(async {
        let sim = Sim::start(town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.branches_ready(1)).await;
        let tip = sim.world.remote_tip("reflow", &branch()).unwrap();
        people(&sim, &tip);
        engine.run(tokio::time::sleep(LOOK)).await;
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!(run.wrong, Vec::<String>::new());
        assert_eq!(run.attempts[&bead()], 1, "it was worked once: {:#?}", sim.statuses().await);
        let request = sim.list("mergerequests").await.remove(0);
        drop(engine);
        (sim, request)
    })
}

fn state(request: &Value) -> (&str, &str) {
    let conditions = request["status"]["conditions"].as_array().unwrap();
    let merged = conditions.iter().find(|condition| condition["type"] == "Merged").unwrap();
    (request["status"]["state"].as_str().unwrap(), merged["reason"].as_str().unwrap())
}

fn first_of(sim: &Sim, tip: &Oid) -> Oid {
    sim.world.commit(tip).unwrap().parent.unwrap()
}

fn nothing(_: &mut Tree) {}

#[test]
fn commits_that_people_take_over_are_merged_once_all_are_there() {
    let town = left_for_people();
    let (_, request) = after(&town, |sim, tip| {
        sim.world.pick_from_outside("reflow", "main", &first_of(sim, tip), true, nothing);
    });
    assert_eq!(state(&request), ("BranchReady", "PartlyMerged"), "one of two");
    for names in [true, false] {
        let (sim, request) = after(&town, |sim, tip| {
            for commit in [&first_of(sim, tip), tip] {
                sim.world.pick_from_outside("reflow", "main", commit, names, nothing);
            }
        });
        assert_eq!(state(&request), ("Merged", "Merged"));
        assert_eq!(sim.world.remote_tip("reflow", &branch()), None, "the branch is over");
    }
}

#[test]
fn a_squash_that_a_person_edited_is_merged() {
    let (sim, request) = after(&left_for_people(), |sim, tip| {
        sim.world.squash_from_outside("reflow", "main", tip, true, |tree| {
            for text in tree.values_mut() {
                *text = text.replace("must_use", "must_use = \"why\"");
            }
        });
    });
    assert_eq!(state(&request), ("Merged", "Merged"));
    assert_eq!(sim.world.remote_tip("reflow", &branch()), None);
}

/// It says nothing of where it comes from, and what was left conflicts with it.
#[test]
fn a_squash_that_a_person_edited_and_named_otherwise_is_asked_about() {
    let (_, request) = after(&left_for_people(), |sim, tip| {
        let edit = |tree: &mut Tree| drop(tree.insert("more".into(), "say less\n".into()));
        sim.world.squash_from_outside("reflow", "main", tip, false, edit);
        sim.world.delete_from_outside("reflow", &branch());
    });
    assert_eq!(state(&request), ("BranchReady", "LooksMerged"));
}

#[test]
fn a_branch_that_people_delete_is_asked_about_and_may_still_be_merged() {
    let (_, request) = after(&left_for_people(), |sim, _| sim.world.delete_from_outside("reflow", &branch()));
    assert_eq!(state(&request), ("BranchDeleted", "BranchDeleted"));
    // The target moves on, and then a person pushes the branch, merged after all.
    in_virtual_time(async {
        let sim = Sim::start(&left_for_people(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.branches_ready(1)).await;
        let tip = sim.world.remote_tip("reflow", &branch()).unwrap();
        sim.world.delete_from_outside("reflow", &branch());
        sim.world.push_from_outside("reflow", "main", |tree| drop(tree.insert("other".into(), "x\n".into())));
        engine.run(tokio::time::sleep(LOOK)).await;
        assert_eq!(sim.world.remote_tip("reflow", &branch()), None, "it is not pushed again");
        let bead_of =
            |beads: Vec<Value>| beads.into_iter().find(|it| it["metadata"]["name"] == bead().as_str()).unwrap();
        assert_eq!(bead_of(sim.list("beads").await)["status"]["state"], "SetAside");
        sim.world.squash_from_outside("reflow", "main", &tip, false, nothing);
        engine.run(sim.landed()).await;
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.wrong, run.attempts[&bead()]), (vec![], 1));
    });
}

#[test]
fn a_bead_whose_branch_was_deleted_is_done_anew_once_its_text_is_another() {
    in_virtual_time(async {
        let sim = Sim::start(&left_for_people(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.branches_ready(1)).await;
        sim.world.delete_from_outside("reflow", &branch());
        engine.run(tokio::time::sleep(LOOK)).await;
        let beads = json!([{ "name": BEAD, "title": "Mark it, but otherwise", "command": "a" }]);
        sim.patch("convoys/release", &json!({ "spec": { "beads": beads } })).await;
        engine.run(sim.branches_ready(1)).await;
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.wrong, run.attempts[&bead()]), (vec![], 2));
        let requests = sim.list("mergerequests").await;
        let mut states: Vec<_> = requests.iter().map(|it| (&it["spec"]["attempt"], state(it).0)).collect();
        states.sort_by_key(|(attempt, _)| attempt.as_u64());
        assert_eq!(states, [(&json!(1), "Withdrawn"), (&json!(2), "BranchReady")]);
        assert!(sim.world.remote_tip("reflow", &branch()).is_some());
        // And one that is pushed again by a person is as it was.
        let tip = sim.world.remote_tip("reflow", &branch()).unwrap();
        sim.world.delete_from_outside("reflow", &branch());
        engine.run(tokio::time::sleep(LOOK)).await;
        assert_eq!(sim.list("beads").await.iter().filter(|it| it["status"]["state"] == "SetAside").count(), 1);
        sim.world.reset_from_outside("reflow", &branch(), &tip);
        engine.run(sim.branches_ready(1)).await;
        assert_eq!(sim.look_back(Duration::ZERO).await.attempts[&bead()], 2);
    });
}

#[test]
fn a_branch_that_a_person_moved_stays() {
    let (sim, request) = after(&left_for_people(), |sim, tip| {
        let theirs = |tree: &mut Tree| drop(tree.insert("theirs".into(), "x\n".into()));
        sim.world.push_from_outside("reflow", &branch(), theirs);
        sim.world.squash_from_outside("reflow", "main", tip, true, theirs);
    });
    assert_eq!(state(&request), ("Merged", "Merged"));
    assert!(sim.world.remote_tip("reflow", &branch()).is_some());
}

#[test]
fn what_leaves_the_target_says_so_everywhere_is_not_redone_and_may_come_back() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        let first = sim.world.remote_tip("reflow", "main").unwrap();
        let mut engine = sim.engine();
        engine.run(sim.landed()).await;
        let landed = sim.world.remote_tip("reflow", "main").unwrap();
        sim.world.reset_from_outside("reflow", "main", &first);
        // All is closed, so nobody looks by himself.
        let refresh = |word: &str| json!({ "metadata": { "annotations": { "gastown.io/refresh": word } } });
        sim.patch("rigs/reflow", &refresh("1")).await;
        engine.run(tokio::time::sleep(LOOK)).await;
        let left = async || {
            let mut left = Vec::new();
            for plural in ["mergerequests", "beads", "convoys"] {
                for object in sim.list(plural).await.iter().filter(|it| it["spec"]["parent"].is_null()) {
                    let conditions = object["status"]["conditions"].as_array().unwrap();
                    let is_left = conditions.iter().any(|it| it["type"] == "LeftTarget" && it["status"] == "True");
                    left.push((plural, is_left));
                }
            }
            left
        };
        assert_eq!(left().await, [("mergerequests", true), ("beads", true), ("convoys", true)]);
        assert_eq!(sim.world.remote_tip("reflow", "main"), Some(first), "it is not pushed again");
        sim.world.reset_from_outside("reflow", "main", &landed);
        sim.patch("rigs/reflow", &refresh("2")).await;
        engine.run(sim.landed()).await;
        assert_eq!(left().await, [("mergerequests", false), ("beads", false), ("convoys", false)]);
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.wrong, run.attempts[&bead()]), (vec![], 1));
        assert_eq!(run.effects.iter().filter(|effect| effect.starts_with("fetch for")).count(), 3, "one for each word");
    });
}

/// Between the push and the fetch that would have found it.
#[test]
fn what_is_taken_back_before_it_was_found_is_not_pushed_again() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        let first = sim.world.remote_tip("reflow", "main").unwrap();
        let mut engine = sim.engine();
        let pushed = async {
            while sim.world.remote_tip("reflow", "main").as_ref() == Some(&first) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        engine.run(pushed).await;
        sim.world.reset_from_outside("reflow", "main", &first);
        engine.run(tokio::time::sleep(LOOK)).await;
        assert_eq!(sim.world.remote_tip("reflow", "main"), Some(first));
        let request = sim.list("mergerequests").await.remove(0);
        assert_eq!(state(&request), ("Queued", "LeftTarget"));
        assert_eq!(sim.look_back(Duration::ZERO).await.wrong, Vec::<String>::new());
    });
}
