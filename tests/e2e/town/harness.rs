//! A whole town in a temporary folder, driven through the `gt` program as people drive it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gastown::world::exec::{Exec, Output};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Bound of every wait. Two cores that also build need some slack; an idle machine takes a second or two.
pub const WAIT_MAX: Duration = Duration::from_secs(90);

/// A town; dropping it stops everything that it started.
pub struct Town {
    dir: TempDir,
    /// Variables of the person who drives it.
    env: Vec<(String, String)>,
}

impl Town {
    /// Folders for a town, and somebody who may commit.
    pub fn empty() -> Self {
        let town = Self { dir: tempfile::Builder::new().prefix("gt-e2e-").tempdir().unwrap(), env: Vec::new() };
        for folder in ["town", "data", "state", "tmp", "home"] {
            fs_err::create_dir_all(town.path(folder)).unwrap();
        }
        let config = "[user]\nname = Kim\nemail = kim@example.invalid\n[init]\ndefaultBranch = main\n";
        town.file("home/.gitconfig", config);
        town
    }

    /// A town in a repository of its own, as `gt init` makes it.
    pub fn live() -> Self {
        let town = Self::empty();
        town.ok(&["init", "--name", "town"]);
        town
    }

    /// A town with one rig, `shop`, that verifies with `sh check.sh`.
    pub fn new() -> Self {
        let town = Self::empty();
        town.repo("shop", &[("README", "shop\n"), ("check.sh", "! grep -rq BROKEN . --include=*.txt\n")]);
        town.file(
            "town/town.yaml",
            "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {polecats: 3}}\n",
        );
        town.ok(&["init"]);
        town.ok(&["apply", "-f", "town.yaml"]);
        town.rig("shop", "");
        town
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn file(&self, below: &str, text: &str) -> PathBuf {
        let path = self.path(below);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }

    /// A bare repository with one commit on `main`.
    pub fn repo(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let (work, bare) = (self.path(&format!("work/{name}")), self.path(&format!("repos/{name}.git")));
        for (file, text) in files {
            self.file(&format!("work/{name}/{file}"), text);
        }
        fs_err::create_dir_all(bare.parent().unwrap()).unwrap();
        git(&work, &["init", "-q"]);
        git(&work, &["add", "-A"]);
        git(&work, &["commit", "-qm", "first"]);
        git(&work, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
        bare
    }

    /// Declares a rig on the repository of the same name; `more` is further YAML of its spec, flow style.
    pub fn rig(&self, name: &str, more: &str) {
        let url = self.path(&format!("repos/{name}.git"));
        self.apply(&format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {{name: {name}}}\nspec:\n  repo: {{url: '{}'}}\n  merge: {{strategy: Push, verify: [{{name: check, run: sh check.sh}}]}}\n{more}",
            url.display()
        ));
    }

    /// Declares a convoy of `shop`; each bead is `(name, needs, command)`.
    pub fn convoy(&self, name: &str, beads: &[(&str, &[&str], &str)]) {
        let beads: Vec<Value> = beads
            .iter()
            .map(|(name, needs, command)| serde_json::json!({"name": name, "title": format!("Do {name}"), "needs": needs, "command": command}))
            .collect();
        let convoy = serde_json::json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": {"name": name},
            "spec": {"rig": "shop", "beads": beads},
        });
        self.apply(&convoy.to_string());
    }

    pub fn apply(&self, yaml: &str) {
        let out = self.gt(&["apply", "-f", "-"]).stdin(yaml).run().unwrap();
        assert!(out.ok(), "apply: {}\n{yaml}", out.complaint());
    }

    /// Sets a variable of the person who drives it, for what is run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// The `gt` program in this town.
    pub fn gt(&self, args: &[&str]) -> Exec {
        let exec = Exec::new(env!("CARGO_BIN_EXE_gt"))
            .args(args)
            .cwd(self.path("town"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            // Servers of tests are here, whatever stands between this machine and others.
            .env("no_proxy", "127.0.0.1")
            .env_remove("TMUX")
            .limit(WAIT_MAX);
        // No agent of whoever runs the tests, and no login of theirs.
        let foreign = ["ANTHROPIC_", "CLAUDE", "OPENAI_", "CODEX_", "GEMINI_", "GOOGLE_", "OPENCODE"];
        let of_others = std::env::vars().map(|(name, _)| name);
        let of_others = of_others.filter(|name| foreign.iter().any(|begin| name.starts_with(begin)));
        let exec = of_others.fold(exec, Exec::env_remove);
        self.env.iter().fold(exec, |exec, (name, value)| exec.env(name, value))
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let out = self.gt(args).run().unwrap();
        assert!(out.ok(), "gt {args:?}: {}\n{}", out.complaint(), self.log());
        out.text()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.gt(args).run().unwrap()
    }

    pub fn json(&self, what: &[&str]) -> Value {
        let mut args = vec!["get", "-o", "json"];
        args.extend(what);
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    pub fn items(&self, kind: &str) -> Vec<Value> {
        self.json(&[kind])["items"].as_array().cloned().unwrap_or_default()
    }

    /// A bead by its place in the convoy, by title.
    pub fn bead(&self, name: &str) -> Value {
        let title = format!("Do {name}");
        self.items("beads").into_iter().find(|b| b["spec"]["title"] == title.as_str()).unwrap_or(Value::Null)
    }

    pub fn up(&self) {
        self.ok(&["up"]);
    }

    pub fn lands(&self, convoy: &str) {
        let out = self.run(&["wait", &format!("convoy/{convoy}"), "--for=condition=Landed", "--timeout", "80s"]);
        assert!(out.ok(), "{}\n{}\n{}", out.complaint(), self.run(&["status"]).text(), self.log());
    }

    fn uid(&self) -> String {
        let text = fs_err::read_to_string(self.path("town/town.yaml")).unwrap();
        let at = text.find("gastown.io/town-uid").expect("the town has a uid");
        let rest: String =
            text[at + "gastown.io/town-uid".len()..].chars().skip_while(|c| !c.is_ascii_hexdigit()).collect();
        rest.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect()
    }

    pub fn state(&self, below: &str) -> PathBuf {
        self.path(&format!("state/gt/{}/{below}", self.uid()))
    }

    pub fn log(&self) -> String {
        fs_err::read_to_string(self.state("gt.log")).unwrap_or_default()
    }

    /// The controller's process.
    pub fn controller(&self) -> i32 {
        let lock = self.path(&format!("data/gt/{}/locks/store", self.uid()));
        fs_err::read_to_string(lock).unwrap().trim().parse().unwrap()
    }

    /// What the record of a bead's attempt says, once it is there.
    pub fn record(&self, bead: &Value, attempt: u32, file: &str) -> Option<Value> {
        let uid = bead["metadata"]["uid"].as_str()?;
        let path = self.state(&format!("runs/{uid}/{attempt}/{file}"));
        serde_json::from_str(&fs_err::read_to_string(path).ok()?).ok()
    }

    /// What an attempt at a bead left: how it ended, and the last that it said.
    pub fn told(&self, bead: &Value, attempt: u32) -> String {
        let uid = bead["metadata"]["uid"].as_str().unwrap_or_default();
        let run = self.state(&format!("runs/{uid}/{attempt}"));
        let mut told = String::new();
        for file in walk(&run) {
            let text = String::from_utf8_lossy(&fs_err::read(&file).unwrap_or_default()).into_owned();
            write!(told, "\n--- {}\n{text}", file.display()).unwrap();
        }
        told
    }

    pub fn log_of(&self, repo: &str) -> Vec<String> {
        let bare = self.path(&format!("repos/{repo}.git"));
        git(&bare, &["log", "--format=%s", "main"]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // Everything this town started holds a path of this folder in its command line or is its tmux server.
        drop(self.gt(&["down"]).run());
        let socket = walk(&self.path("tmp")).into_iter().find(|p| p.ends_with("tmux.sock"));
        if let Some(socket) = socket {
            drop(Exec::new("tmux").arg("-S").arg(socket).arg("kill-server").run());
        }
    }
}

pub fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    let out = Exec::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"])
        .args(args)
        .cwd(dir)
        .limit(WAIT_MAX)
        .run()
        .unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
    out.text()
}

/// Kills a process, and waits until no thread of it does anything any more: on a machine whose processors are shared, one goes on
/// for a moment after the signal was sent.
#[track_caller]
pub fn kill(pid: i32) {
    kill_now(pid);
    let start = Instant::now();
    while acts(pid) {
        assert!(start.elapsed() < WAIT_MAX, "process {pid} was killed and goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills a process, and does not wait for its death.
pub fn kill_now(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// Whether any thread of a process is not dead.
fn acts(pid: i32) -> bool {
    let threads = fs_err::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = threads.filter_map(|thread| fs_err::read_to_string(thread.path().join("stat")).ok());
    // The state stands behind the name, which is in brackets.
    let mut states = stats.filter_map(|stat| stat.rsplit(") ").next()?.chars().next());
    states.any(|state| !matches!(state, 'Z' | 'X'))
}

pub fn lives(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Waits for a state, within a bound.
#[track_caller]
pub fn wait_until<T>(town: &Town, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < WAIT_MAX,
            "{what}: not within {WAIT_MAX:?}\n{}\n{}",
            town.run(&["status"]).text(),
            town.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
