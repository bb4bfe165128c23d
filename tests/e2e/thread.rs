//! The thread: one bead of one rig goes from objects to merged through the real store, engine, `gt __run`, tmux and git.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::alone::{is_alone, passes_alone};
use futures::StreamExt;
use gastown::api::{Place, Server, Writer};
use gastown::clock::SystemClock;
use gastown::connect::options;
use gastown::engine::{Engine, Parts};
use gastown::manifests;
use gastown::town::{Places, Town};
use gastown::world::exec::{self, Exec};
use gastown::world::git;
use gastown::world::real::Real;
use gastown::world::session::program;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::Adapter;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, names};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const WAIT_MAX: Duration = Duration::from_mins(1);

/// Programs that the test itself has started.
static OWN: AtomicU64 = AtomicU64::new(0);

/// Programs that the town has started so far; what its jobs and agents start themselves is theirs.
fn subprocesses() -> u64 {
    exec::prepared() - OWN.load(Ordering::Relaxed)
}

fn git(dir: &Path, args: &[&str]) -> String {
    OWN.fetch_add(1, Ordering::Relaxed);
    let out = Exec::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"])
        .args(args)
        .cwd(dir)
        .run()
        .unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
    out.text()
}

fn object<K: DeserializeOwned + kube::Resource<DynamicType = ()>>(name: &str, spec: Value) -> K {
    let header = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}});
    let mut object = header;
    object["spec"] = spec;
    serde_json::from_value(object).unwrap()
}

async fn create<K>(client: &Client, object: &K)
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::Serialize
        + DeserializeOwned,
{
    Api::default_namespaced(client.clone()).create(&PostParams::default(), object).await.unwrap();
}

