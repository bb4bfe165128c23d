//! Issues of GitHub and GitLab: from files of their JSON, and through a `gh` and a `glab` that the test puts on the path.

use std::os::unix::fs::PermissionsExt as _;

use crate::town::TestTown;
use insta::assert_snapshot;
use serde_json::{Value, json};

/// An issue as `gh issue list --json` has it; `with` adds to it.
fn issue(number: u64, updated: &str, with: &Value) -> Value {
    let mut issue = json!({
        "number": number, "title": format!("Issue {number}"), "body": "As it is.", "state": "OPEN", "stateReason": "",
        "url": format!("https://github.com/o/r/issues/{number}"), "labels": [], "assignees": [], "milestone": null,
        "author": {"login": "ann"}, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": updated, "closedAt": null, "comments": [],
    });
    issue.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    issue
}

fn put(town: &TestTown, issues: &[Value]) {
    fs_err::write(town.path("town").join("issues.json"), serde_json::to_string_pretty(issues).unwrap()).unwrap();
}

/// A program on the path that records how it was called.
fn program(town: &TestTown, name: &str, script: &str) {
    let path = town.path("bin").join(name);
    fs_err::write(&path, format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", town.path("calls").display())).unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn issues_become_beads_and_are_known_again() {
    let town = TestTown::new();
    town.rig("shop");
    let labels = json!([{"name": "bug"}, {"name": "priority: high"}]);
    let said = json!([{"id": "IC_1", "author": {"login": "lee"}, "body": "Why?", "createdAt": "2026-01-01T12:00:00Z"}]);
    let closed = json!({"state": "CLOSED", "stateReason": "NOT_PLANNED", "closedAt": "2026-01-03T00:00:00Z"});
    put(
        &town,
        &[
            issue(
                7,
                "2026-01-02T00:00:00Z",
                &json!({"labels": labels, "assignees": [{"login": "kim"}], "comments": said}),
            ),
            issue(8, "2026-01-03T00:00:00Z", &closed),
            json!({"number": 9, "title": "A pull request", "pull_request": {}, "html_url": "x"}),
        ],
    );
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 0
    imported: 2 new, 1 pull requests left out
    ");
    assert_snapshot!(town.person("bd show shop-gh-7"), @"
    exit 0
    shop-gh-7  P1  bug      open         Issue 7  (kim)
      rig      shop
      label    bug
      label    priority: high
      filed    <time> by ann
      same as  https://github.com/o/r/issues/7

    As it is.

    comments:
      <time>  lee
        Why?
    ");
    assert_eq!(town.data("bd show shop-gh-8")[0]["close_reason"], "not planned");
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 0
    imported: 2 as they were, 1 pull requests left out
    ");
    // Another repository may have the same number.
    put(&town, &[issue(7, "2026-01-02T00:00:00Z", &json!({"url": "https://github.com/o/other/issues/7"}))]);
    for _ in 0..2 {
        assert!(town.person("bd import issues.json").starts_with("exit 0"));
    }
    assert_eq!(town.out("bd count"), "3\n");
}

#[test]
fn what_is_newer_is_taken_in_and_what_was_done_here_stays() {
    let town = TestTown::new();
    town.rig("shop");
    put(&town, &[issue(1, "2026-01-02T00:00:00Z", &json!({})), issue(2, "2026-01-02T00:00:00Z", &json!({}))]);
    assert!(town.person("bd import issues.json").starts_with("exit 0\nimported: 2 new"));
    for line in [
        "bd update shop-gh-1 --title Mine --notes found --priority 0 -a lee",
        "bd comment shop-gh-1 seen",
        "bd label add shop-gh-1 keep",
    ] {
        assert!(town.person(line).starts_with("exit 0"), "{line}");
    }
    let news = json!({"title": "Theirs", "body": "Newer.", "labels": [{"name": "p3"}], "comments":
        [{"id": "IC_1", "author": {"login": "ann"}, "body": "more", "createdAt": "2026-01-03T00:00:00Z"}]});
    let closed = json!({"state": "CLOSED", "stateReason": "COMPLETED", "closedAt": "2026-01-03T00:00:00Z"});
    put(&town, &[issue(1, "2026-01-03T00:00:00Z", &news), issue(2, "2026-01-03T00:00:00Z", &closed)]);
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 0
    imported: 2 changed
    ");
    let bead = &town.data("bd show shop-gh-1")[0];
    let said = json!({
        "title": "Mine", "description": "Newer.", "notes": "found", "priority": 0, "assignee": "lee", "labels": ["keep", "p3"],
        "external_ref": "https://github.com/o/r/issues/1",
    });
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(bead[key], *value, "{key}");
    }
    let texts: Vec<&Value> = bead["comments"].as_array().unwrap().iter().map(|it| &it["text"]).collect();
    assert_eq!(texts, ["seen", "more"]);
    assert_eq!(town.data("bd show shop-gh-2")[0]["status"], "closed");
    // An older file changes nothing.
    put(&town, &[issue(1, "2026-01-02T00:00:00Z", &json!({"body": "As it was."}))]);
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 0
    imported: 1 older than what is here, left as they are
    ");
}

#[test]
fn a_bead_that_was_filed_for_an_issue_by_hand_is_that_issue() {
    let town = TestTown::new();
    town.rig("shop");
    assert!(town.person("bd create By~hand --id shop-h --external-ref gh-5").starts_with("exit 0"));
    put(&town, &[issue(5, "2026-01-02T00:00:00Z", &json!({"labels": [{"name": "docs"}]}))]);
    assert!(town.person("bd import issues.json").starts_with("exit 0\nimported: 1 changed"));
    let bead = &town.data("bd show shop-h")[0];
    assert_eq!(
        (&bead["title"], &bead["description"], &bead["labels"]),
        (&json!("By hand"), &json!("As it is."), &json!(["docs"]))
    );
    assert_eq!(town.out("bd count"), "1\n");
}

#[test]
fn mistakes_are_told_with_their_place_and_what_is_too_long_is_cut() {
    let town = TestTown::new();
    town.rig("shop");
    put(&town, &[json!({"number": 1, "title": "T"}), issue(2, "yesterday", &json!({}))]);
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 1
    2> error: 2 issues cannot be taken in:
    2>   issues.json:2: it has no `url`, by which it is known again: add it to `gh issue list --json`
    2>   issues.json:6: #2: `updated_at` is no time: `yesterday`; write it as <time>
    2> hint: nothing was taken in: correct these issues
    ");
    assert_eq!(town.out("bd count"), "0\n");
    put(&town, &[issue(3, "2026-01-02T00:00:00Z", &json!({"body": "x".repeat(70_000)}))]);
    assert_snapshot!(town.person("bd import issues.json"), @"
    exit 0
    imported: 1 new
    2> issues.json:2: #3: its text is cut at 65536 characters
    ");
    assert!(town.out("bd show shop-gh-3").contains("[cut; the whole text: https://github.com/o/r/issues/3]"));
}

#[test]
fn gh_and_glab_are_asked_where_they_are_installed() {
    let town = TestTown::new();
    town.rig("shop");
    let listed = serde_json::to_string(&[issue(1, "2026-01-02T00:00:00Z", &json!({}))]).unwrap();
    fs_err::write(town.path("listed"), listed).unwrap();
    program(&town, "gh", &format!("cat {}", town.path("listed").display()));
    assert_snapshot!(town.person("bd import --from github --repo o/r --state all --limit 5"), @"
    exit 0
    imported: 1 new
    ");
    program(&town, "gh", "echo 'GraphQL: Could not resolve to a Repository' >&2\nexit 1");
    assert_snapshot!(town.person("bd import --from github --repo o/gone"), @"
    exit 1
    2> error: `gh issue list` ended with 1: GraphQL: Could not resolve to a Repository
    2> hint: name the repository: --repo OWNER/NAME; `gh auth login` signs in
    ");
    // A page that is full has another one behind it.
    let page: Vec<Value> = (1..=100)
        .map(|iid| json!({"iid": iid, "title": "T", "state": "opened", "web_url": format!("https://gitlab.com/g/p/-/issues/{iid}"), "labels": ["type::bug"]}))
        .collect();
    fs_err::write(town.path("listed"), serde_json::to_string(&page).unwrap()).unwrap();
    let script =
        format!("case \"$*\" in *'--page 1'*) cat {};; *) echo 'No open issues';; esac", town.path("listed").display());
    program(&town, "glab", &script);
    assert_snapshot!(town.person("bd import --from gitlab"), @"
    exit 0
    imported: 100 new
    ");
    let calls = fs_err::read_to_string(town.path("calls")).unwrap();
    let script = format!(
        "case \"$*\" in *'--page 1'*) cat {};; *) echo '[{{\"iid\": 101,';; esac",
        town.path("listed").display()
    );
    program(&town, "glab", &script);
    assert_snapshot!(town.person("bd import --from gitlab"), @"
    exit 1
    2> error: page 2 of `glab issue list` cannot be read: EOF while parsing an object at line 1 column 13
    2> hint: nothing was taken in: try again; or take in a file of its JSON: bd import issues.json
    ");
    assert_snapshot!(calls, @"
    issue list --json number,title,body,state,stateReason,labels,assignees,milestone,author,createdAt,updatedAt,closedAt,url,comments --state all --limit 5 --repo o/r
    issue list --json number,title,body,state,stateReason,labels,assignees,milestone,author,createdAt,updatedAt,closedAt,url,comments --state open --limit 1000 --repo o/gone
    issue list --output json --per-page 100 --page 1
    issue list --output json --per-page 100 --page 2
    ");
}
