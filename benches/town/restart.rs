//! An agent killed until its replacement runs: a real town on tmux and git, against the exit notice and the same start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown::api::{Place, Server, Writer};
use gastown::clock::SystemClock;
use gastown::connect::options;
use gastown::engine::{Engine, Parts};
use gastown::manifests;
use gastown::town::Town;
use gastown::world::layout::Layout;
use gastown::world::real::Real;
use gastown::world::session::children::Children;
use gastown::world::session::exits::Exits;
use gastown::world::session::{SessionTown, Sessions, program};
use gastown_controllers::world::{Limits, Owner, SandboxId, Session, SessionSpec};
use gastown_crds::{Bead, Convoy, Polecat, Rig, Runtime};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use rustix::process::Signal;
use serde_json::json;

use crate::table::{Row, Sample, Table, ms, times};
use crate::town;

/// How many agents are killed, each for the first time. More are needed for a p99 that is not the maximum.
const AGENTS: usize = 32;
/// What every agent does.
const AGENT: [&str; 3] = ["sh", "-c", "exec sleep 600"];
/// A bound on each wait; far above anything that is measured.
const WAIT_MAX: Duration = Duration::from_mins(2);
/// How long between two looks at the records: a twentieth of a percent of the goal's 50 ms.
const LOOK_EVERY: Duration = Duration::from_micros(25);

/// Before each kill: the statuses that follow a restart are written within some ten milliseconds, and are not what is
/// measured next.
const SETTLES: Duration = Duration::from_millis(150);

/// When, since the kill, each thing was seen.
struct Stages {
    ended: Duration,
    intended: Duration,
    begun: Duration,
    running: Duration,
}

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (all, floor) = runtime.block_on(measured());
    let of = |all: &[Stages], stage: fn(&Stages) -> Duration| Sample::new(all.iter().map(stage).collect());
    let (ours, bare) = (of(&all, |s| s.running), of(&floor, |s| s.running));
    let (p50, p99) = (ours.percentile(50), ours.percentile(99));
    table.row(Row {
        figure: format!("agent killed → its replacement running (p50, p99 of {})", ours.len()),
        measured: format!("{}, {}", ms(p50), ms(p99)),
        floor: format!("{}, {}", ms(bare.percentile(50)), ms(bare.percentile(99))),
        ratio: times(p99, bare.percentile(99)),
        goal: "p99 ≤ 50 ms, ≤ 5 ×".into(),
        met: p99 <= Duration::from_millis(50) && p99 <= bare.percentile(99) * 5,
    });
    let stage = |name: &str, lasted: fn(&Stages) -> Duration| {
        let [ours, bare] = [of(&all, lasted), of(&floor, lasted)].map(|sample| ms(sample.percentile(50)));
        format!("{name} {ours} ({bare})")
    };
    let stages = [
        stage("end on disk", |s| s.ended),
        stage("noticed, looked at and decided", |s| s.intended.saturating_sub(s.ended)),
        stage("supervisor begun by tmux", |s| s.begun.saturating_sub(s.intended)),
        stage("agent running", |s| s.running.saturating_sub(s.begun)),
    ];
    table.note(format!("Agent killed, stage by stage at the median (of the floor): {}.", stages.join(", ")));
}

async fn measured() -> (Vec<Stages>, Vec<Stages>) {
    let (dir, short) = (crate::folder(), tempfile::tempdir().unwrap());
    let repo = town::repository(dir.path());
    let town = town::open(dir.path(), short.path(), "");
    let gt = Path::new(env!("CARGO_BIN_EXE_gt"));
    fs_err::create_dir_all(town.layout.state()).unwrap();
    let server = Server::open(&Place::File(town.layout.store()), Writer::Threaded, options()).unwrap();
    let client = server.client(&town.name);
    let clock = Arc::new(SystemClock);
    let (real, wakes) = Real::open(&town, gt, None, clock.clone()).unwrap();
    let parts = Parts {
        client: client.clone(),
        adapter: Arc::new(real),
        clock,
        wakes,
        blocking: true,
        instance: "gt-bench".to_owned(),
    };
    let mut engine = Engine::new(parts);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = tokio::spawn(async move { engine.run(async { drop(stopped.await) }).await });

    manifests::ensure_built_in(&client).await.unwrap();
    town::create::<gastown_crds::Town>(&client, "town", json!({ "capacity": { "polecats": AGENTS, "jobs": 2 } })).await;
    town::create::<Runtime>(&client, "waits", json!({ "command": AGENT })).await;
    town::create::<Rig>(&client, "shop", town::rig(&repo, "waits")).await;
    let beads: Vec<_> = (0..AGENTS).map(|n| json!({ "name": format!("b{n}"), "title": "Wait" })).collect();
    town::create::<Convoy>(&client, "c", json!({ "rig": "shop", "beads": beads })).await;

    let uids = all_work(&client, &town.layout, AGENTS).await;
    eprintln!("  {AGENTS} agents work");
    let floor_dir = dir.path().join("floor");
    let floor_layout = Layout::of(floor_dir.join("data"), floor_dir.join("state"), short.path().join("floor"));
    let layout = town.layout.clone();
    let sampling = tokio::task::spawn_blocking(move || {
        let floor = Floor::new(&floor_layout);
        // In turns, so that both meet the same machine.
        let each = uids.iter().enumerate().map(|(n, uid)| {
            std::thread::sleep(SETTLES);
            let ours = killed(&layout, uid);
            std::thread::sleep(SETTLES);
            (ours, floor.killed(&n.to_string()))
        });
        each.unzip()
    });
    let samples = sampling.await.unwrap();
    drop(stop);
    engine.await.unwrap();
    end_all(&client, &town).await;
    server.close();
    samples
}

