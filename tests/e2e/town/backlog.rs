//! Beads that were filed by hand: an epic is slung, its parts land in order, a person opens a gate, and the epic is closed after them.

use super::harness::{Town, wait_until};

/// Beads of the backlog, with commands so that `script` does them.
fn filed(town: &Town) {
    let bead = |name: &str, more: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {{ name: {name} }}\nspec:\n  title: Do {name}\n  rig: shop\n  suspend: true\n{more}"
        )
    };
    let part = |name: &str, needs: &str| {
        let needs = if needs.is_empty() { String::new() } else { format!("  needs: [{needs}]\n") };
        bead(name, &format!("  parent: shop-e\n  command: echo {name} > {name}.txt\n{needs}"))
    };
    let all = [
        bead("shop-e", "  type: Epic\n"),
        part("shop-e.1", ""),
        part("shop-e.2", "shop-e.1, shop-gate"),
        bead("shop-gate", "  type: Gate\n  gate: { type: Human }\n"),
        bead("shop-other", "  command: echo other > other.txt\n"),
    ];
    town.apply(&all.join("\n---\n"));
}

fn object(town: &Town, name: &str) -> serde_json::Value {
    town.json(&["bead", name])
}

#[test]
fn an_epic_is_slung_and_lands_part_by_part() {
    let town = Town::new();
    filed(&town);
    town.up();
    wait_until(&town, "the backlog is judged", || {
        (object(&town, "shop-e.1")["status"]["state"] == "Backlog").then_some(())
    });
    let slung = town.run(&["sling", "shop-e"]);
    assert!(slung.ok() && slung.text().contains("bead/shop-e slung"), "{}{}", slung.text(), slung.complaint());
    wait_until(&town, "the gate asks", || {
        (town.run(&["status"]).text().contains("gt gate approve shop-gate")).then_some(())
    });
    wait_until(&town, "the first part lands", || {
        (object(&town, "shop-e.1")["spec"]["closed"]["reason"] == "Merged").then_some(())
    });
    assert_eq!(object(&town, "shop-e.2")["status"]["state"], "Waiting");
    let approved = town.run(&["gate", "approve", "shop-gate"]);
    assert!(approved.ok(), "{}", approved.complaint());
    let waited = town.run(&["wait", "bead/shop-e", "--timeout", "2m"]);
    assert!(waited.ok(), "{}", waited.complaint());
    assert_eq!(object(&town, "shop-e")["spec"]["closed"]["message"], "all 2 parts are closed");
    assert!(town.log_of("shop").iter().filter(|it| it.starts_with("Do shop-e")).count() == 2);
    // Nobody has asked for the other one.
    let other = object(&town, "shop-other");
    assert_eq!((&other["status"]["state"], other["status"]["attempts"].as_u64()), (&"Backlog".into(), Some(0)));
    // The ledger has followed, in git.
    wait_until(&town, "the ledger is folded", || {
        town.run(&["history", "shop-e.1"]).text().contains("status: ").then_some(())
    });
}

/// A formula that goes on by itself: it lists files, reviews each, and works until its own output says that it is enough.
const MEND: &str = r#"
formula = "mend"
[[steps]]
id = "scan"
title = "Find files"
run = "bd update $GT_BEAD --metadata '{\"output\":{\"files\":[{\"path\":\"a.rs\"},{\"path\":\"b.rs\"}]}}'"
on_complete = { for_each = "output.files", bond = "review", vars = { file = "{item.path}" } }
[[steps]]
id = "go"
title = "Until there are two"
needs = ["scan"]
[steps.loop]
until = "round.output.lines >= 2"
max = 5
var = "n"
[[steps.loop.body]]
id = "round"
title = "Round {n}"
run = """
echo line >> rounds; git add -A; git commit --quiet --no-gpg-sign -m round
bd update $GT_BEAD --metadata "{\\"output\\":{\\"lines\\":$(wc -l < rounds)}}"
"""
[[steps]]
id = "sum"
title = "Sum up"
needs = ["go"]
waits_for = "children-of(scan)"
run = "wc -l < rounds > sum; git add -A; git commit --quiet --no-gpg-sign -m sum"
[[steps]]
id = "alarm"
title = "Raise the alarm"
needs = ["go"]
condition = "go.status == 'failed'"
"#;

