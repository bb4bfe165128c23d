//! `gt wait` in a town whose API answers and whose controllers stand still: what it tells, and when it gives up.

use std::io::{BufRead, BufReader};

use gastown_crds::{Bead, Convoy, MergeRequest, Rig, Town};
use kube::api::Patch;
use serde_json::{Value, json};

use crate::harness::{CONVOY, Folder, bead, condition, object, rig_status};

const WAIT: [&str; 5] = ["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "20s"];

/// A town with a convoy of two beads, as its controllers would have left it.
fn town(beads: &[(&str, Value)]) -> Folder {
    let folder = Folder::with_rig();
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], CONVOY).code, 0);
    let landed = condition("Landed", "False", "InProgress", "0 of 2 beads are closed");
    let status = json!({"observedGeneration": 1, "conditions": [landed], "progress": "0/2"});
    folder.seed::<Convoy>(&object("Convoy", "auth", &json!({}), &status));
    for (name, bead) in beads {
        let mut bead = bead.clone();
        bead["metadata"]["labels"] = json!({"gastown.io/convoy": "auth"});
        bead["status"]["observedGeneration"] = 1.into();
        assert_eq!(bead["metadata"]["name"], *name);
        folder.seed::<Bead>(&bead);
    }
    folder
}

fn waits_for(need: &str) -> Value {
    let waits = condition("Ready", "False", "NeedsOpen", &format!("waits for {need}"));
    json!({"state": "Waiting", "conditions": [waits]})
}

fn ready() -> Value {
    json!({"state": "Ready", "conditions": [condition("Ready", "True", "Ready", "")]})
}

fn rig(reason: &str, message: &str) -> Value {
    let mut rig = rig_status(&[condition("Ready", "False", reason, message)]);
    rig["status"]["observedGeneration"] = 1.into();
    rig
}

#[test]
fn it_ends_once_all_that_is_left_hangs_on_a_bead_that_was_set_aside() {
    let set_aside = json!({"state": "SetAside", "failures": 6, "attempts": 6});
    let folder = town(&[
        ("shop-a", bead("shop-a", &json!({}), &set_aside)),
        ("shop-b", bead("shop-b", &json!({"needs": ["shop-a"]}), &waits_for("shop-a"))),
    ]);
    let _serving = folder.serve();
    let next = |object: &str| folder.gt(&["describe", object]).out.lines().last().unwrap().to_owned();
    assert_eq!(
        next("bead/shop-b"),
        "Next: it needs you first: `gt describe bead/shop-a` (failed 6 times; needs a person: Title of shop-a)"
    );
    insta::assert_snapshot!(folder.gt(&WAIT).all(), @"
    ! [age]  shop-a             failed 6 times; needs a person: gt describe bead/shop-a  (Title of shop-a)
    ! error: convoy/auth is not Landed, and nothing moves without you
    !   caused by: bead/shop-a: failed 6 times; needs a person: Title of shop-a
    ! hint: `gt describe bead/shop-a`
    exit 7
    ");
}

/// Which parts it has is known once all beads are.
#[test]
fn the_parts_of_an_epic_that_a_convoy_tracks_are_told_of_from_the_start() {
    let folder = Folder::with_rig();
    let landed = condition("Landed", "False", "InProgress", "0 of 2 beads are closed");
    let status = json!({"observedGeneration": 1, "conditions": [landed], "progress": "0/2"});
    folder.seed::<Convoy>(&object("Convoy", "auth", &json!({"tracks": [{"bead": "shop-e"}]}), &status));
    let open = json!({"state": "Waiting", "conditions": [condition("Ready", "False", "PartsOpen", "0 of 1 parts")]});
    let set_aside = json!({"state": "SetAside", "failures": 6, "attempts": 6});
    for (name, spec, status) in
        [("shop-e", json!({"type": "Epic"}), open), ("shop-e.1", json!({"parent": "shop-e"}), set_aside)]
    {
        let mut bead = bead(name, &spec, &status);
        bead["status"]["observedGeneration"] = 1.into();
        folder.seed::<Bead>(&bead);
    }
    let _serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&WAIT).all(), @"
    ! [age]  shop-e.1           failed 6 times; needs a person: gt describe bead/shop-e.1  (Title of shop-e.1)
    ! error: convoy/auth is not Landed, and nothing moves without you
    !   caused by: bead/shop-e.1: failed 6 times; needs a person: Title of shop-e.1
    ! hint: `gt describe bead/shop-e.1`
    exit 7
    ");
}

