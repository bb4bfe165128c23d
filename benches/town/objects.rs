//! Objects created through the API and reconciled to a status, on a file, against bare rows in as many commits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use gastown::api::{Place, Server, Writer};
use gastown::clock::SystemClock;
use gastown::connect::options;
use gastown::engine::{self, Engine, Parts};
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{Act, ActError, Adapter, Ask, Fact, Job, JobKey, Machine};
use gastown_crds::schema::Schema;
use gastown_crds::{Bead, Rig};
use jiff::Timestamp;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, CustomResourceExt};
use serde_json::{Value, json};

use crate::cpu::Cpu;
use crate::table::{Row, Table, ms, times};

/// What the figure is about.
const OBJECTS: usize = 10_000;
/// Sizes for the cost of one, and how often each is run; the median counts.
const SIZES: [(usize, usize); 2] = [(100, 9), (1_000, 5)];
/// Requests under way at once, as from a client that applies a large town: what the store commits together at most.
const IN_FLIGHT: usize = 256;
/// The most that the cost of one may grow from the smallest size to the largest and be called flat.
const FLAT_MAX: f64 = 1.25;
const NS: &str = "bench";

/// Nothing to see and nothing to do: what is measured is store, API and engine.
struct Null;

impl Adapter for Null {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        match ask {
            Ask::Machine => {
                let machine = Machine { cores: 2, memory: 8 << 30, disk: 64 << 30, ..Machine::default() };
                Seen::Known(Fact::Machine(machine))
            }
            _ => Seen::Unknown { why: "there is no world in this benchmark".into(), since: Timestamp::UNIX_EPOCH },
        }
    }

    fn begun(&self, _: &JobKey) -> Option<Job> {
        None
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        panic!("nobody should act: {act:?}");
    }
}

/// One run.
struct Run {
    wall: Duration,
    created: Duration,
    cpu: Cpu,
    commits: u64,
    statements: u64,
    engine: engine::Counters,
    bytes: usize,
}

impl Run {
    fn cpu_each(&self, objects: usize) -> Duration {
        self.cpu.total() / u32::try_from(objects).unwrap()
    }
}

pub fn measure(table: &mut Table) {
    let mut each = Vec::new();
    for (objects, times) in SIZES {
        let mut all: Vec<_> = (0..times).map(|_| run(objects).cpu_each(objects)).collect();
        all.sort_unstable();
        each.push((objects, all[times / 2]));
    }
    let big = run(OBJECTS);
    each.push((OBJECTS, big.cpu_each(OBJECTS)));
    let (floor, commits_took) = bare_rows(2 * OBJECTS, big.bytes, big.commits);
    table.row(Row {
        figure: "10,000 objects created, reconciled to a status, durable, validated".into(),
        measured: ms(big.wall),
        floor: format!("{} (20,000 rows of {} bytes in {} commits)", ms(floor), big.bytes, big.commits),
        ratio: times(big.wall, floor),
        goal: "≤ 1.5 s, ≤ 3 ×".into(),
        met: big.wall <= Duration::from_millis(1500) && big.wall <= floor * 3,
    });
    let judged = judging(OBJECTS);
    let share = |part: Duration| format!("{} ({:.0} % of the wall)", ms(part), part.div_duration_f64(big.wall) * 100.0);
    table.note(format!(
        "10,000 objects, created within {}: the thread that serves, reconciles and is the client computed {}, of it schema \
         and CEL {}, measured alone; the store's writer computed {}; {} commits cost the floor {}. {} statements, {} \
         reconciles, {} looks, {} statuses.",
        ms(big.created),
        share(big.cpu.of("town-bench")),
        ms(judged),
        share(big.cpu.of("store-writer")),
        big.commits,
        share(commits_took),
        big.statements,
        big.engine.reconciles,
        big.engine.looks,
        big.engine.statuses,
    ));
    let texts: Vec<_> = each.iter().map(|(_, cpu)| format!("{:.0}", cpu.as_secs_f64() * 1e6)).collect();
    let (first, last) = (each[0].1.as_secs_f64(), each[each.len() - 1].1.as_secs_f64());
    table.row(Row {
        figure: "CPU per object at 100, 1,000, 10,000".into(),
        measured: format!("{} µs", texts.join(", ")),
        floor: "–".into(),
        ratio: format!("{:.2} ×", last / first),
        goal: format!("flat (≤ {FLAT_MAX} ×)"),
        met: last <= first * FLAT_MAX,
    });
}

/// On a thread of its own, so that its CPU time can be told from others'.
fn run(objects: usize) -> Run {
    let dir = crate::folder();
    let path = dir.path().to_owned();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(create_all(&path, objects))
    };
    std::thread::Builder::new().name("town-bench".into()).spawn(work).unwrap().join().unwrap()
}

