//! `gt source tidy`: what it moves, what stays, and that nothing else is touched.

use gastown::world::exec::Exec;
use gastown_crds::{Convoy, Source};
use serde_json::json;

use crate::harness::{CONVOY, Folder, condition, object};

/// Git in the town's folder, as somebody who works there.
fn git(folder: &Folder, args: &[&str]) -> String {
    let settings = ["-c", "user.name=Kim", "-c", "user.email=kim@example.invalid", "-c", "core.hooksPath=/dev/null"];
    let out = Exec::new("git").args(settings).args(args).cwd(folder.path("home")).run().unwrap();
    assert!(out.ok(), "{args:?}: {}", out.complaint());
    out.text()
}

fn convoy(name: &str) -> String {
    CONVOY.replace("name: auth", &format!("name: {name}"))
}

/// Says that a convoy of the source has landed, or not.
fn seed(folder: &Folder, name: &str, landed: &str) {
    let beads = json!([{ "name": "tokens", "title": "Rotate session tokens" }]);
    let status = json!({ "conditions": [condition("Landed", landed, "Landed", "")] });
    let mut convoy = object("Convoy", name, &json!({ "rig": "shop", "beads": beads }), &status);
    convoy["metadata"]["labels"] = json!({ "gastown.io/source": "town" });
    folder.seed::<Convoy>(&convoy);
}

/// A town whose source declares convoys, of which some have landed.
fn town() -> Folder {
    let folder = Folder::with_rig();
    folder.write("convoys/auth.yaml", &convoy("auth"));
    folder.write("convoys/both.yaml", &format!("{}---\n{}", convoy("web"), convoy("api")));
    folder.write("convoys/part.yaml", &format!("{}---\n{}", convoy("docs"), convoy("open")));
    folder.write("convoys/taken.yaml", &convoy("taken"));
    folder.write("convoys/landed/taken.yaml", &convoy("old"));
    folder.write("convoys/mixed.yaml", &format!("{}---\napiVersion: v1\nkind: ConfigMap\n", convoy("mixed")));
    git(&folder, &["config", "user.name", "Kim"]);
    git(&folder, &["config", "user.email", "kim@example.invalid"]);
    git(&folder, &["add", "-A"]);
    git(&folder, &["commit", "-qm", "Convoys"]);
    for (name, landed) in [
        ("auth", "True"),
        ("web", "True"),
        ("api", "True"),
        ("docs", "True"),
        ("open", "False"),
        ("taken", "True"),
        ("old", "True"),
        ("mixed", "True"),
    ] {
        seed(&folder, name, landed);
    }
    let status = json!({ "inventory": [], "conditions": [], "history": [] });
    folder.seed::<Source>(&object("Source", "town", &json!({ "git": { "url": "." } }), &status));
    folder
}

