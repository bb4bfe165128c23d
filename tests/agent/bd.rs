//! `bd` through the real binary: Beads' JSON shapes, what is ready with and without a controller, and closing by people.

use std::time::Duration;

use crate::town::{TestTown, bead, create, nux};
use gastown::api::{Place, Server, Writer, bind_unix, serve_unix};
use gastown::connect;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::sync::oneshot;

fn some_beads() -> TestTown {
    let town = TestTown::new();
    town.seed_hooked();
    let closed = json!({"reason": "Done", "message": "as asked", "at": "2026-01-02T03:04:05Z", "by": "kim"});
    let mut labelled = bead("shop-2", &json!({"type": "Bug", "priority": 0, "needs": ["shop-1", "shop-3", "gone"]}));
    labelled["metadata"]["labels"] = json!({"gastown.io/convoy": "auth", "urgent": ""});
    town.seed([
        labelled,
        bead("shop-3", &json!({"type": "Chore", "closed": closed})),
        bead("shop-4", &json!({"type": "Feature", "priority": 3, "needs": ["shop-3", "gone"]})),
        bead("shop-5", &json!({"priority": 1})),
        bead("depot-1", &json!({"rig": "depot"})),
    ]);
    town
}

#[test]
fn show_prints_beads_with_what_they_need_and_what_needs_them() {
    let town = some_beads();
    assert_snapshot!("show_json", town.agent("bd show shop-1 shop-2 --json"));
    assert_snapshot!("show_text", town.agent("bd show shop-2"));
    assert_eq!(town.agent("gt bd show shop-2"), town.agent("bd view shop-2"));
}

