//! Desired state in git and in a folder: from a push to the session that it starts, from a saved file to its object, and what a
//! revision costs that changes nothing, or one object of many.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use gastown::clock::{Clock, SystemClock};
use gastown::world::exec::Exec;
use gastown::world::real::Real;
use gastown_controllers::key::Key;
use gastown_controllers::kinds::CONTROLLERS;
use gastown_controllers::objects::{Objects, read};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::Adapter;
use gastown_crds::kinds::Registered;
use gastown_crds::{Formula, Rig, Runtime, Source, Town};
use gastown_supervisor::records;
use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use rustix::fs::inotify;
use serde_json::json;

use crate::commands::Up;
use crate::restart::{end_tmux, sandbox, sessions, spec};
use crate::table::{Row, Sample, Table, ms, times};
use crate::town;

/// How many pushes are measured, each of one convoy with one bead; and how many saves of a file.
const PUSHES: usize = 12;
const SAVES: usize = 200;
/// How many objects a revision has that changes none of them, and how many those have of which one changes.
const UNCHANGED: usize = 1_000;
const SIZES: [usize; 2] = [100, 9_900];
/// How often each look, and each change, is measured; the median counts.
const RUNS: usize = 9;
/// A bound on each wait.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// How long between two looks at a file.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// The goals.
const PUSH_RATIO_MAX: f64 = 1.5;
const SAVE_MAX: Duration = Duration::from_millis(50);
const BEYOND_GIT_MAX: Duration = Duration::from_millis(5);

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    pushes(&runtime, table);
    saves(&runtime, table);
    unchanged(&runtime, table);
    one_of_many(&runtime, table);
}

/// From the begin of a push until the session that it causes runs.
fn pushes(runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let up = Up::live(&format!("{{capacity: {{polecats: {PUSHES}}}}}"));
    let client = up.client(runtime);
    let repo = town::repository(up.dir.path());
    runtime.block_on(async {
        town::create::<Runtime>(&client, "waits", json!({ "command": ["sh", "-c", "exec sleep 600"] })).await;
        town::create::<Rig>(&client, "shop", town::rig(&repo, "waits")).await;
        let rigs: Api<Rig> = Api::default_namespaced(client.clone());
        until(watcher(rigs, watcher::Config::default()).applied_objects(), |rig| {
            let conditions = rig.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            gastown_crds::common::is_true(conditions, "Ready")
        })
        .await;
    });
    let clone = up.dir.path().join("clone");
    town::git(up.dir.path(), &["clone", "-q", "town", "clone"]);
    let floor = Floor::new(&up, &repo);
    let (mut whole, mut after, mut bare, mut start) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for nth in 0..PUSHES {
        let convoy = json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": { "name": format!("c{nth}") },
            "spec": { "rig": "shop", "beads": [{ "name": "b", "title": "Wait" }] } });
        fs_err::write(clone.join(format!("c{nth}.json")), convoy.to_string()).unwrap();
        commit(&clone);
        let since = Instant::now();
        up.at_home(Exec::new("git").args(["push", "-q", "origin", "HEAD"])).cwd(&clone).limit(WAIT_MAX).run().unwrap();
        let pushed = since.elapsed();
        while agents(&up) <= nth {
            assert!(since.elapsed() < WAIT_MAX, "nobody works on what was pushed");
            std::thread::sleep(LOOK_EVERY);
        }
        whole.push(since.elapsed());
        after.push(since.elapsed().saturating_sub(pushed));
        let (push, session) = (floor.push(nth), floor.session(nth));
        bare.push(push + session);
        start.push(session);
    }
    let [whole, after, bare, start] = [whole, after, bare, start].map(|all| Sample::new(all).percentile(50));
    table.row(Row {
        figure: format!("`git push` of a convoy → its session runs (median of {PUSHES}; floor: a push that no hook judges, a worktree, a session)"),
        measured: format!("{} ({} after the push)", ms(whole), ms(after)),
        floor: format!("{} ({} after the push)", ms(bare), ms(start)),
        ratio: times(whole, bare),
        goal: format!("≤ {PUSH_RATIO_MAX} ×"),
        met: whole.as_secs_f64() <= bare.as_secs_f64() * PUSH_RATIO_MAX,
    });
}

