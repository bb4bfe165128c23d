//! A town that has lost store and ledger: what landed before is read off the target, and done by nobody again.

use super::harness::{Town, git};

#[test]
fn what_has_landed_is_not_done_again_when_store_and_ledger_are_lost() {
    let town = Town::new();
    let beads: [(&str, &[&str], &str); 2] =
        [("one", &[], "echo one > one.txt"), ("two", &["one"], "echo two > two.txt")];
    town.convoy("day", &beads);
    town.up();
    town.lands("day");
    town.ok(&["down"]);
    let shop = town.path("repos/shop.git");
    let landed = git(&shop, &["log", "--format=%H %s", "main"]);
    for folder in ["data", "state"] {
        fs_err::remove_dir_all(town.path(folder)).unwrap();
        fs_err::create_dir(town.path(folder)).unwrap();
    }
    // The same manifests, and a third bead.
    town.ok(&["apply", "-f", "town.yaml"]);
    town.rig("shop", "");
    let [one, two] = beads;
    town.convoy("day", &[one, two, ("three", &["two"], "echo three > three.txt")]);
    town.up();
    town.lands("day");
    let now = git(&shop, &["log", "--format=%H %s", "main"]);
    assert_eq!(now.strip_suffix(&landed).map(|new| new.lines().count()), Some(1), "{landed}\n{now}");
    for name in ["one", "two"] {
        let bead = town.bead(name);
        assert_eq!(bead["spec"]["closed"]["reason"], "Merged");
        let message = bead["spec"]["closed"]["message"].as_str().unwrap();
        let commit = message.strip_prefix("landed before as ").and_then(|rest| rest.split(',').next()).unwrap();
        assert!(landed.contains(commit), "{message}\n{landed}");
        let attempts = format!("runs/{}", bead["metadata"]["uid"].as_str().unwrap());
        assert!(!town.state(&attempts).exists(), "no session was begun");
    }
    assert_eq!(town.items("polecats").len(), 1, "one worked on the third");
}
