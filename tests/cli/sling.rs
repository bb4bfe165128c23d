//! `gt sling`: work in words, for a rig that is named, or that one stands in.

use std::path::PathBuf;

use gastown_crds::Bead;
use regex::Regex;
use serde_json::{Value, json};

use crate::harness::{Done, Folder, RIG, bead, git};

/// All that it said; what no other convoy has in its name is left out.
fn said(done: &Done) -> String {
    Regex::new("(fix-it|work)-[a-z2-9]{5}").unwrap().replace_all(&done.all(), "$1-[id]").into_owned()
}

/// A rig in the store, which an agent works on that reads words.
fn with_agent(folder: &Folder, name: &str, url: &str) {
    with_branch(folder, name, url, "main");
}

fn with_branch(folder: &Folder, name: &str, url: &str, branch: &str) {
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: reader }\nspec: { command: [reader] }\n---\n";
    let rig =
        RIG.replace("name: shop", &format!("name: {name}")).replace("./repos/shop.git", url).replace("main", branch);
    let done = folder.gt_with(&["apply", "-f", "-"], &format!("{runtime}{rig}  runtime: reader\n"));
    assert_eq!(done.code, 0, "{}", done.all());
}

/// A repository with a commit.
fn repository(folder: &Folder, name: &str) -> PathBuf {
    let dir = folder.path(name);
    fs_err::create_dir_all(dir.join("src")).unwrap();
    fs_err::write(dir.join("src/a"), "a\n").unwrap();
    fs_err::write(dir.join("Makefile"), "test:\n\ttrue\n").unwrap();
    git(&dir, &["init", "--quiet"]);
    git(&dir, &["add", "--all"]);
    git(&dir, &["commit", "--quiet", "-m", "first"]);
    dir
}

/// The rigs of the convoys that there are.
fn rigs_of_convoys(folder: &Folder) -> Vec<String> {
    let list: Value = serde_json::from_str(&folder.raw(&["get", "convoys", "-o", "json"])).unwrap();
    let rig = |convoy: &Value| convoy["spec"]["rig"].as_str().unwrap().to_owned();
    list["items"].as_array().unwrap().iter().map(rig).collect()
}

#[test]
fn words_become_a_convoy_of_the_only_rig() {
    let folder = Folder::town();
    with_agent(&folder, "shop", "/nowhere/shop.git");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    convoy/fix-it-[id] created
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
    insta::assert_snapshot!(said(&folder.gt(&["get", "convoys"])), @"
    NAME           LANDED   BEADS   REASON   AGE
    fix-it-[id]   -        -       -        [age]
    exit 0
    ");
    // Again is another piece of work.
    assert_eq!(folder.gt(&["sling", "Fix it", "shop"]).code, 0);
    assert_eq!(rigs_of_convoys(&folder), ["shop", "shop"]);
    // Another program for this one: the rig's own would read the words, and that one does not.
    let by_script = folder.gt(&["sling", "Fix it", "--runtime", "script"]);
    assert_eq!(by_script.code, 4, "{}", by_script.all());
    assert_eq!(folder.gt(&["sling", "Fix it", "--runtime", "script", "--command", "true"]).code, 0);
    assert_eq!(folder.gt(&["sling", "Fix it", "--runtime", "nobody"]).code, 4);
}

#[test]
fn what_would_be_applied_is_what_apply_takes() {
    let folder = Folder::town();
    with_agent(&folder, "shop", "/nowhere/shop.git");
    let args = ["sling", "Fix it\n\nAs I said.", "--formula", "work", "--command", "true", "--dry-run", "-o", "yaml"];
    let dry = folder.gt(&args);
    insta::assert_snapshot!(said(&dry), @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Convoy
    metadata:
      name: fix-it-[id]
    spec:
      rig: shop
      formula: work
      beads:
      - name: fix-it
        title: Fix it
        description: "Fix it\n\nAs I said."
        command: "true"
    exit 0
    "#);
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "--dry-run=server"])), @"
    convoy/fix-it-[id] created (server dry run)
    exit 0
    ");
    assert!(rigs_of_convoys(&folder).is_empty());
    insta::assert_snapshot!(said(&folder.gt_with(&["apply", "-f", "-"], &dry.out)), @"
    convoy/fix-it-[id] created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    // Judged as by `gt apply`.
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "--formula", "worm"])), @"
    ! error[ref-not-found]: no Formula is named `worm`
    !  --> the convoy:7:12
    !   |
    ! 7 |   formula: worm
    !   |            ^^^^ neither in these files nor in the town
    !   |
    !   = help: did you mean `work`?
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", " "])), @"
    ! error: there is nothing to do in an empty text
    ! hint: gt sling 'fix the typo in README'
    exit 2
    ");
}

