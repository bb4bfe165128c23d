//! `gt events`, and the events that `gt describe` shows.

use std::time::Duration;

use gastown::clock::{Clock, SystemClock};
use gastown::connect::Connection;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use gastown_crds::Bead;

use crate::harness::{Folder, bead};

/// An event: about what, because of what, the type, the reason, how often, and the message.
type Line = ([&'static str; 2], Option<[&'static str; 2]>, &'static str, &'static str, u32, &'static str);

const LINES: [Line; 6] = [
    (["Rig", "shop"], None, "Normal", "Ok", 1, "all is as declared"),
    (["Bead", "shop-a"], Some(["Polecat", "shop-nux"]), "Normal", "Claimed", 1, "shop-nux works on it"),
    (
        ["Polecat", "shop-nux"],
        Some(["Bead", "shop-a"]),
        "Warning",
        "SessionEnded",
        3,
        "attempt 1 ended with 1, without `gt done`: \u{1b}[31mpanic\nmore",
    ),
    (["Polecat", "shop-nux"], Some(["Bead", "shop-b"]), "Normal", "Working", 1, "its session runs"),
    (
        ["MergeRequest", "shop-a-1"],
        Some(["Bead", "shop-a"]),
        "Normal",
        "Merged",
        1,
        "found on the target as 0123456789012345678901234567890123456789",
    ),
    (["Bead", "shop-gone"], None, "Normal", "Closed", 1, "it is closed"),
];

/// A town in which these have happened, one second after another.
fn town() -> Folder {
    let folder = Folder::with_rig();
    folder.seed::<Bead>(&bead("shop-a", &json!({ "title": "A" }), &json!({ "state": "Working" })));
    record(&folder, &LINES);
    folder
}

fn record(folder: &Folder, lines: &[Line]) {
    let town = folder.opened();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let connection = Connection::open(&town, None).unwrap();
        let namespace = connection.client.default_namespace().to_owned();
        let api: Api<Event> = Api::default_namespaced(connection.client.clone());
        let reference = |[kind, name]: [&str; 2]| json!({ "kind": kind, "name": name, "namespace": namespace });
        // Of an age that stays the same for as long as a test may take.
        let first = SystemClock.now() - Duration::from_mins(26 * 60 + 20);
        for (nth, &(about, related, type_, reason, count, message)) in lines.iter().enumerate() {
            let at = format!("{:.6}", first + Duration::from_secs(nth as u64));
            let series = (count > 1).then(|| json!({ "count": count, "lastObservedTime": at }));
            let event: Value = json!({
                // Names sort the other way round.
                "metadata": { "name": format!("{}.{}", reason.to_lowercase(), 9 - nth) },
                "involvedObject": reference(about), "related": related.map(reference), "type": type_,
                "reason": reason, "message": message, "series": series, "eventTime": at, "action": "Reconcile",
                "reportingComponent": "gastown.io/it", "reportingInstance": "gt-1",
            });
            api.create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
        }
        drop(api);
        connection.close();
    });
}

#[test]
fn events_are_listed_in_their_order_and_narrowed() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["events"]).all(), @"
    LAST SEEN   TYPE      REASON         OBJECT             MESSAGE
    26h         Normal    Ok             rig/shop           all is as declared
    26h         Normal    Claimed        bead/shop-a        shop-nux works on it
    26h (x3)    Warning   SessionEnded   polecat/shop-nux   attempt 1 ended with 1, without `gt done`: �[31mpanic
    26h         Normal    Working        polecat/shop-nux   its session runs
    26h         Normal    Merged         mr/shop-a-1        found on the target as 0123456789012345678901234567890123456789
    26h         Normal    Closed         bead/shop-gone     it is closed
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["events", "--type", "warning"]).all(), @"
    LAST SEEN   TYPE      REASON         OBJECT             MESSAGE
    26h (x3)    Warning   SessionEnded   polecat/shop-nux   attempt 1 ended with 1, without `gt done`: �[31mpanic
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["events", "--since", "2h"]).all(), @"
    ! no events found
    exit 0
    ");
    assert_eq!(folder.gt(&["events", "--since", "27h"]).out.lines().count(), LINES.len() + 1);
    let json = folder.gt(&["events", "--for", "polecat/shop-nux", "--type=Normal", "-o", "json"]).out;
    let list: Value = serde_json::from_str(&json).unwrap();
    let reasons: Vec<_> = list["items"].as_array().unwrap().iter().map(|it| [&it["kind"], &it["reason"]]).collect();
    assert_eq!(reasons, [["Event", "Claimed"], ["Event", "Working"]]);
    let yaml = folder.gt(&["events", "--for", "rig/shop", "-o", "yaml"]).out;
    assert!(yaml.contains("message: all is as declared"), "{yaml}");
}

#[test]
fn a_bead_has_its_sessions_and_its_merge_requests_in_its_story() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["events", "--for", "bead/shop-a"]).all(), @"
    LAST SEEN   TYPE      REASON         OBJECT             MESSAGE
    26h         Normal    Claimed        bead/shop-a        shop-nux works on it
    26h (x3)    Warning   SessionEnded   polecat/shop-nux   attempt 1 ended with 1, without `gt done`: �[31mpanic
    26h         Normal    Merged         mr/shop-a-1        found on the target as 0123456789012345678901234567890123456789
    exit 0
    ");
    // What is gone has left its events; what never was is a mistake.
    insta::assert_snapshot!(folder.gt(&["events", "--for", "bead/shop-gone"]).all(), @"
    LAST SEEN   TYPE     REASON   OBJECT           MESSAGE
    26h         Normal   Closed   bead/shop-gone   it is closed
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["events", "--for", "rig/shup"]).all(), @"
    ! error: no Rig is named `shup`
    ! hint: did you mean `shop`?
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["events", "--for", "rick/shop"]).all(), @"
    ! error: no kind is named `rick`
    ! hint: there are towns, sources, runtimes, formulas, rigs, polecats, convoys, beads, beadevents, mergerequests
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["get", "events"]).all(), @"
    ! error: no kind is named `events`
    ! hint: `gt events` lists them
    exit 2
    ");
}

#[test]
fn describe_shows_the_last_events_before_the_next_step() {
    let folder = town();
    let described = folder.gt(&["describe", "bead/shop-a"]).out;
    insta::assert_snapshot!(described.split("\nEvents:").nth(1).unwrap(), @"
      LAST SEEN   TYPE      REASON         OBJECT             MESSAGE
      26h         Normal    Claimed        bead/shop-a        shop-nux works on it
      26h (x3)    Warning   SessionEnded   polecat/shop-nux   attempt 1 ended with 1, without `gt done`: �[31mpanic
      26h         Normal    Merged         mr/shop-a-1        found on the target as 0123456789012345678901234567890123456789

    Next: `gt up`: the town is down, so nothing moves
    ");
    assert!(!folder.gt(&["describe", "runtime/script"]).out.contains("Events:"), "there are none");
}

#[test]
fn what_happens_is_shown_as_it_happens() {
    use std::io::{BufRead, BufReader};
    let folder = town();
    let serving = folder.serve();
    let mut child =
        folder.command(&["events", "--for", "bead/shop-a", "-w"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let before: Vec<String> = lines.by_ref().take(4).collect();
    assert!(before[3].contains("found on the target as 012345678"), "{before:#?}");
    record(&folder, &[(["MergeRequest", "shop-a-1"], Some(["Bead", "shop-a"]), "Normal", "Late", 1, "so late")]);
    let late = lines.next().unwrap();
    assert!(late.contains("mr/shop-a-1") && late.ends_with("so late"), "{late}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(serving);
}