#[test]
fn files_of_convoys_that_have_landed_are_moved_by_a_commit_and_declare_the_same() {
    let folder = town();
    let before = folder.gt(&["diff", "--source", "town"]);
    insta::assert_snapshot!(folder.gt(&["source", "tidy"]).all(), @"
    convoys/auth.yaml -> convoys/landed/auth.yaml  (convoy/auth)
    convoys/both.yaml -> convoys/landed/both.yaml  (convoy/api, convoy/web)
    ! note: convoys/mixed.yaml stays: not all of it is of gastown.io
    ! note: convoys/part.yaml stays: 1 of its 2 objects have landed
    ! note: convoys/taken.yaml stays: there is a file `convoys/landed/taken.yaml` already
    ! nothing is moved yet: `gt source tidy town --commit` makes that a commit
    exit 0
    ");
    assert_eq!(git(&folder, &["log", "-1", "--format=%s"]), "Convoys", "so far nothing is moved");
    // What is not committed elsewhere stays as it is.
    folder.write("rig.yaml", "# more\n");
    folder.write("staged.txt", "more\n");
    git(&folder, &["add", "staged.txt"]);
    let done = folder.gt(&["source", "tidy", "--commit"]);
    assert_eq!(done.code, 0, "{}", done.all());
    assert_eq!(git(&folder, &["log", "-1", "--format=%s"]), "Move 2 files of landed convoys to landed/");
    insta::assert_snapshot!(git(&folder, &["show", "--name-status", "--format=", "HEAD"]), @"
    R100	convoys/auth.yaml	convoys/landed/auth.yaml
    R100	convoys/both.yaml	convoys/landed/both.yaml
    ");
    insta::assert_snapshot!(git(&folder, &["status", "--porcelain"]), @"
     M rig.yaml
    A  staged.txt
    ");
    assert!(folder.path("home/convoys/landed/auth.yaml").exists() && !folder.path("home/convoys/auth.yaml").exists());
    let after = folder.gt(&["diff", "--source", "town"]);
    assert_eq!(
        (after.code, after.out.lines().skip(1).collect::<Vec<_>>()),
        (before.code, before.out.lines().skip(1).collect())
    );
    let again = folder.gt(&["source", "tidy", "town", "--commit"]);
    assert!(again.err.ends_with("there is nothing to move in source `town`\n"), "{}", again.err);
}

#[test]
fn a_file_with_uncommitted_changes_is_in_the_way() {
    let folder = town();
    folder.write("convoys/auth.yaml", &convoy("auth").replace("Log out", "Sign out"));
    let done = folder.gt(&["source", "tidy", "--commit"]);
    assert_eq!(done.code, 4, "{}", done.all());
    assert!(done.err.contains("uncommitted changes are in the way"), "{}", done.err);
    assert_eq!(git(&folder, &["log", "-1", "--format=%s"]), "Convoys");
    assert!(folder.read("convoys/auth.yaml").contains("Sign out"));
}

#[test]
fn the_branch_of_a_bare_repository_gets_the_commit_too() {
    let folder = town();
    let home = folder.path("home");
    let bare = folder.path("bare.git");
    git(&folder, &["clone", "--quiet", "--bare", home.to_str().unwrap(), bare.to_str().unwrap()]);
    let source = object("Source", "bare", &json!({ "git": { "url": bare } }), &json!({ "inventory": [] }));
    assert_eq!(folder.gt(&["delete", "source", "town"]).code, 0);
    folder.seed::<Source>(&source);
    // What the other source declared has landed as this one's.
    for name in ["auth", "web", "api"] {
        folder.patch::<Convoy>(
            name,
            "test",
            &kube::api::Patch::Merge(json!({ "metadata": { "labels": { "gastown.io/source": "bare" } } })),
        );
    }
    let done = folder.gt(&["source", "tidy", "--commit"]);
    assert_eq!(done.code, 0, "{}", done.all());
    let files =
        git(&folder, &["--git-dir", bare.to_str().unwrap(), "ls-tree", "-r", "--name-only", "HEAD", "convoys/"]);
    insta::assert_snapshot!(files, @"
    convoys/landed/auth.yaml
    convoys/landed/both.yaml
    convoys/landed/taken.yaml
    convoys/mixed.yaml
    convoys/part.yaml
    convoys/taken.yaml
    ");
}

#[test]
fn where_the_branch_is_elsewhere_it_says_what_to_do() {
    let folder = Folder::with_rig();
    insta::assert_snapshot!(folder.gt(&["source", "tidy"]).all(), @"
    ! error: the town has no source to tidy
    exit 4
    ");
    let spec = json!({ "git": { "url": "https://example.invalid/town.git" } });
    folder.seed::<Source>(&object("Source", "far", &spec, &json!({ "inventory": [] })));
    insta::assert_snapshot!(folder.gt(&["source", "tidy", "--commit"]).all(), @"
    ! error: source `far` is not read from a repository on this machine
    ! hint: move files of landed convoys to `landed/` where it lives, and push
    exit 4
    ");
}
