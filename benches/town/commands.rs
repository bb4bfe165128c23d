//! `gt hook` and `bd` at 10,000 beads, as whole processes, against a program that does nothing.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::StreamExt;
use gastown::api::client_over_unix_socket;
use gastown::town::Town;
use gastown::world::exec::Exec;
use gastown_crds::{Bead, Rig, Runtime};
use gastown_supervisor::records::{self, NoJob, Spec};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::beads;
use crate::table::{Row, Sample, Table, ms, times};
use crate::town;

/// How many beads there are.
const BEADS: usize = 10_000;
/// How often each command is run.
const RUNS: usize = 60;
/// Creations under way at once; each is a connection to the socket.
const IN_FLIGHT: usize = 64;
/// The spec of a town in which one agent works at a time.
pub const ONE_AT_WORK: &str = "{capacity: {polecats: 1}}";
/// A bound on each wait.
const WAIT_MAX: Duration = Duration::from_mins(2);

/// A controller in the background, and all that it started; gone with this.
pub struct Up {
    pub dir: tempfile::TempDir,
    pub short: tempfile::TempDir,
    pub town: Town,
}

impl Up {
    pub fn start() -> Self {
        Self::with(ONE_AT_WORK)
    }

    /// A town of this spec.
    pub fn with(spec: &str) -> Self {
        Self::at_rest(spec).up()
    }

    /// A town of this spec without a controller, so far.
    pub fn at_rest(spec: &str) -> Self {
        let (dir, short) = (crate::folder(), tempfile::tempdir().unwrap());
        let town = town::open(dir.path(), short.path(), &format!("spec: {spec}\n"));
        Self { dir, short, town }
    }

    /// A town of this spec in a repository whose commits and pushes are live.
    pub fn live(spec: &str) -> Self {
        let (dir, short) = (crate::folder(), tempfile::tempdir().unwrap());
        // Its identity is that of the file that follows.
        let town = town::open(dir.path(), short.path(), "");
        let file = town.dir.join("town.yaml");
        fs_err::remove_file(&file).unwrap();
        let mut up = Self { dir, short, town };
        // The disk of the build may lie in a repository: that of this project is not the town's.
        town::git(&up.town.dir, &["init", "-q"]);
        let out = up.gt(&["init", "--name", "home", "--receive"]).run().unwrap();
        assert!(out.ok(), "gt init: {}", out.complaint());
        let text = fs_err::read_to_string(&file).unwrap();
        let with_spec = text.replace("spec: {}\n", &format!("spec: {spec}\n"));
        fs_err::write(&file, with_spec).unwrap();
        town::git(&up.town.dir, &["add", "-A"]);
        town::git(&up.town.dir, &["commit", "-qm", "A town", "--allow-empty"]);
        up.town = Town::open(&up.town.dir, &town::places(up.dir.path(), up.short.path())).unwrap();
        up.up()
    }

    /// Starts its controller.
    pub fn up(self) -> Self {
        let out = self.gt(&["up"]).limit(WAIT_MAX).run().unwrap();
        assert!(out.ok(), "gt up: {}", out.complaint());
        self
    }

    pub fn gt(&self, args: &[&str]) -> Exec {
        self.at_home(Exec::new(env!("CARGO_BIN_EXE_gt")).args(args))
    }

    /// A client of its API, in this runtime.
    pub fn client(&self, runtime: &tokio::runtime::Runtime) -> Client {
        let _in = runtime.enter();
        client_over_unix_socket(&self.town.layout.api_socket(), &self.town.name, None).unwrap()
    }