/// How many agents were begun in a town.
fn agents(up: &Up) -> usize {
    let attempts = fs_err::read_dir(up.town.layout.state().join("runs")).into_iter().flatten().flatten();
    attempts.filter(|bead| bead.path().join("1").join(records::AGENT).exists()).count()
}

/// The same push, worktree and session with nobody to judge or decide.
struct Floor<'a> {
    up: &'a Up,
    dir: PathBuf,
    repo: &'a Path,
    layout: gastown::world::layout::Layout,
}

impl<'a> Floor<'a> {
    fn new(up: &'a Up, repo: &'a Path) -> Self {
        let dir = up.dir.path().join("floor");
        fs_err::create_dir_all(&dir).unwrap();
        town::git(&dir, &["clone", "-q", "--bare", "../clone", "town.git"]);
        town::git(&dir, &["clone", "-q", "town.git", "clone"]);
        let layout =
            gastown::world::layout::Layout::of(dir.join("data"), dir.join("state"), up.short.path().join("floor"));
        gastown::world::session::program::install(&layout, Path::new(env!("CARGO_BIN_EXE_gt"))).unwrap();
        Self { up, dir, repo, layout }
    }

    fn push(&self, nth: usize) -> Duration {
        let clone = self.dir.join("clone");
        fs_err::write(clone.join(format!("c{nth}.json")), format!("{nth}")).unwrap();
        commit(&clone);
        let since = Instant::now();
        self.up.at_home(Exec::new("git").args(["push", "-q", "origin", "HEAD"])).cwd(&clone).run().unwrap();
        since.elapsed()
    }

    fn session(&self, nth: usize) -> Duration {
        let (uid, sessions) = (nth.to_string(), Arc::new(sessions(&self.layout, &Arc::default())));
        let worktree = self.layout.worktree(&uid);
        let since = Instant::now();
        town::git(self.repo, &["worktree", "add", "-q", "--detach", &worktree.display().to_string(), "HEAD"]);
        sessions.ensure(&sandbox(&uid), &spec(&uid, 1), &[]).unwrap();
        while !self.layout.attempt(&uid, 1).join(records::AGENT).exists() {
            assert!(since.elapsed() < WAIT_MAX, "the session does not begin");
            std::thread::sleep(LOOK_EVERY);
        }
        since.elapsed()
    }
}

impl Drop for Floor<'_> {
    fn drop(&mut self) {
        for uid in (0..PUSHES).map(|n| n.to_string()) {
            drop(sessions(&self.layout, &Arc::default()).end(&sandbox(&uid)));
        }
        end_tmux(&self.layout);
    }
}

/// From a saved file, as an editor renames it into place, until its object says that it was reconciled.
fn saves(runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let up = Up::start();
    let client = up.client(runtime);
    let watched = up.dir.path().join("watched");
    fs_err::create_dir_all(&watched).unwrap();
    save(&watched, "first");
    runtime.block_on(town::create::<Source>(&client, "watch", json!({ "directory": { "path": &watched } })));
    let formulas: Api<Formula> = Api::default_namespaced(client);
    let floor = Inotify::on(&up.dir.path().join("floor"));
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        let mut seen = pin!(watcher(formulas, watcher::Config::default()).applied_objects());
        until(&mut seen, |formula| is_reconciled(formula, "first")).await;
        for nth in 0..SAVES {
            let run = format!("true {nth}");
            let since = Instant::now();
            save(&watched, &run);
            until(&mut seen, |formula| is_reconciled(formula, &run)).await;
            ours.push(since.elapsed());
            bare.push(floor.save(&run));
        }
    });
    let [ours, bare] = [ours, bare].map(Sample::new);
    let (p50, p99) = (ours.percentile(50), ours.percentile(99));
    table.row(Row {
        figure: format!("saved file → its object reconciled (p50, p99 of {SAVES}; floor: inotify alone)"),
        measured: format!("{}, {}", ms(p50), ms(p99)),
        floor: format!("{}, {}", ms(bare.percentile(50)), ms(bare.percentile(99))),
        ratio: times(p99, bare.percentile(99)),
        goal: format!("p99 ≤ {}", ms(SAVE_MAX)),
        met: p99 <= SAVE_MAX,
    });
}