async fn create_all(dir: &Path, objects: usize) -> Run {
    let server = Server::open(&Place::File(dir.join("store.sqlite")), Writer::Threaded, options()).unwrap();
    let client = server.client(NS);
    let wakes = futures::stream::pending().boxed();
    let parts = Parts {
        client: client.clone(),
        adapter: Arc::new(Null),
        clock: Arc::new(SystemClock),
        wakes,
        blocking: true,
        instance: "gt-bench".to_owned(),
    };
    let mut engine = Engine::new(parts);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = tokio::spawn(async move {
        engine.run(async { drop(stopped.await) }).await;
        engine.counters()
    });
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    // The engine has made its lists and its threads once this one has its status.
    let first = revision(&client).await;
    beads.create(&PostParams::default(), &bead("warm")).await.unwrap();
    revision_reaches(&client, first + 2).await;

    let wanted: Vec<Bead> = (0..objects).map(|n| bead(&format!("b{n:05}"))).collect();
    let before = (server.counters(), revision(&client).await, Cpu::now());
    let started = Instant::now();
    let post = PostParams::default();
    let creations = wanted.iter().map(|bead| beads.create(&post, bead));
    let mut creations = futures::stream::iter(creations).buffer_unordered(IN_FLIGHT);
    while let Some(created) = creations.next().await {
        created.unwrap();
    }
    let created = started.elapsed();
    // Each write is one resourceVersion: so many more, and all have their status. It is checked below.
    revision_reaches(&client, before.1 + 2 * i64::try_from(objects).unwrap()).await;
    let (wall, cpu) = (started.elapsed(), Cpu::now().since(&before.2));
    let after = server.counters();

    let all = beads.list(&ListParams::default()).await.unwrap().items;
    let told = |b: &&Bead| b.status.as_ref().is_some_and(|s| s.observed_generation == b.metadata.generation);
    assert_eq!(all.iter().filter(told).count(), objects + 1, "each has a status of its generation");
    let bytes = all.iter().map(|bead| json!(bead).to_string().len()).sum::<usize>() / all.len();
    drop(stop);
    let engine = engine.await.unwrap();
    server.close();
    Run {
        wall,
        created,
        cpu,
        commits: after.commits - before.0.commits,
        statements: after.statements - before.0.statements,
        engine,
        bytes,
    }
}

fn bead(name: &str) -> Bead {
    let object = json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": { "name": name },
        "spec": { "title": "Rotate session tokens", "rig": "nowhere",
            "description": "Tokens live for ever. Give them a lifetime of a day, and renew them when they are used." },
    });
    serde_json::from_value(object).unwrap()
}

/// The newest resourceVersion, by a list of a kind that has no objects.
async fn revision(client: &Client) -> i64 {
    let rigs: Api<Rig> = Api::default_namespaced(client.clone());
    let list = rigs.list_metadata(&ListParams::default()).await.unwrap();
    list.metadata.resource_version.unwrap().parse().unwrap()
}

async fn revision_reaches(client: &Client, wanted: i64) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while revision(client).await < wanted {
        assert!(Instant::now() < deadline, "not all have a status within two minutes");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The floor: as many rows, as large, in as many commits, with the same durability. Also what the commits took of it.
fn bare_rows(rows: usize, bytes: usize, commits: u64) -> (Duration, Duration) {
    let dir = crate::folder();
    let db = rusqlite::Connection::open(dir.path().join("floor.sqlite")).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    db.execute_batch("CREATE TABLE rows (id INTEGER PRIMARY KEY, object TEXT NOT NULL)").unwrap();
    let commits = usize::try_from(commits).unwrap();
    let text = "x".repeat(bytes);
    let mut committing = Duration::ZERO;
    let started = Instant::now();
    let mut insert = db.prepare("INSERT INTO rows (object) VALUES (?1)").unwrap();
    for commit in 0..commits {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in rows * commit / commits..rows * (commit + 1) / commits {
            insert.execute([&text]).unwrap();
        }
        let commits = Instant::now();
        db.execute_batch("COMMIT").unwrap();
        committing += commits.elapsed();
    }
    (started.elapsed(), committing)
}

/// What it takes to judge so many beads alone: schema and CEL, at creation and with a status.
fn judging(objects: usize) -> Duration {
    let crd = Bead::crd();
    let props = crd.spec.versions[0].schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref()).unwrap();
    let schema = Schema::compile(props).unwrap();
    let mut old = json!(bead("b00000"));
    let started = Instant::now();
    for _ in 0..objects {
        judge(&schema, &mut old, None);
    }
    let mut new = old.clone();
    new["status"] = json!({ "state": "Waiting", "observedGeneration": 1, "conditions": [
        { "type": "Ready", "status": "False", "reason": "RefNotFound", "message": "there is no Rig named `nowhere`: apply it",
          "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1 }] });
    for _ in 0..objects {
        judge(&schema, &mut new, Some(&old));
    }
    started.elapsed()
}

fn judge(schema: &Schema, object: &mut Value, old: Option<&Value>) {
    let unknown = schema.prune(object);
    schema.default(object);
    let refused = (unknown, schema.validate(object), schema.cel(object, old));
    assert!(refused.0.is_empty() && refused.1.is_empty() && refused.2.is_empty(), "{refused:?}");
}
