//! `gt diff` in a town at work: what runs is not started again, and what a change does to it is found.

use gastown::world::exec::Output;
use serde_json::json;

use super::harness::{Town, wait_until};

/// A convoy of `shop` as a manifest; each bead is `(name, command)`.
fn convoy(beads: &[(&str, &str)], on_remove: &str) -> String {
    let beads: Vec<_> = beads
        .iter()
        .map(|(name, command)| json!({ "name": name, "title": format!("Do {name}"), "needs": [], "command": command }))
        .collect();
    let spec = json!({ "rig": "shop", "beads": beads, "onRemove": on_remove });
    json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": { "name": "c" }, "spec": spec })
        .to_string()
}

fn diff(town: &Town, manifest: &str) -> Output {
    town.gt(&["diff", "-f", "-"]).stdin(manifest).run().unwrap()
}

/// What it says of the world.
fn world(said: &str) -> String {
    said.find("what it would do:").map_or(said, |at| &said[at..]).to_owned()
}

#[test]
fn what_runs_is_not_started_again_and_is_stopped_if_it_is_taken_away() {
    let town = Town::new();
    let slow = ("slow", "until [ -e go ]; do sleep 0.1; done");
    let first = convoy(&[slow], "Cancel");
    town.apply(&first);
    town.up();
    wait_until(&town, "its session runs", || town.record(&town.bead("slow"), 1, "agent.json"));
    let bead = town.bead("slow")["metadata"]["name"].as_str().unwrap().to_owned();
    let same = diff(&town, &first);
    assert_eq!(
        (same.code, same.text().as_str()),
        (0, "1 unchanged\nnothing would happen in the world"),
        "{}",
        same.complaint()
    );

    let more = diff(&town, &convoy(&[slow, ("quick", "true")], "Cancel"));
    let said = world(&more.text());
    assert_eq!(more.code, 1, "{}", more.complaint());
    assert!(said.contains("sessions started (1)\n") && said.contains("beads made (1)\n"), "{said}");
    assert!(!said.contains(&bead) && !said.contains("clones"), "{said}");

    let other = diff(&town, &convoy(&[("quick", "true")], "Cancel"));
    let said = world(&other.text());
    assert!(said.contains(&format!("sessions stopped (1)\n    shop-nux on {bead}\n")), "{said}");
    assert!(said.contains("beads withdrawn (1)\n"), "{said}");

    town.ok(&["down"]);
    assert_eq!(diff(&town, &first).code, 0, "the same without a controller");
    assert_eq!(town.items("beads").len(), 1, "nothing of it was done");
}
