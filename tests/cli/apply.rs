//! `gt apply` and `gt delete`: what they change, and what they leave alone.

use gastown_crds::{Bead, Convoy, names};
use serde_json::{Value, json};

use crate::harness::{CONVOY, Folder, RIG, object};

#[test]
fn the_quickstart_is_applied_and_then_it_is_unchanged() {
    let folder = Folder::empty();
    for file in ["town", "rigs", "formula", "convoy"] {
        let from = format!("{}/examples/quickstart/town/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
        folder.write(&format!("{file}.yaml"), &fs_err::read_to_string(from).unwrap());
    }
    assert_eq!(folder.gt(&["init"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", ".", "--dry-run"]).all(), @"
    runtime/script created (dry run)
    formula/work created (dry run)
    town/town created (dry run)
    formula/codemod created (dry run)
    rig/humane created (dry run)
    rig/reflow created (dry run)
    convoy/release created (dry run)
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs"]).all(), @"
    ! no rigs found
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "."]).all(), @"
    runtime/script created
    formula/work created
    town/town created
    formula/codemod created
    rig/humane created
    rig/reflow created
    convoy/release created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "."]).all(), @"
    town/town unchanged
    formula/codemod unchanged
    rig/humane unchanged
    rig/reflow unchanged
    convoy/release unchanged
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
}

#[test]
fn what_a_file_no_longer_says_is_removed_and_what_it_says_is_changed() {
    let folder = Folder::with_rig();
    let changed =
        RIG.replace("    branch: main\n", "").replace("team: checkout", "area: web").replace("Push", "Branch");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &changed).all(), @"
    rig/shop configured
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-", "--dry-run"], &changed).all(), @"
    rig/shop unchanged (dry run)
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rig/shop", "-o", "yaml"]).all(), @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop
      creationTimestamp: "[time]"
      generation: 2
      labels:
        area: web
      namespace: home
      resourceVersion: [version]
      uid: [uid]
    spec:
      identity: {}
      merge:
        allowUnverified: false
        strategy: Branch
        verify:
        - name: test
          run: make test
        whenCheckedOut: Refuse
      polecats: {}
      repo:
        url: [dir]/home/repos/shop.git
      suspend: false
      workspace: {}
    exit 0
    "#);
}

#[test]
fn what_is_read_can_be_applied_again() {
    let folder = Folder::with_rig();
    let yaml = folder.gt(&["get", "rig/shop", "-o", "yaml"]).out;
    // The harness replaced what differs from run to run by words; a version and a uid are not sent anyway.
    let yaml = yaml.replace("[dir]", folder.path("").to_str().unwrap().trim_end_matches('/')).replace(['[', ']'], "");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &yaml).all(), @"
    rig/shop unchanged
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
}

#[test]
fn what_agents_own_stays_as_it_is() {
    let folder = Folder::with_rig();
    let bead = |title: &str, more: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {{ name: shop-aaaaaaaa }}\nspec:\n  title: {title}\n  rig: shop\n{more}"
        )
    };
    let claimed = bead("Old", "  description: gone\n  assignee: { polecat: shop-nux, uid: '1' }\n");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &claimed).code, 0);
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &bead("New", "")).code, 0);
    insta::assert_snapshot!(folder.gt(&["get", "bead/shop-aaaaaaaa", "-o", "yaml"]).out, @r#"
    apiVersion: gastown.io/v1alpha1
    kind: Bead
    metadata:
      name: shop-aaaaaaaa
      creationTimestamp: "[time]"
      generation: 2
      namespace: home
      resourceVersion: [version]
      uid: [uid]
    spec:
      assignee:
        polecat: shop-nux
        uid: "1"
      priority: 2
      rig: shop
      title: New
      type: Task
    "#);
}

#[test]
fn a_folder_is_read_in_order_without_what_is_hidden_or_a_repository_of_its_own() {
    let folder = Folder::town();
    folder.write("b.yml", &CONVOY.replace("rig: shop", "rig: other"));
    folder.write("a/other.yaml", &RIG.replace("name: shop", "name: other"));
    folder.write(
        "c.json",
        r#"{"apiVersion":"gastown.io/v1alpha1","kind":"Runtime","metadata":{"name":"mine"},"spec":{"command":["sh"]}}"#,
    );
    folder.write("package.json", r#"{"name": "site", "kind": "module"}"#);
    folder.write(".github/workflow.yaml", "on: push\n");
    folder.write("checkout/.git/HEAD", "ref: refs/heads/main\n");
    folder.write("checkout/config.yaml", "no: manifest\n");
    folder.write("bare.git/HEAD", "ref: refs/heads/main\n");
    folder.write("bare.git/objects/info.yaml", "no: manifest\n");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "."]).all(), @"
    runtime/script created
    formula/work created
    town/town created
    source/town created
    runtime/mine created
    rig/other created
    convoy/auth created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    let rig = folder.gt(&["get", "rig/other", "-o", "yaml"]).out;
    assert!(rig.contains("url: [dir]/home/a/repos/shop.git") || rig.contains("[dir]/home/a/repos/shop.git"), "{rig}");
}

