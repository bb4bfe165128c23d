//! Ties between beads: circles of every sort are refused with their path, and who is left behind by what goes is said.

use crate::town::TestTown;
use insta::assert_snapshot;
use serde_json::json;

fn filed(beads: &[&str]) -> TestTown {
    let town = TestTown::new();
    for line in beads {
        let answer = town.person(&format!("bd create {line}"));
        assert!(answer.starts_with("exit 0"), "{answer}");
    }
    town
}

/// A line of a tracker, with ties as `type:id`.
fn line(id: &str, status: &str, ties: &[&str]) -> String {
    let ties: Vec<_> = ties
        .iter()
        .map(|tie| tie.split_once(':').unwrap())
        .map(|(type_, on)| json!({ "issue_id": id, "depends_on_id": on, "type": type_, "created_at": "2026-01-01T00:00:00Z" }))
        .collect();
    let line = json!({
        "id": id, "title": id, "status": status, "priority": 2, "issue_type": "task", "dependencies": ties,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    line.to_string() + "\n"
}

#[test]
fn lines_that_go_in_a_circle_are_refused_with_their_path() {
    let town = filed(&["Here --id shop-h"]);
    let put = |lines: &[String]| fs_err::write(town.path("town").join("issues.jsonl"), lines.concat()).unwrap();
    put(&[
        line("shop-a", "open", &["parent-child:shop_B"]),
        line("shop_B", "open", &["parent-child:shop-a"]),
        line("shop-d", "open", &["conditional-blocks:shop-c"]),
        line("shop-c", "open", &["blocks:shop-d"]),
        line("shop-e", "open", &["blocks:shop-f", "blocks:shop-h"]),
        line("shop-f", "closed", &["blocks:shop-e"]),
    ]);
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 1
    2> error: 2 circles:
    2>   issues.jsonl:3: beads would wait for each other in a circle: shop-d → shop-c → shop-d
    2>   issues.jsonl:1: beads would be parts of each other in a circle: shop-a → shop_B → shop-a
    2> hint: nothing was taken in: take a tie of each out, or take them in all the same: --allow-circles
    ");
    assert_eq!(town.out("bd count"), "1\n");
    assert_snapshot!(town.person("bd import issues.jsonl --allow-circles"), @"
    exit 0
    imported: 6 new
    ");
    // What is there already, and changes nothing, is not refused again.
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 6 as they were"));
    assert!(town.person("bd dep cycles").contains("shop-c → shop-d → shop-c\n"));
    assert!(town.person("bd doctor").contains("error: beads are parts of each other: shop-a → "));
    // One half of a circle is here, the other one comes.
    put(&[line("shop-g", "open", &["blocks:shop-h"])]);
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 new"));
    put(&[line("shop-h", "open", &["blocks:shop-g"]).replace("2026", "2999")]);
    let closing = town.person("bd import issues.jsonl");
    assert!(
        closing.contains("issues.jsonl:1: beads would wait for each other in a circle: shop-h → shop-g → shop-h"),
        "{closing}"
    );
}

#[test]
fn gates_and_conditions_close_no_circle() {
    let town = filed(&["A --id shop-a", "B --id shop-b"]);
    assert!(town.person("bd gate create --blocks shop-a --type bead --await-id shop-b").starts_with("exit 0"));
    let crosswise = town.person("bd gate create --blocks shop-b --type bead --await-id shop-a");
    assert!(
        crosswise.starts_with("exit 1\n2> error: adding dependency would create a cycle: shop-b → shop-a → shop-gate-"),
        "{crosswise}"
    );
    assert!(town.person("bd dep add shop-b shop-a").contains("would create a cycle"));
    let town = filed(&["A --id shop-a", "B --id shop-b"]);
    town.person("bd dep add shop-a shop-b -t conditional-blocks");
    for line in ["bd dep add shop-b shop-a", "bd dep add shop-b shop-a -t conditional-blocks"] {
        assert!(town.person(line).contains("would create a cycle: shop-b → shop-a → shop-b"), "{line}");
    }
    let filed = town.person("bd create C --id shop-c --deps blocks:shop-b,shop-a");
    assert!(
        filed.contains("Warning: `shop-b` does not wait for `shop-c`: adding dependency would create a cycle"),
        "{filed}"
    );
}

#[test]
fn a_graph_whose_nodes_go_in_a_circle_is_refused_by_their_keys() {
    let town = filed(&["Here --id shop-h"]);
    let refused = |plan: &str| {
        fs_err::write(town.path("town").join("plan.json"), plan).unwrap();
        town.person("bd create --graph plan.json")
    };
    let nodes = r#""nodes":[{"key":"a","title":"A"},{"key":"b","title":"B","parent_key":"a"}]"#;
    assert_snapshot!(refused(r#"{"nodes":[{"key":"a","title":"A","parent_key":"b"},{"key":"b","title":"B","parent_key":"a"}]}"#), @r#"
    exit 1
    2> error: plan.json: invalid graph plan: node "a": its parent keys go in a circle: a → b → a
    2> hint: nothing was filed
    "#);
    let part = format!(r#"{{{nodes},"edges":[{{"from_key":"a","to_key":"b","type":"parent-child"}}]}}"#);
    assert!(refused(&part).contains("error: beads would be parts of each other in a circle: a → b → a"));
    let through =
        format!(r#"{{{nodes},"edges":[{{"from_key":"a","to_id":"shop-h"}},{{"from_id":"shop-h","to_key":"a"}}]}}"#);
    assert!(refused(&through).contains("error: beads would wait for each other in a circle: a → shop-h → a"));
    assert_eq!(town.out("bd count"), "1\n");
}

#[test]
fn who_is_tied_to_what_goes_is_said_before_and_after() {
    let town = filed(&["Goes --id shop-a", "Waits --id shop-b --deps shop-a", "Part --id shop-c --parent shop-a"]);
    assert_snapshot!(town.person("bd delete shop-a"), @"
    exit 0
    would delete:
    shop-a  P2  task     open         Goes
    these stay, and are tied to them:
    shop-b  P2  task     open         Waits  [blocks shop-a]
    shop-c  P2  task     open         Part  [parent-child shop-a]
    2> `--force` deletes them, for good
    ");
    assert_eq!(town.data("bd delete shop-a")["dependents"][0]["issue_id"], "shop-b");
    assert_snapshot!(town.person("bd delete shop-a --force --cascade"), @"
    exit 0
    ✓ Deleted shop-c
    ✓ Deleted shop-a
    2> shop-b was tied to shop-a (blocks), which is gone: `bd dep remove shop-b shop-a` takes the tie out
    ");
}

#[test]
fn show_tells_what_a_bead_is_part_of_from_what_it_needs() {
    let town =
        filed(&["Epic --id shop-e -t epic", "First --id shop-f", "Part --id shop-p --parent shop-e --deps shop-f"]);
    assert_snapshot!(town.person("bd show shop-p"), @"
    exit 0
    shop-p  P2  task     open         Part
      filed    <time> by kim

    part of:
      shop-e  P2  epic     open         Epic

    needs:
      shop-f  P2  task     open         First
    ");
    assert_snapshot!(town.person("bd show shop-e"), @"
    exit 0
    shop-e  P2  epic     open         Epic
      filed    <time> by kim

    parts:
      shop-p  P2  task     open         Part
    ");
}
