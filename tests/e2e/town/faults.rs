//! What is wrong is said on the object concerned, with the next step; everything else goes on.

use std::net::TcpListener;
use std::sync::mpsc::channel;

use super::harness::{Town, WAIT_MAX, git, wait_until};
use serde_json::{Value, json};

fn condition(object: &Value, type_: &str) -> Option<(String, String, String)> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|c| c["type"] == type_)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

fn waits_for(town: &Town, what: &str, type_: &str, reason: &str) -> String {
    wait_until(town, &format!("{what} says {reason}"), || {
        let out = town.run(&["get", "-o", "json", what]);
        let object: Value = serde_json::from_str(&out.text()).ok()?;
        condition(&object, type_).filter(|c| c.1 == reason).map(|c| c.2)
    })
}

/// Another rig of the town still lands its work.
fn others_go_on(town: &Town) {
    town.convoy("fine", &[("fine", &[], "echo fine > fine.txt")]);
    town.lands("fine");
}

fn rig(town: &Town, name: &str, url: &str, more: &Value) {
    let mut spec =
        json!({"repo": {"url": url}, "merge": {"strategy": "Push", "verify": [{"name": "check", "run": "true"}]}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let rig = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": {"name": name}, "spec": spec});
    town.apply(&rig.to_string());
}

fn convoy(town: &Town, rig: &str) {
    let convoy = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": {"name": format!("for-{rig}")},
        "spec": {"rig": rig, "beads": [{"name": "b", "title": "B", "command": "echo b > b.txt"}]}});
    town.apply(&convoy.to_string());
}

#[test]
fn a_url_that_cannot_be_cloned() {
    let town = Town::new();
    rig(&town, "gone", town.path("repos/nowhere.git").to_str().unwrap(), &json!({}));
    town.up();
    let message = waits_for(&town, "rig/gone", "Ready", "CloneFailed");
    assert!(message.contains("nowhere.git"), "{message}");
    others_go_on(&town);
}

/// Over real sockets: whoever connects is heard and never answered.
#[test]
fn remotes_that_never_answer_hold_up_no_other_rig() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    let (heard, connections) = channel();
    // It keeps them open until nobody wants to know of them any more.
    std::thread::spawn(move || server.incoming().map_while(Result::ok).try_for_each(|stream| heard.send(stream)));
    let town = Town::new();
    town.apply("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {jobs: 1, polecats: 1}}\n");
    let urls: Vec<_> = (0..5).map(|nth| format!("{}://{at}/{nth}.git", ["http", "git"][nth % 2])).collect();
    for (nth, url) in urls.iter().enumerate() {
        rig(&town, &format!("far-{nth}"), url, &json!({}));
        convoy(&town, &format!("far-{nth}"));
    }
    town.up();
    let hanging: Vec<_> = urls.iter().map(|_| connections.recv_timeout(WAIT_MAX).expect("each is asked")).collect();
    others_go_on(&town);
    assert_eq!(hanging.len(), urls.len());
    for nth in 0..urls.len() {
        let far = town.json(&[&format!("rig/far-{nth}")]);
        assert_eq!(condition(&far, "Ready").unwrap().1, "Cloning");
    }
}

#[test]
fn a_rig_that_is_somebodys_own_checkout() {
    let town = Town::new();
    let own = town.path("work/shop");
    rig(&town, "own", own.to_str().unwrap(), &json!({}));
    convoy(&town, "own");
    town.up();
    let message = waits_for(&town, "rig/own", "Ready", "TargetCheckedOut");
    assert!(message.contains("whenCheckedOut") && message.contains("Branch"), "{message}");
    others_go_on(&town);
    // The choice it names works.
    rig(
        &town,
        "own",
        own.to_str().unwrap(),
        &json!({"merge": {"strategy": "Push", "whenCheckedOut": "Update", "verify": [{"name": "check", "run": "true"}]}}),
    );
    town.lands("for-own");
    assert_eq!(git(&own, &["status", "--porcelain"]), "", "the checkout was updated, not left behind");
    assert!(own.join("b.txt").is_file());
}

#[test]
fn a_setup_command_that_fails() {
    let town = Town::new();
    town.repo("site", &[("README", "site\n")]);
    let url = town.path("repos/site.git");
    rig(&town, "site", url.to_str().unwrap(), &json!({"workspace": {"setup": ["echo cannot find npm >&2; exit 1"]}}));
    convoy(&town, "site");
    town.up();
    let message = waits_for(&town, "polecat/site-nux", "Ready", "SetupFailed");
    assert!(message.contains("cannot find npm"), "{message}");
    others_go_on(&town);
    rig(&town, "site", url.to_str().unwrap(), &json!({"workspace": {"setup": ["true"]}}));
    town.lands("for-site");
}

#[test]
fn an_agent_that_is_not_installed() {
    let town = Town::new();
    let runtime = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Runtime", "metadata": {"name": "ghost"}, "spec": {"command": ["no-such-agent"]}});
    town.apply(&runtime.to_string());
    town.repo("site", &[("README", "site\n")]);
    rig(&town, "site", town.path("repos/site.git").to_str().unwrap(), &json!({"runtime": "ghost"}));
    convoy(&town, "site");
    town.up();
    let message = waits_for(&town, "polecat/site-nux", "Ready", "CommandNotFound");
    assert!(message.contains("no-such-agent"), "{message}");
    waits_for(&town, "runtime/ghost", "Ready", "CommandNotFound");
    others_go_on(&town);
}

#[test]
fn a_bead_that_always_fails_is_set_aside_with_its_output() {
    let town = Town::new();
    town.apply("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {backoffLimit: 2, capacity: {polecats: 3}, retry: {initialDelay: 10ms}}\n");
    town.convoy("c", &[("bad", &[], "echo this cannot work >&2; exit 3")]);
    town.up();
    let message = wait_until(&town, "the bead is set aside", || condition(&town.bead("bad"), "SetAside").map(|c| c.2));
    assert!(message.contains("this cannot work"), "{message}");
    assert!(town.run(&["status"]).text().lines().next().unwrap().contains("need"), "{}", town.run(&["status"]).text());
    // A new text is a new chance.
    town.convoy("c", &[("bad", &[], "echo works > works.txt")]);
    town.lands("c");
}

#[test]
fn a_red_target_charges_nobody_and_a_repair_passes() {
    let town = Town::new();
    town.repo("sick", &[("a.txt", "BROKEN\n"), ("check.sh", "! grep -rq BROKEN . --include=*.txt\n")]);
    rig(
        &town,
        "sick",
        town.path("repos/sick.git").to_str().unwrap(),
        &json!({"merge": {"strategy": "Push", "verify": [{"name": "check", "run": "sh check.sh"}]}}),
    );
    convoy(&town, "sick");
    town.up();
    waits_for(&town, "rig/sick", "BaseRed", "BaseRed");
    let repair = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": {"name": "repair"},
        "spec": {"rig": "sick", "beads": [{"name": "r", "title": "Repair", "command": "echo fine > a.txt"}]}});
    town.apply(&repair.to_string());
    town.lands("repair");
    town.lands("for-sick");
}