#[test]
fn a_rig_is_found_by_a_folder_of_its_repository() {
    let folder = Folder::town();
    let (shop, other) = (repository(&folder, "shop"), repository(&folder, "other"));
    git(&folder.path(""), &["clone", "--quiet", shop.to_str().unwrap(), "copy"]);
    with_agent(&folder, "shop", shop.to_str().unwrap());
    with_agent(&folder, "far", "git@example.invalid:team/far.git");
    git(&other, &["remote", "add", "origin", "ssh://kim@example.invalid/team/far"]);
    let home = folder.path("home");
    let town = ["--town", home.to_str().unwrap()];
    for (cwd, rig, wanted) in [
        ("home", Some("../shop"), "shop"),
        ("shop/src", Some("."), "shop"),
        ("copy", Some("."), "shop"),
        ("copy/src", None, "shop"),
        ("other", None, "far"),
    ] {
        let args: Vec<&str> =
            town.into_iter().chain(["sling", "Fix it", "--dry-run", "-o", "yaml"]).chain(rig).collect();
        let done = folder.gt_at(&folder.path(cwd), &args, "");
        assert!(done.out.contains(&format!("  rig: {wanted}\n")), "{cwd}: {}", done.all());
    }
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    ! error: the town has several rigs
    ! hint: say which, after the text: far, shop
    exit 2
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "shob"])), @"
    ! error: no Rig is named `shob`
    ! hint: did you mean `shop`?
    exit 3
    ");
    let third = repository(&folder, "third");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", third.to_str().unwrap()])), @"
    ! error: no rig is of the repository in [dir]/third
    ! hint: `gt rig add [dir]/third` declares one
    exit 3
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "../nowhere"])), @"
    ! error: there is no folder `[dir]/nowhere`
    exit 3
    ");
    with_agent(&folder, "shop-next", &format!("file://{}", shop.display()));
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "../shop"])), @"
    ! error: several rigs are of that repository
    ! hint: say which, after the text: shop, shop-next
    exit 2
    ");
}

#[test]
fn a_branch_chooses_among_the_rigs_of_a_repository() {
    let folder = Folder::town();
    let shop = repository(&folder, "shop").display().to_string();
    for (name, branch) in [("shop", "main"), ("shop-1-x", "release-1.x"), ("shop-1-x-too", "release-1.x")] {
        with_branch(&folder, name, &shop, branch);
    }
    with_branch(&folder, "far", "git@example.invalid:team/far.git", "release-2.x");
    let slung = |more: &[&str]| folder.gt(&[&["sling", "Fix it", "--dry-run", "-o", "yaml"], more].concat());
    for (more, wanted) in [
        (&["shop", "--branch", "main"][..], "shop"),
        (&["shop-1-x", "--branch", "main"], "shop"),
        (&[&shop, "--branch", "main"], "shop"),
        (&["shop-1-x", "--branch", "release-1.x"], "shop-1-x"),
        (&["--branch", "release-2.x"], "far"),
    ] {
        let done = slung(more);
        assert!(done.out.contains(&format!("  rig: {wanted}\n")), "{more:?}: {}", done.all());
    }
    insta::assert_snapshot!(said(&slung(&["shop", "--branch", "release-1.x"])), @"
    ! error: several rigs are of that repository and branch
    ! hint: say which, after the text: shop-1-x, shop-1-x-too
    exit 2
    ");
    insta::assert_snapshot!(said(&slung(&["shop", "--branch", "relase-1.x"])), @"
    ! error: no rig lands on branch `relase-1.x`
    !   caused by: `shop` lands on main, `shop-1-x` lands on release-1.x, `shop-1-x-too` lands on release-1.x
    ! hint: `gt rig add [dir]/shop --branch relase-1.x --name NAME` declares one
    exit 3
    ");
    insta::assert_snapshot!(said(&folder.gt(&["convoy", "create", "day", "Fix it"])), @"
    ! error: the town has several rigs
    ! hint: say which, by --rig: far, shop, shop-1-x, shop-1-x-too
    exit 2
    ");
    let convoy = folder.gt(&["convoy", "create", "day", "Fix it", "--branch", "release-2.x", "--dry-run"]);
    assert_eq!(convoy.code, 0, "{}", convoy.all());
}

#[test]
fn people_are_told_of_a_convoy_only_where_the_town_can_tell_them() {
    let folder = Folder::town();
    with_agent(&folder, "shop", "git@example.invalid:team/shop.git");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "--notify"])), @"
    ! error: nobody would be told: the Town has no `notify`
    ! hint: give it the command that tells people: `gt explain town.spec.notify`; or leave --notify out
    exit 4
    ");
    let town =
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: { name: town }\nspec: { notify: { command: [cat] } }\n";
    let done = folder.gt_with(&["apply", "-f", "-"], town);
    assert_eq!(done.code, 0, "{}", done.all());
    let done = folder.gt(&["sling", "Fix it", "--notify", "-o", "yaml"]);
    assert!(done.code == 0 && done.out.contains("\n  notify: true\n"), "{}", done.all());
    assert_eq!(rigs_of_convoys(&folder), ["shop"]);
}

