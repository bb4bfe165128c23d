//! `bd sql` and `bd merge-slot`, as prompts of agents use them.

use crate::town::{TestTown, bead, nux};
use insta::assert_snapshot;
use serde_json::json;

fn town() -> TestTown {
    let town = TestTown::new();
    let closed = json!({"reason": "Done", "message": "as asked", "at": "2026-01-02T03:04:05Z", "by": "kim"});
    town.seed([
        bead("shop-1", &json!({"labels": ["gt:task", "urgent"], "createdBy": "kim", "createdAt": "2026-01-01T00:00:00Z", "assignee": nux()})),
        bead("shop-2", &json!({"needs": ["shop-1"], "type": "Bug", "priority": 0, "closed": closed, "createdAt": "2026-01-01T00:00:00Z"})),
        bead("shop-cv", &json!({"type": "Convoy", "links": [{"to": "shop-1", "type": "tracks"}]})),
        bead("shop-w", &json!({"ephemeral": true, "labels": ["gt:message", "from:kim"], "type": "Message"})),
    ]);
    town
}

/// The questions that agents and plugins of Gas Town ask.
#[test]
fn sql_answers_what_agents_ask() {
    let town = town();
    let asked = |sql: &str| town.person(&format!("bd sql {}", sql.replace(' ', "~")));
    assert_snapshot!(asked("SELECT w.id, w.title, GROUP_CONCAT(al.label) AS labels_csv FROM wisps w JOIN wisp_labels l ON l.issue_id = w.id LEFT JOIN wisp_labels al ON al.issue_id = w.id WHERE l.label = 'gt:message' AND w.status = 'open' GROUP BY w.id"), @"
    exit 0
    id      title            labels_csv
    ------  ---------------  -------------------
    shop-w  Title of shop-w  gt:message,from:kim
    2> 1 rows
    ");
    assert_snapshot!(asked("SELECT depends_on_id FROM dependencies WHERE issue_id = 'shop-cv' AND type = 'tracks'"), @"
    exit 0
    depends_on_id
    -------------
    shop-1
    2> 1 rows
    ");
    assert_snapshot!(asked("SELECT id, status, assignee, created_at, created_by, metadata FROM issues WHERE status = 'in_progress' AND (assignee IS NOT NULL AND assignee <> '')"), @"
    exit 0
    id      status       assignee           created_at           created_by  metadata
    ------  -----------  -----------------  -------------------  ----------  --------
    shop-1  in_progress  shop/polecats/nux  2026-01-01 00:00:00  kim         {}
    2> 1 rows
    ");
    assert_snapshot!(asked("SELECT issue_type, COUNT(*) AS n FROM issues GROUP BY issue_type ORDER BY n DESC, issue_type"), @"
    exit 0
    issue_type  n
    ----------  -
    bug         1
    convoy      1
    task        1
    2> 3 rows
    ");
    assert_snapshot!(asked("SELECT issue_id, event_type, actor, comment, created_at FROM events WHERE created_at < '2026-01-03' ORDER BY created_at, issue_id"), @"
    exit 0
    issue_id  event_type  actor  comment   created_at
    --------  ----------  -----  --------  -------------------
    shop-1    created     kim    NULL      2026-01-01 00:00:00
    shop-2    created            NULL      2026-01-01 00:00:00
    shop-2    closed      kim    as asked  2026-01-02 03:04:05
    2> 3 rows
    ");
    assert_snapshot!(town.person("bd sql SELECT~id,priority~FROM~issues~WHERE~issue_type='bug' --json"), @r#"
    exit 0
    [
      {
        "id": "shop-2",
        "priority": 0
      }
    ]
    "#);
    assert_snapshot!(town.person("bd sql SELECT~id,close_reason~FROM~issues~WHERE~status='closed' --csv"), @"
    exit 0
    id,close_reason
    shop-2,as asked
    2> 1 rows
    ");
    assert_snapshot!(asked("UPDATE issues SET status = 'closed'"), @"
    exit 1
    2> error: `bd sql` only reads
    2> hint: bd create, update, close, dep, label and comment write
    ");
    assert_snapshot!(asked("SELECT id FROM issues WHERE created_at > NOW()"), @r#"
    exit 1
    2> error: invalid SQL at 1:42: no such function: NOW
    2> hint: the SQL is SQLite's: datetime('now', '-1 day'), group_concat(x, ','); "SELECT sql FROM sqlite_schema" shows the tables
    "#);
}

/// The words are Beads' own, as in `bd show --json`.
#[test]
fn sql_says_of_a_gate_what_beads_does() {
    let town = TestTown::new();
    let gate =
        |type_: &str, id: &str| json!({"type": "Gate", "gate": {"type": type_, "awaitId": id, "timeout": "30m"}});
    town.seed([bead("shop-g1", &gate("GithubRun", "ci.yml")), bead("shop-g2", &gate("Bead", "shop-1"))]);
    assert_snapshot!(town.person("bd sql SELECT~id,await_type,await_id,timeout_ns~FROM~issues~ORDER~BY~id --csv"), @"
    exit 0
    id,await_type,await_id,timeout_ns
    shop-g1,gh:run,ci.yml,1800000000000
    shop-g2,bead,shop-1,1800000000000
    2> 2 rows
    ");
}

#[test]
fn the_merge_slot_goes_from_hand_to_hand() {
    let town = town();
    assert_snapshot!(town.person("bd merge-slot check"), @"
    exit 0
    ✓ Merge slot hq-merge-slot is available
    ");
    assert_snapshot!(town.person("bd merge-slot create --json"), @r#"
    exit 0
    {
      "id": "hq-merge-slot",
      "schema_version": 1,
      "status": "open"
    }
    "#);
    assert_snapshot!(town.agent("bd merge-slot acquire"), @"
    exit 0
    ✓ Acquired merge slot: hq-merge-slot
      Holder: shop/polecats/nux
    ");
    assert_snapshot!(town.person("bd merge-slot acquire --wait"), @"
    exit 1
    ○ Merge slot hq-merge-slot is held by shop/polecats/nux; kim waits (position 1)
    2> ask again later: bd merge-slot acquire
    ");
    assert_snapshot!(town.person("bd merge-slot check --json"), @r#"
    exit 0
    {
      "available": false,
      "holder": "shop/polecats/nux",
      "id": "hq-merge-slot",
      "schema_version": 1,
      "waiters": [
        "kim"
      ]
    }
    "#);
    assert_snapshot!(town.person("bd merge-slot release"), @"
    exit 1
    2> error: merge slot hq-merge-slot is held by shop/polecats/nux, not by kim
    2> hint: if they are gone: bd merge-slot release --holder shop/polecats/nux
    ");
    assert_snapshot!(town.agent("bd merge-slot release"), @"
    exit 0
    ✓ Released merge slot: hq-merge-slot
      Next: kim
    ");
    assert_snapshot!(town.person("bd merge-slot acquire --json"), @r#"
    exit 0
    {
      "acquired": true,
      "available": false,
      "holder": "kim",
      "id": "hq-merge-slot",
      "schema_version": 1,
      "waiters": [],
      "waiting": false
    }
    "#);
    // It is no work.
    assert!(!town.person("bd list").contains("merge-slot") && !town.person("bd ready").contains("merge-slot"));
}
