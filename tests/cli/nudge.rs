//! `gt nudge`, `gt broadcast` and `gt dnd` where nobody is at work: what is refused, and with which words.

use gastown::clock::{Clock, SystemClock};
use gastown::world::messages::{Messages, Mode, NewMessage, WAITING_MAX};
use gastown_crds::{Bead, Polecat};
use insta::assert_snapshot;
use jiff::SignedDuration;
use kube::api::Patch;
use serde_json::{Value, json};

use crate::harness::{Folder, bead, object};

fn with_polecats() -> Folder {
    let folder = Folder::with_rig();
    for name in ["nux", "toe"] {
        folder.seed::<Polecat>(&object(
            "Polecat",
            &format!("shop-{name}"),
            &json!({"rig": "shop", "name": name}),
            &json!({}),
        ));
    }
    folder.seed::<Bead>(&bead("shop-1", &json!({"title": "One", "rig": "shop"}), &json!({})));
    folder
}

#[test]
fn whoever_cannot_be_told_is_named() {
    let folder = with_polecats();
    assert_snapshot!(folder.gt(&["nudge", "nux", "hello"]).all(), @"
    ! error: polecat shop-nux has no session now
    ! hint: `gt get polecats` shows who works on what
    exit 3
    ");
    assert_snapshot!(folder.gt(&["nudge", "shop-nox", "hello"]).all(), @"
    ! error: no Polecat and no Bead is named `shop-nox`
    ! hint: did you mean `shop-nux`?
    exit 3
    ");
    assert_snapshot!(folder.gt(&["nudge", "polecat/shop-nox", "hello"]).all(), @"
    ! error: no Polecat is named `shop-nox`
    ! hint: did you mean `shop-nux`?
    exit 3
    ");
    assert_snapshot!(folder.gt(&["nudge", "shop-1", "hello"]).all(), @"
    ! error: nobody works on bead shop-1 now
    ! hint: `gt describe bead/shop-1` shows what it waits for
    exit 3
    ");
    assert_snapshot!(folder.gt(&["nudge", "nux", " \u{1b} "]).all(), @"
    ! error: the message is empty
    exit 4
    ");
    assert_snapshot!(folder.gt(&["nudge", "nux", &"x".repeat(5000)]).all(), @"
    ! error: the message has 5000 bytes, at most 4096 are sent
    ! hint: put it into a file, and send its path
    exit 4
    ");
    assert_snapshot!(folder.gt(&["nudge", "--list"]).all(), @"
    ! no messages
    exit 0
    ");
    assert_snapshot!(folder.gt(&["broadcast", "hello"]).all(), @"
    ! nobody is at work
    exit 0
    ");
    assert_snapshot!(folder.gt(&["broadcast", "hello", "--rig", "shap"]).all(), @"
    ! error: no Rig is named `shap`
    ! hint: did you mean `shop`?
    exit 3
    ");
}

#[test]
fn do_not_disturb_is_kept_for_one_and_for_all() {
    let folder = with_polecats();
    assert_snapshot!(folder.gt(&["dnd", "nux", "on"]).all(), @"
    polecat/shop-nux: do not disturb is on
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "shop-nux"]).all(), @"
    polecat/shop-nux: do not disturb is on
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "toe"]).all(), @"
    polecat/shop-toe: do not disturb is off
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "--all", "on"]).all(), @"
    all polecats: do not disturb is on
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "toe"]).all(), @"
    polecat/shop-toe: do not disturb is on
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "--all", "off"]).all(), @"
    all polecats: do not disturb is off
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "nux", "off"]).all(), @"
    polecat/shop-nux: do not disturb is off
    exit 0
    ");
    assert_snapshot!(folder.gt(&["dnd", "nix", "off"]).all(), @"
    ! error: no Polecat and no Bead is named `nix`
    ! hint: `gt status` lists who works on what
    exit 3
    ");
}

#[test]
fn a_message_waits_for_the_next_session_and_its_queue_is_bounded() {
    let folder = with_polecats();
    let uid_of = |object: &str| {
        let object: Value = serde_json::from_str(&folder.raw(&["get", object, "-o", "json"])).unwrap();
        object["metadata"]["uid"].as_str().unwrap().to_owned()
    };
    let uid = uid_of("polecat/shop-nux");
    let patch = json!({"spec": {"assignee": {"polecat": "shop-nux", "uid": uid}}});
    folder.patch::<Bead>("shop-1", "test", &Patch::Merge(patch));
    assert_snapshot!(folder.gt(&["nudge", "shop-1", "tabs,\tplease"]).all(), @"
    Queued for shop-nux (shop-1): it has no session now; its next one is told
    exit 0
    ");
    assert_snapshot!(folder.gt(&["nudge", "bead/shop-1", "and soon", "--mode", "queue", "--json"]).all(), @r#"
    {"bead":"shop-1","message":2,"polecat":"shop-nux","reason":"it has no session now; its next one is told","state":"Queued"}
    exit 0
    "#);
    let messages = Messages::to(&folder.opened().layout, &uid_of("bead/shop-1"));
    let now = SystemClock.now();
    let more = || NewMessage {
        from: "kim".to_owned(),
        text: "more".to_owned(),
        expires: now + SignedDuration::from_mins(30),
        mode: Mode::Queue,
        forced: false,
        opens: false,
    };
    for _ in 2..WAITING_MAX {
        messages.change(now, |queue| queue.push(more(), now)).unwrap().unwrap();
    }
    assert_snapshot!(folder.gt(&["nudge", "shop-1", "too much"]).all(), @"
    ! error: 50 messages wait for it already
    ! hint: `gt nudge --list shop-1` shows them; `gt attach shop-nux` is for more
    exit 4
    ");
    let listed = folder.gt(&["nudge", "--list", "shop-1"]).out;
    // Without the column of ages.
    let words = |line: &str| {
        let all: Vec<&str> = line.split_whitespace().collect();
        [&all[..2], &all[3..]].concat().join(" ")
    };
    let first: Vec<String> = listed.lines().take(3).map(words).collect();
    assert_snapshot!(first.join("\n"), @"
    BEAD FROM STATE REASON MESSAGE
    shop-1 kim Queued - tabs, please
    shop-1 kim Queued - and soon
    ");
}
