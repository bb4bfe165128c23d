//! A town in a temporary folder, with a repository and a worktree, and the real `gt` and `bd` to run in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use gastown::clock::{Clock as _, SystemClock};
use gastown::connect::Connection;
use gastown::town::{Places, TOWN_FILE, Town};
use gastown::world::exec::{Exec, Output};
use gastown_crds::{Bead, MergeRequest, Rig, Runtime};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, from_value, json};
use tempfile::TempDir;

/// A debug build on a busy machine; the binary itself needs milliseconds.
const LIMIT: Duration = Duration::from_mins(1);
const BRANCH: &str = "polecat/nux/shop-1";

/// When the tests began, in whole seconds.
static STARTED: LazyLock<String> = LazyLock::new(|| SystemClock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());

pub struct TestTown {
    dir: TempDir,
    pub town: Town,
    pub base: String,
}

impl TestTown {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["town", "data", "state", "tmp", "bin", "repo"] {
            fs_err::create_dir(at(name)).unwrap();
        }
        let uid = "0b6f2a52-0000-4000-8000-000000000001";
        let annotations = json!({ "gastown.io/town-uid": uid });
        let text =
            json!({"kind": "Town", "metadata": {"name": "town", "namespace": "home", "annotations": annotations}});
        fs_err::write(at("town").join(TOWN_FILE), text.to_string()).unwrap();
        for name in ["gt", "bd"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gt"), at("bin").join(name)).unwrap();
        }
        let user = rustix::process::getuid().as_raw();
        let places = Places { data_home: at("data"), state_home: at("state"), temp: at("tmp"), user, session: None };
        let town = Town::open(&at("town"), &places).unwrap();
        let mut new = Self { dir, town, base: String::new() };
        new.git("repo", &["init", "--quiet", "--initial-branch=main"]);
        fs_err::write(new.path("repo").join("README.md"), "shop\n").unwrap();
        new.git("repo", &["add", "--all"]);
        new.git("repo", &["commit", "--quiet", "-m", "start"]);
        new.base = new.git("repo", &["rev-parse", "HEAD"]);
        new.git("repo", &["worktree", "add", "--quiet", "--no-track", "-b", BRANCH, "../worktree"]);
        new
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs git in a folder, and gives what it says.
    pub fn git(&self, folder: &str, args: &[&str]) -> String {
        let output = self.exec(Path::new("git"), folder).args(args).run().unwrap();
        assert!(output.ok(), "git {args:?}: {}", output.complaint());
        output.text()
    }

    /// Commits a file in the worktree.
    pub fn commit(&self, file: &str) {
        fs_err::write(self.path("worktree").join(file), "new\n").unwrap();
        self.git("worktree", &["add", "--all"]);
        self.git("worktree", &["commit", "--quiet", "-m", "work"]);
    }

