//! The simulated town: a real API and a real engine on a `SimWorld`, in virtual time, until all is at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gastown::api::{self, Counters, Place, Served, Server, Writer};
use gastown::clock::{Clock, CountingIds};
use gastown::engine::{Engine, Parts};
use gastown::world::sim::SimWorld;
use gastown::world::sim::clock::SimClock;
use gastown::world::sim::commits::Tree;
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{Adapter, Ask, AskAttempts, AttemptState, Fact};
use gastown_crds::bead::{BeadType, CloseReason};
use gastown_crds::common::{is_true, types};
use gastown_crds::{Bead, Convoy, KINDS, MergeRequest, Rig, names};
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::agent::Script;
use crate::effects::{Effects, Hooked, Mode, NAMESPACE, client};
use crate::towns::{CONVOY, Town};

/// As in `gt` itself: there are thousands of runs, and all of them allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Things that happen until a town is at rest: the quickstart needs some 2000; a town that never rests is a bug.
pub const STEPS_MAX: u64 = 20_000;

/// How long a town is left alone after a crash, by turns: agents and jobs go on meanwhile.
const OUTAGES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(3), Duration::from_mins(10)];

/// A patrol of the engine comes at the latest after this, at first.
const PATROL: Duration = Duration::from_mins(1);
const PATROLS_MAX: u32 = 10;

/// Failures that are shown.
const SHOWN: usize = 3;

/// What a town has come to. Two runs may take different ways, and must end the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub landed: bool,
    pub closed: BTreeMap<String, Option<CloseReason>>,
    pub trees: BTreeMap<String, Tree>,
    /// By rig, the beads whose commits are on the target.
    pub merged: BTreeMap<String, BTreeSet<String>>,
}

/// A run, looked back upon.
#[derive(Debug, Clone)]
pub struct Run {
    pub outcome: Outcome,
    pub effects: Vec<String>,
    /// What must not have happened.
    pub wrong: Vec<String>,
    /// Sessions that were started, by bead.
    pub attempts: BTreeMap<String, usize>,
    /// How long it took, in virtual time.
    pub took: Duration,
    /// What the store did for it.
    pub statements: u64,
    pub commits: u64,
    /// Events that were recorded.
    pub events: u64,
}

/// A simulated town.
pub struct Sim {
    pub server: Server,
    pub world: SimWorld,
    pub effects: Arc<Effects>,
    pub clock: Arc<WallClock>,
    outage: Duration,
    /// What the store had done when all was applied.
    before: Counters,
    /// How many polecats may work at once.
    places: u64,
    people_merge: bool,
    rigs: Vec<&'static str>,
}

/// A clock that somebody may set back.
pub struct WallClock {
    virtual_time: SimClock,
    back: Mutex<Duration>,
}

impl WallClock {
    pub fn set_back(&self, by: Duration) {
        *self.back.lock().unwrap() += by;
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.virtual_time.now() - *self.back.lock().unwrap()
    }
}

/// Runs something in virtual time.
pub fn in_virtual_time<T>(task: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(task)
}

/// Runs a town until it is at rest.
pub fn run(town: &Town, seed: Option<u64>, faults: BTreeMap<usize, Mode>) -> Result<Run, String> {
    in_virtual_time(async {
        let started = tokio::time::Instant::now();
        let sim = Sim::start(town, seed, faults).await;
        match sim.rest().await {
            Ok(engine) => drop(engine),
            Err(error) => return Err(format!("{error}\n{}", sim.statuses().await)),
        }
        Ok(sim.look_back(started.elapsed()).await)
    })
}

impl Sim {
    /// Applies a town's objects; nothing runs yet.
    pub async fn start(town: &Town, seed: Option<u64>, faults: BTreeMap<usize, Mode>) -> Self {
        Self::start_at(&Place::Memory, None, town, seed, faults).await
    }