    /// A program in its folder, that finds this town.
    pub fn at_home(&self, exec: Exec) -> Exec {
        let places = town::places(self.dir.path(), self.short.path());
        exec.cwd(&self.town.dir)
            .env("XDG_DATA_HOME", places.data_home)
            .env("XDG_STATE_HOME", places.state_home)
            .env("TMPDIR", places.temp)
            .env_remove("GT_TOWN")
            .env_remove("TMUX")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.gt(&["down"]).limit(WAIT_MAX).run());
        drop(Exec::new("tmux").arg("-S").arg(self.town.layout.tmux_socket()).arg("kill-server").run());
    }
}

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up = Up::start();
    let layout = &up.town.layout;
    let client = up.client(&runtime);
    let uid = runtime.block_on(one_works(&up, &client));
    runtime.block_on(seed(&client));
    eprintln!("  {BEADS} beads are there");

    let run = layout.attempt(&uid, 1);
    let Some(Spec::Session(session)) = records::read::<Spec<NoJob>>(&run.join(records::SPEC)).unwrap() else {
        panic!("no session")
    };
    let hook = session.env.iter().fold(up.gt(&["hook"]), |exec, (name, value)| exec.env(name, value));
    let ready = up.at_home(Exec::new(layout.bin().join("bd")).args(["ready", "--json"]));
    let version = up.gt(&["version"]);
    let empty = Exec::new(empty_program(up.dir.path()));
    let bd = |args: &[&str]| up.at_home(Exec::new(layout.bin().join("bd")).args(args));
    let show = bd(&["show", "shop-05000"]);
    check(&hook, &ready);

    let mut all: [Vec<Duration>; 5] = Default::default();
    let mut asked = Vec::new();
    for _ in 0..RUNS {
        // In turns, so that all meet the same machine.
        for (exec, times) in [&empty, &version, &hook, &ready, &show].into_iter().zip(&mut all) {
            times.push(ran(exec));
        }
        let since = Instant::now();
        runtime.block_on(ready_page(&client));
        asked.push(since.elapsed());
    }
    let nothing = empty;
    let [empty, version, hook, ready, show] = all.map(Sample::new);
    for (name, sample, goal_ms) in [("`gt hook`", hook, 10), ("`bd ready --json`", ready, 30), ("`bd show`", show, 6)] {
        let (p50, p99) = (sample.percentile(50), sample.percentile(99));
        table.row(Row {
            figure: format!("{name} at 10,000 beads, whole process (median, p99 of {})", sample.len()),
            measured: format!("{}, {}", ms(p50), ms(p99)),
            floor: format!("{}, {}", ms(empty.percentile(50)), ms(empty.percentile(99))),
            ratio: times(p50, empty.percentile(50)),
            goal: format!("median ≤ {goal_ms} ms"),
            met: p50 <= Duration::from_millis(goal_ms),
        });
    }
    table.note(format!(
        "Commands: `gt version`, which asks nobody, takes {}; one page of 116 ready beads over the socket {}.",
        ms(version.percentile(50)),
        ms(Sample::new(asked).percentile(50)),
    ));
    beads::measure(table, &up, &nothing, |nth| format!("shop-{nth:05}"));
}

/// Has one agent at work, whose hook is looked at.
async fn one_works(up: &Up, client: &Client) -> String {
    let repo = town::repository(up.dir.path());
    town::create::<Runtime>(client, "waits", json!({ "command": ["sh", "-c", "exec sleep 600"] })).await;
    town::create::<Rig>(client, "shop", town::rig(&repo, "waits")).await;
    town::create::<Bead>(client, "shop-first", bead(0)).await;
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let uid = beads.get("shop-first").await.unwrap().uid().unwrap();
    let deadline = Instant::now() + WAIT_MAX;
    while !up.town.layout.attempt(&uid, 1).join(records::AGENT).exists() {
        assert!(Instant::now() < deadline, "the agent does not work within {WAIT_MAX:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    uid
}

/// Creates the others, and waits until all are found ready.
async fn seed(client: &Client) {
    let creations = (1..BEADS).map(|n| async move {
        town::create::<Bead>(client, &format!("shop-{n:05}"), bead(2)).await;
    });
    futures::stream::iter(creations).buffer_unordered(IN_FLIGHT).collect::<Vec<()>>().await;
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let deadline = Instant::now() + WAIT_MAX;
    let ready = ListParams::default().fields("status.state=Ready,spec.type=Task");
    while beads.list_metadata(&ready).await.unwrap().items.len() < BEADS - 1 {
        assert!(Instant::now() < deadline, "not all beads are ready within {WAIT_MAX:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What `bd ready` asks first.
async fn ready_page(client: &Client) {
    let beads: Api<Bead> = Api::default_namespaced(client.clone());
    let query = ListParams::default().fields("status.state=Ready,spec.type!=Step").limit(116);
    let page = beads.list_metadata(&query).await.unwrap();
    assert_eq!(page.items.len(), 116);
}

fn bead(priority: u32) -> Value {
    json!({ "title": "Rotate session tokens", "rig": "shop", "priority": priority,
        "description": "Tokens live for ever. Give them a lifetime of a day, and renew them when they are used." })
}

/// Both say what they should, before they are timed.
fn check(hook: &Exec, ready: &Exec) {
    let out = hook.run().unwrap();
    assert!(out.ok() && out.text().contains("shop-first"), "gt hook: {}\n{}", out.text(), out.complaint());
    let out = ready.run().unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(listed.len(), 100, "bd ready: {}", out.complaint());
}

/// From before the spawn until after the wait.
pub fn ran(exec: &Exec) -> Duration {
    let mut command = exec.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let since = Instant::now();
    let status = command.status().unwrap();
    let time = since.elapsed();
    assert!(status.success(), "{command:?} ended with {status}");
    time
}

fn empty_program(dir: &Path) -> PathBuf {
    let (source, program) = (dir.join("empty.rs"), dir.join("empty"));
    fs_err::write(&source, "fn main() {}\n").unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let out = Exec::new(rustc).arg("-O").arg("-o").arg(&program).arg(&source).limit(WAIT_MAX).run().unwrap();
    assert!(out.ok(), "rustc: {}", out.complaint());
    program
}
