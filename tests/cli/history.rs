//! `gt history` and `gt rollback`: what a revision changed and caused, and what one that is to come back may not change.

use gastown::world::exec::Exec;
use gastown_crds::{Bead, Rig, Source};
use serde_json::{Value, json};

use crate::harness::{Folder, RIG, bead, object};

fn past(commit: char, at: &str, objects: &[&str]) -> Value {
    json!({
        "revision": format!("main@sha1:{}", commit.to_string().repeat(40)), "author": "Kim <kim@example.invalid>",
        "subject": format!("Change {commit}"), "at": at, "result": "Applied", "created": 1, "objects": objects,
    })
}

/// A town with two revisions, of which the first declared a convoy with two beads, one of them landed.
fn town() -> Folder {
    let folder = Folder::with_rig();
    let history =
        [past('b', "2026-01-02T00:00:00Z", &["+rig/shop"]), past('a', "2026-01-01T00:00:00Z", &["+convoy/auth"])];
    let status = json!({ "inventory": [], "conditions": [], "history": history });
    folder.seed::<Source>(&object("Source", "town", &json!({ "git": { "url": "." } }), &status));
    let merged = json!({ "closed": { "reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt" } });
    for (name, called, spec, state) in
        [("shop-a", "tokens", &merged, "Closed"), ("shop-b", "logout", &json!({}), "Working")]
    {
        let mut bead = bead(name, spec, &json!({ "state": state, "attempts": 2 }));
        bead["metadata"]["labels"] = json!({ "gastown.io/convoy": "auth", "gastown.io/bead": called });
        folder.seed::<Bead>(&bead);
    }
    folder
}

#[test]
fn the_history_says_what_a_revision_changed_and_what_it_caused() {
    let folder = town();
    let listed: Value = serde_json::from_str(&folder.raw(&["history", "-o", "json"])).unwrap();
    let caused: Vec<&Value> = listed.as_array().unwrap().iter().map(|entry| &entry["caused"]).collect();
    let none = json!({ "beads": 0, "landed": 0, "sessions": 0, "isPart": false });
    assert_eq!(caused, [&none, &json!({ "beads": 2, "landed": 1, "sessions": 4, "isPart": false })]);
    assert_eq!(folder.raw(&["history", "--json"]), folder.raw(&["history", "town", "-o", "json"]));
    let table = folder.gt(&["history"]).out;
    let first = table.lines().nth(2).unwrap_or_default();
    assert!(first.contains("main@aaaaaaaaaaaa") && first.contains("1/2 landed"), "{table}");

    let detail = folder.gt(&["history", "--revision", "main@aaaaaaaaaaaa"]);
    let lines = detail.out.lines().filter(|line| !line.starts_with("Age:")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(lines, @"
    Source:    town
    Revision:  main@sha1:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    Author:    Kim <kim@example.invalid>
    Subject:   Change a
    Result:    Applied
    Changes:   +1 ~0 -0
               +convoy/auth
    Caused:    2 beads, 4 sessions, 1 landed
      BEAD     CONVOY   CALLED   STATE     SESSIONS
      shop-a   auth     tokens   Landed    2
      shop-b   auth     logout   Working   2
    ");
    let detail: Value = serde_json::from_str(&folder.raw(&["history", "--revision", "aaaa", "-o", "json"])).unwrap();
    let items = detail["caused"]["items"].as_array().unwrap();
    assert_eq!((&items[0]["name"], &items[0]["landed"], items.len()), (&json!("shop-a"), &json!(true), 2));
    insta::assert_snapshot!(folder.gt(&["history", "--revision", "cccc"]).all(), @"
    ! error: no revision `cccc` is remembered
    ! hint: `gt history` lists the revisions
    exit 3
    ");
}

#[test]
fn a_rollback_names_what_has_to_be_deleted_and_made_anew() {
    let folder = Folder::town();
    let git = |args: &[&str]| {
        let settings =
            ["-c", "user.name=Kim", "-c", "user.email=kim@example.invalid", "-c", "core.hooksPath=/dev/null"];
        let out = Exec::new("git").args(settings).args(args).cwd(folder.path("home")).run().unwrap();
        assert!(out.ok(), "{args:?}: {}", out.complaint());
    };
    let rig = |prefix: &str| RIG.replace("spec:\n", &format!("spec:\n  prefix: {prefix}\n"));
    for prefix in ["old", "new"] {
        folder.write("rig.yaml", &rig(prefix));
        git(&["add", "-A"]);
        git(&["commit", "-qm", prefix]);
    }
    let merge = json!({ "strategy": "Push", "allowUnverified": true });
    let spec = json!({ "prefix": "new", "repo": { "url": "/x", "branch": "main" }, "merge": merge });
    folder.seed::<Rig>(&object("Rig", "shop", &spec, &json!({})));
    let source = |prune: bool| object("Source", "town", &json!({ "git": { "url": "." }, "prune": prune }), &json!({}));
    folder.seed::<Source>(&source(false));
    let hint = || {
        let refused = folder.gt(&["rollback", "HEAD~1"]);
        assert_eq!(refused.code, 4, "{}", refused.all());
        refused.err.lines().last().unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(hint(), @"hint: rig/shop may not change in place, and has to be deleted and made anew: commit without it, `gt delete rig/shop`, and roll back again");
    assert_eq!(folder.gt(&["delete", "source", "town"]).code, 0);
    folder.seed::<Source>(&source(true));
    assert!(hint().ends_with("commit without it, which prunes it, and roll back again"), "{}", hint());
}
