//! A world that begins as another one is observed: the engine finds there what it has left, and does nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gastown::api::{Options, Place, Served, Server, Writer};
use gastown::clock::{Clock, CountingIds};
use gastown::engine::{Engine, Parts};
use gastown::world::sim::SimWorld;
use gastown::world::sim::behavior::IdleAgents;
use gastown::world::sim::seed::{Observed, Repository};
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::{
    Act, ActError, Adapter, Ask, AskAttempts, AskRepo, Fact, Job, JobKey, Machine, Owner, SandboxFacts, SandboxId,
};
use gastown_crds::KINDS;
use serde_json::Value;

use super::effects::client;
use super::harness::{STEPS_MAX, Sim, in_virtual_time};
use super::towns;

/// A world whose acts are noted.
struct Noting(SimWorld, Mutex<Vec<String>>);

impl Adapter for Noting {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        self.0.look(ask)
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        Adapter::begun(&self.0, job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        self.1.lock().unwrap().push(act.to_string());
        self.0.act(act)
    }
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What can be seen of a town, by the questions that controllers ask.
async fn observed(sim: &Sim) -> Observed {
    let look = |ask: Ask| match sim.world.look(&ask) {
        Seen::Known(fact) => fact,
        Seen::Unknown { why, .. } => panic!("{why}"),
    };
    let mut observed = Observed { machine: Machine { cores: 4, ..Machine::default() }, ..Observed::default() };
    let rigs = sim.list("rigs").await;
    let owner = |rig: &Value| Owner::rig(text(rig, "/metadata/name"), text(rig, "/metadata/uid"));
    let owners: BTreeMap<String, Owner> = rigs.iter().map(|rig| (text(rig, "/metadata/name"), owner(rig))).collect();
    for polecat in sim.list("polecats").await {
        let id = SandboxId { name: text(&polecat, "/metadata/name"), uid: text(&polecat, "/metadata/uid") };
        let Fact::Sandbox(facts) = look(Ask::Sandbox(id.clone())) else { panic!("no sandbox") };
        observed.sandboxes.push((id, owners[&text(&polecat, "/spec/rig")].clone(), facts));
    }
    let requests = sim.list("mergerequests").await;
    for rig in &rigs {
        let owner = owner(rig);
        let Fact::Repo(facts) = look(Ask::Repo(AskRepo { owner: owner.clone(), branch: None })) else {
            panic!("no repo")
        };
        let of_rig = requests.iter().filter(|it| text(it, "/spec/rig") == owner.name);
        let handed_in: Vec<(Oid, Oid)> =
            of_rig.map(|it| (Oid(text(it, "/spec/head")), Oid(text(it, "/spec/base")))).collect();
        let base = |(_, of, facts): &(SandboxId, Owner, SandboxFacts)| {
            facts.sandbox.as_ref().filter(|_| *of == owner).map(|it| it.base.clone())
        };
        let bases = observed.sandboxes.iter().filter_map(base);
        let began: BTreeSet<Oid> = bases.chain(handed_in.iter().map(|(_, base)| base.clone())).collect();
        let url = text(rig, "/spec/repo/url");
        observed.repositories.push(Repository { owner, url, facts, began, handed_in });
    }
    for bead in sim.list("beads").await {
        let uid = text(&bead, "/metadata/uid");
        let Fact::Attempts(attempts) = look(Ask::Attempts(AskAttempts(uid.clone()))) else { panic!("no attempts") };
        observed.attempts.insert(uid, attempts);
    }
    observed
}

/// The acts of an engine that begins anew in a world that is seeded with what is observed of the town.
async fn acts_in_a_copy(sim: &Sim) -> Vec<String> {
    let clock: Arc<dyn Clock> = sim.clock.clone();
    // The agents of the town go on, and write to its own store.
    let kinds = KINDS.iter().copied().map(Served::registered).collect();
    let ids = Arc::new(CountingIds::new(2));
    let guard = gastown::connect::guard::check;
    let options = Options { kinds, clock: Arc::clone(&clock), ids, guard, namespaces: None, facts: None };
    let server = Server::open(&Place::Memory, Writer::Inline, options).unwrap();
    for kind in KINDS {
        server.copy(sim.list(kind.plural).await).await.unwrap();
    }
    let world = SimWorld::new(Arc::clone(&clock), Arc::new(IdleAgents));
    world.seed(observed(sim).await);
    let (wakes, noting) = (world.wakes(), Arc::new(Noting(world, Mutex::default())));
    let client = client(&server, None, None);
    let adapter = Arc::clone(&noting);
    let mut engine = Engine::new(Parts { client, adapter, clock, wakes, blocking: false, instance: "sim".to_owned() });
    engine.run_until_still(Duration::from_secs(30), STEPS_MAX).await.unwrap();
    noting.1.lock().unwrap().clone()
}

#[test]
fn what_runs_is_found_running_and_nothing_is_started_or_made_again() {
    in_virtual_time(async {
        let sim = Sim::start(&towns::smooth(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.at_work()).await;
        drop(engine);
        let acts = acts_in_a_copy(&sim).await;
        let working = sim.world.busiest();
        assert!(working > 0, "somebody was at work");
        // The rig asks its remote for news, as it would have.
        let again: Vec<_> = acts.iter().filter(|act| !act.starts_with("fetch ")).collect();
        assert_eq!(again, Vec::<&String>::new());
    });
}

#[test]
fn what_was_handed_in_lands_from_where_it_is() {
    in_virtual_time(async {
        let sim = Sim::start(&towns::smooth(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.handed_in()).await;
        drop(engine);
        let acts = acts_in_a_copy(&sim).await;
        let pushes = acts.iter().filter(|act| act.starts_with("push ")).count();
        assert!(pushes > 0 && acts.iter().any(|act| act.starts_with("verify ")), "{acts:#?}");
        assert!(acts.iter().all(|act| !act.starts_with("clone ")), "{acts:#?}");
    });
}