fn formula(name: &str, run: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: {{ name: {name} }}\nspec: {{ steps: [{{ name: work, run: '{run}' }}] }}\n"
    )
}

fn save(dir: &Path, run: &str) {
    let new = dir.join(".f.yaml.new");
    fs_err::write(&new, formula("f", run)).unwrap();
    fs_err::rename(new, dir.join("f.yaml")).unwrap();
}

fn is_reconciled(formula: &Formula, run: &str) -> bool {
    let observed = formula.status.as_ref().and_then(|status| status.observed_generation);
    formula.spec.steps.iter().any(|step| step.run.as_deref() == Some(run)) && observed == formula.metadata.generation
}

/// Waits for an object.
async fn until<K>(seen: impl Stream<Item = Result<K, watcher::Error>>, is_it: impl Fn(&K) -> bool) {
    let mut seen = pin!(seen);
    let found = async {
        while let Some(object) = seen.next().await {
            if is_it(&object.unwrap()) {
                return;
            }
        }
        panic!("a watch does not end");
    };
    tokio::time::timeout(WAIT_MAX, found).await.expect("it is seen in time");
}

/// A folder that only the kernel watches.
struct Inotify {
    dir: PathBuf,
    fd: rustix::fd::OwnedFd,
}

impl Inotify {
    fn on(dir: &Path) -> Self {
        fs_err::create_dir_all(dir).unwrap();
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&fd, dir, inotify::WatchFlags::MOVED_TO).unwrap();
        Self { dir: dir.to_owned(), fd }
    }

    fn save(&self, run: &str) -> Duration {
        let since = Instant::now();
        save(&self.dir, run);
        let mut buffer = [0_u8; 4096];
        assert!(rustix::io::read(&self.fd, &mut buffer).unwrap() > 0);
        since.elapsed()
    }
}

/// What the controller of a source computes for a revision that is live already, of so many objects: the look at its repository
/// and the comparison of all objects, as the engine does it.
fn unchanged(runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let up = Up::live("{}");
    let client = up.client(runtime);
    declare(&up.town.dir, UNCHANGED);
    runtime.block_on(live(&client, &commit(&up.town.dir)));
    let objects = runtime.block_on(objects(&client));
    let (real, _events) = runtime
        .block_on(async { Real::open(&up.town, Path::new(env!("CARGO_BIN_EXE_gt")), None, Arc::new(SystemClock)) })
        .unwrap();
    let keys = || CONTROLLERS.iter().map(|controller| controller.key("town"));
    let key = || keys().find(|key| key.to_string() == "source/town").unwrap();
    let (mut ours, mut floor, mut looks) = (Vec::new(), Vec::new(), 0);
    for nth in 0..=RUNS {
        let since = Instant::now();
        looks = runtime.block_on(async { look(&real, &key(), &objects) });
        // The first one reads the files.
        if nth > 0 {
            ours.push(since.elapsed());
        }
        let since = Instant::now();
        town::git(&up.town.dir, &["rev-parse", "HEAD"]);
        floor.push(since.elapsed());
    }
    let [ours, floor] = [ours, floor].map(|all| Sample::new(all).percentile(50));
    table.row(Row {
        figure: format!(
            "a live revision of {UNCHANGED} objects looked at again (median of {RUNS}; floor: `git rev-parse`)"
        ),
        measured: format!("{}, no effect, no write, {looks} looks", ms(ours)),
        floor: ms(floor),
        ratio: times(ours, floor),
        goal: format!("≤ {} beyond it", ms(BEYOND_GIT_MAX)),
        met: ours <= floor + BEYOND_GIT_MAX,
    });
}

/// Runs a controller until it misses nothing, and makes sure that it wants nothing.
fn look(real: &Real, key: &Key, objects: &Objects) -> usize {
    let mut facts = Facts::new();
    loop {
        let view = View::new(SystemClock.now(), objects, &facts, None);
        let plan = key.reconcile(&view);
        let missing = view.missing();
        if missing.is_empty() {
            assert!(plan.effects.is_empty() && plan.status.is_empty(), "{plan:?}");
            return facts.len();
        }
        facts.extend(missing.into_iter().map(|ask| (ask.clone(), real.look(&ask))));
    }
}

