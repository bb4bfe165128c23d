//! `gt stop`, `pause`, `cordon`, `freeze` and `resume`: what they say and keep, with no controller; what undoes them, and what
//! does not.

use gastown_crds::{Bead, Polecat};
use serde_json::json;

use super::harness::{CONVOY, Folder, RIG};

fn folder() -> Folder {
    let folder = Folder::with_rig();
    folder.write("convoy.yaml", CONVOY);
    folder.write("rig.yaml", RIG);
    assert_eq!(folder.gt(&["apply", "-f", "."]).code, 0);
    folder
}

/// What a command says, without instants.
fn says(folder: &Folder, args: &[&str]) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "[time]"),
        (r"\b\d+s\b", "[age]"),
        ("[ ─]{3,}", "  "),
        (r"\[age\] +", "[age]  "),
    ];
    rules.iter().fold(folder.gt(args).all(), |text, (rule, with)| {
        regex::Regex::new(rule).unwrap().replace_all(&text, *with).into_owned()
    })
}

#[test]
fn what_is_stopped_is_said_first_and_by_whom_until_it_is_resumed() {
    let folder = folder();
    insta::assert_snapshot!(says(&folder, &["stop", "--all", "--now", "--reason", "deploy day"]), @"
    town/town stopped
    ! no session ran; worktrees are kept, and a push that was begun ends by itself
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["pause", "rig/shop", "convoy/auth", "--until", "2h"]), @"
    rig/shop paused
    convoy/auth paused
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["status"]).split("\n\n").next().unwrap(), @"
    held (3)
      OBJECT  STATE  BY  SINCE  UNTIL  NEXT  WHY
      town/town  Stopped  kim  [age]  -  gt resume town/town  deploy day
      rig/shop  Paused  kim  [age]  [time]  gt resume rig/shop  -
      convoy/auth  Paused  kim  [age]  [time]  gt resume convoy/auth  -
    ");
    // An apply of the same files, of what is printed, or of another text undoes nothing.
    let printed = folder.raw(&["get", "rig/shop", "-o", "yaml"]);
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &printed).code, 0);
    folder.write("rig.yaml", &RIG.replace("branch: main", "branch: next"));
    assert_eq!(folder.gt(&["apply", "-f", "."]).code, 0);
    let held = |of: &str| folder.gt(&["get", of, "-o", "yaml"]).out.contains("gastown.io/override:");
    assert!(held("rig/shop") && held("town/town") && held("convoy/auth"));
    insta::assert_snapshot!(says(&folder, &["resume"]), @"
    town/town resumed (was stopped by kim: deploy day)
    ! still held: rig/shop, convoy/auth; `gt resume --all` lifts all
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["resume", "--all"]), @"
    rig/shop resumed (was paused by kim (until [time]))
    convoy/auth resumed (was paused by kim (until [time]))
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    assert!(!held("rig/shop") && !held("town/town") && !held("convoy/auth"));
    insta::assert_snapshot!(says(&folder, &["resume", "rig/shop"]), @"
    rig/shop is not held
    ! the town is down, so nothing moves yet: `gt up`
    exit 0
    ");
    // Who did what is kept.
    let described = says(&folder, &["describe", "rig/shop"]);
    insta::assert_snapshot!(described.lines().filter(|it| it.contains("paused")).collect::<Vec<_>>().join("\n"), @"Before:  paused by kim (until [time]); lifted by kim [age]  ago");
}

#[test]
fn the_latest_word_counts_and_what_cannot_be_meant_is_refused() {
    let folder = folder();
    insta::assert_snapshot!(says(&folder, &["cordon"]), @"
    town/town cordoned
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["freeze"]), @"
    town/town frozen (was cordoned by kim)
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["describe", "town/town"]).lines().nth_back(1).unwrap(), @"Next: `gt thaw town/town` lets it go on: it is frozen by kim");
    insta::assert_snapshot!(says(&folder, &["thaw"]), @"
    town/town resumed (was frozen by kim)
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["thaw"]), @"
    town/town is not frozen
    exit 0
    ");
    insta::assert_snapshot!(says(&folder, &["stop", "--all"]), @"
    ! error: the following required arguments were not provided:
    !  <--now|--drain>
    !
    ! Usage: gt stop <KIND/NAME|--all> <--now|--drain>
    !
    ! For more information, try '--help'.
    exit 2
    ");
    insta::assert_snapshot!(says(&folder, &["stop", "--now"]), @"
    ! error: the following required arguments were not provided:
    !  <KIND/NAME|--all>
    !
    ! Usage: gt stop <KIND/NAME|--all> <--now|--drain>
    !
    ! For more information, try '--help'.
    exit 2
    ");
    insta::assert_snapshot!(says(&folder, &["stop", "runtime/script", "--now"]), @"
    ! error: a Runtime does nothing that could be stopped
    ! hint: name one of these: town, rig, polecat, convoy, bead
    exit 2
    ");
    insta::assert_snapshot!(says(&folder, &["pause", "rig/shoq"]), @"
    ! error: no Rig is named `shoq`
    ! hint: did you mean `shop`?
    exit 3
    ");
    insta::assert_snapshot!(says(&folder, &["pause", "rig/shop", "--until", "2020-01-01T00:00:00Z"]).lines().next().unwrap(), @"! error: `--until` is over already");
}

#[test]
fn what_goes_with_its_object_is_told() {
    let folder = folder();
    assert_eq!(folder.gt(&["stop", "convoy/auth", "--drain", "--reason", "not yet"]).code, 0);
    insta::assert_snapshot!(says(&folder, &["delete", "convoy/auth"]), @"
    convoy/auth deleted
    ! warning: convoy/auth is draining by kim: not yet; that goes with it, and does not hold what is made anew under its name
    exit 0
    ");
}

#[test]
fn an_agent_stops_and_resumes_nothing() {
    let folder = folder();
    let polecat = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Polecat", "metadata": {"name": "shop-nux"},
        "spec": {"rig": "shop", "name": "nux"}, "status": {}});
    folder.seed::<Polecat>(&polecat);
    let bead = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": {"name": "shop-a"},
        "spec": {"title": "A", "rig": "shop"}, "status": {}});
    folder.seed::<Bead>(&bead);
    assert_eq!(folder.gt(&["pause", "bead/shop-a"]).code, 0);
    for args in
        [&["resume", "bead/shop-a"][..], &["cordon"], &["pause", "polecat/shop-nux"], &["stop", "--all", "--now"]]
    {
        let refused = folder.gt_as_agent(args);
        assert_eq!(refused.code, 4, "{}", refused.all());
    }
    assert!(folder.gt(&["get", "bead/shop-a", "-o", "yaml"]).out.contains("gastown.io/override:"));
}
