//! `gt validate --base`: what a change introduces, on real repositories.

use crate::harness::{CONVOY, Folder, RIG, git};

/// A repository with a rig, a convoy, and a mistake that is there already.
fn repository() -> Folder {
    let folder = Folder::empty();
    folder.write("town/rig.yaml", &RIG.replace("spec:", "spec:\n  prefix: sh"));
    folder.write("town/convoys/auth.yaml", CONVOY);
    folder.write(
        "town/old.yaml",
        &CONVOY.replace("name: auth", "name: old").replace("title: Log out everywhere", "title: 7"),
    );
    folder.write("town/broken.yaml", "apiVersion: gastown.io/v1alpha1\nkind: [Rig\n");
    folder.write("town/values.yaml", "image: shop\n");
    git(&folder.path("home"), &["init", "-q"]);
    commit(&folder, "before");
    folder
}

fn commit(folder: &Folder, subject: &str) {
    git(&folder.path("home"), &["add", "-A"]);
    git(&folder.path("home"), &["commit", "-q", "--allow-empty", "-m", subject]);
}

#[test]
fn what_was_wrong_before_is_left_out_and_what_is_new_is_told() {
    let folder = repository();
    assert_eq!(folder.gt(&["validate", "town"]).code, 1, "there is a mistake");
    insta::assert_snapshot!(folder.gt(&["validate", "--base", "HEAD", "town"]).all(), @"
    ! note: skipped town/values.yaml:1: no object: it has no `apiVersion` and `kind`
    ! 3 objects in 5 files: no mistakes; 1 document of others skipped
    exit 0
    ");
    // The old mistake moves down, in a file that moves too; another one of its sort comes.
    let old = folder.read("town/old.yaml").replace("title: Rotate session tokens", "title: 8");
    let moved = format!(
        "# A comment.\n{}",
        old.replace("  beads:\n", "  beads:\n    - { name: first, title: First, command: 'true' }\n")
    );
    fs_err::remove_file(folder.path("home/town/old.yaml")).unwrap();
    folder.write("town/more/moved.yaml", &moved);
    git(&folder.path("home"), &["mv", "town/broken.yaml", "town/more/broken.yaml"]);
    insta::assert_snapshot!(folder.gt(&["validate", "--base", "HEAD", "town"]).all(), @"
    error[wrong-type]: `spec.beads[1].title` must be text
      --> town/more/moved.yaml:10:30
       |
    10 |     - { name: tokens, title: 8, command: 'true' }
       |                              ^ this is a number
       |
       = help: put it in quotes
    ! note: skipped town/values.yaml:1: no object: it has no `apiVersion` and `kind`
    !
    ! 3 objects in 5 files: 1 mistake; 1 document of others skipped
    exit 1
    ");
    assert_eq!(folder.gt_at(&folder.path("home/town"), &["validate", "--base", "HEAD", "."], "").code, 1);
}

#[test]
fn what_may_not_change_is_told_even_if_the_file_has_another_name() {
    let folder = repository();
    let rig =
        folder.read("town/rig.yaml").replace("prefix: sh", "prefix: shop").replace("run: make test", "run: make check");
    fs_err::remove_file(folder.path("home/town/rig.yaml")).unwrap();
    folder.write("town/rigs/shop.yaml", &rig);
    insta::assert_snapshot!(folder.gt(&["validate", "--base", "HEAD", "town"]).all(), @"
    error[immutable]: prefix is immutable: the beads of this rig are named by it
     --> town/rigs/shop.yaml:7:11
      |
    7 |   prefix: shop
      |           ^^^^
      |
      = help: keep it as it is at `HEAD`, or give the new object another name
    ! note: skipped town/values.yaml:1: no object: it has no `apiVersion` and `kind`
    !
    ! 3 objects in 5 files: 1 mistake; 1 document of others skipped
    exit 1
    ");
    commit(&folder, "after");
    assert_eq!(folder.gt(&["validate", "--base", "HEAD", "town"]).code, 0);
    assert_eq!(folder.gt(&["validate", "--base", "HEAD~1", "town"]).code, 1);
}

#[test]
fn a_rig_that_is_taken_away_is_missed_by_whoever_names_it() {
    let folder = repository();
    fs_err::remove_file(folder.path("home/town/rig.yaml")).unwrap();
    let told = folder.gt(&["validate", "--base", "HEAD", "town"]).all();
    assert!(told.contains("town/convoys/auth.yaml:6:8") && !told.contains("broken.yaml"), "{told}");
}

#[test]
fn a_revision_that_is_not_here_is_said_so() {
    let folder = repository();
    commit(&folder, "after");
    insta::assert_snapshot!(folder.gt(&["validate", "--base", "release-9", "town"]).all(), @"
    ! error: there is no revision `release-9` in this repository
    ! hint: fetch it first, such as by `git fetch origin`; `git log` shows what is here
    exit 2
    ");
    let from = format!("file://{}", folder.path("home").display());
    git(&folder.path(""), &["clone", "-q", "--depth=1", &from, "shallow"]);
    insta::assert_snapshot!(folder.gt_at(&folder.path("shallow"), &["validate", "--base", "HEAD~1", "town"], "").all(), @"
    ! error: there is no revision `HEAD~1` in this repository
    ! hint: this clone is shallow: fetch it first, such as by `git fetch --depth=1 origin REV`, or check out all of the history (`fetch-depth: 0`)
    exit 2
    ");
    assert_eq!(folder.gt_at(&folder.path("shallow"), &["validate", "--base", "HEAD", "town"], "").code, 0);
    insta::assert_snapshot!(folder.gt_with(&["validate", "--base", "HEAD", "-"], CONVOY).all(), @"
    ! error: standard input has no base
    ! hint: name files or folders of a git repository
    exit 2
    ");
    fs_err::create_dir(folder.path("bare")).unwrap();
    fs_err::write(folder.path("bare/rig.yaml"), RIG).unwrap();
    insta::assert_snapshot!(folder.gt_at(&folder.path("bare"), &["validate", "--base", "HEAD", "rig.yaml"], "").all(), @"
    ! error: `rig.yaml` is in no git repository, so it has no base
    !   caused by: could not find repository at 'rig.yaml'; class=Repository (6); code=NotFound (-3)
    exit 2
    ");
}

#[test]
fn what_git_tracks_is_checked_even_where_it_is_ignored() {
    let folder = repository();
    folder.write(".gitignore", "/town/made/\n");
    folder.write("town/made/untracked.yaml", "kind: [\ngastown.io");
    folder.write(
        "town/made/tracked.yaml",
        &RIG.replace("strategy: Push", "strategy: Pull").replace("name: shop", "name: made"),
    );
    git(&folder.path("home"), &["add", "-f", "town/made/tracked.yaml"]);
    let told = folder.gt(&["validate", "town"]).all();
    assert!(told.contains("town/made/tracked.yaml:11:15") && !told.contains("untracked"), "{told}");
}