#[test]
fn delete_takes_objects_by_name_and_by_file() {
    let folder = Folder::with_rig();
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], CONVOY).code, 0);
    folder.write("convoy.yaml", CONVOY);
    insta::assert_snapshot!(folder.gt(&["delete", "-f", "convoy.yaml"]).all(), @"
    convoy/auth deleted
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["delete", "rig", "shop"]).all(), @"
    rig/shop deleted
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["delete", "rig/shop"]).all(), @"
    ! error: no Rig is named `shop`
    ! hint: there are no rigs yet
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["delete", "rig/shop", "--ignore-not-found"]).all(), @"exit 0");
}

#[test]
fn an_agent_may_not_declare() {
    let folder = Folder::with_rig();
    folder.write("rig.yaml", &RIG.replace("Push", "Branch"));
    insta::assert_snapshot!(folder.gt_as_agent(&["apply", "-f", "rig.yaml"]).all(), @r#"
    ! error: Rig `shop` (rig.yaml:4:9) was not applied; nothing was applied
    !   caused by: rigs.gastown.io "shop" is forbidden: shop/polecats/nux may not write a Rig: people declare it
    exit 4
    "#);
    insta::assert_snapshot!(folder.gt_as_agent(&["delete", "rig/shop"]).all(), @r#"
    ! error: rigs.gastown.io "shop" is forbidden: shop/polecats/nux may not write a Rig: people declare it
    exit 4
    "#);
}

#[test]
fn each_bead_of_a_convoy_is_judged_by_the_runtime_that_works_on_it() {
    let folder = Folder::with_rig();
    let convoy = "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {name: auth}\nspec:\n  rig: shop\n  runtime: codex\n  beads:\n\
                  \x20   - {name: hard, title: Rotate session tokens, runtime: claude}\n\
                  \x20   - {name: easy, title: Correct the spelling}\n\
                  \x20   - {name: chore, title: Add the licence, runtime: script}\n";
    // The built-in runtimes that it names are made with it, and the other ones are not.
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], convoy).all(), @"
    runtime/claude created
    runtime/codex created
    convoy/auth created
    ! warning[no-command]: `chore` has no `command`, and the `script` runtime runs nothing else
    !   --> -:10:14
    !    |
    ! 10 |     - {name: chore, title: Add the licence, runtime: script}
    !    |              ^^^^^
    !    |
    !    = help: add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    let misspelled = folder.gt_with(&["apply", "-f", "-"], &convoy.replace("claude", "claud"));
    assert!(misspelled.err.contains("no Runtime is named `claud`\n --> -:8:59\n"), "{}", misspelled.err);
    let bead = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {name: fix}\nspec: {title: Fix, rig: shop, runtime: claude}\n";
    assert!(!folder.gt_with(&["apply", "-f", "-"], bead).err.contains("no-command"));
    let described = folder.gt(&["describe", "bead/fix"]).out;
    assert!(described.contains("Runtime:\n  NAME     NAMED BY\n  claude   bead/fix\n"), "{described}");
}