    fn exec(&self, program: &Path, folder: &str) -> Exec {
        let mut exec = Exec::new(program).cwd(self.path(folder)).limit(LIMIT);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().into_owned();
            if ["GT_", "GIT_", "BD_", "XDG_"].iter().any(|prefix| text.starts_with(prefix)) {
                exec = exec.env_remove(name);
            }
        }
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        exec.env("PATH", path)
            .env("HOME", self.dir.path())
            .env("USER", "kim")
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("TMPDIR", self.path("tmp"))
            .env("GIT_AUTHOR_NAME", "nux")
            .env("GIT_AUTHOR_EMAIL", "nux@town.invalid")
            .env("GIT_COMMITTER_NAME", "nux")
            .env("GIT_COMMITTER_EMAIL", "nux@town.invalid")
    }

    /// A program as the agent runs it: in the worktree, in the session's environment.
    pub fn in_session(&self, program: &Path) -> Exec {
        self.exec(program, "worktree")
            .env("GT_TOWN", &self.town.dir)
            .env("GT_BEAD", "shop-1")
            .env("GT_RIG", "shop")
            .env("GT_POLECAT", "nux")
            .env("GT_ATTEMPT", "1")
            .env("GT_REWORK", "")
            .env("GT_REWORK_LOG", "")
            .env("GT_BASE", &self.base)
            .env("GT_ACTOR", "shop/polecats/nux")
            .env("BD_ACTOR", "shop/polecats/nux")
    }

    /// What the agent sees of `gt …` or `bd …`.
    pub fn agent(&self, line: &str) -> String {
        let (program, args) = self.words(line);
        self.tell(&self.in_session(&program).args(args).run().unwrap())
    }

    /// The same with these variables.
    pub fn agent_with(&self, line: &str, variables: &[(&str, &str)]) -> String {
        let (program, args) = self.words(line);
        let session = self.in_session(&program).args(args);
        let session = variables.iter().fold(session, |session, (name, value)| session.env(name, value));
        self.tell(&session.run().unwrap())
    }

    /// What a person sees of it, in the town's folder.
    pub fn person(&self, line: &str) -> String {
        let (program, args) = self.words(line);
        self.tell(&self.exec(&program, "town").args(args).run().unwrap())
    }

    /// What a person gets of a line as a shell has it: the exit code, and standard output.
    pub fn shell(&self, line: &str) -> (i32, String) {
        let mut words = shlex::split(line).unwrap().into_iter();
        let program = self.path("bin").join(words.next().unwrap());
        let output = self.exec(&program, "town").args(words).run().unwrap();
        (output.code, String::from_utf8(output.stdout).unwrap())
    }

    /// What a person gets on standard output, as it is.
    pub fn out(&self, line: &str) -> String {
        let (program, args) = self.words(line);
        let output = self.exec(&program, "town").args(args).run().unwrap();
        assert_eq!(output.code, 0, "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Words parted by blanks; `~` stands for a blank within one.
    fn words(&self, line: &str) -> (PathBuf, Vec<String>) {
        let mut words = line.split(' ').map(|word| word.replace('~', " "));
        let program = self.path("bin").join(words.next().unwrap());
        (program, words.collect())
    }

    /// Exit code, standard output and standard error, without what differs from run to run.
    pub fn tell(&self, output: &Output) -> String {
        let mut text = format!("exit {}\n{}", output.code, String::from_utf8_lossy(&output.stdout));
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            writeln!(text, "2> {line}").unwrap();
        }
        let text = text.replace(&self.dir.path().display().to_string(), "<dir>");
        let rules = [
            (r"\b[0-9a-f]{40}\b", "<commit>"),
            (r"\b[0-9a-f]{64}\b", "<digest>"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
            (r"\bshop-1-[a-z2-9]{8}\b", "shop-1-<hash>"),
        ];
        rules
            .iter()
            .fold(text, |text, (rule, with)| regex::Regex::new(rule).unwrap().replace_all(&text, *with).into_owned())
    }

    /// Uses the API in this process, with no controller.
    pub fn api<T>(&self, actor: Option<&str>, body: impl AsyncFnOnce(Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connection = Connection::open(&self.town, actor).unwrap();
            let answer = body(connection.client.clone()).await;
            connection.close();
            answer
        })
    }

    /// Makes beads.
    pub fn seed(&self, beads: impl IntoIterator<Item = Value>) {
        self.api(None, async |client| create(client, beads).await);
    }

    /// Makes a rig.
    pub fn rig(&self, name: &str) {
        let spec = json!({
            "repo": { "url": format!("/nowhere/{name}.git"), "branch": "main" },
            "merge": { "strategy": "Push", "allowUnverified": true },
        });
        let metadata = json!({ "name": name });
        let rig = json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": metadata, "spec": spec });
        let rig: Rig = from_value(rig).unwrap();
        self.api(None, async |client| {
            Api::default_namespaced(client).create(&PostParams::default(), &rig).await.unwrap();
        });
    }

    /// Makes a runtime.
    pub fn runtime(&self, name: &str) {
        let metadata = json!({ "name": name });
        let spec = json!({ "command": ["true"] });
        let runtime =
            json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Runtime", "metadata": metadata, "spec": spec });
        let runtime: Runtime = from_value(runtime).unwrap();
        self.api(None, async |client| {
            Api::default_namespaced(client).create(&PostParams::default(), &runtime).await.unwrap();
        });
    }

    /// A bead as it is stored.
    pub fn bead(&self, name: &str) -> Bead {
        self.api(None, async |client| Api::default_namespaced(client).get(name).await.unwrap())
    }

    /// What a verb prints for a person with `--json`.
    pub fn data(&self, line: &str) -> Value {
        let answer = self.person(&format!("{line} --json"));
        let text = answer.strip_prefix("exit 0\n").unwrap_or_else(|| panic!("{line}: {answer}"));
        let end = text.find("\n2> ").map_or(text.len(), |at| at + 1);
        serde_json::from_str(&text[..end]).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
    }

    /// The usual: a bead on the hook of `shop/nux`, with three steps given out of order.
    pub fn seed_hooked(&self) {
        self.seed([
            bead("shop-1", &json!({"title": "Log out", "description": "Everywhere.", "assignee": nux()})),
            step(0, "verify", 2, &json!({"needs": ["shop-1.change"], "command": "test -e new"})),
            step(0, "change", 0, &json!({"command": "echo new >> new"})),
            step(0, "docs", 1, &json!({"needs": ["shop-1.change"], "command": "test -e README.md"})),
        ]);
    }

    pub fn merge_requests(&self) -> Vec<MergeRequest> {
        self.api(None, async |client| {
            let requests: Api<MergeRequest> = Api::default_namespaced(client);
            requests.list(&kube::api::ListParams::default()).await.unwrap().items
        })
    }

    /// Changes a bead's spec, as its controller would.
    pub fn patch_spec(&self, name: &str, spec: &Value) {
        self.api(None, async |client| {
            let beads: Api<Bead> = Api::default_namespaced(client);
            let patch = Patch::Merge(json!({ "spec": spec }));
            beads.patch(name, &PatchParams::default(), &patch).await.unwrap();
        });
    }
}

