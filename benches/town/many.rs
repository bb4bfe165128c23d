//! Very many beads: 10,000 taken in from a tracker's file, and what is ready among 100,000.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::StreamExt;
use gastown::api::{Place, Server, Writer};
use gastown::connect::options_of;
use gastown::world::exec::Exec;
use gastown_crds::Bead;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::beads;
use crate::commands::{ONE_AT_WORK, Up, ran};
use crate::select;
use crate::table::{Row, Table, ms, times};

/// Lines of the file.
const LINES: usize = 10_000;
/// The goal.
const IMPORT_MAX: Duration = Duration::from_secs(3);
/// Beads of the large town, each tenth of which needs the one before it.
const BEADS: usize = 100_000;
/// Creations under way at once.
const IN_FLIGHT: usize = 256;
/// A bound on each wait.
const WAIT_MAX: Duration = Duration::from_mins(3);

pub fn measure(table: &mut Table) {
    imports(table);
    ready(table);
}

fn imports(table: &mut Table) {
    let dir = crate::folder();
    let file = dir.path().join("issues.jsonl");
    fs_err::write(&file, lines()).unwrap();
    let floor = rows(&file, dir.path());
    for (up, place) in
        [(Up::at_rest(ONE_AT_WORK), "without a controller"), (Up::start(), "beside a running controller")]
    {
        let import = up.gt(&["bd", "import"]).arg(&file).limit(WAIT_MAX);
        let time = ran(&import);
        table.row(Row {
            figure: format!("`bd import` of 10,000 issues {place}, whole process"),
            measured: ms(time),
            floor: format!("{} (its lines parsed, rows in one commit)", ms(floor)),
            ratio: times(time, floor),
            goal: format!("≤ {}", ms(IMPORT_MAX)),
            met: time <= IMPORT_MAX,
        });
    }
}

/// As a tracker exports them; each tenth waits for the one before it.
fn lines() -> String {
    let mut text = String::new();
    for nth in 0..LINES {
        let id = format!("shop-{nth:05}");
        let ties = if needs(nth) {
            json!([{ "issue_id": id, "depends_on_id": format!("shop-{:05}", nth - 1), "type": "blocks",
                "created_at": "2026-01-02T10:00:00Z", "created_by": "kim" }])
        } else {
            json!([])
        };
        let line = json!({ "id": id, "title": "Rotate session tokens", "status": "open", "priority": nth % 5,
            "description": "Tokens live for ever. Give them a lifetime of a day, and renew them when they are used.",
            "issue_type": "task", "created_at": "2026-01-01T10:00:00Z", "created_by": "kim",
            "updated_at": "2026-01-02T10:00:00Z", "labels": ["auth"], "dependencies": ties });
        let _never_fails = writeln!(text, "{line}");
    }
    text
}

/// Whether a bead needs the one before it.
fn needs(nth: usize) -> bool {
    nth % 10 == 9
}

/// The floor: each line parsed, and put into a table as it is, in one commit.
fn rows(file: &Path, dir: &Path) -> Duration {
    let since = Instant::now();
    let text = fs_err::read_to_string(file).unwrap();
    let mut db = rusqlite::Connection::open(dir.join("floor.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    db.execute_batch("CREATE TABLE issues (id TEXT PRIMARY KEY, issue TEXT NOT NULL)").unwrap();
    let transaction = db.transaction().unwrap();
    for line in text.lines() {
        let issue: serde_json::Value = serde_json::from_str(line).unwrap();
        let mut insert = transaction.prepare_cached("INSERT INTO issues VALUES (?1, ?2)").unwrap();
        insert.execute([issue["id"].as_str(), Some(line)]).unwrap();
    }
    transaction.commit().unwrap();
    since.elapsed()
}

fn ready(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up = Up::at_rest(ONE_AT_WORK);
    runtime.block_on(fill(&up));
    eprintln!("  {BEADS} beads are there");
    let dir = crate::folder();
    let tables = select::tables(&up.town.layout.store(), dir.path());
    let sql = format!(
        "SELECT {} FROM issues WHERE status = 'open' AND NOT EXISTS (SELECT 1 FROM dependencies JOIN issues AS other ON \
         other.id = depends_on_id WHERE issue_id = issues.id AND other.status <> 'closed') ORDER BY priority, created LIMIT 100",
        select::SHOWN
    );
    let up = up.up();
    runtime.block_on(all_are_found(&up.client(&runtime)));
    let asked = up.at_home(Exec::new(up.town.layout.bin().join("bd")).arg("ready"));
    beads::add(table, "`bd ready` at 100,000 beads", &asked, &select::process(&tables, &sql));
}

/// Puts the beads into the store of a town that has no controller yet.
async fn fill(up: &Up) {
    let town = &up.town;
    town.claim().unwrap();
    let place = Place::File(town.layout.store());
    let server = Server::open(&place, Writer::Threaded, options_of(town)).unwrap();
    let beads: Api<Bead> = Api::default_namespaced(server.client(&town.name));
    let post = PostParams::default();
    let creations = (0..BEADS).map(|nth| {
        let (beads, post) = (beads.clone(), post.clone());
        async move {
            beads.create(&post, &bead(nth)).await.unwrap();
        }
    });
    futures::stream::iter(creations).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    server.close();
}

/// In the backlog: nobody is dispatched to it.
fn bead(nth: usize) -> Bead {
    let needed = if needs(nth) { vec![format!("shop-{:06}", nth - 1)] } else { Vec::new() };
    let object = json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
        "metadata": { "name": format!("shop-{nth:06}") },
        "spec": { "title": "Rotate session tokens", "rig": "", "suspend": true, "priority": 1 + nth % 4, "needs": needed,
            "description": "Tokens live for ever. Give them a lifetime of a day, and renew them when they are used." } });
    serde_json::from_value(object).unwrap()
}

/// Waits until the controller has looked at each.
async fn all_are_found(client: &Client) {
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let unseen = ListParams::default().fields("status.state=").limit(1);
    let deadline = Instant::now() + WAIT_MAX;
    while !beads.list_metadata(&unseen).await.unwrap().items.is_empty() {
        assert!(Instant::now() < deadline, "not all beads are looked at within {WAIT_MAX:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
