//! `gt get`, `describe`, `status`, `wait`, `logs`, `doctor` and `version` of a town that is down.

use crate::harness::{CONVOY, Folder};

fn town() -> Folder {
    let folder = Folder::with_rig();
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], CONVOY).code, 0);
    folder
}

#[test]
fn tables_line_up() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["get", "all"]).all(), @"
    NAME             READY   COMMAND     AGE
    runtime/script   -       gt:script   [age]

    NAME           READY   STEPS   AGE
    formula/work   -       -       [age]

    NAME       READY   REASON   BRANCH   QUEUE   STRATEGY   AGE
    rig/shop   -       -        -        -       Push       [age]

    NAME          LANDED   BEADS   REASON   AGE
    convoy/auth   -        -       -        [age]
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "beads"]).all(), @"
    ! no beads found
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs", "-l", "team=checkout", "-o", "name"]).all(), @"
    rig/shop
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs", "-l", "team=other"]).all(), @"
    ! no rigs found
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rt"]).all(), @"
    ! error: no kind is named `rt`
    ! hint: there are towns, runtimes, formulas, rigs, polecats, convoys, beads, mergerequests
    exit 2
    ");
}

#[test]
fn steps_are_shown_when_they_are_asked_for() {
    let folder = town();
    let bead = |name: &str, type_: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {{name: {name}}}\nspec: {{title: T, rig: shop, type: {type_}}}\n---\n"
        )
    };
    let beads = bead("shop-aaaaaaaa", "Task") + &bead("shop-aaaaaaaa.work", "Step");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &beads).code, 0);
    assert_eq!(folder.gt(&["get", "beads", "-o", "name"]).out, "bead/shop-aaaaaaaa\n");
    assert_eq!(folder.gt(&["get", "steps", "-o", "name"]).out, "bead/shop-aaaaaaaa.work\n");
    assert_eq!(folder.gt(&["get", "bd", "shop-aaaaaaaa.work", "-o", "name"]).out, "bead/shop-aaaaaaaa.work\n");
    assert_eq!(folder.gt(&["get", "bd", "--field-selector", "spec.rig=shop", "-o", "name"]).out.lines().count(), 2);
}

#[test]
fn json_is_json() {
    let folder = town();
    let one: serde_json::Value = serde_json::from_str(&folder.gt(&["get", "convoy/auth", "-o", "json"]).out).unwrap();
    assert_eq!((one["kind"].as_str(), one["spec"]["beads"][0]["name"].as_str()), (Some("Convoy"), Some("tokens")));
    let many: serde_json::Value = serde_json::from_str(&folder.gt(&["get", "rigs", "-o", "json"]).out).unwrap();
    assert_eq!((many["kind"].as_str(), many["items"].as_array().map(Vec::len)), (Some("List"), Some(1)));
    let status: serde_json::Value = serde_json::from_str(&folder.gt(&["status", "--json"]).out).unwrap();
    assert_eq!((status["up"].as_bool(), status["convoys"][0]["beads"].as_str()), (Some(false), Some("0/2")));
}

#[test]
fn describe_ends_with_the_next_step() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["describe", "convoy/auth"]).all(), @"
    Name:    auth
    Kind:    Convoy
    Age:     [age]

    Spec:
      rig: shop
      suspend: false

    Beads:
      BEAD     RIG    NEEDS    TITLE
      tokens   shop   -        Rotate session tokens
      logout   shop   tokens   Log out everywhere

    Next: `gt up`: the town is down, so nothing moves
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["describe", "rig", "shop"]).all(), @"
    Name:    shop
    Kind:    Rig
    Age:     [age]
    Labels:  team=checkout

    Spec:
      merge:
        allowUnverified: false
        strategy: Push
        verify:
        - name: test
          run: make test
        whenCheckedOut: Refuse
      repo:
        branch: main
        url: [dir]/home/repos/shop.git
      suspend: false

    Next: `gt up`: the town is down, so nothing moves
    exit 0
    ");
}

#[test]
fn status_says_first_what_needs_you() {
    insta::assert_snapshot!(town().gt(&["status"]).all(), @"
    nothing needs you   (the town is down: gt up)

    convoys (1)
      CONVOY   BEADS   STATE
      auth     0/2     not looked at yet

    rigs (1)
      RIG    READY               BRANCH   QUEUE
      shop   not looked at yet   -        0
    exit 0
    ");
    insta::assert_snapshot!(Folder::town().gt(&["status"]).all(), @"
    nothing needs you   (the town is down: gt up)

    no rig yet: `gt rig add PATH-OR-URL`
    exit 0
    ");
}

#[test]
fn wait_ends_at_its_limit_and_says_what_it_waited_for() {
    let folder = town();
    let wait = ["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "200ms"];
    insta::assert_snapshot!(folder.gt(&wait).all(), @"
    ! the town is down: waiting for `gt up`
    ! still waiting: no controller has looked at it yet
    ! error: convoy/auth is not Landed after 200ms
    ! hint: `gt up` starts it
    exit 5
    ");
    insta::assert_snapshot!(folder.gt(&["wait", "convoy/auht", "--for=condition=Landed"]).all(), @"
    ! error: no Convoy is named `auht`
    ! hint: did you mean `auth`?
    exit 3
    ");
}

#[test]
fn logs_that_are_not_there_yet() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["logs"]).all(), @"
    ! the controller: [dir]/state/gt/[uid]/gt.log
    ! nothing was printed yet
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "bead/nope"]).all(), @"
    ! error: no Bead is named `nope`
    ! hint: there are no beads yet
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["attach", "nux"]).all(), @"
    ! error: no Polecat is named `nux`
    ! hint: there are no polecats yet
    exit 3
    ");
}

#[test]
fn doctor_knows_what_a_runtime_needs() {
    let folder = town();
    let healthy = folder.gt(&["doctor"]);
    assert_eq!(healthy.code, 0, "{}", healthy.all());
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {name: robot}\nspec: {command: [gt-no-such-agent]}\n";
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], runtime).code, 0);
    let ill = folder.gt(&["doctor"]);
    assert_eq!(ill.code, 1);
    assert!(ill.out.contains("runtime robot    missing   `gt-no-such-agent` is not on PATH"), "{}", ill.out);
    insta::assert_snapshot!(ill.err, @"
    install `gt-no-such-agent`, or `gt delete runtime/robot`
    error: something is missing here
    ");
}

#[test]
fn the_version_is_the_packages() {
    let folder = Folder::empty();
    assert_eq!(folder.gt(&["version"]).out, format!("gt {} (gastown.io/v1alpha1)\n", env!("CARGO_PKG_VERSION")));
}