pub async fn create(client: Client, beads: impl IntoIterator<Item = Value>) {
    let api: Api<Bead> = Api::default_namespaced(client);
    for bead in beads {
        let bead: Bead = from_value(bead).unwrap();
        let made = api.create(&PostParams::default(), &bead).await.unwrap();
        if let Some(mut status) = bead.status {
            status.observed_generation = made.metadata.generation;
            let patch = Patch::Merge(json!({ "status": status }));
            api.patch_status(made.metadata.name.as_deref().unwrap(), &PatchParams::default(), &patch).await.unwrap();
        }
    }
}

pub fn nux() -> Value {
    json!({"polecat": "shop-nux", "uid": "7"})
}

/// A bead; `spec` adds to it. All are as old, so that lists have them in the order of their names.
pub fn bead(name: &str, spec: &Value) -> Value {
    let mut bead = json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
        "metadata": {"name": name}, "spec": {"title": format!("Title of {name}"), "rig": "shop", "createdAt": *STARTED},
    });
    bead["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    bead
}

/// A step of `shop-1`, of three.
pub fn step(round: u32, name: &str, order: u32, spec: &Value) -> Value {
    let id = gastown_crds::names::step("shop-1", round, name);
    let mut step = bead(&id, &json!({"title": format!("Do {name}"), "type": "Step", "parent": "shop-1"}));
    step["metadata"]["labels"] = json!({"gastown.io/round": round.to_string()});
    step["metadata"]["annotations"] = json!({"gastown.io/steps": "3", "gastown.io/step-order": order.to_string()});
    step["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    step
}