/// Waits until a state is seen, by a watch; fails after a bound.
async fn until<K>(client: &Client, what: &str, mut so: impl FnMut(&K) -> bool) -> K
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    use kube::runtime::{WatchStreamExt, watcher};
    let api: Api<K> = Api::default_namespaced(client.clone());
    let mut seen = Box::pin(watcher(api, watcher::Config::default()).applied_objects());
    let found = async {
        while let Some(object) = seen.next().await {
            let object = object.unwrap();
            if so(&object) {
                return object;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(WAIT_MAX, found).await.unwrap_or_else(|_| panic!("{what}: not within {WAIT_MAX:?}"))
}

#[tokio::test]
async fn one_bead_goes_from_declared_to_merged() {
    // What is counted at the end is what its process has started: no other test may run there.
    if !is_alone() {
        return passes_alone("thread::one_bead_goes_from_declared_to_merged", &[]);
    }
    drop(
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("GT_LOG"))
            .with_test_writer()
            .try_init(),
    );
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (work, bare) = (root.join("work"), root.join("shop.git"));
    fs_err::create_dir_all(&work).unwrap();
    git(&work, &["init", "-q"]);
    fs_err::write(work.join("README"), "shop\n").unwrap();
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", "first"]);
    git(root, &["clone", "-q", "--bare", "work", "shop.git"]);
    let town_yaml = "kind: Town\nmetadata: {name: town, namespace: home, annotations: {gastown.io/town-uid: 0000000a-0000-4000-8000-00000000000a}}\n";
    fs_err::create_dir_all(root.join("town")).unwrap();
    fs_err::write(root.join("town/town.yaml"), town_yaml).unwrap();
    let places =
        Places { data_home: root.join("d"), state_home: root.join("s"), temp: root.into(), user: 0, session: None };
    let town = Town::open(&root.join("town"), &places).unwrap();

    let server = Server::open(&Place::Memory, Writer::Threaded, options()).unwrap();
    let client = server.client(&town.name);
    let gt = Path::new(env!("CARGO_BIN_EXE_gt"));
    let clock = Arc::new(SystemClock);
    let (real, wakes) = Real::open(&town, gt, None, clock.clone()).unwrap();
    let adapter: Arc<dyn Adapter> = Arc::new(real);
    let parts = Parts {
        client: client.clone(),
        adapter: adapter.clone(),
        clock: clock.clone(),
        wakes,
        blocking: true,
        instance: "gt-e2e".to_owned(),
    };
    let mut engine = Engine::new(parts);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let engine = tokio::spawn(async move {
        engine.run(async { drop(stopped.await) }).await;
        engine.counters()
    });

    manifests::ensure_built_in(&client).await.unwrap();
    // An agent that commits and then goes on thinking; handing in is done for it below.
    let agent = "echo more >> README && git commit -qam 'Say more' && exec sleep 600";
    create::<Runtime>(&client, &object("fake", json!({"command": ["sh", "-c", agent]}))).await;
    let rig = json!({
        "repo": {"url": bare.to_str().unwrap()}, "runtime": "fake",
        "merge": {"strategy": "Push", "verify": [{"name": "more", "run": "grep -q more README"}]},
    });
    // A base that is red needs a repair: this bead is one.
    create::<Rig>(&client, &object("shop", rig)).await;
    let convoy = json!({"rig": "shop", "beads": [{"name": "say", "title": "Say more"}]});
    create::<Convoy>(&client, &object("c", convoy)).await;

    let polecat = until::<Polecat>(&client, "the polecat works", |p| {
        p.status.as_ref().is_some_and(|s| s.state == gastown_crds::polecat::PolecatState::Working)
    })
    .await;
    let worktree = town.layout.worktree(&polecat.uid().unwrap());
    let base = git(&bare, &["rev-parse", "main"]);
    let committed = tokio::time::timeout(WAIT_MAX, async {
        loop {
            let head = git::head(&worktree).unwrap().0;
            if head != base {
                return head;
            }
            tokio::task::yield_now().await;
        }
    });
    let head = committed.await.expect("the agent committed");
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let bead = beads
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .find(|b| b.spec.parent.is_none());
    let bead = bead.unwrap();
    let name = names::merge_request(&bead.name_any(), &bead.uid().unwrap(), &head, 1);
    // As `gt done` does it.
    let started = exec::prepared();
    let branch = names::branch(&polecat.spec.name, &bead.name_any());
    let hands_in = git::Git::new(town.layout.clone());
    hands_in.hand_in(&worktree, &polecat.name_any(), &branch, &Oid(head.clone())).unwrap();
    OWN.fetch_add(exec::prepared() - started, Ordering::Relaxed);
    let request = json!({"bead": bead.name_any(), "rig": "shop", "polecat": polecat.name_any(), "head": head, "base": base, "attempt": 1});
    create::<MergeRequest>(&client, &object(&name, request)).await;

    let convoy = until::<Convoy>(&client, "the convoy lands", |c| {
        c.status.as_ref().is_some_and(|s| gastown_crds::common::is_true(&s.conditions, "Landed"))
    })
    .await;
    assert_eq!(convoy.status.unwrap().progress.as_deref(), Some("1/1"));
    let log = git(&bare, &["log", "--format=%an|%cn|%s%n%b", "-1", "main"]);
    assert!(log.starts_with("nux|Gas Town|Say more\n"), "{log}");
    assert!(log.contains(&format!("Gastown-MR: {name}")), "{log}");
    until::<Polecat>(&client, "the polecat is idle", |p| {
        p.status.as_ref().is_some_and(|s| s.state == gastown_crds::polecat::PolecatState::Idle)
    })
    .await;
    drop(stop);
    engine.await.unwrap();
    // What a bead costs in programs that the controller starts itself, exactly. Its jobs: the clone, the target verified
    // twice (it is red), the bead's commit once, the push, the fetch after it. git: five to make a repository with a worktree,
    // one to write the commit that lands. tmux: one session. And once for a controller: what git and tmux are there, and where
    // systemd is, whether it makes scopes (and for others than root, whether it stays).
    let here = |name: &str| program::find(name, &std::env::var_os("PATH").unwrap()).is_some();
    let looks = match (here("systemd-run"), rustix::process::geteuid().is_root()) {
        (false, _) => 0..=0,
        (true, true) => 1..=1,
        (true, false) => 0..=2,
    };
    let (jobs, git, tmux, once) = (6, 5 + 1, 1, 3);
    let (cost, started) = (jobs + git + tmux + once, subprocesses());
    // The session was ended: its pane closes by itself, or has to be told, whichever is seen first.
    let costs = cost + looks.start()..=cost + looks.end() + 1;
    assert!(costs.contains(&started), "{started} instead of {costs:?}");

    // Another controller looks at everything, finds nothing to do, and starts nothing for it.
    let before = subprocesses();
    let parts = Parts {
        client,
        adapter,
        clock,
        wakes: futures::stream::pending().boxed(),
        blocking: true,
        instance: "gt-e2e".to_owned(),
    };
    let mut second = Engine::new(parts);
    second.run_to_rest(10_000).await.unwrap();
    let counters = second.counters();
    assert!(counters.reconciles > 8 && counters.looks > 3, "it looked: {counters:?}");
    assert_eq!((counters.effects, subprocesses() - before), (0, 0));
    server.close();
}