#[test]
fn work_that_the_script_runtime_cannot_do_is_told_and_applied() {
    let folder = Folder::with_rig();
    let convoy = CONVOY.replace("title: Rotate session tokens, command: 'true'", "title: Rotate session tokens");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &convoy).all(), @"
    convoy/auth created
    ! warning[no-command]: `tokens` has no `command`, and the `script` runtime runs nothing else
    !  --> -:8:15
    !   |
    ! 8 |     - { name: tokens, title: Rotate session tokens }
    !   |               ^^^^^^
    !   |
    !   = help: add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    // A bead of its own, in a rig whose runtime is not the built-in one: its agent reads the text.
    folder.write(
        "robot.yaml",
        "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {name: robot}\nspec: {command: [robot]}\n",
    );
    folder.write("rig.yaml", &RIG.replace("spec:\n", "spec:\n  runtime: robot\n"));
    assert_eq!(folder.gt(&["apply", "-f", "robot.yaml", "-f", "rig.yaml"]).code, 0);
    assert!(!folder.gt_with(&["apply", "-f", "-"], &convoy).err.contains("no-command"));
    // A gate is no work.
    let gate = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {name: shop-g}\nspec: {title: Wait, rig: shop, type: Gate, gate: {type: Human}}\n";
    folder.write("rig.yaml", RIG);
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml"]).code, 0);
    assert!(!folder.gt_with(&["apply", "-f", "-"], gate).err.contains("no-command"));
    // A formula that says itself what to run needs no command.
    let formula = "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: {name: lint}\nspec: {steps: [{name: a, run: make lint}]}\n";
    folder.write("lint.yaml", formula);
    folder.write("rig.yaml", RIG);
    assert_eq!(folder.gt(&["apply", "-f", "lint.yaml", "-f", "rig.yaml"]).code, 0);
    let linted = convoy.replace("  rig: shop\n", "  rig: shop\n  formula: lint\n");
    assert!(!folder.gt_with(&["apply", "-f", "-"], &linted).err.contains("no-command"));
}

fn closed(called: &str, reason: &str) -> Value {
    let closed = json!({ "reason": reason, "at": "2026-01-01T00:00:00Z", "by": "gt" });
    let labels = json!({ "gastown.io/convoy": "auth", "gastown.io/bead": called });
    let title = if called == "tokens" { "Rotate session tokens" } else { "Log out everywhere" };
    json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
        "metadata": { "name": names::bead("shop", "auth", 1, called), "labels": labels },
        "spec": { "title": title, "rig": "shop", "command": "true", "closed": closed },
        "status": {},
    })
}

/// A bead of the convoy `auth` that is not closed.
fn begun(called: &str, waiting: Option<&str>, state: &str) -> Value {
    let mut bead = closed(called, "Merged");
    bead["spec"].as_object_mut().unwrap().remove("closed");
    if state != "Landing" {
        bead["spec"]["assignee"] = json!({ "polecat": "shop-nux", "uid": "1", "waiting": waiting });
    }
    bead["status"] = json!({ "state": state });
    bead
}

