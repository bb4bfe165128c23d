//! What people do with branches and targets of real repositories, and that `gt mr refresh` sees it at once.

use serde_json::{Value, json};

use super::harness::{Town, git, wait_until};

/// A town whose rig leaves branches for people; one bead of two commits waits for them.
fn left_for_people() -> (Town, String) {
    let town = Town::new();
    let rig = json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": {"name": "shop"},
        "spec": {"repo": {"url": town.path("repos/shop.git")}, "merge": {"strategy": "Branch", "allowUnverified": true}},
    });
    town.apply(&rig.to_string());
    town.convoy("c", &[("two", &[], "echo 1 > one && git add one && git commit -qm one && echo 2 > two")]);
    town.up();
    let request = wait_until(&town, "a branch is left", || {
        town.items("mergerequests").into_iter().find(|it| it["status"]["state"] == "BranchReady")
    });
    let branch = format!("gastown/{}", request["spec"]["bead"].as_str().unwrap());
    git(&town.path("work/shop"), &["remote", "add", "up", town.path("repos/shop.git").to_str().unwrap()]);
    (town, branch)
}

/// A person does something in a checkout of their own, and pushes `main`.
fn person(town: &Town, commands: &[&[&str]]) {
    let work = town.path("work/shop");
    git(&work, &["fetch", "-q", "up"]);
    git(&work, &["reset", "-q", "--hard", "up/main"]);
    for command in commands {
        git(&work, command);
    }
    git(&work, &["push", "-q", "--force", "up", "HEAD:main"]);
}

fn refreshed(town: &Town, reason: &str) -> Value {
    assert_eq!(town.ok(&["mr", "refresh"]), "rig/shop refreshed");
    wait_until(town, &format!("the merge request says {reason}"), || {
        let request = town.items("mergerequests").remove(0);
        let conditions = request["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|it| it["type"] == "Merged" && it["reason"] == reason).then_some(request)
    })
}

fn branches(town: &Town) -> String {
    git(&town.path("repos/shop.git"), &["for-each-ref", "--format=%(refname:short)", "refs/heads"])
}

#[test]
fn one_commit_of_two_is_no_landing_and_what_is_taken_back_says_so() {
    let (town, branch) = left_for_people();
    person(&town, &[&["cherry-pick", &format!("up/{branch}~1")]]);
    refreshed(&town, "PartlyMerged");
    assert!(town.ok(&["status"]).contains("the target holds 1 of its 2 commits"), "{}", town.ok(&["status"]));
    person(&town, &[&["cherry-pick", &format!("up/{branch}")]]);
    let request = refreshed(&town, "Merged");
    town.lands("c");
    wait_until(&town, "the branch is removed", || (branches(&town) == "main").then_some(()));
    assert_eq!(town.items("polecats").len(), 1);

    let landed = request["status"]["landed"].as_str().unwrap();
    let name = request["metadata"]["name"].as_str().unwrap().to_owned();
    person(&town, &[&["reset", "-q", "--hard", "HEAD~2"]]);
    assert_eq!(town.ok(&["mr", "refresh", &name]), "rig/shop refreshed");
    for what in [format!("mr/{name}"), format!("bead/{}", request["spec"]["bead"].as_str().unwrap()), "convoy/c".into()]
    {
        town.ok(&["wait", &what, "--for=condition=LeftTarget", "--timeout", "60s"]);
    }
    let status = town.ok(&["status"]);
    assert!(status.contains("LeftTarget: ") && status.contains("is not on `main` any more"), "{status}");
    let waits = town.run(&["wait", "convoy/c", "--for=condition=Landed", "--timeout", "60s"]);
    assert_eq!(waits.code, 7, "{}", waits.complaint());

    person(&town, &[&["reset", "-q", "--hard", landed]]);
    town.ok(&["mr", "refresh"]);
    town.lands("c");
    let attempts = town.items("beads").iter().map(|bead| bead["status"]["attempts"].as_u64().unwrap()).max();
    assert_eq!(attempts, Some(1), "it was worked once");
}

#[test]
fn a_squash_that_a_person_edited_is_merged_and_a_deleted_branch_is_asked_about() {
    let (town, branch) = left_for_people();
    let up = format!("up/{branch}");
    git(&town.path("work/shop"), &["fetch", "-q", "up"]);
    git(&town.path("work/shop"), &["push", "-q", "up", "--delete", &branch]);
    let request = refreshed(&town, "BranchDeleted");
    assert!(town.ok(&["status"]).contains("its branch was deleted, unmerged"), "{}", town.ok(&["status"]));
    let tip = request["status"]["landed"].as_str().unwrap();
    git(&town.path("work/shop"), &["push", "-q", "up", &format!("{tip}:refs/heads/{branch}")]);
    refreshed(&town, "BranchReady");

    town.file("work/edit.sh", "echo otherwise > one && git add one && git commit -q --no-edit");
    let edit = town.path("work/edit.sh");
    let edit = format!("!sh {}", edit.display());
    person(&town, &[&["merge", "-q", "--squash", &up], &["-c", &format!("alias.edit={edit}"), "edit"]]);
    refreshed(&town, "Merged");
    town.lands("c");
    assert_eq!(git(&town.path("repos/shop.git"), &["show", "main:one"]), "otherwise");
}