    /// The same on a store in a folder, with a ledger beside it.
    pub async fn start_in(folder: &Path, town: &Town) -> Self {
        let place = Place::File(folder.join("store.db"));
        Self::start_at(&place, Some(folder.join("ledger/facts.jsonl")), town, None, BTreeMap::new()).await
    }

    async fn start_at(
        place: &Place,
        facts: Option<PathBuf>,
        town: &Town,
        seed: Option<u64>,
        faults: BTreeMap<usize, Mode>,
    ) -> Self {
        let virtual_time = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let clock = Arc::new(WallClock { virtual_time, back: Mutex::default() });
        let options = api::Options {
            kinds: KINDS.iter().copied().map(Served::registered).collect(),
            clock: clock.clone(),
            ids: Arc::new(CountingIds::new(1)),
            guard: gastown::connect::guard::check,
            namespaces: None,
            facts,
        };
        let server = Server::open(place, Writer::Inline, options).unwrap();
        let works = town.works.iter().map(|(rig, bead, work)| (object_name(rig, bead), *work)).collect();
        let outage = OUTAGES[faults.keys().sum::<usize>() % OUTAGES.len()];
        let behavior = Script {
            server: server.clone(),
            seed,
            works,
            finds: town.finds,
            setup_fails: town.setup_fails,
            verify_fails: town.verify_fails,
            push_refused: town.push_refused,
            memory: town.memory,
        };
        let world = SimWorld::new(clock.clone(), Arc::new(behavior));
        for (rig, tree) in &town.rigs {
            world.add_remote(rig, tree.clone());
        }
        let mut sim = Self {
            server,
            world,
            effects: Effects::new(faults),
            clock,
            outage,
            before: Counters::default(),
            people_merge: town.people_merge,
            places: town.objects[0]["spec"]["capacity"]["polecats"].as_u64().unwrap(),
            rigs: town.rigs.keys().copied().collect(),
        };
        for object in &town.objects {
            sim.apply(object).await;
        }
        sim.before = sim.server.counters();
        sim
    }

    pub async fn apply(&self, object: &Value) {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{plural}");
        let request = http::Request::post(path).header("content-type", "application/json");
        let request = request.body(serde_json::to_vec(object).unwrap()).unwrap();
        client(&self.server, None, None).request::<Value>(request).await.unwrap();
    }

    /// An engine that has seen nothing yet.
    pub fn engine(&self) -> Engine {
        let engine = self.effects.engine();
        let clock: Arc<dyn Clock> = self.clock.clone();
        Engine::new(Parts {
            client: client(&self.server, None, Some((self.effects.clone(), engine))),
            adapter: Arc::new(Hooked { world: self.world.clone(), effects: self.effects.clone(), engine }),
            clock,
            wakes: self.world.wakes(),
            blocking: false,
            instance: "gt-sim".to_owned(),
        })
    }

    /// Runs to rest; an engine that dies is followed by another. One that rests too early has to find by its patrols what
    /// no event told.
    pub async fn rest(&self) -> Result<Engine, String> {
        let mut patrols = 0;
        loop {
            let mut engine = self.engine();
            loop {
                tokio::select! {
                    biased;
                    () = self.effects.crashed() => break,
                    () = self.people() => {}
                    result = engine.run_to_rest(STEPS_MAX) => result?,
                }
                if patrols == PATROLS_MAX || self.has_landed().await {
                    return Ok(engine);
                }
                patrols += 1;
                tokio::select! {
                    biased;
                    () = self.effects.crashed() => break,
                    () = engine.run(tokio::time::sleep(PATROL)) => {}
                }
            }
            drop(engine);
            tokio::time::sleep(self.outage).await;
        }
    }

    /// People look now and then for what is left for them, for ever.
    async fn people(&self) {
        if !self.people_merge {
            std::future::pending::<()>().await;
        }
        loop {
            tokio::time::sleep(PATROL).await;
            self.merge_branches();
        }
    }