/// What is said of an applied convoy of which this is made.
fn told(folder: &Folder, convoy: &str, dry: bool) -> String {
    let args: &[&str] = if dry { &["apply", "--dry-run", "-f", "-"] } else { &["apply", "-f", "-"] };
    let lines = folder.gt_with(args, convoy).err;
    let lines = lines.lines().filter(|line| line.starts_with("warning") || line.contains("= help"));
    lines.map(|line| line.trim_start_matches([' ', '|', '='])).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_becomes_of_work_that_was_begun_is_told_before_it_is_applied() {
    let removed = || {
        CONVOY
            .replace("    - { name: tokens, title: Rotate session tokens, command: 'true' }\n", "")
            .replace(", needs: [tokens]", "")
    };
    let cancels = || removed().replace("spec:\n", "spec:\n  onRemove: Cancel\n");
    let rewritten = || CONVOY.replace("Rotate session", "Rotate all");
    let mut all = Vec::new();
    for (waiting, state) in [(None, "Working"), (Some("Bead"), "Waiting"), (None, "Landing")] {
        let folder = Folder::with_rig();
        folder.write("convoy.yaml", CONVOY);
        assert_eq!(folder.gt(&["apply", "-f", "convoy.yaml"]).code, 0);
        folder.seed::<Bead>(&begun("tokens", waiting, state));
        assert_eq!(told(&folder, CONVOY, false), "");
        for convoy in [rewritten(), cancels(), removed()] {
            let dry = told(&folder, &convoy, true);
            all.push(format!("{state}: {dry}"));
            assert_eq!(told(&folder, &convoy, false), dry, "a dry run says the same");
            assert_eq!(told(&folder, &convoy, false), "", "and it is said once");
            assert_eq!(folder.gt(&["apply", "-f", "convoy.yaml"]).code, 0);
        }
    }
    insta::assert_snapshot!(all.join("\n"), @"
    Working: warning[begun]: `tokens` has a new text while shop-nux works on it: the agent is told, and what it hands in counts
    help: a bead of another name is worked on whatever becomes of this one
    Working: warning[begun]: `tokens` is taken out while shop-nux works on it: its session is ended, and what was made is kept on a rescue ref
    help: `onRemove: Finish` lets it be finished instead
    Working: warning[begun]: `tokens` is taken out while shop-nux works on it: it is finished, and lands
    help: `onRemove: Cancel` ends it instead, and keeps what was made on a rescue ref
    Waiting: warning[begun]: `tokens` has a new text: shop-nux begins it anew, and what was made is kept on a rescue ref
    help: `git for-each-ref refs/gt/rescue` in the rig's clone lists what was kept
    Waiting: warning[begun]: `tokens` is taken out, and shop-nux had begun it: it is withdrawn, and what was made is kept on a rescue ref
    help: put back into the convoy, it is begun anew
    Waiting: warning[begun]: `tokens` is taken out, and shop-nux had begun it: it is withdrawn, and what was made is kept on a rescue ref
    help: put back into the convoy, it is begun anew
    Landing: warning[begun]: `tokens` has a new text while it is landing: it lands with the old one
    help: a bead of another name is worked on whatever becomes of this one
    Landing: warning[begun]: `tokens` is taken out while it is landing: it does not land, unless it is being pushed
    help: `onRemove: Finish` lets it be finished instead
    Landing: warning[begun]: `tokens` is taken out while it is landing: it lands
    help: `onRemove: Cancel` ends it instead, and keeps what was made on a rescue ref
    ");
}

#[test]
fn a_text_that_comes_too_late_is_told() {
    let folder = Folder::with_rig();
    folder.seed::<Bead>(&closed("tokens", "Merged"));
    folder.write("convoy.yaml", CONVOY);
    // The beads of an earlier convoy of this name.
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "convoy.yaml"]).all(), @"
    convoy/auth created
    ! warning[done-before]: 1 of 2 beads were closed in an earlier convoy `auth`: they are not done again
    !  --> convoy.yaml:4:9
    !   |
    ! 4 |   name: auth
    !   |         ^^^^
    !   |
    !   = help: to have all of it done anew, say so: `spec: { run: 2 }`
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    folder.seed::<Bead>(&closed("logout", "Withdrawn"));
    folder.write("convoy.yaml", &CONVOY.replace("command: 'true'", "command: 'false'"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "convoy.yaml"]).all(), @"
    convoy/auth configured
    ! warning[too-late]: `tokens` has landed: its new text is not worked on
    !  --> convoy.yaml:8:15
    !   |
    ! 8 |     - { name: tokens, title: Rotate session tokens, command: 'false' }
    !   |               ^^^^^^
    !   |
    !   = help: what is to be done on top of it is a bead of its own: give it another name
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    // A new name is new work.
    folder.write("convoy.yaml", &CONVOY.replace("tokens", "again"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "convoy.yaml"]).all(), @"
    convoy/auth configured
    ! warning[begun]: `tokens` has landed or was closed: to take it out changes nothing there
    !  --> convoy.yaml:4:9
    !   |
    ! 4 |   name: auth
    !   |         ^^^^
    !   |
    !   = help: put back into the convoy, it is not done again
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    let name = names::bead("shop", "auth", 1, "tokens");
    let bead = format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {{ name: {name} }}\nspec: {{ title: New, rig: shop, command: ls }}\n"
    );
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &bead).all(), @"
    bead/shop-ey588guy configured
    ! warning[too-late]: `shop-ey588guy` has landed: its new text is not worked on
    !  --> -:3:19
    !   |
    ! 3 | metadata: { name: shop-ey588guy }
    !   |                   ^^^^^^^^^^^^^
    !   |
    !   = help: what is to be done on top of it is a bead of its own: give it another name
    !
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
}

