//! Bad input: refused with the place, the reason and a proposal; and nothing is applied.

use crate::harness::{CONVOY, Folder, RIG};

/// Applies a text in a town that has the rig `shop`, and sees that nothing came of it.
fn refused(text: &str) -> String {
    let folder = Folder::with_rig();
    folder.write("x.yaml", text);
    let done = folder.gt(&["apply", "-f", "x.yaml"]);
    assert_eq!(folder.gt(&["get", "convoys", "-o", "name"]).out, "", "something was applied");
    done.all()
}

#[test]
fn an_unknown_field() {
    insta::assert_snapshot!(refused(&CONVOY.replace("  rig: shop", "  rigg: shop")), @"
    ! error[unknown-field]: unknown field `rigg`
    !  --> x.yaml:6:3
    !   |
    ! 6 |   rigg: shop
    !   |   ^^^^ no field of `spec`
    !   |
    !   = help: did you mean `rig`?
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(refused(&CONVOY.replace("  rig: shop", "  rig: shop\n  parallelism: many")), @"
    ! error[wrong-type]: `spec.parallelism` must be a whole number
    !  --> x.yaml:7:16
    !   |
    ! 7 |   parallelism: many
    !   |                ^^^^ this is text
    !   |
    !   = help: write a number from 1 to 1000: digits alone, without quotes and without a leading 0
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn a_var_that_the_built_in_formula_does_not_have() {
    let vars = "name: tokens, vars: [{ name: env, value: test }],";
    insta::assert_snapshot!(refused(&CONVOY.replace("name: tokens,", vars)), @"
    ! error[unknown-var]: formula `work` has no var `env`
    !  --> x.yaml:8:38
    !   |
    ! 8 |     - { name: tokens, vars: [{ name: env, value: test }], title: Rotate session tokens, command: 'true' }
    !   |                                      ^^^
    !   |
    !   = help: it takes no vars
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn a_step_that_nobody_poured() {
    insta::assert_snapshot!(refused(&CONVOY.replace("name: tokens,", "name: tokens, type: Step,")), @"
    ! error[rule]: nobody is sent to work on a bead of this type: choose another, such as Task
    !  --> x.yaml:8:29
    !   |
    ! 8 |     - { name: tokens, type: Step, title: Rotate session tokens, command: 'true' }
    !   |                             ^^^^
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    let bead = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: { name: shop-a }\nspec: { title: A, rig: shop, type: Step }\n";
    insta::assert_snapshot!(refused(bead), @"
    ! error[rule]: a step has a parent: steps are poured from a formula
    !  --> x.yaml:4:36
    !   |
    ! 4 | spec: { title: A, rig: shop, type: Step }
    !   |                                    ^^^^
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn a_cycle() {
    insta::assert_snapshot!(refused(&CONVOY.replace("name: tokens,", "name: tokens, needs: [logout],")), @"
    ! error[cycle]: beads need each other in a circle: logout → tokens → logout
    !  --> x.yaml:9:58
    !   |
    ! 9 |     - { name: logout, title: Log out everywhere, needs: [tokens], command: 'true' }
    !   |                                                          ^^^^^^ `logout` needs `tokens`
    !   |
    !  ::: x.yaml:8:31
    !   |
    ! 8 |     - { name: tokens, needs: [logout], title: Rotate session tokens, command: 'true' }
    !   |                               ------ `tokens` needs `logout`
    !   |
    !   = help: remove one of these needs: nothing here could ever start
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn a_duplicate_bead_and_a_duplicate_object() {
    insta::assert_snapshot!(refused(&CONVOY.replace("name: logout", "name: tokens")), @"
    ! error[duplicate]: `tokens` stands twice in `spec.beads`
    !  --> x.yaml:9:15
    !   |
    ! 9 |     - { name: tokens, title: Log out everywhere, needs: [tokens], command: 'true' }
    !   |               ^^^^^^ again here
    !   |
    !  ::: x.yaml:8:15
    !   |
    ! 8 |     - { name: tokens, title: Rotate session tokens, command: 'true' }
    !   |               ------ first here
    !   |
    !   = help: rename one, or remove it
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(refused(&format!("{CONVOY}---\n{CONVOY}")), @"
    ! error[duplicate]: two Convoys are named `auth`
    !   --> x.yaml:14:9
    !    |
    ! 14 |   name: auth
    !    |         ^^^^ again here
    !    |
    !   ::: x.yaml:4:9
    !    |
    !  4 |   name: auth
    !    |         ---- first here
    !    |
    !    = help: rename one, or remove it
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn hostile_names() {
    insta::assert_snapshot!(refused(&CONVOY.replace("name: auth", "name: ../x")), @"
    ! error[name]: `../x` is no name for a Convoy
    !  --> x.yaml:4:9
    !   |
    ! 4 |   name: ../x
    !   |         ^^^^
    !   |
    !   = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `x`
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(refused(&CONVOY.replace("name: auth", "name: \"a\\e[2Jb\"")), @r#"
    ! error[name]: `a\u{1b}[2Jb` is no name for a Convoy
    !  --> x.yaml:4:9
    !   |
    ! 4 |   name: "a\e[2Jb"
    !   |         ^^^^^^^^^
    !   |
    !   = help: a name is lower-case letters, digits and `-`, at most 63 characters, such as `a-2jb`
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    "#);
}

#[test]
fn a_reference_that_leads_nowhere_unless_it_may() {
    let text = CONVOY.replace("rig: shop", "rig: shpo");
    insta::assert_snapshot!(refused(&text), @"
    ! error[ref-not-found]: no Rig is named `shpo`
    !  --> x.yaml:6:8
    !   |
    ! 6 |   rig: shpo
    !   |        ^^^^ neither in these files nor in the town
    !   |
    !   = help: did you mean `shop`?
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    let folder = Folder::with_rig();
    insta::assert_snapshot!(folder.gt_with(&["apply", "--allow-missing", "-f", "-"], &text).all(), @"
    convoy/auth created
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
}

#[test]
fn a_change_that_may_not_be() {
    let folder = Folder::with_rig();
    folder.write("rig.yaml", &RIG.replace("  merge:", "  prefix: sh\n  merge:"));
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml"]).all(), @"
    ! error[rule]: prefix is immutable: the beads of this rig are named by it
    !   --> rig.yaml:10:11
    !    |
    ! 10 |   prefix: sh
    !    |           ^^
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn what_is_no_yaml_or_no_object() {
    insta::assert_snapshot!(refused("kind: [\n"), @"
    ! error[syntax]: not valid YAML: the bracket `[` is never closed
    !  --> x.yaml:1:7
    !   |
    ! 1 | kind: [
    !   |       ^
    !   |
    !   = help: close it, or put text that starts with it in quotes
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(refused("apiVersion: gastown.io/v1alpha1\nkind: Convoi\nmetadata: {name: x}\n"), @"
    ! error[unknown-kind]: no kind is named `Convoi`
    !  --> x.yaml:2:7
    !   |
    ! 2 | kind: Convoi
    !   |       ^^^^^^
    !   |
    !   = help: did you mean `Convoy`?
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    insta::assert_snapshot!(refused("# nothing\n"), @"
    ! error: there are no objects in there
    ! hint: manifests are files, or folders with .yaml, .yml or .json files below them
    exit 4
    ");
}

#[test]
fn one_mistake_keeps_all_out() {
    let folder = Folder::with_rig();
    folder.write("m/good.yaml", CONVOY);
    folder.write("m/bad.yaml", "kind: Rig\n");
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "m"]).all(), @"
    ! error[required]: `apiVersion` and `metadata.name` are missing
    !  --> m/bad.yaml:1:1
    !   |
    ! 1 | kind: Rig
    !   | ^^^^^^^^^
    !   |
    !   = help: add `apiVersion: gastown.io/v1alpha1`, `metadata: { name: … }`
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
    assert_eq!(folder.gt(&["get", "convoys", "-o", "name"]).out, "");
}

#[test]
fn another_towns_objects() {
    insta::assert_snapshot!(refused(&CONVOY.replace("name: auth", "name: auth\n  namespace: other")), @"
    ! error[namespace]: this is for the town `other`, and this town is `home`
    !  --> x.yaml:5:14
    !   |
    ! 5 |   namespace: other
    !   |              ^^^^^
    !   |
    !   = help: leave `namespace` out, or apply it in the other town
    !
    ! error: nothing was applied: there is a mistake in it
    exit 4
    ");
}

#[test]
fn files_that_are_not_there() {
    let folder = Folder::town();
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "nope.yaml"]).all(), @"
    ! error: there is no file `nope.yaml`
    exit 3
    ");
}

#[test]
fn words_that_are_none() {
    let folder = Folder::with_rig();
    insta::assert_snapshot!(folder.gt(&["get", "convoi"]).all(), @"
    ! error: no kind is named `convoi`
    ! hint: did you mean `convoy`?
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rig/shpo"]).all(), @"
    ! error: no Rig is named `shpo`
    ! hint: did you mean `shop`?
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["describe", "rig"]).all(), @"
    ! error: which rig?
    ! hint: say rig/NAME; `gt get rigs` lists them
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["describe", "rig/shop/x"]).all(), @"
    ! error: `rig/shop/x` is not KIND/NAME
    ! hint: such as convoy/release
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["wait", "rig/shop", "--for=condition=Redy"]).all(), @"
    ! error: a Rig has no condition `Redy`
    ! hint: did you mean `Ready`?
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "rig/shop"]).all(), @"
    ! error: a Rig has no log
    ! hint: polecats, beads, merge requests and jobs have one; `gt logs` alone is the controller's
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "job", "../../etc"]).all(), @"
    ! error: invalid job key `../../etc`
    exit 2
    ");
    assert_eq!(folder.gt(&["nonsense"]).code, 2);
}

#[test]
fn a_warning_hides_no_mistake_of_its_object() {
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: robot }\nspec:\n  command: [robot]\n  env: [{ name: DB_PASSWORD, value: hunter2-and-more }]\n";
    let told = refused(&format!("{runtime}---\n{runtime}"));
    assert!(told.contains("warning[secret]") && told.contains("error[duplicate]"), "{told}");
}
