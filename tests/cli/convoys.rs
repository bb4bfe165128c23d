//! Convoys of beads that are there: made, added to, previewed, launched, and what is stranded.

use gastown_crds::{Bead, Convoy};
use serde_json::{Value, json};

use super::harness::{Folder, bead, condition, object};
use super::verbs::{of, refused, said, with_reader};

/// A town with beads of the backlog: an epic with a part, one that is landed, a step and a record.
fn backlog() -> Folder {
    let folder = with_reader();
    let seed = |name: &str, more: &Value, state: &str| {
        let mut spec = json!({ "suspend": true });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        folder.seed::<Bead>(&bead(name, &spec, &json!({ "state": state })));
    };
    seed("shop-a", &json!({}), "Backlog");
    seed("shop-e", &json!({ "type": "Epic" }), "Backlog");
    seed("shop-e.1", &json!({ "parent": "shop-e", "needs": ["shop-a"] }), "Blocked");
    seed("shop-m", &json!({ "type": "Message" }), "Backlog");
    let closed = json!({ "reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt" });
    seed("shop-z", &json!({ "closed": closed }), "Closed");
    folder
}

fn tracks(folder: &Folder, convoy: &str) -> Vec<String> {
    let spec = of(folder, convoy)["spec"]["tracks"].as_array().cloned().unwrap_or_default();
    spec.iter().map(|it| it["bead"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_convoy_is_made_of_beads_that_are_there_and_of_words() {
    let folder = backlog();
    // As Gas Town has it: a name in words, ids, and who is told.
    refused(
        &folder,
        &["convoy", "create", "Feature X", "shop-a", "shop-e", "--notify", "overseer"],
        4,
        &["nobody would be told"],
    );
    let args = ["convoy", "create", "Feature X", "shop-a", "bead/shop-e", "shop-a"];
    let yaml = said(&folder, &[&args[..], &["--dry-run", "-o", "yaml"]].concat(), &[]);
    insta::assert_snapshot!(yaml, @"
    apiVersion: gastown.io/v1alpha1
    kind: Convoy
    metadata:
      name: feature-x
    spec:
      title: Feature X
      tracks:
      - bead: shop-a
      - bead: shop-e
    ");
    said(&folder, &args, &["convoy/feature-x created", "next: gt wait convoy/feature-x"]);
    assert_eq!(tracks(&folder, "convoy/feature-x"), ["shop-a", "shop-e"]);
    let described = said(&folder, &["convoy", "status", "feature-x"], &["title: Feature X", "Tracked:"]);
    assert!(["shop-a ", "shop-e ", "shop-e.1 "].iter().all(|name| described.contains(name)), "{described}");
    // A word that looks like a name and is none is no work of one word.
    refused(&folder, &["convoy", "add", "feature-x", "shop-b"], 3, &["no Bead is named `shop-b`", "several words"]);
    refused(&folder, &["convoy", "add", "feature-x", "shop-m"], 4, &["is a Message, which is no work"]);
    refused(&folder, &["convoy", "create", "y", "shop-a", "--runtime", "reader"], 2, &["is said by the bead"]);
    said(
        &folder,
        &["convoy", "add", "feature-x", "shop-z", "Say so", "--rig", "shop"],
        &["say-so, shop-z added", "shop-z is closed already"],
    );
    assert_eq!(tracks(&folder, "convoy/feature-x"), ["shop-a", "shop-e", "shop-z"]);
    assert_eq!(of(&folder, "convoy/feature-x")["spec"]["beads"][0]["name"], "say-so");
    refused(&folder, &["convoy", "close", "feature-x"], 4, &["bead/shop-a", "tracked: it stays"]);
}

#[test]
fn a_convoy_is_previewed_in_waves_and_launched() {
    let folder = backlog();
    insta::assert_snapshot!(said(&folder, &["convoy", "stage", "shop-e", "shop-a"], &[]), @"
    WAVE   BEAD       RIG    NEEDS    TITLE
    1      shop-a     shop            Title of shop-a
    2      shop-e.1   shop   shop-a   Title of shop-e.1
    ");
    said(&folder, &["convoy", "create", "later", "shop-e", "shop-a", "--stage"], &["gt convoy stage later"]);
    assert_eq!(of(&folder, "convoy/later")["spec"]["suspend"], true);
    let staged: Value = serde_json::from_str(&said(&folder, &["convoy", "stage", "later", "--json"], &[])).unwrap();
    assert_eq!(
        staged[0]["waves"][1][0],
        json!({ "name": "shop-e.1", "rig": "shop", "needs": ["shop-a"], "title": "Title of shop-e.1" })
    );
    said(&folder, &["convoy", "launch", "later", "--dry-run"], &["1 bead in the first of 2 waves (dry run)"]);
    assert_eq!(of(&folder, "convoy/later")["spec"]["suspend"], true);
    said(
        &folder,
        &["convoy", "launch", "later"],
        &["convoy/later launched: 1 bead in the first of 2 waves", "gt wait convoy/later"],
    );
    assert_eq!(of(&folder, "convoy/later")["spec"]["suspend"], false);
    said(&folder, &["convoy", "launch", "later"], &["convoy/later is launched already"]);
    refused(&folder, &["convoy", "launch", "latter"], 3, &["did you mean `later`?"]);
    refused(&folder, &["convoy", "stage", "latter"], 3, &["did you mean `later`?"]);
}

#[test]
fn what_could_never_run_is_not_launched() {
    let folder = backlog();
    let convoy = "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: round }\nspec:\n  rig: shop\n  suspend: true\n  \
        tracks: [{ bead: shop-q }]\n  beads:\n  - { name: a, title: A, needs: [round/b] }\n  - { name: b, title: B, needs: [shop-a] }\n";
    folder.write("round.yaml", convoy);
    let says =
        ["error: no bead is named shop-q", "warning: b waits for shop-a, which is not of the convoy and is open"];
    refused(&folder, &["convoy", "stage", "-f", "round.yaml"], 4, &says);
    // Beads that are named are there: they are asked for one by one.
    let applied = folder.gt_with(&["apply", "-f", "-"], convoy);
    assert_eq!(applied.code, 0, "{}", applied.all());
    refused(&folder, &["convoy", "launch", "round"], 4, &["convoy `round` is declared in round.yaml"]);
    fs_err::remove_file(folder.path("home").join("round.yaml")).unwrap();
    refused(
        &folder,
        &["convoy", "launch", "round"],
        4,
        &["could not land", "no bead is named shop-q", "gt convoy stage round"],
    );
    let missing = folder.gt_with(&["apply", "-f", "-"], &convoy.replace("needs: [shop-a]", "needs: [shop-x]"));
    assert!(missing.code == 4 && missing.err.contains("is named `shop-x`"), "{}", missing.all());
}

#[test]
fn what_is_stranded_says_why() {
    let folder = backlog();
    assert_eq!(said(&folder, &["convoy", "stranded"], &["no convoy is stranded"]), "");
    let spec = json!({ "beads": [], "tracks": [{ "bead": "shop-e" }] });
    let waits = condition("Landed", "False", "InProgress", "0 of 2 beads are closed");
    folder.seed::<Convoy>(&object("Convoy", "slow", &spec, &json!({ "progress": "0/2", "conditions": [waits] })));
    let landed = condition("Landed", "True", "Landed", "");
    folder.seed::<Convoy>(&object("Convoy", "done", &spec, &json!({ "conditions": [landed] })));
    insta::assert_snapshot!(said(&folder, &["convoy", "stranded"], &["next: gt up"]), @"
    CONVOY   BEADS   REASON   WHY
    slow     0/2     Down     the town is down: nothing moves
    ");
    let all: Value = serde_json::from_str(&said(&folder, &["convoy", "stranded", "--json"], &[])).unwrap();
    assert_eq!(
        (all.as_array().unwrap().len(), &all[0]["convoy"], &all[0]["next"]),
        (1, &json!("slow"), &json!("gt up"))
    );
}
