//! What stands still, and what people are told of it: `gt status`, `gt describe` and `gt wait` of seeded objects.

use gastown_crds::{Bead, Polecat, Rig, Runtime};
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
    4 things need you   (the town is down: gt up)
      OBJECT             NEXT                           WHAT
      runtime/script     gt describe runtime/script     CommandNotFound: `robot` is not on PATH
      polecat/shop-ack   gt describe polecat/shop-ack   RefNotFound: it says
      polecat/shop-nux   gt describe polecat/shop-nux   CommandNotFound: it says
      polecat/shop-toe   gt describe polecat/shop-toe   SetupFailed: it says
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
    assert!(out.contains("shop-a   ready: waits for a free polecat"), "{out}");
    assert!(out.contains("landed (1)"), "{out}");
    assert!(out.contains("shop   no: base red"), "{out}");
    assert!(out.contains("BaseRed: the target itself fails verification"), "{out}");
}
