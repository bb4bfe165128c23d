//! `bd import` and `bd export`: what a tracker has written is taken in, and goes out again as it came.

use std::path::Path;

use crate::town::TestTown;
use insta::assert_snapshot;
use serde_json::Value;

/// Lines as several trackers write them: with fields that nothing here knows, in another order, with times of other zones.
const LINES: &str = r#"{"_type":"issue","id":"shop-a","title":"Rotate <tokens> & keys","description":"Each day.\nOr more.","status":"open","priority":1,"issue_type":"bug","owner":"kim@x.org","created_at":"2026-01-01T10:00:00Z","created_by":"kim","updated_at":"2026-01-02T10:00:00Z","labels":["auth","area:api"],"dependencies":[{"issue_id":"shop-a","depends_on_id":"shop_b.X","type":"blocks","created_at":"2026-01-01T11:00:00Z","created_by":"lee","metadata":"{}"}],"comments":[{"id":"6f9619ff-8b86-d011-b42d-00c04fc964ff","issue_id":"shop-a","author":"lee","text":"Why?","created_at":"2026-01-01T12:00:00Z"}],"dependency_count":1,"dependent_count":0,"comment_count":1}
{"id":"shop_b.X","title":"Zones","status":"in_progress","priority":0,"issue_type":"docs","created_at":"2026-01-04T23:05:15.393319-08:00","updated_at":"2026-01-04T23:05:15.5-08:00","assignee":"beads/crew/dave","compaction_level":0,"original_size":0,"quality":{"score":0.5,"b":[1, 2]}}
{"id":"shop-c","title":"Done","status":"closed","priority":3,"issue_type":"task","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-03T10:00:00Z","closed_at":"2026-01-03T10:00:00Z","close_reason":"as asked","metadata":{"gc.routed_to":"x","n":1},"estimated_minutes":30,"due_at":"2026-05-01T00:00:00Z","external_ref":"gh-9"}
{"title":"Keys in another order","id":"shop-d","priority":2,"status":"deferred","issue_type":"epic","updated_at":"2026-01-03T10:00:00Z","created_at":"2026-01-01T10:00:00Z","defer_until":"2999-01-01T00:00:00Z","notes":"","comments":[{"id":7,"issue_id":"shop-d","author":"x","text":"old","created_at":"2026-01-01T10:00:00Z"}]}
{"id":"shop-d.1","title":"Part","status":"staged_ready","priority":2,"issue_type":"task","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:00:00Z","dependencies":[{"issue_id":"shop-d.1","depends_on_id":"shop-d","type":"parent-child","created_at":"2026-01-01T10:00:00Z"},{"issue_id":"shop-d.1","depends_on_id":"gone-1","type":"blocked-by","created_at":"2026-01-01T10:00:00Z"},{"issue_id":"shop-d.1","depends_on_id":"shop-a","type":"waits-for","created_at":"2026-01-01T10:00:00Z","metadata":"{\"gate\":\"any-children\"}"}]}
"#;

fn town() -> TestTown {
    TestTown::new()
}

fn sorted(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap_or_default().to_owned();
    lines.sort_by_key(id);
    lines
}

#[test]
fn what_is_taken_in_goes_out_byte_by_byte() {
    let town = town();
    fs_err::write(town.path("town").join("issues.jsonl"), LINES).unwrap();
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 0
    imported: 5 new
    ");
    let exported = town.out("bd export --all");
    assert_eq!(exported.lines().collect::<Vec<_>>(), sorted(LINES));
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 0
    imported: 5 as they were
    ");
    assert_eq!(town.out("bd export --all"), exported);
    // A bead is found by the id it came with, and shown by it.
    assert!(town.person("bd show shop_b.X").contains("shop_b.X  P0  docs     in_progress  Zones  (beads/crew/dave)"));
    assert!(town.person("bd show shop-a").contains("shop_b.X  P0"));
}