/// Whatever is made a part of what it tracks is its own then: all beads are watched from then on.
#[test]
fn a_convoy_that_comes_to_track_beads_is_told_of_with_them() {
    let folder =
        town(&[("shop-a", bead("shop-a", &json!({}), &ready())), ("shop-b", bead("shop-b", &json!({}), &ready()))]);
    folder.seed::<Rig>(&rig("FetchFailed", "no route to host"));
    let mut tracked = bead("shop-x", &json!({}), &json!({"state": "SetAside", "failures": 6, "attempts": 6}));
    tracked["status"]["observedGeneration"] = 1.into();
    folder.seed::<Bead>(&tracked);
    let _serving = folder.serve();
    let mut waits = folder.command(&WAIT).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(waits.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.next().unwrap().contains("blocks it: FetchFailed"));
    let tracks = Patch::Merge(json!({"spec": {"tracks": [{"bead": "shop-x"}]}}));
    folder.patch::<Convoy>("auth", "kim", &tracks);
    let told = said.find(|line| line.contains("shop-x"));
    assert!(told.is_some_and(|line| line.contains("failed 6 times")));
    waits.kill().unwrap();
    waits.wait().unwrap();
}

#[test]
fn it_goes_on_as_long_as_something_can_move() {
    let set_aside = json!({"state": "SetAside", "failures": 6, "attempts": 6});
    let folder =
        town(&[("shop-a", bead("shop-a", &json!({}), &set_aside)), ("shop-b", bead("shop-b", &json!({}), &ready()))]);
    let _serving = folder.serve();
    // Longer than it takes to see that nothing moves.
    let done = folder.gt(&["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "4s"]);
    assert_eq!(done.code, 5, "{}", done.all());
}

#[test]
fn a_rig_that_cannot_be_reached_is_told_once_and_waited_for() {
    let folder =
        town(&[("shop-a", bead("shop-a", &json!({}), &ready())), ("shop-b", bead("shop-b", &json!({}), &ready()))]);
    folder.seed::<Rig>(&rig("FetchFailed", "fetching from `x` failed twice:\nno route to host"));
    let _serving = folder.serve();
    let described = folder.gt(&["describe", "bead/shop-a"]).out;
    assert_eq!(
        described.lines().last().unwrap(),
        "Next: see `gt describe rig/shop` (FetchFailed: fetching from `x` failed twice); it is tried again by itself"
    );
    insta::assert_snapshot!(folder.gt(&["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "4s"]).all(), @"
    ! [age]  rig/shop           blocks it: FetchFailed: fetching from `x` failed twice; see `gt describe rig/shop`
    ! still waiting: Landed=False InProgress 0 of 2 beads are closed
    !   shop-a             Ready      rig/shop: FetchFailed
    !   shop-b             Ready      rig/shop: FetchFailed
    ! error: convoy/auth is not Landed after 4s
    ! hint: `gt describe convoy/auth` says more; it goes on without `gt wait`
    exit 5
    ");
}

#[test]
fn a_branch_behind_a_red_base_names_its_rig() {
    let landing =
        json!({"state": "Landing", "conditions": [condition("Ready", "False", "Landing", "handed in as shop-a-1")]});
    let folder = town(&[
        ("shop-a", bead("shop-a", &json!({}), &landing)),
        ("shop-b", bead("shop-b", &json!({"needs": ["shop-a"]}), &waits_for("shop-a"))),
    ]);
    let red = condition("BaseRed", "True", "BaseRed", "the target itself fails verification:\n1 failed");
    let mut status = rig_status(&[condition("Ready", "True", "Ok", ""), red]);
    status["status"]["observedGeneration"] = 1.into();
    folder.seed::<Rig>(&status);
    let oid = "0123456789012345678901234567890123456789";
    let spec = json!({"bead": "shop-a", "rig": "shop", "polecat": "shop-nux", "head": oid, "base": oid, "attempt": 1});
    let merged = condition("Merged", "False", "BaseRed", "the target itself fails verification: see the rig");
    folder.seed::<MergeRequest>(&object(
        "MergeRequest",
        "shop-a-1",
        &spec,
        &json!({"state": "Queued", "conditions": [merged]}),
    ));
    for object in ["bead/shop-a", "bead/shop-b", "mr/shop-a-1"] {
        let _serving = folder.serve();
        let out = folder.gt(&["describe", object]).out;
        let next = out.lines().last().unwrap();
        assert!(next.contains("`gt describe rig/shop`") && !next.contains("goes on"), "{object}: {next}");
    }
    let _serving = folder.serve();
    let done = folder.gt(&["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "4s"]);
    assert!(done.code == 5 && done.err.matches("blocks it: BaseRed").count() == 1, "{}", done.all());
}

#[test]
fn a_suspended_rig_keeps_all_for_good() {
    let suspended = condition("Ready", "False", "Suspended", "its rig `shop` is suspended");
    let waits = json!({"state": "Waiting", "conditions": [suspended]});
    let folder =
        town(&[("shop-a", bead("shop-a", &json!({}), &waits)), ("shop-b", bead("shop-b", &json!({}), &waits))]);
    let rig = crate::harness::RIG.replace("spec:\n", "spec:\n  suspend: true\n");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &rig).code, 0);
    let _serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&WAIT).all(), @"
    ! [age]  rig/shop           blocks it: suspended: nothing is dispatched, fetched or landed there; see `gt describe rig/shop`
    ! error: convoy/auth is not Landed, and nothing moves without you
    !   caused by: rig/shop: suspended: nothing is dispatched, fetched or landed there
    ! hint: `gt describe rig/shop`
    exit 7
    ");
    let out = folder.gt(&["describe", "bead/shop-a"]).out;
    assert!(out.lines().last().unwrap().contains("`gt describe rig/shop`"), "{out}");
}

#[test]
fn a_request_that_this_machine_can_never_meet_keeps_all_for_good() {
    let folder =
        town(&[("shop-a", bead("shop-a", &json!({}), &ready())), ("shop-b", bead("shop-b", &json!({}), &ready()))]);
    let why = "1Gi of memory are free, and a session of Runtime `big` needs 64Gi beside 1Gi; this machine has 8Gi";
    let conditions = |reason: &str| json!({"conditions": [condition("MemoryPressure", "True", reason, why)]});
    folder.seed::<Town>(&object("Town", "town", &json!({}), &conditions("Unsatisfiable")));
    let serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&WAIT).all(), @"
    ! [age]  town/town          blocks it: Unsatisfiable: 1Gi of memory are free, and a session of Runtime `big` needs 64Gi beside 1Gi; this machine has 8Gi; see `gt describe town/town`
    ! error: convoy/auth is not Landed, and nothing moves without you
    !   caused by: town/town: Unsatisfiable: 1Gi of memory are free, and a session of Runtime `big` needs 64Gi beside 1Gi; this machine has 8Gi
    ! hint: `gt describe town/town`
    exit 7
    ");
    drop(serving);
    // What is only short now may be free later.
    folder.seed::<Town>(&object("Town", "town", &json!({}), &conditions("Insufficient")));
    let _serving = folder.serve();
    let done = folder.gt(&["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "4s"]);
    assert_eq!(done.code, 5, "{}", done.all());
}

#[test]
fn a_reference_that_leads_nowhere_keeps_a_convoy_for_good() {
    let folder = town(&[]);
    let landed = condition("Landed", "False", "RefNotFound", "there is no Rig named `far`: apply it");
    let status = json!({"observedGeneration": 1, "conditions": [landed]});
    folder.seed::<Convoy>(&object("Convoy", "auth", &json!({}), &status));
    let _serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&WAIT).all(), @"
    ! [age]  convoy/auth        blocks it: RefNotFound: there is no Rig named `far`: apply it; see `gt describe convoy/auth`
    ! error: convoy/auth is not Landed, and nothing moves without you
    !   caused by: convoy/auth: RefNotFound: there is no Rig named `far`: apply it
    ! hint: `gt describe convoy/auth`
    exit 7
    ");
}

#[test]
fn what_was_found_of_an_older_text_keeps_nothing() {
    let set_aside = json!({"state": "SetAside", "failures": 6, "attempts": 6});
    let folder = town(&[("shop-a", bead("shop-a", &json!({}), &set_aside))]);
    // Its convoy has a new text, which no controller has looked at yet: that may try again.
    let changed = CONVOY.replace("Rotate session tokens", "Rotate them all");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &changed).code, 0);
    let _serving = folder.serve();
    let done = folder.gt(&["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "4s"]);
    assert_eq!(done.code, 5, "{}", done.all());
}

#[test]
fn waiting_for_the_end_of_something_says_what_it_waits_for() {
    let folder = Folder::with_rig();
    let wait = |name: &str| folder.gt(&["wait", name, "--for=delete", "--timeout", "200ms"]).all();
    insta::assert_snapshot!(wait("rig/shop"), @"
    ! the town is down: waiting for `gt up`
    ! error: rig/shop is still there after 200ms
    ! hint: nobody has deleted it: `gt delete rig/shop`
    exit 5
    ");
    let mut going = object("Convoy", "going", &json!({"beads": [{"name": "a", "title": "A"}]}), &json!({}));
    going["metadata"]["finalizers"] = json!(["gastown.io/beads"]);
    folder.seed::<Convoy>(&going);
    assert_eq!(folder.gt(&["delete", "convoy/going"]).code, 0);
    insta::assert_snapshot!(wait("convoy/going"), @"
    ! the town is down: waiting for `gt up`
    ! error: convoy/going is still being deleted after 200ms
    ! hint: the town is down: it goes once `gt up` has cleaned up after it
    exit 5
    ");
    insta::assert_snapshot!(folder.gt(&["get", "convoys"]).out, @"
    NAME    LANDED   BEADS   REASON     AGE
    going   -        -       Deleting   [age]
    ");
    let status = folder.gt(&["status"]).out;
    assert!(status.contains("going    0/1     being deleted"), "{status}");
    let described = folder.gt(&["describe", "convoy/going"]).out;
    assert!(described.contains("Deleted: ") && described.contains("once nobody works on its beads"), "{described}");
    let _serving = folder.serve();
    insta::assert_snapshot!(wait("convoy/going"), @"
    ! error: convoy/going is still being deleted after 200ms
    ! hint: it waits for gastown.io/beads: `gt describe convoy/going` says more; it goes on without `gt wait`
    exit 5
    ");
    insta::assert_snapshot!(wait("rig/shop"), @"
    ! error: rig/shop is still there after 200ms
    ! hint: nobody has deleted it: `gt delete rig/shop`
    exit 5
    ");
}

#[test]
fn what_is_applied_is_waited_for_until_a_person_is_needed_or_time_is_up() {
    let folder = Folder::with_rig();
    let shared = "rig `other` lands on the same branch of the same repository: delete one of them";
    folder.seed::<Rig>(&rig("TargetShared", shared));
    let serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&["apply", "-f", "rig.yaml", "--wait=20s"]).all(), @"
    rig/shop unchanged
    ! error: rig/shop is not Ready, and nothing moves without you
    !   caused by: rig/shop: TargetShared: rig `other` lands on the same branch of the same repository: delete one of them
    ! hint: `gt describe rig/shop`
    exit 7
    ");
    insta::assert_snapshot!(folder.gt(&["wait", "rig/shop", "--for=condition=Ready", "--timeout", "20s"]).all(), @"
    ! error: rig/shop is not Ready, and nothing moves without you
    !   caused by: rig/shop: TargetShared: rig `other` lands on the same branch of the same repository: delete one of them
    ! hint: `gt describe rig/shop`
    exit 7
    ");
    drop(serving);
    folder.seed::<Rig>(&rig("Cloning", "cloning `x`"));
    let _serving = folder.serve();
    let done = folder.gt(&["apply", "-f", "rig.yaml", "--wait=4s"]);
    assert_eq!(done.code, 5, "{}", done.all());
    assert_eq!(folder.gt(&["apply", "-f", "rig.yaml", "--wait", "--dry-run"]).code, 2);
}

#[test]
fn what_is_not_said_to_be_waited_for_is_what_an_object_is_for() {
    let folder = town(&[]);
    let mut rig = rig_status(&[condition("Ready", "True", "Ok", "")]);
    rig["status"]["observedGeneration"] = 1.into();
    folder.seed::<Rig>(&rig);
    assert_eq!(folder.gt(&["wait", "convoy/auth", "--timeout", "10ms"]).code, 5, "it has not landed");
    let landed = condition("Landed", "True", "Ok", "");
    let status = json!({"observedGeneration": 1, "conditions": [landed], "progress": "2/2"});
    folder.seed::<Convoy>(&object("Convoy", "auth", &json!({}), &status));
    let _serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&["wait", "convoy/auth", "rig/shop"]).out, @"
    convoy/auth condition met
    rig/shop condition met
    ");
}

/// A bead whose agent has asked this.
fn asking(text: &str) -> Value {
    let question = json!({
        "name": "q1", "text": text, "attempt": 1, "by": "shop/polecats/nux", "at": "2026-01-02T03:04:05Z",
    });
    bead("shop-a", &json!({"questions": [question]}), &json!({"state": "Waiting"}))
}

#[test]
fn what_needs_a_person_ends_the_wait_for_it_and_is_printed_with_what_to_type() {
    let folder = Folder::with_rig();
    let mut waits = folder
        .command(&["wait", "--needs-me", "--timeout", "50s"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut err = BufReader::new(waits.stderr.take().unwrap());
    err.read_line(&mut said).unwrap();
    assert_eq!(said, "the town is down: waiting for `gt up`\n", "nothing needs anybody yet");
    let _serving = folder.serve();
    // Work that goes on ends no wait.
    folder.seed::<Bead>(&bead("shop-b", &json!({}), &ready()));
    folder.seed::<Bead>(&asking("Tabs or spaces?"));
    let done = waits.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(done.stdout).unwrap(), @r#"
    OBJECT        NEXT                     WHAT
    bead/shop-a   gt answer shop-a "..."   asks: Tabs or spaces?
    "#);
    // What is there already is printed at once.
    let json: Value = serde_json::from_str(&folder.gt(&["wait", "--needs-me", "--json"]).out).unwrap();
    let need = json!({"object": "bead/shop-a", "what": "asks: Tabs or spaces?", "next": "gt answer shop-a \"...\""});
    assert_eq!(json, json!([need]));
}

#[test]
fn where_nothing_needs_a_person_the_wait_for_it_times_out() {
    let folder = town(&[("shop-a", bead("shop-a", &json!({}), &ready()))]);
    let _serving = folder.serve();
    insta::assert_snapshot!(folder.gt(&["wait", "--needs-me", "--timeout", "1s"]).all(), @"
    ! error: nothing needs you after 1s
    ! hint: `gt status` shows what goes on; a longer wait: `--timeout 1h`
    exit 5
    ");
    // It is of the whole town, and says by itself what is waited for.
    for more in [&["bead/shop-a"][..], &["--for=delete"]] {
        assert_eq!(folder.gt(&[&["wait", "--needs-me"], more].concat()).code, 2, "{more:?}");
    }
    assert_eq!(folder.gt(&["wait", "bead/shop-a", "--json"]).code, 2);
    assert_eq!(folder.gt(&["wait"]).code, 2);
}