#[test]
fn show_of_what_is_not_there_fails_as_beads_does() {
    let town = some_beads();
    assert_snapshot!(town.agent("bd show shop-9 ../x --json"), @r#"
    exit 1
    {
      "error": "no issues found matching the provided IDs",
      "schema_version": 1
    }
    "#);
    assert_snapshot!(town.agent("bd show shop-9"), @"
    exit 1
    2> error: no issues found matching the provided IDs: shop-9
    2> hint: `bd list` shows the ids
    ");
    let partly = town.agent("bd show shop-9 shop-5 --json");
    assert!(
        partly.starts_with("exit 0\n[\n") && partly.ends_with("2> no issue found matching \"shop-9\"\n"),
        "{partly}"
    );
}

#[test]
fn list_chooses_by_what_beads_are() {
    let town = some_beads();
    assert_snapshot!("list_json", town.person("bd list --label gastown.io/convoy:auth,urgent --json"));
    assert_snapshot!(town.person("bd list"), @"
    exit 0
    shop-2   P0  bug      open         Title of shop-2
    shop-5   P1  task     open         Title of shop-5
    depot-1  P2  task     open         Title of depot-1
    shop-1   P2  task     in_progress  Log out  (shop/polecats/nux)
    shop-4   P3  feature  open         Title of shop-4
    ");
    assert_snapshot!(town.person("bd list --all --limit 3"), @"
    exit 0
    shop-2   P0  bug      open         Title of shop-2
    shop-5   P1  task     open         Title of shop-5
    depot-1  P2  task     open         Title of depot-1
    2> the first 3; all: `bd list --limit 0`
    ");
    assert_snapshot!(town.person("bd list --status closed,in_progress"), @"
    exit 0
    shop-1  P2  task     in_progress  Log out  (shop/polecats/nux)
    shop-3  P2  chore    closed       Title of shop-3
    ");
    assert_snapshot!(town.person("bd list --type step --status open -n 1"), @"
    exit 0
    shop-1.change  P2  step     open         Do change
    2> the first 1; all: `bd list --limit 0`
    ");
    assert_snapshot!(town.person("bd list --assignee shop/polecats/nux"), @"
    exit 0
    shop-1  P2  task     in_progress  Log out  (shop/polecats/nux)
    ");
    assert_snapshot!(town.person("bd list --parent shop-1"), @"
    exit 0
    shop-1.change  P2  step     open         Do change
    shop-1.docs    P2  step     open         Do docs
    shop-1.verify  P2  step     open         Do verify
    ");
    assert_snapshot!(town.person("bd list --type bug --status closed --json"), @"
    exit 0
    []
    ");
    assert_snapshot!(town.person("bd list --assignee nux --json"), @"
    exit 0
    []
    ");
}

#[test]
fn without_a_controller_ready_follows_from_the_specs() {
    let town = some_beads();
    assert_snapshot!("ready_json", town.person("bd ready --priority P1 --json"));
    assert_snapshot!(town.person("bd ready"), @"
    exit 0
    shop-5   P1  task     open         Title of shop-5
    depot-1  P2  task     open         Title of depot-1
    shop-4   P3  feature  open         Title of shop-4
    ");
    assert_snapshot!(town.person("bd ready -n 1"), @"
    exit 0
    shop-5  P1  task     open         Title of shop-5
    ");
    assert_snapshot!(town.person("bd ready --type feature"), @"
    exit 0
    shop-4  P3  feature  open         Title of shop-4
    ");
    assert_snapshot!(town.person("bd ready --assignee shop/polecats/nux"), @"
    exit 0
    shop-1.change  P2  step     open         Do change
    ");
    // In a session it is the same: what could be claimed, and not the steps of what the session has already.
    assert_eq!(town.agent("bd ready"), town.person("bd ready"));
    assert_eq!(town.agent("bd ready --json"), town.person("bd ready --json"));
    assert_snapshot!(town.person("bd ready --type bug --json"), @"
    exit 0
    []
    ");
}

#[test]
fn a_person_closes_any_bead_and_takes_it_off_its_hook() {
    let town = some_beads();
    assert_snapshot!(town.person("bd close shop-2"), @"
    exit 1
    2> error: `shop-2` needs shop-1, which is open
    2> hint: close that first; or close this all the same with `--force`
    ");
    assert_snapshot!("close_json", town.person("bd close shop-1 --reason=by~hand --json"));
    assert_snapshot!(town.person("bd close shop-1 shop-9 --json"), @r#"
    exit 1
    [
      {
        "id": "shop-1",
        "title": "Log out",
        "description": "Everywhere.",
        "status": "closed",
        "priority": 2,
        "issue_type": "task",
        "created_at": "<time>",
        "updated_at": "<time>",
        "closed_at": "<time>",
        "close_reason": "by hand"
      }
    ]
    2> {
    2>   "error": "no issue found matching \"shop-9\"",
    2>   "hint": "`bd list` shows the ids",
    2>   "schema_version": 1
    2> }
    "#);
    assert_snapshot!(town.person("bd close shop-9 --json"), @r#"
    exit 1
    {
      "error": "no issue found matching \"shop-9\"",
      "hint": "`bd list` shows the ids",
      "schema_version": 1
    }
    "#);
    assert_snapshot!(town.person("bd close shop-2 --force"), @"
    exit 0
    withdrawn shop-2: Title of shop-2
    2> `shop-2` had not landed: it is given up; convoy/auth does not land by it: `gt convoy close auth` if nothing else is wanted of it, or `gt delete bead/shop-2` to have it done again
    ");
    assert_snapshot!(town.agent("gt hook"), @"
    exit 0
    nothing on the hook
    ");
}

/// Runs `body` while an API is served on the town's socket, as a controller does.
fn with_controller(town: &TestTown, beads: Vec<Value>, body: impl FnOnce(&Server)) {
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let at = town.town.clone();
    let controller = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::open(&Place::Memory, Writer::Inline, connect::options()).unwrap();
            create(server.client(&at.name), beads).await;
            let socket = at.layout.api_socket();
            let listener = bind_unix(&socket).unwrap();
            ready.send(server.clone()).unwrap();
            serve_unix(server, listener, &socket, async { drop(stopped.await) }).await.unwrap();
        });
    });
    body(&is_ready.recv_timeout(Duration::from_secs(30)).unwrap());
    stop.send(()).unwrap();
    controller.join().unwrap();
}

fn found(name: &str, state: &str, spec: &Value) -> Value {
    let mut bead = bead(name, spec);
    bead["status"] = json!({ "state": state });
    bead
}

#[test]
fn with_a_controller_ready_is_what_it_found_and_still_is() {
    let town = TestTown::new();
    let closed = json!({"reason": "Done", "at": "2026-01-02T03:04:05Z", "by": "kim"});
    let beads = vec![
        found("shop-1", "Ready", &json!({"priority": 3})),
        found("shop-2", "Ready", &json!({"closed": closed})),
        found("shop-3", "Ready", &json!({"assignee": nux()})),
        found("shop-4", "Waiting", &json!({"needs": ["shop-1"]})),
        found("shop-5", "SetAside", &json!({})),
        found("shop-6", "Ready", &json!({"priority": 0, "needs": ["shop-2"]})),
    ];
    with_controller(&town, beads, |_| {
        assert_snapshot!(town.person("bd ready"), @"
        exit 0
        shop-6  P0  task     open         Title of shop-6
        shop-1  P3  task     open         Title of shop-1
        ");
        // The spec changes after it was found ready.
        town.patch_spec("shop-6", &json!({"needs": ["shop-1"]}));
        assert_snapshot!(town.person("bd ready"), @"
        exit 0
        shop-1  P3  task     open         Title of shop-1
        ");
        assert_snapshot!(town.person("bd list --status blocked"), @"
        exit 0
        shop-5  P2  task     blocked      Title of shop-5
        ");
    });
}

#[test]
fn the_most_urgent_come_first_however_many_there_are() {
    let town = TestTown::new();
    let beads = (0..60).map(|n| found(&format!("shop-{n:03}"), "Ready", &json!({"priority": 4 - n / 15})));
    with_controller(&town, beads.collect(), |_| {
        let ready = town.person("bd ready -n 16");
        let ids: Vec<&str> = ready.lines().skip(1).filter_map(|l| l.split(' ').next()).collect();
        let urgent: Vec<String> = (45..60).chain([30]).map(|n| format!("shop-{n:03}")).collect();
        assert_eq!(ids, urgent);
        assert_eq!(town.person("bd ready -n 0").lines().count(), 61);
    });
}

#[test]
fn through_the_controllers_socket_an_answer_costs_a_few_reads() {
    let town = TestTown::new();
    let mut beads = vec![bead("shop-1", &json!({"assignee": nux()}))];
    beads.extend((2..40).map(|n| found(&format!("shop-{n}"), "Ready", &json!({}))));
    with_controller(&town, beads, |server| {
        let cost = |ask: &dyn Fn() -> String| {
            let before = server.counters();
            let answer = ask();
            let after = server.counters();
            assert!(answer.starts_with("exit 0\n"), "{answer}");
            (after.statements - before.statements, after.commits - before.commits)
        };
        // One read for the bead; three for a list: the page, the revision it is of, and whether a condition selects few.
        assert_eq!(cost(&|| town.agent("gt hook")), (7, 0));
        assert_eq!(cost(&|| town.agent("gt hook -o base")), (7, 0));
        // Two lists: what has been asked for, and what is in the backlog.
        assert_eq!(cost(&|| town.person("bd ready --json")), (6, 0));
        // One priority after the other, until there are enough: once without, three times with.
        assert_eq!(cost(&|| town.person("bd ready --json -n 10")), (15, 0));
        // The bead; then what needs it, what is a part of it, and what is tied to it otherwise.
        assert_eq!(cost(&|| town.person("bd show shop-1")), (10, 0));
    });
}
