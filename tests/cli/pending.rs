//! `gt diff` where a Source manages the town: what is not committed yet, and what a revision would do.

use gastown::world::exec::Exec;
use gastown_crds::Source;
use serde_json::{Value, json};

use crate::harness::{Done, Folder, RIG, object};

/// A rig that says nothing of what it has to.
const WRONG: &str = "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\nspec: {}\n";

/// A rig as a manifest; with what a source notes on what it made.
fn rig(name: &str, is_made: bool) -> String {
    let label = if is_made { "{ gastown.io/source: town }" } else { "{}" };
    let text = RIG.replace("name: shop", &format!("name: {name}")).replace("shop.git", &format!("{name}.git"));
    text.replace("{ team: checkout }", label)
}

/// Git in the town's folder, as somebody who works there.
fn git(folder: &Folder, args: &[&str]) -> String {
    let settings = ["-c", "user.name=Kim", "-c", "user.email=kim@example.invalid", "-c", "core.hooksPath=/dev/null"];
    let out = Exec::new("git").args(settings).args(args).cwd(folder.path("home")).run().unwrap();
    assert!(out.ok(), "{args:?}: {}", out.complaint());
    out.text()
}

/// A town whose source has applied two rigs, `shop` and `web`, and has both committed.
fn live() -> Folder {
    let folder = Folder::town();
    for name in ["shop", "web"] {
        folder.write(&format!("{name}.yaml"), &rig(name, true));
    }
    assert_eq!(folder.gt(&["apply", "-f", "."]).code, 0);
    for name in ["shop", "web"] {
        folder.write(&format!("{name}.yaml"), &rig(name, false));
    }
    git(&folder, &["add", "-A"]);
    git(&folder, &["commit", "-qm", "Two rigs"]);
    let inventory = json!([{ "kind": "Rig", "names": ["shop", "web"] }]);
    let status = json!({ "inventory": inventory, "objects": 2, "conditions": [], "history": [] });
    folder.seed::<Source>(&object("Source", "town", &json!({ "git": { "url": "." } }), &status));
    folder
}

/// The lines that say what and how much.
fn heads(done: &Done) -> String {
    let is_head = |line: &&str| !line.starts_with([' ', '+', '-', '@']) && !line.is_empty();
    let out = done.out.lines().filter(is_head).flat_map(|line| ["", line, "\n"]);
    let text: String = out.chain(done.err.lines().flat_map(|line| ["! ", line, "\n"])).collect();
    text + &format!("exit {}", done.code)
}