/// Waits until the first agent of so many beads runs, and gives the beads' uids.
pub async fn all_work(client: &kube::Client, layout: &Layout, agents: usize) -> Vec<String> {
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        let all = beads.list(&ListParams::default()).await.unwrap().items;
        let uids: Vec<String> = all.iter().filter(|b| b.spec.parent.is_none()).filter_map(ResourceExt::uid).collect();
        let works = |uid: &&String| layout.attempt(uid, 1).join(records::AGENT).exists();
        if uids.iter().filter(works).count() == agents {
            return uids;
        }
        assert!(Instant::now() < deadline, "not all agents work within {WAIT_MAX:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn end_all(client: &kube::Client, town: &Town) {
    let polecats: Api<Polecat> = Api::default_namespaced(client.clone());
    let sessions = sessions(&town.layout, &Arc::default());
    for polecat in polecats.list(&ListParams::default()).await.unwrap() {
        sessions.end(&SandboxId { name: polecat.name_any(), uid: polecat.uid().unwrap() }).unwrap();
    }
    end_tmux(&town.layout);
}

pub fn end_tmux(layout: &Layout) {
    if let Some(server) = records::read::<ProcessId>(&layout.tmux_server()).unwrap() {
        server.signal(Signal::TERM);
    }
}

fn kill_agent(layout: &Layout, bead_uid: &str) -> Instant {
    let agent: ProcessId = records::read(&layout.attempt(bead_uid, 1).join(records::AGENT)).unwrap().unwrap();
    let killed = Instant::now();
    agent.signal(Signal::KILL);
    killed
}

/// When a file is there.
fn seen(path: &Path, since: Instant) -> Duration {
    while !path.exists() {
        assert!(since.elapsed() < WAIT_MAX, "{} is not there", path.display());
        std::thread::sleep(LOOK_EVERY);
    }
    since.elapsed()
}

fn killed(layout: &Layout, bead_uid: &str) -> Stages {
    let (first, second) = (layout.attempt(bead_uid, 1), layout.attempt(bead_uid, 2));
    let since = kill_agent(layout, bead_uid);
    Stages {
        ended: seen(&first.join(records::EXIT), since),
        intended: seen(&second, since),
        begun: seen(&second.join(records::STARTED), since),
        running: seen(&second.join(records::AGENT), since),
    }
}

pub fn sessions(layout: &Layout, children: &Arc<Children>) -> Sessions {
    let town = SessionTown {
        uid: "floor".to_owned(),
        dir: layout.state().to_owned(),
        path: std::env::var_os("PATH").unwrap_or_default(),
        agents: BTreeMap::new(),
    };
    Sessions::new(layout.clone(), town, Arc::clone(children))
}

/// Sessions with nobody to decide about them: notice the end, start the next.
struct Floor {
    layout: Layout,
    sessions: Arc<Sessions>,
}

impl Floor {
    fn new(layout: &Layout) -> Self {
        let sessions = Arc::new(sessions(layout, &Arc::default()));
        program::install(layout, Path::new(env!("CARGO_BIN_EXE_gt"))).unwrap();
        // All of them first, as in the town: none is killed while its start still keeps the machine busy.
        for uid in (0..AGENTS).map(|n| n.to_string()) {
            fs_err::create_dir_all(layout.worktree(&uid)).unwrap();
            sessions.ensure(&sandbox(&uid), &spec(&uid, 1), &[]).unwrap();
            seen(&layout.attempt(&uid, 1).join(records::AGENT), Instant::now());
        }
        Self { layout: layout.clone(), sessions }
    }

    fn killed(&self, uid: &str) -> Stages {
        let sandbox = sandbox(uid);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (exits, mut ended) = Exits::new(Arc::clone(&self.sessions), tokio::runtime::Handle::current());
            exits.watch_attempt(uid, 1, uid);
            // The wait is under way once its task has run.
            tokio::task::yield_now().await;
            let (layout, killed_uid) = (self.layout.clone(), uid.to_owned());
            let running = std::thread::spawn(move || killed(&layout, &killed_uid));
            while self.sessions.look(&sandbox).unwrap() != Session::None {
                ended.recv().await.unwrap();
            }
            self.sessions.ensure(&sandbox, &spec(uid, 2), &[]).unwrap();
            running.join().unwrap()
        })
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        for uid in (0..AGENTS).map(|n| n.to_string()) {
            // Whatever went wrong before, nothing of it is to outlive the run.
            drop(self.sessions.end(&sandbox(&uid)));
        }
        end_tmux(&self.layout);
    }
}

pub fn sandbox(uid: &str) -> SandboxId {
    SandboxId { name: format!("shop-{uid}"), uid: uid.to_owned() }
}

pub fn spec(uid: &str, attempt: u32) -> SessionSpec {
    SessionSpec {
        owner: Owner { kind: "Bead".into(), name: "sh-abc".to_owned(), uid: uid.to_owned() },
        attempt,
        work: "digest".to_owned(),
        command: AGENT.map(str::to_owned).to_vec(),
        runtime: Box::default(),
        env: Vec::new(),
        limits: Limits::default(),
        rework: None,
    }
}