/// From a commit that changes one object until it is live, and how often the store was written, among few objects and many.
fn one_of_many(runtime: &tokio::runtime::Runtime, table: &mut Table) {
    let mut all = Vec::new();
    for objects in SIZES {
        let up = Up::live("{}");
        let client = up.client(runtime);
        declare(&up.town.dir, objects);
        runtime.block_on(live(&client, &commit(&up.town.dir)));
        eprintln!("  {objects} objects are live");
        let (mut took, mut writes) = (Vec::new(), Vec::new());
        for nth in 0..RUNS {
            fs_err::write(up.town.dir.join("f000").join("f00000.yaml"), formula("f00000", &format!("true {nth}")))
                .unwrap();
            let before = runtime.block_on(revision(&client));
            let commit = commit(&up.town.dir);
            let since = Instant::now();
            runtime.block_on(live(&client, &commit));
            took.push(since.elapsed());
            // What is told of it is written after it.
            runtime.block_on(told(&client, &commit));
            writes.push(runtime.block_on(revision(&client)) - before);
        }
        writes.sort_unstable();
        all.push((Sample::new(took).percentile(50), writes[RUNS / 2]));
    }
    let [(few, few_writes), (many, many_writes)] = all[..] else { unreachable!() };
    table.row(Row {
        figure: format!(
            "a commit that changes one object of {} → live, and of {} (median of {RUNS})",
            SIZES[1], SIZES[0]
        ),
        measured: format!("{}, {many_writes} writes", ms(many)),
        floor: format!("{}, {few_writes} writes", ms(few)),
        ratio: times(many, few),
        goal: "as many writes".into(),
        met: many_writes == few_writes,
    });
}

/// Declares so many formulas, a hundred in a folder.
fn declare(dir: &Path, count: usize) {
    for nth in 0..count {
        let folder = dir.join(format!("f{:03}", nth / 100));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join(format!("f{nth:05}.yaml")), formula(&format!("f{nth:05}"), "true")).unwrap();
    }
}

/// Commits all; gives the commit's name.
fn commit(dir: &Path) -> String {
    town::git(dir, &["add", "-A"]);
    town::git(dir, &["commit", "-qm", "more", "--no-gpg-sign"]);
    town::git(dir, &["rev-parse", "HEAD"])
}

/// Waits until a commit is live.
async fn live(client: &Client, commit: &str) {
    let sources: Api<Source> = Api::default_namespaced(client.clone());
    until(watcher(sources, watcher::Config::default()).applied_objects(), |source| {
        let applied = source.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.revision.ends_with(commit))
    })
    .await;
}

/// Waits until it is told that a commit was applied.
async fn told(client: &Client, commit: &str) {
    let events: Api<Event> = Api::default_namespaced(client.clone());
    until(watcher(events, watcher::Config::default()).applied_objects(), |event| {
        let is_it = |message: &String| message.contains(commit);
        event.reason.as_deref() == Some("Applied") && event.message.as_ref().is_some_and(is_it)
    })
    .await;
}

/// The store's revision: it counts writes.
async fn revision(client: &Client) -> i64 {
    let towns: Api<Town> = Api::default_namespaced(client.clone());
    towns.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap().parse().unwrap()
}

/// All objects, as the engine has them.
async fn objects(client: &Client) -> Objects {
    let mut objects = Objects::default();
    let formulas: Api<Formula> = Api::default_namespaced(client.clone());
    let towns: Api<Town> = Api::default_namespaced(client.clone());
    let sources: Api<Source> = Api::default_namespaced(client.clone());
    let mut add = |kind, name: String, value| {
        objects.change(kind, &name, read(kind, value));
    };
    for it in formulas.list(&ListParams::default()).await.unwrap() {
        add(Formula::row(), it.metadata.name.clone().unwrap(), json!(it));
    }
    for it in towns.list(&ListParams::default()).await.unwrap() {
        add(Town::row(), it.metadata.name.clone().unwrap(), json!(it));
    }
    for it in sources.list(&ListParams::default()).await.unwrap() {
        add(Source::row(), it.metadata.name.clone().unwrap(), json!(it));
    }
    objects
}