#[test]
fn a_molecule_that_goes_on_by_itself_lands() {
    let town = Town::new();
    let file = |name: &str, text: &str| {
        town.file(&format!("town/formulas/{name}.formula.toml"), text);
    };
    file("mend", MEND);
    file(
        "review",
        "formula = 'review'\nvars.file = ''\n[[steps]]\nid = 'read'\ntitle = 'Read {{file}}'\nrun = 'true'\n",
    );
    town.up();
    let poured = town.run(&["mol", "pour", "mend", "--rig", "shop", "--json"]);
    assert!(poured.ok(), "{}", poured.complaint());
    let poured: serde_json::Value = serde_json::from_str(&poured.text()).unwrap();
    let root = poured["new_epic_id"].as_str().unwrap().to_owned();
    assert!(town.run(&["sling", &root]).ok());
    let waited = town.run(&["wait", &format!("bead/{root}"), "--for=condition=Closed", "--timeout", "2m"]);
    assert!(waited.ok(), "{}", waited.complaint());
    let mut ends: Vec<String> = town
        .items("beads")
        .iter()
        .map(|bead| (bead["metadata"]["name"].to_string(), bead["spec"]["closed"]["reason"].to_string()))
        .map(|(name, end)| format!("{} {end}", name.replace(&root, "m")).replace('"', ""))
        .filter(|line| !line.contains("-r1-"))
        .collect();
    ends.sort();
    assert_eq!(
        ends,
        [
            "m Done",
            "m.alarm Skipped",
            "m.go Done",
            "m.go.1-round Merged",
            "m.go.2-round Merged",
            "m.scan NoChanges",
            "m.scan.0 Done",
            "m.scan.0.read NoChanges",
            "m.scan.1 Done",
            "m.scan.1.read NoChanges",
            "m.sum Merged",
        ]
    );
}

#[test]
fn a_convoy_of_an_epic_is_launched_and_lands_with_the_parts_that_come() {
    let town = Town::new();
    filed(&town);
    let made = town.run(&["convoy", "create", "Feature X", "shop-e", "--stage"]);
    assert!(made.ok(), "{}", made.complaint());
    town.up();
    wait_until(&town, "the convoy holds the parts", || {
        let ready = &object(&town, "shop-e.1")["status"]["conditions"];
        ready.to_string().contains("its convoy `feature-x` is suspended").then_some(())
    });
    assert!(town.run(&["gate", "approve", "shop-gate"]).ok());
    let launched = town.run(&["convoy", "launch", "feature-x"]);
    assert!(launched.ok() && launched.text().contains("1 bead in the first of 2 waves"), "{}", launched.complaint());
    let waited = town.run(&["wait", "convoy/feature-x", "--timeout", "2m"]);
    assert!(waited.ok(), "{}", waited.complaint());
    assert_eq!(town.json(&["convoy", "feature-x"])["status"]["progress"], "3/3");
    // What is filed later is of it too; what it does not name is nobody's.
    let more = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: { name: shop-e.3 }\nspec: { title: Do shop-e.3, rig: shop, \
        suspend: true, parent: shop-e, command: echo 3 > 3.txt }\n";
    town.apply(more);
    wait_until(&town, "it lands too", || {
        (town.json(&["convoy", "feature-x"])["status"]["progress"] == "4/4").then_some(())
    });
    assert_eq!(object(&town, "shop-e.3")["spec"]["closed"]["reason"], "Merged");
    assert_eq!(object(&town, "shop-other")["status"]["state"], "Backlog");
}
