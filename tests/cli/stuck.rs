//! What stands still, and what people are told of it: `gt status`, `gt describe` and `gt wait` of seeded objects.

use gastown_controllers::conditions::Conditions;
use gastown_controllers::view::Failure;
use gastown_crds::common::types;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, MergeRequest, Polecat, Rig, Runtime, Town};
use serde_json::json;

use crate::harness::{Folder, bead, condition, object, rig_status};

fn ready() -> serde_json::Value {
    condition("Ready", "True", "Ready", "")
}

#[test]
fn status_lists_whatever_cannot_start() {
    let folder = Folder::with_rig();
    for name in ["script", "unused"] {
        let missing = condition("Ready", "False", "CommandNotFound", "`robot` is not on PATH");
        let spec = json!({"command": ["robot"]});
        folder.seed::<Runtime>(&object("Runtime", name, &spec, &json!({"conditions": [missing]})));
    }
    for (name, reason) in [("nux", "CommandNotFound"), ("toe", "SetupFailed"), ("ack", "RefNotFound"), ("hum", "Idle")]
    {
        let failed = condition("Ready", "False", reason, "it says:\nmore");
        let status = json!({"state": "Stalled", "conditions": [failed]});
        let spec = json!({"rig": "shop", "name": name});
        folder.seed::<Polecat>(&object("Polecat", &format!("shop-{name}"), &spec, &status));
    }
    let out = folder.gt(&["status"]).out;
    let needs = out.split("\n\n").next().unwrap();
    insta::assert_snapshot!(needs, @"
    3 things need you   (the town is down: gt up)
      OBJECT             NEXT                           WHAT
      runtime/script     gt describe runtime/script     CommandNotFound: `robot` is not on PATH
      polecat/shop-ack   gt describe polecat/shop-ack   RefNotFound: it says
      polecat/shop-toe   gt describe polecat/shop-toe   SetupFailed: it says
    ");
}

#[test]
fn what_fails_again_and_again_is_told_once() {
    let folder = Folder::with_rig();
    let refused = |(condition, failures): Failing, of: [&str; 2]| {
        folder.seed::<Polecat>(&object(
            "Polecat",
            &of.join("-"),
            &json!({"rig": of[0], "name": of[1]}),
            &json!({"state": "Starting", "conditions": [condition], "consecutiveFailures": failures,
                "bead": format!("{}-a", of[0])}),
        ));
    };
    for (name, failures) in [("ack", 2), ("nux", 3), ("toe", 5)] {
        refused(failed(types::READY, Reason::GitUnreadable, &format!("no room in /{name}"), failures), ["shop", name]);
    }
    refused(failed(types::READY, Reason::BackOff, "tmux did not answer", 7), ["till", "nux"]);
    let oid = "0123456789012345678901234567890123456789";
    let request = |rig: &str, name: &str, (condition, failures): Failing| {
        let spec = json!({"bead": "a", "rig": rig, "polecat": "p", "head": oid, "base": oid, "attempt": 1});
        let status = json!({"state": "Queued", "conditions": [condition], "consecutiveFailures": failures});
        folder.seed::<MergeRequest>(&object("MergeRequest", name, &spec, &status));
    };
    let verify = |times: u32| {
        let message = format!("a verification could not run {times} times; see the rig's checks:\n9 times: no make");
        (condition(types::MERGED, "False", "VerifyError", &message), times)
    };
    request("shop", "shop-a-1", verify(3));
    request("shop", "shop-b-1", verify(3));
    request("till", "till-a-1", verify(2));
    request("yard", "yard-a-1", failed(types::MERGED, Reason::BackOff, "a replay failed", 3));
    let out = folder.gt(&["status"]).out;
    insta::assert_snapshot!(out.split("\n\n").next().unwrap(), @"
    4 things need you   (the town is down: gt up)
      OBJECT                  NEXT                                WHAT
      polecat/shop-nux        gt describe polecat/shop-nux        GitUnreadable: no room in /nux (failed 3 times, tried again later); likewise 1 more of its rig
      polecat/till-nux        gt describe polecat/till-nux        BackOff: tmux did not answer (failed 7 times, tried again later)
      mergerequest/shop-a-1   gt describe mergerequest/shop-a-1   VerifyError: a verification could not run 3 times; see the rig's checks
      mergerequest/yard-a-1   gt describe mergerequest/yard-a-1   BackOff: a replay failed (failed 3 times, tried again later)
    ");
    // It is what its bead waits for, too.
    let claimed = condition(types::READY, "False", "Claimed", "polecat shop-nux works on it");
    let working = json!({"state": "Working", "observedGeneration": 1, "conditions": [claimed]});
    let assignee = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
    folder.seed::<Bead>(&bead("shop-a", &assignee, &working));
    let serving = folder.serve();
    let out = folder.gt(&["describe", "bead/shop-a"]).out;
    drop(serving);
    assert!(out.lines().last().unwrap().contains("`gt describe polecat/shop-nux`"), "{out}");
    // The rig's own trouble with its checks is told of the rig.
    let red = condition("BaseRed", "True", "VerifyError", "the checks do not run on the target itself");
    folder.seed::<Rig>(&rig_status(&[ready(), red]));
    let out = folder.gt(&["status"]).out;
    assert!(out.contains("gt describe rig/shop") && !out.contains("mergerequest/shop"), "{out}");
}

/// A condition, and how often in a row what it tells of has failed.
type Failing = (serde_json::Value, u32);

/// What a controller says of something whose effect failed.
fn failed(type_: &str, reason: Reason, message: &str, count: u32) -> Failing {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut conditions = Conditions::new(&[], Some(1), now);
    conditions.failed(type_, &Failure { reason, message: message.to_owned(), count, until: now });
    (json!(conditions.done()[0]), count)
}

#[test]
fn a_formula_that_does_not_fit_its_beads_needs_somebody() {
    let folder = Folder::with_rig();
    let invalid = condition("Ready", "False", "InvalidFormula", "formula `work`: no var `env`");
    for name in ["shop-a", "shop-b"] {
        folder.seed::<Bead>(&bead(name, &json!({}), &json!({"state": "Waiting", "conditions": [invalid.clone()]})));
    }
    let out = folder.gt(&["status"]).out;
    insta::assert_snapshot!(out.split("\n\n").next().unwrap(), @"
    1 thing needs you   (the town is down: gt up)
      OBJECT        NEXT                      WHAT
      bead/shop-a   gt describe bead/shop-a   InvalidFormula: formula `work`: no var `env`; likewise 1 more
    ");
}

#[test]
fn a_ready_bead_says_which_rig_it_waits_for_and_why() {
    let folder = Folder::with_rig();
    folder.seed::<Rig>(&rig_status(&[condition("Ready", "False", "AuthRequired", "no key")]));
    folder.seed::<Bead>(&bead("shop-a", &json!({}), &json!({"state": "Ready", "conditions": [ready()]})));
    let closed = |reason: &str| json!({"closed": {"reason": reason, "at": "2026-01-01T00:00:00Z", "by": "kim"}});
    folder.seed::<Bead>(&bead("shop-b", &closed("Withdrawn"), &json!({"state": "Closed"})));
    let out = folder.gt(&["status"]).out;
    assert!(out.contains("shop-a   waits for rig `shop`: AuthRequired"), "{out}");
    assert!(!out.contains("landed") && !out.contains("shop-b"), "{out}");

    let red = condition("BaseRed", "True", "BaseRed", "the target itself fails verification:\n1 failed");
    folder.seed::<Rig>(&rig_status(&[ready(), red]));
    folder.seed::<Bead>(&bead("shop-c", &closed("Merged"), &json!({"state": "Closed"})));
    let out = folder.gt(&["status"]).out;
    assert!(out.contains("shop-a   ready: waits for a free slot"), "{out}");
    assert!(out.contains("landed (1)"), "{out}");
    assert!(out.contains("shop   no: base red"), "{out}");
    assert!(out.contains("BaseRed: the target itself fails verification"), "{out}");
}

#[test]
fn what_is_open_is_told_before_it_is_deleted() {
    let folder = Folder::with_rig();
    let labelled = |mut bead: serde_json::Value| {
        bead["metadata"]["labels"] = json!({"gastown.io/convoy": "auth"});
        bead
    };
    let assignee = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
    folder.seed::<Bead>(&labelled(bead("shop-a", &assignee, &json!({"state": "Working"}))));
    folder.seed::<Bead>(&labelled(bead("shop-b", &json!({}), &json!({"state": "Ready", "conditions": [ready()]}))));
    folder.seed::<Polecat>(&object(
        "Polecat",
        "shop-nux",
        &json!({"rig": "shop", "name": "nux"}),
        &json!({"bead": "shop-a"}),
    ));
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], crate::harness::CONVOY).code, 0);
    insta::assert_snapshot!(folder.gt(&["delete", "convoy/auth", "polecat/shop-nux", "rig/shop"]).all(), @"
    convoy/auth deleted
    polecat/shop-nux deleted
    rig/shop deleted
    ! warning: convoy/auth has open work: 2 beads (shop-a, shop-b); 1 being worked on
    !   1 is withdrawn; it goes once what is under way has landed
    ! warning: polecat/shop-nux works on bead/shop-a: sessions are ended, and what was not handed in is kept in the town's clone (refs/gt/rescue/…); the bead is given to another polecat
    ! warning: rig/shop has open work: 2 beads (shop-a, shop-b); 1 being worked on
    !   its polecats go with it: sessions are ended, and what was not handed in is kept in the town's clone (refs/gt/rescue/…); its beads stay open and wait until a rig `shop` is applied again
    exit 0
    ");
    folder.seed::<Town>(&object("Town", "town", &json!({}), &json!({})));
    insta::assert_snapshot!(folder.gt(&["delete", "bead/shop-b", "town/town"]).all(), @"
    bead/shop-b deleted
    town/town deleted
    ! warning: bead/shop-b is of convoy/auth, which creates it again: its work is done again, even if it has landed
    !   to be rid of it, take it out of the convoy and `gt apply` that
    ! warning: town/town holds the town's settings: without it the defaults are in force
    exit 0
    ");
    // With nothing open, nothing is said.
    insta::assert_snapshot!(folder.gt(&["delete", "runtime/script"]).all(), @"
    runtime/script deleted
    exit 0
    ");
}

#[test]
fn what_a_terminal_would_obey_is_shown_as_such() {
    let folder = Folder::with_rig();
    let title = "Clear\u{1b}[2J the \u{9b}31mscreen\u{7}";
    let says = condition("Ready", "False", "NeedsOpen", "waits\u{1b}]0;x\u{7} for\nsomething\u{1b}[1m else");
    let mut spec = json!({"title": title, "description": "one\u{1b}[2J\ntwo", "command": "printf '\u{1b}[2J'"});
    spec["rig"] = "shop".into();
    let status = json!({"state": "SetAside", "failures": 6, "conditions": [says]});
    folder.seed::<Bead>(&bead("shop-a", &spec, &status));
    for args in [
        &["get", "beads"][..],
        &["get", "beads", "-o", "wide"],
        &["get", "beads", "-o", "yaml"],
        &["get", "beads", "-o", "json"],
        &["describe", "bead/shop-a"],
        &["status"],
        &["status", "--json"],
        &["bd", "list"],
        &["bd", "list", "--json"],
        &["bd", "show", "shop-a"],
        &["get", "bead/\u{1b}[2J"],
        &["apply", "-f", "\u{1b}[2J"],
        &["\u{1b}[2J"],
    ] {
        let done = folder.gt(args);
        let raw = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!raw(&done.out) && !raw(&done.err), "{args:?}: {:?}", done.all());
    }
}