#[test]
fn what_is_not_committed_is_pending_and_what_would_be_pruned_is_shown() {
    let folder = live();
    insta::assert_snapshot!(folder.gt(&["diff"]).all(), @"
    Committed: what the source `town` applies

    4 unchanged
    nothing would happen in the world
    exit 0
    ");
    folder.write("shop.yaml", &rig("shop", false).replace("make test", "make check"));
    fs_err::remove_file(folder.path("home/web.yaml")).unwrap();
    folder.write(".gitignore", "ignored.yaml\n");
    folder.write("ignored.yaml", "kind: {");
    let index = fs_err::read(folder.path("home/.git/index")).unwrap();
    insta::assert_snapshot!(folder.gt(&["diff"]).all(), @"
    Pending: not committed yet; a commit makes it live, by the source `town`
      shop.yaml
      web.yaml

    rig/shop configured
    runs commands on this machine: spec.merge.verify[test].run
    --- rig/shop (in the town)
    +++ rig/shop (as declared)
    @@ -9,7 +9,7 @@
         strategy: Push
         verify:
         - name: test
    -      run: make test
    +      run: make check
         whenCheckedOut: Refuse
       polecats: {}
       repo:

    rig/web pruned
    --- rig/web (in the town)
    +++ /dev/null
    @@ -1,19 +0,0 @@
    -apiVersion: gastown.io/v1alpha1
    -kind: Rig
    -metadata:
    -  name: web
    -spec:
    -  identity: {}
    -  merge:
    -    allowUnverified: false
    -    strategy: Push
    -    verify:
    -    - name: test
    -      run: make test
    -    whenCheckedOut: Refuse
    -  polecats: {}
    -  repo:
    -    branch: main
    -    url: [dir]/home/repos/web.git
    -  suspend: false
    -  workspace: {}

    1 configured, 1 pruned, 2 unchanged
    what it would do:
      no longer: clones (1)
        web from [dir]/home/repos/web.git
    exit 1
    ");
    assert_eq!(fs_err::read(folder.path("home/.git/index")).unwrap(), index, "nothing is written");
    let report: Value = serde_json::from_str(&folder.gt(&["diff", "-o", "json"]).out).unwrap();
    assert_eq!(report["sources"][0]["pending"], json!(["shop.yaml", "web.yaml"]));
    assert_eq!((&report["sources"][0]["revision"], &report["summary"]["pruned"]), (&Value::Null, &json!(1)));
    assert!(folder.gt(&["diff", "-o", "markdown"]).out.contains("`shop.yaml`"));

    folder.write("shop.yaml", WRONG);
    let refused = folder.gt(&["diff"]);
    assert!(refused.err.contains("--> shop.yaml:4"), "{}", refused.err);
    assert!(refused.all().contains("the source `town` would refuse it"), "{}", refused.all());
    assert_eq!((refused.code, refused.out.as_str()), (4, ""));
}

#[test]
fn what_is_held_is_shown_and_said() {
    let folder = live();
    for name in ["shop", "web"] {
        fs_err::remove_file(folder.path("home").join(format!("{name}.yaml"))).unwrap();
    }
    insta::assert_snapshot!(heads(&folder.gt(&["diff"])), @"
    Pending: not committed yet; a commit makes it live, by the source `town`
    Held: it would wait for `gt source approve town`: it would delete 2 of 2 objects, more than maxPrunePercent (30) allows: rig/shop, rig/web
    rig/web pruned
    rig/shop pruned
    2 pruned, 2 unchanged
    what it would do:
    exit 7
    ");
}

#[test]
fn a_revision_is_judged_against_what_is_live() {
    let folder = live();
    fs_err::remove_file(folder.path("home/web.yaml")).unwrap();
    git(&folder, &["commit", "-qam", "One rig"]);
    folder.write("shop.yaml", WRONG);
    let chance = regex::Regex::new("Revision [a-z]+@[0-9a-f]{12}").unwrap();
    let diff = |more: &[&str]| {
        let said = heads(&folder.gt(&[&["diff", "--source", "town"], more].concat()));
        chance.replace_all(&said, "Revision [name]@[commit]").into_owned()
    };
    insta::assert_snapshot!(diff(&[]), @"
    Revision [name]@[commit] of the source `town`
    rig/web pruned
    1 pruned, 3 unchanged
    what it would do:
    exit 1
    ");
    insta::assert_snapshot!(diff(&["--revision", "HEAD~1"]), @"
    Revision [name]@[commit] of the source `town`
    4 unchanged
    nothing would happen in the world
    exit 0
    ");
    insta::assert_snapshot!(diff(&["--revision", "nowhere"]), @"
    ! error: there is no commit `nowhere` in [dir]/home/.git
    exit 3
    ");
    insta::assert_snapshot!(diff(&["--revision", "HEAD\nHEAD"]), @r#"
    ! error: `HEAD\nHEAD` is no name of a revision
    exit 3
    "#);
    assert_eq!(folder.gt(&["diff", "--source", "twon"]).code, 3);
    assert_eq!(folder.gt(&["diff", "--source", "town", "-f", "."]).code, 2);

    git(&folder, &["commit", "-qam", "Wrong"]);
    let refused = folder.gt(&["diff", "--source", "town"]);
    assert!(refused.err.contains("--> shop.yaml:4"), "{}", refused.err);
    assert_eq!((refused.code, refused.out.as_str()), (4, ""));
}

#[test]
fn a_folder_is_taken_as_it_is_and_has_no_revisions() {
    let folder = live();
    folder.write("more/rig.yaml", &rig("more", false));
    folder.seed::<Source>(&object("Source", "more", &json!({ "directory": { "path": "more" } }), &json!({})));
    insta::assert_snapshot!(heads(&folder.gt(&["diff", "--source", "more"])), @"
    Revision folder@5ccc031dfeb9 of the source `more`
    rig/more created
    runs commands on this machine: spec.merge.verify[test].run
    1 created
    what it would do:
    exit 1
    ");
    insta::assert_snapshot!(heads(&folder.gt(&["diff", "--source", "more", "--revision", "HEAD"])), @"
    ! error: the source `more` is a folder: it has no revisions
    ! hint: leave --revision out: the folder is taken as it is
    exit 2
    ");
}

#[test]
fn the_next_step_where_a_commit_is_live_is_to_commit() {
    let folder = live();
    let add = ["rig", "add", "https://127.0.0.1:9/far.git", "--name", "far", "--allow-unverified"];
    let said = folder.gt(&add);
    let next = said.err.lines().last().unwrap();
    insta::assert_snapshot!(next, @"next: git add rigs/far.yaml && git commit -m 'Rig far' rigs/far.yaml, and the source `town` makes it live");
    assert!(folder.read("rigs/far.yaml").starts_with("# yaml-language-server: $schema=../.gt.schema.json\n"));
    insta::assert_snapshot!(folder.gt(&["init"]).err.lines().last().unwrap(), @"next: commit what is declared here, and it is live; `gt diff` says before what that would do");
    git(&folder, &["add", "rigs/far.yaml"]);
    git(&folder, &["commit", "-qm", "Rig far", "rigs/far.yaml"]);
    assert!(folder.gt(&["diff", "--source", "town"]).out.contains("rig/far created"));

    // A source of another folder has nothing to do with it.
    let elsewhere = json!({ "git": { "url": ".", "path": "elsewhere" } });
    assert_eq!(folder.gt(&["delete", "source", "town"]).code, 0);
    folder.seed::<Source>(&object("Source", "other", &elsewhere, &json!({})));
    assert!(folder.gt(&add).err.ends_with("next: gt apply -f rigs/far.yaml\n"));
}
