//! Gates that ask a program, through the real job and a fake `gh`: a bead goes on once its command and GitHub say so. And one that
//! waits for an event.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::harness::{Town, wait_until};

/// What `gh` says of pull request 7.
fn github_says(town: &Town, state: &str) {
    town.file("home/pr.json", &format!(r#"{{"state":"{state}","number":7}}"#));
}

fn ready(town: &Town, gate: &str) -> Value {
    let conditions = town.json(&["bead", gate])["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|it| it["type"] == "Ready").unwrap_or_default()
}

#[test]
fn a_bead_goes_on_once_a_command_ends_with_0_an_event_is_filed_and_a_pull_request_is_merged() {
    let mut town = Town::new();
    let gh = town.file("bin/gh", "#!/bin/sh\ncat \"$HOME/pr.json\"\n");
    fs_err::set_permissions(&gh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", town.path("bin").display(), std::env::var("PATH").unwrap());
    town.set("PATH", &path);
    github_says(&town, "OPEN");
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: { name: shop-s }\nspec:\n  title: Do it\n  rig: shop\n  \
         suspend: true\n  command: echo it > it.txt\n",
    );
    let gate = |more: &[&str]| {
        let made = town.ok(&[&["bd", "gate", "create", "--blocks", "shop-s", "--json"], more].concat());
        serde_json::from_str::<Value>(&made).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let command = gate(&["-t", "run", "--run", "ls -A; echo looked; test -e \"$HOME/go\""]);
    let request = gate(&["-t", "gh:pr", "--await-id", "7"]);
    let event = gate(&["-t", "event", "--await-id", "deploy.done", "--target", "web"]);
    town.up();
    town.ok(&["sling", "shop-s"]);
    let said = wait_until(&town, "the command says no", || {
        ready(&town, &command)["message"].as_str().filter(|said| said.starts_with("not yet")).map(str::to_owned)
    });
    assert!(said.ends_with("looked; it ended with 1"), "{said}");
    assert_eq!(town.ok(&["logs", &format!("bead/{command}")]), "looked\ngt: it ended with 1");
    town.file("home/go", "");
    wait_until(&town, "the pull request is asked about", || {
        ready(&town, &request)["message"].as_str().unwrap_or_default().contains("pull request 7 is open").then_some(())
    });
    let closed = wait_until(&town, "the command says yes", || {
        town.json(&["bead", &command])["spec"]["closed"]["message"].as_str().map(str::to_owned)
    });
    assert_eq!(closed, "its command ended with 0");
    let deployed = ["bd", "create", "Deployed", "--type=event", "--event-type=deploy.done", "--actor=human:kim"];
    town.ok(&[&deployed[..], &["--target=db"]].concat());
    town.ok(&[&deployed[..], &["--target=web"]].concat());
    let closed = wait_until(&town, "the event is filed", || {
        town.json(&["bead", &event])["spec"]["closed"]["message"].as_str().map(str::to_owned)
    });
    assert!(closed.starts_with("deploy.done has happened by human:kim: event "), "{closed}");
    github_says(&town, "MERGED");
    let waited = town.run(&["wait", "bead/shop-s", "--timeout", "80s"]);
    assert!(waited.ok(), "{}\n{}", waited.complaint(), town.log());
    assert_eq!(town.json(&["bead", &request])["spec"]["closed"]["message"], "pull request 7 is merged");
    assert_eq!(town.log_of("shop"), ["Do it (shop-s)", "first"]);
}