    /// People merge what is left for them, once each: as one commit that says what it is of, with an edit of their own.
    fn merge_branches(&self) {
        for rig in &self.rigs {
            for (branch, tip) in self.world.branches(rig) {
                let Some(bead) = branch.strip_prefix("gastown/") else { continue };
                if self.world.landed(rig, "main").iter().all(|(landed, _)| landed != bead) {
                    let review = |tree: &mut Tree| drop(tree.insert(format!("reviewed/{bead}"), "fine\n".into()));
                    self.world.squash_from_outside(rig, "main", &tip, true, review);
                }
            }
        }
    }

    /// Resolves once an agent is at work.
    pub async fn at_work(&self) {
        self.so_many_at_work(1).await;
    }

    /// Resolves once so many agents are, or were, at work at once.
    pub async fn so_many_at_work(&self, agents: usize) {
        while self.world.busiest() < agents {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resolves once something waits to land.
    pub async fn handed_in(&self) {
        let requests = Api::<MergeRequest>::default_namespaced(client(&self.server, None, None));
        while requests.list(&ListParams::default()).await.unwrap().items.is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Somebody changes an object.
    pub async fn patch(&self, object: &str, patch: &Value) {
        let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{object}");
        let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
        let request = request.body(serde_json::to_vec(patch).unwrap()).unwrap();
        client(&self.server, None, None).request::<Value>(request).await.unwrap();
    }

    /// The reason of an object's `Ready`.
    pub async fn ready_reason(&self, object: &str) -> String {
        let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{object}");
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let object = client(&self.server, None, None).request::<Value>(request).await.unwrap();
        let conditions = object["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
        ready["reason"].as_str().unwrap().to_owned()
    }

    /// Somebody deletes all objects of a kind. Answers what they wait for before they go.
    pub async fn delete_all(&self, plural: &str) -> BTreeSet<String> {
        let client = client(&self.server, None, None);
        let mut finalizers = BTreeSet::new();
        for object in self.list(plural).await {
            let name = object["metadata"]["name"].as_str().unwrap();
            let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{plural}/{name}");
            let waits_for = object["metadata"]["finalizers"].as_array().into_iter().flatten();
            finalizers.extend(waits_for.map(|finalizer| finalizer.as_str().unwrap().to_owned()));
            // It may have gone with what owned it.
            let _ = client.request::<Value>(http::Request::delete(path).body(Vec::new()).unwrap()).await;
        }
        finalizers
    }

    /// Resolves once the convoy has landed.
    pub async fn landed(&self) {
        while !self.has_landed().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn rig_uid(&self, name: &str) -> String {
        let rigs = Api::<Rig>::default_namespaced(client(&self.server, None, None));
        rigs.get(name).await.unwrap().uid().unwrap()
    }

    /// How many attempts at a bead were charged to it.
    pub async fn failures(&self, bead: &str) -> u32 {
        let beads = Api::<Bead>::default_namespaced(client(&self.server, None, None));
        beads.get(bead).await.unwrap().status.map_or(0, |status| status.failures)
    }

    /// All objects of a kind.
    pub async fn list(&self, plural: &str) -> Vec<Value> {
        let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{plural}");
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let list = client(&self.server, None, None).request::<Value>(request).await.unwrap();
        list["items"].as_array().unwrap().clone()
    }

    pub async fn bead(&self, name: &str) -> Value {
        self.list("beads").await.into_iter().find(|bead| bead["metadata"]["name"] == name).unwrap()
    }

    /// All events, in the order in which they were made.
    pub async fn events(&self) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/events");
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let list = client(&self.server, None, None).request::<Value>(request).await.unwrap();
        let mut events = list["items"].as_array().unwrap().clone();
        let text = |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        let revision = |event: &Value| text(event, "/metadata/resourceVersion").parse::<u64>().unwrap();
        events.sort_by_cached_key(|event| (text(event, "/eventTime"), revision(event)));
        events
    }

    /// Resolves once so many branches are left for people.
    pub async fn branches_ready(&self, wanted: usize) {
        let is_ready = |request: &&Value| request["status"]["state"] == "BranchReady";
        while self.list("mergerequests").await.iter().filter(is_ready).count() < wanted {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Resolves once a bead is closed.
    pub async fn closed(&self, bead: &str) {
        let beads = Api::<Bead>::default_namespaced(client(&self.server, None, None));
        while beads.get_opt(bead).await.unwrap().is_none_or(|bead| bead.spec.closed.is_none()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn has_landed(&self) -> bool {
        let convoy = Api::<Convoy>::default_namespaced(client(&self.server, None, None)).get(CONVOY).await.unwrap();
        convoy.status.is_some_and(|status| is_true(&status.conditions, types::LANDED))
    }

    /// Gives every object an annotation that means nothing.
    pub async fn touch_everything(&self) {
        let client = client(&self.server, None, None);
        for plural in KINDS.iter().map(|kind| kind.plural) {
            let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{plural}");
            let list = client.request::<Value>(http::Request::get(&path).body(Vec::new()).unwrap()).await.unwrap();
            for object in list["items"].as_array().unwrap() {
                let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                let patch = br#"{ "metadata": { "annotations": { "example.org/touched": "yes" } } }"#.to_vec();
                let request = http::Request::patch(path).header("content-type", "application/merge-patch+json");
                client.request::<Value>(request.body(patch).unwrap()).await.unwrap();
            }
        }
    }

    /// Where everything stands, for a town that does not come to rest.
    pub async fn statuses(&self) -> String {
        let client = client(&self.server, None, None);
        let log = self.effects.log();
        let mut all: Vec<String> = log[log.len().saturating_sub(10)..].to_vec();
        for plural in KINDS.iter().map(|kind| kind.plural) {
            let path = format!("/apis/gastown.io/v1alpha1/namespaces/{NAMESPACE}/{plural}");
            let list = client.request::<Value>(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
            for object in list["items"].as_array().unwrap() {
                let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
                let words = conditions
                    .iter()
                    .map(|c| format!("{}={} {} {}", c["type"], c["status"], c["reason"], c["message"]));
                let words = words.collect::<Vec<_>>().join("; ");
                let name = object["metadata"]["name"].as_str().unwrap();
                let (state, closed) = (&object["status"]["state"], &object["spec"]["closed"]["reason"]);
                all.push(format!("{name} {state} {closed} {words}"));
            }
        }
        all.join("\n")
    }

    /// What is wrong with the events of sessions: each start and each end of an attempt has one.
    async fn events_of_sessions(&self, beads: &[Bead]) -> Vec<String> {
        let events = self.list("beadevents").await;
        let mut told: BTreeMap<(String, String, u64), usize> = BTreeMap::new();
        for event in &events {
            let payload: Value = serde_json::from_str(event["spec"]["payload"].as_str().unwrap_or("{}")).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let which = (text(&event["spec"]["eventType"]), text(&payload["bead"]), payload["attempt"].as_u64());
            if let (type_, bead, Some(attempt)) = which {
                *told.entry((type_, bead, attempt)).or_default() += 1;
            }
        }
        let mut wrong = Vec::new();
        for bead in beads {
            let look = self.world.look(&Ask::Attempts(AskAttempts(bead.uid().unwrap())));
            let Seen::Known(Fact::Attempts(runs)) = look else { panic!("{look:?}") };
            for run in runs.iter().filter(|run| run.state != AttemptState::Intended) {
                let is_over = run.state != AttemptState::Running;
                for (type_, expected) in [("agent.started", 1), ("agent.stopped", usize::from(is_over))] {
                    let which = (type_.to_owned(), bead.name_any(), u64::from(run.attempt));
                    let found = told.get(&which).copied().unwrap_or(0);
                    if found != expected {
                        wrong.push(format!("{found} events instead of {expected}: {which:?}"));
                    }
                }
            }
        }
        wrong
    }

    pub async fn look_back(&self, took: Duration) -> Run {
        let work = self.server.counters();
        let client = client(&self.server, None, None);
        let events = self.events().await.len() as u64;
        let beads = Api::<Bead>::default_namespaced(client).list(&ListParams::default()).await.unwrap().items;
        let beads: Vec<_> = beads.into_iter().filter(|bead| bead.spec.type_ != BeadType::Step).collect();
        let mut wrong = self.world.violations();
        let busiest = self.world.busiest() as u64;
        if busiest > self.places {
            wrong.push(format!("{busiest} sessions were at work at once, where {} may be", self.places));
        }
        let mut merged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for rig in &self.rigs {
            let requests: BTreeSet<_> = self.world.landed(rig, "main").into_iter().collect();
            for (bead, _) in &requests {
                if !merged.entry((*rig).to_owned()).or_default().insert(bead.clone()) {
                    wrong.push(format!("{bead} has landed twice"));
                }
            }
        }
        wrong.extend(self.events_of_sessions(&beads).await);
        let tree = |rig: &&str| ((*rig).to_owned(), self.world.remote_tree(rig, "main").unwrap());
        let attempts = |bead: &Bead| match self.world.look(&Ask::Attempts(AskAttempts(bead.uid().unwrap()))) {
            Seen::Known(Fact::Attempts(runs)) => (bead.name_any(), runs.len()),
            other => panic!("{other:?}"),
        };
        let closed = |bead: &Bead| (bead.name_any(), bead.spec.closed.as_ref().map(|closed| closed.reason));
        Run {
            outcome: Outcome {
                landed: self.has_landed().await,
                closed: beads.iter().map(closed).collect(),
                trees: self.rigs.iter().map(tree).collect(),
                merged,
            },
            effects: self.effects.log(),
            wrong,
            attempts: beads.iter().map(attempts).collect(),
            took,
            statements: work.statements - self.before.statements,
            commits: work.commits - self.before.commits,
            events,
        }
    }
}

/// What is wrong with a run, compared with the one that nothing disturbed; `more` sessions are allowed for each bead.
pub fn compare(run: Result<Run, String>, undisturbed: &Run, more: usize) -> Vec<String> {
    let run = match run {
        Ok(run) => run,
        Err(error) => return vec![error],
    };
    let mut wrong = run.wrong;
    if run.outcome != undisturbed.outcome {
        wrong.push(format!("it came to {:#?}\ninstead of {:#?}", run.outcome, undisturbed.outcome));
    }
    for (bead, attempts) in run.attempts {
        let usual = undisturbed.attempts.get(&bead).copied().unwrap_or(0);
        if attempts > usual + more {
            wrong.push(format!("{bead} took {attempts} attempts instead of {usual}"));
        }
    }
    wrong
}

/// Checks all cases on as many threads as there are cores, and fails with the first few that are wrong.
pub fn all_hold<T: Sync>(cases: &[T], check: impl Fn(&T) -> Vec<String> + Sync, name: impl Fn(&T) -> String) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((n, case)) = cases.iter().enumerate().nth(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = check(case);
                    if !found.is_empty() {
                        wrong.lock().unwrap().push((n, found));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    let shown = wrong.iter().take(SHOWN).map(|(n, found)| format!("{}\n  {}", name(&cases[*n]), found.join("\n  ")));
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} runs do not converge, such as\n{shown}", wrong.len(), cases.len());
}

/// The name of a bead of the convoy; of one that is in no rig of it, its own.
fn object_name(rig: &str, bead: &str) -> String {
    if rig.is_empty() { bead.to_owned() } else { names::bead(rig, CONVOY, 1, bead) }
}