#[test]
fn what_is_on_its_way_out_is_told() {
    let folder = Folder::with_rig();
    let beads = json!([{ "name": "tokens", "title": "Rotate session tokens" }]);
    let mut convoy = object("Convoy", "auth", &json!({ "rig": "shop", "beads": beads }), &json!({}));
    convoy["metadata"]["finalizers"] = json!(["gastown.io/beads"]);
    folder.seed::<Convoy>(&convoy);
    assert_eq!(folder.gt(&["delete", "convoy/auth"]).code, 0);
    folder.write("convoy.yaml", CONVOY);
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "convoy.yaml"]).all(), @"
    ! error[being-deleted]: convoy `auth` is being deleted: what is said of it would go with it
    !  --> convoy.yaml:4:9
    !   |
    ! 4 |   name: auth
    !   |         ^^^^
    !   |
    !   = help: `gt wait convoy/auth --for=delete`, then apply this again
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn what_is_wrong_in_itself_is_all_that_is_told_of_it() {
    let folder = Folder::with_rig();
    folder.write("convoy.yaml", &CONVOY.replace("command:", "comand:"));
    let said = folder.gt(&["apply", "-f", "convoy.yaml"]).all();
    assert!(said.contains("did you mean `command`"), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_list_is_applied_and_deleted_as_its_items_are() {
    let folder = Folder::with_rig();
    let list = |rig: &str| {
        format!(
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: []\n- apiVersion: gastown.io/v1alpha1\n  kind: Convoy\n  metadata: {{ name: auth }}\n  spec:\n    rig: {rig}\n    beads:\n    - &base {{ name: tokens, title: Rotate, command: 'true' }}\n    - {{ <<: *base, name: logout }}\n"
        )
    };
    folder.write("list.yaml", &list("shpo"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "list.yaml"]).all(), @"
    ! error[ref-not-found]: no Rig is named `shpo`
    !   --> list.yaml:11:10
    !    |
    ! 11 |     rig: shpo
    !    |          ^^^^ neither in these files nor in the town
    !    |
    !    = help: did you mean `shop`?
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    folder.write("list.yaml", &list("shop"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "list.yaml"]).all(), @"
    convoy/auth created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    // What `get` prints of several objects is a list, and it can be applied.
    let yaml = folder.raw(&["get", "rigs,convoys", "-o", "yaml"]);
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &yaml).all(), @"
    rig/shop unchanged
    convoy/auth unchanged
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt_with(&["apply", "-f", "-"], &folder.raw(&["get", "beads", "-o", "yaml"])).all(), @"
    ! error: there are no objects in there
    ! hint: manifests are files, or folders with .yaml, .yml or .json files below them
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["delete", "-f", "list.yaml"]).all(), @"
    convoy/auth deleted
    exit 0
    ");
}

#[test]
fn what_is_not_ours_is_skipped_in_a_folder_and_told_of_a_file() {
    let folder = Folder::town();
    folder.write("m/a.yaml", &RIG.replace("./repos", "/repos"));
    folder.write("m/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    folder.write("m/kustomization.yaml", "resources: [a.yaml, app.yaml]\n");
    folder.write("other/kustomization.yaml", "resources: []\n");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m", "--dry-run"]).all(), @"
    runtime/script created (dry run)
    formula/work created (dry run)
    rig/shop created (dry run)
    ! note: skipped m/app.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    ! note: skipped m/kustomization.yaml:1: no object: it has no `apiVersion` and `kind`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m"]).all(), @"
    runtime/script created
    formula/work created
    rig/shop created
    ! note: skipped m/app.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    ! note: skipped m/kustomization.yaml:1: no object: it has no `apiVersion` and `kind`
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m", "-f", "other"]).all(), @"
    ! note: skipped m/app.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    ! note: skipped m/kustomization.yaml:1: no object: it has no `apiVersion` and `kind`
    ! note: skipped other/kustomization.yaml:1: no object: it has no `apiVersion` and `kind`
    ! error: there are no objects of gastown.io in the folder `other`
    ! hint: manifests are files, or folders with .yaml, .yml or .json files below them
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m/app.yaml"]).all(), @"
    ! error[foreign]: a `ConfigMap` of `v1` is not of gastown.io
    !  --> m/app.yaml:1:13
    !   |
    ! 1 | apiVersion: v1
    !   |             ^^
    !   |
    !   = help: take it out of the file, or give `-f` the folder: there, what is not of gastown.io is skipped
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m/kustomization.yaml"]).all(), @"
    ! error[required]: `apiVersion`, `kind` and `metadata.name` are missing
    !  --> m/kustomization.yaml:1:1
    !   |
    ! 1 | resources: [a.yaml, app.yaml]
    !   | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    !   |
    !   = help: add `apiVersion: gastown.io/v1alpha1`, the kind, such as `kind: Convoy`, `metadata: { name: … }`
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["delete", "-f", "m"]).all(), @"
    rig/shop deleted
    ! note: skipped m/app.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    ! note: skipped m/kustomization.yaml:1: no object: it has no `apiVersion` and `kind`
    exit 0
    ");
    for nth in 10..25 {
        folder.write(&format!("m/{nth}.yaml"), "replicas: 1\n");
    }
    let done = folder.gt(&["apply", "-f", "m"]);
    insta::assert_snapshot!(done.err.lines().skip(9).collect::<Vec<_>>().join("\n"), @"
    note: skipped m/19.yaml:1: no object: it has no `apiVersion` and `kind`
    note: skipped 7 more of that sort
    the town is down, so nothing moves yet: `gt up`
    ");
}