#[test]
fn a_gate_is_one_of_the_town_and_goes_out_as_it_came() {
    let line = |id: &str, awaits: &str| {
        format!(
            r#"{{"id":"{id}","title":"Gate","status":"open","priority":2,"issue_type":"gate","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:00:00Z",{awaits}}}"#
        )
    };
    let lines = [
        line("shop-g1", r#""await_type":"gh:run","await_id":"release.yml","timeout":1800000000000"#),
        line("shop-g2", r#""timeout":60000000000,"await_type":"timer""#),
        line("shop-g3", r#""await_type":"mail","await_id":7,"waiters":["x"]"#),
        line("shop-g4", r#""await_type":"run","await_id":"rm -rf ~""#),
        line("shop-g5", r#""await_type":"event","await_id":"deploy.done","target":"web""#),
    ];
    let town = town();
    fs_err::write(town.path("town").join("issues.jsonl"), lines.join("\n")).unwrap();
    town.person("bd import issues.jsonl");
    assert_eq!(town.out("bd export --all").lines().collect::<Vec<_>>(), lines);
    let gate = |id: &str| serde_json::to_value(&town.bead(id).spec.gate).unwrap();
    let run = serde_json::json!({"type": "GithubRun", "awaitId": "release.yml", "timeout": "1800s"});
    assert_eq!(gate("shop-g1"), run);
    assert_eq!(gate("shop-g2")["type"], "Timer");
    let event = serde_json::json!({"type": "Event", "awaitId": "deploy.done", "target": "web"});
    assert_eq!(gate("shop-g5"), event);
    // What a town does not know, a person opens; and nothing that comes in is run.
    assert_eq!((gate("shop-g3"), gate("shop-g4")), (Value::Null, Value::Null));
}

/// A bead whose id cannot be the name of an object has another name here: that is the one which is waited for.
#[test]
fn a_gate_waits_for_the_bead_that_its_line_names() {
    let lines = [
        r#"{"_type":"issue","id":"shop-g","title":"Gate","status":"open","priority":2,"issue_type":"gate","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:00:00Z","await_type":"bead","await_id":"shop_b.X"}"#,
        r#"{"_type":"issue","id":"shop_b.X","title":"B","status":"open","priority":2,"issue_type":"task","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:00:00Z"}"#,
    ];
    let town = town();
    fs_err::write(town.path("town").join("issues.jsonl"), lines.join("\n")).unwrap();
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 2 new"));
    let awaited = town.bead("shop-g").spec.gate.unwrap().await_id.unwrap();
    assert_eq!(town.bead(&awaited).spec.title, "B");
    assert_eq!(town.out("bd export --all").lines().collect::<Vec<_>>(), lines);
    assert_eq!(town.data("bd show shop-g")[0]["await_id"], "shop_b.X");
    let newer = r#"{"id":"shop-g","title":"Other","issue_type":"gate","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-02T10:00:00Z"}"#;
    fs_err::write(town.path("town").join("issues.jsonl"), newer).unwrap();
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 changed"));
    assert_eq!(town.data("bd show shop-g")[0]["await_id"], "shop_b.X");
}

#[test]
fn a_gate_is_what_the_newest_line_says_and_stays_where_a_line_says_nothing() {
    let town = town();
    let line = |day: u32, id: &str, more: &str| {
        format!(
            r#"{{"id":"{id}","title":"{id}","status":"open","priority":2,"issue_type":"gate","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-{day:02}T10:00:00Z"{more}}}"#
        )
    };
    let take = |lines: &[String]| {
        fs_err::write(town.path("town").join("issues.jsonl"), lines.join("\n")).unwrap();
        town.person("bd import issues.jsonl")
    };
    let gate = || serde_json::to_value(&town.bead("shop-g").spec.gate).unwrap();
    let awaits = |id: &str| format!(r#","await_type":"bead","await_id":"{id}""#);
    assert!(take(&[line(1, "shop-g", ""), line(1, "shop-a", ""), line(1, "shop-b", "")]).contains("3 new"));
    assert_eq!(gate(), Value::Null);
    assert!(take(&[line(2, "shop-g", &awaits("shop-a"))]).contains("1 changed"));
    assert_eq!(gate(), serde_json::json!({"type": "Bead", "awaitId": "shop-a"}));
    // What only a town can say of it stays.
    town.patch_spec("shop-g", &serde_json::json!({"gate": {"onTimeout": "Open"}}));
    let tie = r#","dependencies":[{"issue_id":"shop-a","depends_on_id":"shop-g","type":"blocks"}]"#;
    // It does not wait for `shop-a` any more, so there is no circle.
    let told =
        take(&[line(3, "shop-g", &awaits("shop-b")).replace("2026-01-03", "2999-01-03"), line(3, "shop-a", tie)]);
    assert!(told.contains("2 changed"), "{told}");
    assert_eq!(gate(), serde_json::json!({"type": "Bead", "awaitId": "shop-b", "onTimeout": "Open"}));
    assert!(take(&[line(4, "shop-g", r#","notes":"x""#).replace("2026-01-04", "2999-01-04")]).contains("1 changed"));
    assert_eq!(gate()["awaitId"], "shop-b");
}

#[test]
fn what_is_changed_is_written_anew_and_the_rest_as_it_came() {
    let town = town();
    fs_err::write(town.path("town").join("issues.jsonl"), LINES).unwrap();
    town.person("bd import issues.jsonl");
    assert!(town.person("bd update shop_b.X --title Other --json").contains("Other"));
    let exported = town.out("bd export");
    let line = exported.lines().find(|line| line.contains("shop_b.X\",\"title\"")).unwrap();
    assert!(line.starts_with(r#"{"id":"shop_b.X","title":"Other","status":"in_progress","priority":0,"issue_type":"docs","created_at":"2026-01-04T23:05:15.393319-08:00""#), "{line}");
    assert!(line.ends_with(r#""quality":{"score":0.5,"b":[1, 2]}}"#), "{line}");
    assert!(!line.contains("2026-01-04T23:05:15.5-08:00"), "it was changed later: {line}");
}

#[test]
fn a_line_that_cannot_be_read_is_said_with_its_place_and_nothing_is_taken_in() {
    let town = town();
    let bad = format!(
        "{LINES}{{\"id\":\"x\n{{\"id\":\"a b\",\"title\":\"t\"}}\n{{\"id\":\"n\"}}\n{{\"id\":\"p\",\"title\":\"t\",\"priority\":9}}\n\
         {{\"id\":\"w\",\"title\":\"t\",\"created_at\":\"yesterday\"}}\n{{\"id\":\"u\",\"title\":7}}\n"
    );
    fs_err::write(town.path("town").join("issues.jsonl"), bad).unwrap();
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 1
    2> error: 6 lines cannot be taken in:
    2>   issues.jsonl:6:8: EOF while parsing a string
    2>   issues.jsonl:7: `a b` cannot be an id
    2>   issues.jsonl:8: it has no `title`
    2>   issues.jsonl:9: `priority` is 0 (first) to 4 (last)
    2>   issues.jsonl:10: `created_at` is no time: `yesterday`; write it as <time>
    2>   issues.jsonl:11:19: invalid type: integer `7`, expected a string
    2> hint: nothing was taken in: correct these lines
    ");
    assert_eq!(town.out("bd count"), "0\n");
    fs_err::write(town.path("town").join("issues.jsonl"), "<<<<<<< HEAD\n{}\n").unwrap();
    assert!(
        town.person("bd import issues.jsonl").contains("issues.jsonl:1: the file holds the marks of a merge conflict")
    );
}

#[test]
fn what_is_deleted_a_wisp_or_a_memory_is_no_bead() {
    let town = town();
    let lines = r#"{"id":"bd-1","title":"(deleted)","status":"tombstone","issue_type":"task","deleted_at":"0001-01-01T00:00:00Z"}
{"id":"bd-2","title":"w","status":"open","issue_type":"event","ephemeral":true}
{"_type":"memory","key":"lint","value":"Run it twice"}
{"id":"bd-3","title":"Session ended","status":"closed","priority":4,"issue_type":"event","created_at":"2026-01-01T10:00:00Z","updated_at":"2026-01-01T10:00:00Z","event_kind":"agent.stopped","actor":"x","target":"y"}
"#;
    fs_err::write(town.path("town").join("issues.jsonl"), lines).unwrap();
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 0
    imported: 1 events, 1 memories, 2 left out (deleted, wisps, duplicates)
    ");
    assert_eq!(town.out("bd recall lint"), "Run it twice\n");
    assert!(town.person("bd list -t event").contains("agent.stopped  by x  to y"));
    let kept: Vec<&str> = lines.lines().rev().take(2).collect();
    assert_eq!(town.out("bd export --all").lines().collect::<Vec<_>>(), kept);
}

/// A real tracker's tables, which lie beside the project where it is built.
#[test]
fn a_real_trackers_tables_are_taken_in_whole() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    if !corpus.join("issues.jsonl").exists() {
        eprintln!("NOT TRIED: there are no corpora at {}", corpus.display());
        return;
    }
    let town = town();
    let imported = town.person(&format!("bd import {}", corpus.display()));
    assert!(imported.starts_with("exit 0\nimported: 6"), "{imported}");
    let exported = town.out("bd export --all");
    let edges = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let edges: usize = edges.map(|it| it["dependencies"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(edges, 315);
    fs_err::write(town.path("town").join("again.jsonl"), &exported).unwrap();
    let other = self::town();
    fs_err::write(other.path("town").join("again.jsonl"), &exported).unwrap();
    let again = other.person("bd import again.jsonl");
    assert!(again.starts_with("exit 0"), "{again}");
    assert_eq!(other.out("bd export --all"), exported, "what went out goes in and out again as it was");
    assert_eq!(town.person("bd dep cycles"), other.person("bd dep cycles"));
}

#[test]
fn an_older_line_changes_nothing_and_a_newer_one_takes_nothing_away() {
    let town = town();
    let line = |updated: &str| {
        format!(
            "{{\"id\":\"shop-a\",\"title\":\"A\",\"status\":\"open\",\"priority\":2,\"issue_type\":\"task\",\"labels\":[\"x\"],\"created_at\":\"2026-01-01T10:00:00Z\",\"updated_at\":\"{updated}\"}}\n"
        )
    };
    fs_err::write(town.path("town").join("old.jsonl"), line("2026-01-02T10:00:00Z")).unwrap();
    fs_err::write(town.path("town").join("new.jsonl"), line("2999-01-02T10:00:00Z").replace("\"A\"", "\"B\"")).unwrap();
    town.person("bd import old.jsonl");
    for line in [
        "bd comment shop-a seen",
        "bd label add shop-a keep",
        "bd create Other --id shop-o",
        "bd dep add shop-a shop-o",
    ] {
        assert!(town.person(line).starts_with("exit 0"));
    }
    assert_snapshot!(town.person("bd import old.jsonl"), @"
    exit 0
    imported: 1 older than what is here, left as they are
    ");
    assert_snapshot!(town.person("bd import new.jsonl"), @"
    exit 0
    imported: 1 changed
    ");
    let bead: Value = serde_json::from_str(&town.out("bd show shop-a --json")).unwrap();
    let bead = &bead[0];
    assert_eq!((bead["title"].as_str(), &bead["labels"]), (Some("B"), &serde_json::json!(["keep", "x"])));
    assert_eq!((&bead["comments"][0]["text"], &bead["dependencies"][0]["id"]), (&"seen".into(), &"shop-o".into()));
    // What the town itself has exported says nothing new.
    assert!(town.person("bd export -o own.jsonl").starts_with("exit 0"));
    assert_snapshot!(town.person("bd import own.jsonl"), @"
    exit 0
    imported: 2 as they were
    ");
}

#[test]
fn a_bead_that_is_refused_keeps_the_whole_file_out() {
    let town = town();
    let lines = format!("{{\"id\":\"a-1\",\"title\":\"t\"}}\n{{\"id\":\"a-2\",\"title\":\"{}\"}}\n", "t".repeat(501));
    fs_err::write(town.path("town").join("issues.jsonl"), lines).unwrap();
    let refused = town.person("bd import issues.jsonl");
    assert!(refused.starts_with("exit 1\n2> error: 1 bead cannot be taken in:\n2>   issues.jsonl:2: "), "{refused}");
    assert_eq!(town.out("bd count"), "0\n");
}

#[test]
fn an_export_is_data_to_the_last_byte() {
    let town = town();
    let line = "{\"_type\":\"issue\",\"id\":\"a-1\",\"title\":\"l\u{202e}r \u{2066}i\u{2069}\",\"status\":\"open\",\"priority\":2,\"issue_type\":\"task\",\"created_at\":\"2026-01-01T10:00:00Z\",\"updated_at\":\"2026-01-01T10:00:00Z\",\"dependency_count\":0,\"dependent_count\":0,\"comment_count\":0}\n";
    fs_err::write(town.path("town").join("issues.jsonl"), format!("\u{feff}{line}")).unwrap();
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 0
    imported: 1 new
    ");
    assert_eq!(town.out("bd export"), line);
}

#[test]
fn ids_of_every_sort_are_found_again_and_new_ones_are_not_changed_in_silence() {
    let town = town();
    let long = format!("shop-{}", "x".repeat(100));
    let line = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"title\":\"T\",\"status\":\"open\",\"priority\":2,\"issue_type\":\"task\",\
             \"created_at\":\"2026-01-01T10:00:00Z\",\"updated_at\":\"2026-01-01T10:00:00Z\"}}\n"
        )
    };
    let ids = ["ABC-123", "Shop-UP", "a..b", "under_score.1", &long];
    let lines: String = ids.iter().map(|id| line(id)).collect();
    fs_err::write(town.path("town").join("issues.jsonl"), &lines).unwrap();
    assert_snapshot!(town.person("bd import issues.jsonl"), @"
    exit 0
    imported: 5 new
    ");
    assert_eq!(town.out("bd export").lines().collect::<Vec<_>>(), sorted(&lines));
    for id in ids {
        assert!(town.out(&format!("bd show {id}")).starts_with(&format!("{id}  P2")), "{id}");
    }
    assert!(town.out("bd show UP").starts_with("Shop-UP  P2"), "by its end");
    assert_snapshot!(town.person("bd create New --id Shop_NEW"), @"
    exit 1
    2> error: `Shop_NEW` cannot be the id of a new bead
    2> hint: it has lower-case letters, digits, `-` and `.` between them, such as shop-new
    ");
    assert_snapshot!(town.person("bd create New --prefix Shop"), @"
    exit 1
    2> error: `Shop` cannot be the beginning of an id
    2> hint: it has lower-case letters, digits and `-` between them
    ");
    assert!(
        town.person("bd create New --id Shop-NEW -t event --event-type x").contains("cannot be the id of a new bead")
    );
    assert_eq!(town.out("bd count"), "5\n");
}

#[test]
fn a_line_without_times_gets_some_and_keeps_them() {
    let (town, other) = (town(), town());
    fs_err::write(town.path("town").join("issues.jsonl"), "{\"id\":\"a-1\",\"title\":\"t\"}\n").unwrap();
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 new"));
    let exported = town.out("bd export");
    let said: Value = serde_json::from_str(&exported).unwrap();
    assert!(said["created_at"].as_str().unwrap() > "2026", "{exported}");
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 as they were"));
    assert_eq!(town.out("bd export"), exported);
    fs_err::write(other.path("town").join("issues.jsonl"), &exported).unwrap();
    assert!(other.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 new"));
    assert_eq!(other.out("bd export"), exported);
}

#[test]
fn what_is_stale_is_found_whatever_its_status() {
    let town = town();
    fs_err::write(town.path("town").join("issues.jsonl"), LINES).unwrap();
    town.person("bd import issues.jsonl");
    let ids = |status: &str| -> Vec<String> {
        let found = town.data(&format!("bd stale --days 1 --status {status}"));
        found.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("all"), ["shop-d.1", "shop-a", "shop-c", "shop-d", "shop_b.X"]);
    assert_eq!(ids("closed"), ["shop-c"]);
    assert!(town.person("bd stale --status Nonsense").starts_with("exit 1\n2> error: invalid status `Nonsense`"));
}

#[test]
fn a_bead_holds_so_many_comments_and_says_what_to_do_then() {
    let town = town();
    let said =
        |nth: usize| serde_json::json!({ "id": nth, "author": "x", "text": "t", "created_at": "2026-01-01T10:00:00Z" });
    let comments: Vec<Value> = (0..200).map(said).collect();
    let line = serde_json::json!({ "id": "a-1", "title": "t", "comments": comments });
    fs_err::write(town.path("town").join("issues.jsonl"), line.to_string()).unwrap();
    assert!(town.person("bd import issues.jsonl").starts_with("exit 0\nimported: 1 new"));
    assert_snapshot!(town.person("bd comment a-1 more"), @r#"
    exit 1
    2> error: `a-1` has 200 comments, as many as a bead holds
    2> hint: say it in its notes: bd update a-1 --append-notes "..."; or file a bead of its own: bd create "..." --deps discovered-from:a-1
    "#);
}