#[test]
fn a_rig_that_was_only_declared_is_made_live() {
    let folder = Folder::empty();
    folder.has_agent("claude");
    assert_eq!(folder.gt(&["init", "--trust", "Full"]).code, 0);
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    ! error: the town has no rig yet
    ! hint: `gt rig add PATH-OR-URL` declares a repository
    exit 3
    ");
    repository(&folder, "shop");
    assert_eq!(folder.gt(&["rig", "add", "../shop"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["status"]).out, @"
    nothing needs you   (the town is down: gt up)

    no rig is live yet: `gt apply -f rigs`, or commit rigs
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "../shop", "--dry-run"])), @"
    rig/shop created (dry run)
    convoy/fix-it-[id] created (dry run)
    exit 0
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it", "../shop"])), @"
    rig/shop created
    convoy/fix-it-[id] created
    ! rig `shop` is live from now on; commit rigs/shop.yaml when you like
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs,runtimes"]).out, @"
    NAME       READY   REASON   BRANCH   QUEUE   STRATEGY   AGE
    rig/shop   -       -        -        -       Push       [age]

    NAME             READY   COMMAND     AGE
    runtime/claude   -       claude      [age]
    runtime/script   -       gt:script   [age]
    ");
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    convoy/fix-it-[id] created
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
}

#[test]
fn words_for_who_reads_none_or_may_not_run_are_answered_with_what_to_do() {
    let folder = Folder::with_rig();
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    ! error: rig `shop` is worked by the `script` runtime, which runs commands and reads no words
    ! hint: say --command 'SHELL'; or let an agent work there: `runtime: claude` under `spec` of rig shop
    exit 4
    ");
    assert!(rigs_of_convoys(&folder).is_empty());
    assert_eq!(folder.gt(&["sling", "Fix it", "--command", "true"]).code, 0);
    folder.write("rig.yaml", &format!("{RIG}  runtime: claude\n"));
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml"]).code, 0);
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    convoy/fix-it-[id] created
    ! note: it waits. `claude` runs any command as you, without asking, and this town does not let it yet: write `spec: { trust: Full }` in town.yaml, then commit it
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
    folder.write("town.yaml", &folder.read("town.yaml").replace("spec: {}", "spec: { trust: Full }"));
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    convoy/fix-it-[id] created
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
    assert_eq!(folder.gt(&["apply", "-f", "town.yaml"]).code, 0);
    insta::assert_snapshot!(said(&folder.gt(&["sling", "Fix it"])), @"
    convoy/fix-it-[id] created
    ! the town is down, so nothing moves yet: `gt up`
    ! next: gt wait convoy/fix-it-[id] --timeout 30m
    exit 0
    ");
}

#[test]
fn a_bead_of_the_backlog_that_has_no_command_is_not_slung_to_who_runs_commands_only() {
    let folder = Folder::with_rig();
    folder.seed::<Bead>(&bead("shop-1", &json!({ "title": "Fix it", "rig": "shop", "suspend": true }), &json!({})));
    insta::assert_snapshot!(said(&folder.gt(&["sling", "shop-1"])), @"
    ! error: rig `shop` is worked by the `script` runtime, which runs commands and reads no words
    ! hint: say --command 'SHELL'; or let an agent work there: `runtime: claude` under `spec` of rig shop
    exit 4
    ");
    let suspended = || {
        let bead: Value = serde_json::from_str(&folder.raw(&["get", "bead/shop-1", "-o", "json"])).unwrap();
        bead["spec"]["suspend"] == json!(true)
    };
    assert!(suspended(), "nothing was written");
    let done = folder.gt(&["sling", "shop-1", "--command", "true"]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert!(!suspended());
}
