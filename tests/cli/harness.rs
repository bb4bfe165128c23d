//! A town in a folder of its own, and `gt` run in it.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gastown::api;
use gastown::connect::{Connection, StoreLock, options};
use gastown::town::{Places, Town};
use gastown::world::exec::{Exec, Output};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use regex::Regex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a town, or to become one.
pub struct Folder {
    dir: TempDir,
}

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// All of it: what went to standard output, what went to standard error, and the exit code.
    pub fn all(&self) -> String {
        let mut text = String::new();
        for (mark, part) in [("", &self.out), ("! ", &self.err)] {
            for line in part.lines() {
                text.push_str(format!("{mark}{line}").trim_end());
                text.push('\n');
            }
        }
        text + &format!("exit {}", self.code)
    }
}

/// A town's API that is served.
pub struct Serving {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Folder {
    /// An empty folder, named `home`.
    pub fn empty() -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        fs_err::create_dir(folder.path("home")).unwrap();
        folder
    }

    /// A town that `gt init` made.
    pub fn town() -> Self {
        let folder = Self::empty();
        assert_eq!(folder.gt(&["init"]).code, 0);
        folder
    }

    /// A town with one rig, `shop`, whose repository is nowhere.
    pub fn with_rig() -> Self {
        let folder = Self::town();
        folder.write("rig.yaml", RIG);
        assert_eq!(folder.gt(&["apply", "-f", "rig.yaml"]).code, 0);
        folder
    }

    /// A path beside the town.
    pub fn path(&self, name: &str) -> PathBuf {
        fs_err::canonicalize(self.dir.path()).unwrap().join(name)
    }

    /// Writes a file of the town.
    pub fn write(&self, name: &str, text: &str) {
        let file = self.path("home").join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, text).unwrap();
    }

    /// Reads a file of the town.
    pub fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path("home").join(name)).unwrap()
    }

    /// Runs `gt` in the town.
    pub fn gt(&self, args: &[&str]) -> Done {
        self.gt_at(&self.path("home"), args, "")
    }

    /// What `gt` prints, with what differs from run to run.
    pub fn raw(&self, args: &[&str]) -> String {
        let exec = Exec::new(env!("CARGO_BIN_EXE_gt")).args(args).cwd(self.path("home"));
        String::from_utf8(self.output(exec).stdout).unwrap()
    }

    /// Runs `gt` in the town, with something on its standard input.
    pub fn gt_with(&self, args: &[&str], stdin: &str) -> Done {
        self.gt_at(&self.path("home"), args, stdin)
    }

    /// Runs `gt` somewhere.
    pub fn gt_at(&self, cwd: &Path, args: &[&str], stdin: &str) -> Done {
        self.run(Exec::new(env!("CARGO_BIN_EXE_gt")).args(args).cwd(cwd).stdin(stdin))
    }

    /// Runs a shell in the town.
    pub fn shell(&self, shell: &str, args: &[&str]) -> Done {
        self.run(Exec::new(shell).args(args).cwd(self.path("home")))
    }

    /// Runs `gt` as an agent.
    pub fn gt_as_agent(&self, args: &[&str]) -> Done {
        let exec = Exec::new(env!("CARGO_BIN_EXE_gt")).args(args).cwd(self.path("home"));
        self.run(exec.env("GT_RIG", "shop").env("GT_POLECAT", "nux"))
    }

    /// Makes an object, and says of it what its controller would.
    pub fn seed<K>(&self, object: &Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
    {
        self.with_client(async |client| {
            let api: Api<K> = Api::default_namespaced(client);
            let name = object["metadata"]["name"].as_str().unwrap();
            if api.get_opt(name).await.unwrap().is_none() {
                let object: K = serde_json::from_value(object.clone()).unwrap();
                api.create(&PostParams::default(), &object).await.unwrap();
            }
            let status = Patch::Merge(json!({ "status": object["status"] }));
            api.patch_status(name, &PatchParams::default(), &status).await.unwrap();
        });
    }

    /// Patches an object as somebody else does, who is this manager of fields.
    pub fn patch<K>(&self, name: &str, manager: &str, patch: &Patch<Value>)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.with_client(async |client| {
            let api: Api<K> = Api::default_namespaced(client);
            api.patch(name, &params, patch).await.unwrap();
        });
    }

    fn with_client(&self, work: impl AsyncFnOnce(Client)) {
        let town = self.opened();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let connection = Connection::open(&town, None).unwrap();
            work(connection.client.clone()).await;
            connection.close();
        });
    }

    /// The town, as this process sees it.
    pub fn opened(&self) -> Town {
        let user = rustix::process::getuid().as_raw();
        let places = Places {
            data_home: self.path("data"),
            state_home: self.path("state"),
            temp: self.path(""),
            user,
            session: None,
        };
        Town::open(&self.path("home"), &places).unwrap()
    }

    /// Serves the town's API without any controller: what was seeded stays as it is. Ends when it is dropped.
    pub fn serve(&self) -> Serving {
        let town = self.opened();
        let lock = StoreLock::take(&town.layout.store_lock()).unwrap().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let place = api::Place::File(town.layout.store());
            let server = api::Server::open(&place, api::Writer::Threaded, options()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let socket = town.layout.api_socket();
                let listener = api::bind_unix(&socket).unwrap();
                ready.send(()).unwrap();
                let stopped = async move { drop(stopped.await) };
                api::serve_unix(server.clone(), listener, &socket, stopped).await.unwrap();
            });
            server.close();
            drop(lock);
        });
        is_ready.recv().unwrap();
        Serving { stop: Some(stop), thread: Some(thread) }
    }

    /// What a command line shows at a terminal of its own, where this is typed.
    pub fn typed(&self, line: &str, keys: &str) -> String {
        let exec = Exec::new("script").args(["--quiet", "--return", "--command", line, "/dev/null"]).stdin(keys);
        self.run(exec.cwd(self.path("home"))).out
    }

    /// `gt` in the town, to be started by the test.
    pub fn command(&self, args: &[&str]) -> std::process::Command {
        self.at_home(Exec::new(env!("CARGO_BIN_EXE_gt")).args(args).cwd(self.path("home"))).command()
    }

    fn run(&self, exec: Exec) -> Done {
        let output = self.output(exec);
        let text = |bytes: &[u8]| self.without_chance(&String::from_utf8_lossy(bytes));
        Done { code: output.code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn output(&self, exec: Exec) -> Output {
        self.at_home(exec).limit(std::time::Duration::from_mins(1)).run().unwrap()
    }

    /// With nothing of where these tests run.
    fn at_home(&self, mut exec: Exec) -> Exec {
        for name in ["GT_TOWN", "GT_RIG", "GT_POLECAT", "GT_BEAD", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            exec = exec.env_remove(name);
        }
        exec.env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("TMPDIR", self.path(""))
            .env("GIT_CEILING_DIRECTORIES", self.path(""))
            .env("USER", "kim")
            .env("PATH", self.programs())
    }

    /// PATH, without the agents that the machine may have: those that are here are in `bin`.
    fn programs(&self) -> OsString {
        let is_agent = |name: &OsStr| name == "claude" || name == "codex";
        let path = std::env::var_os("PATH").unwrap();
        let dirs = std::env::split_paths(&path).enumerate().map(|(nth, dir)| {
            if !["claude", "codex"].iter().any(|name| dir.join(name).exists()) {
                return dir;
            }
            // The others of that folder are needed.
            let without = self.path(&format!("path/{nth}"));
            if !without.exists() {
                fs_err::create_dir_all(&without).unwrap();
                for entry in fs_err::read_dir(&dir).unwrap().flatten().filter(|entry| !is_agent(&entry.file_name())) {
                    fs_err::os::unix::fs::symlink(entry.path(), without.join(entry.file_name())).unwrap();
                }
            }
            without
        });
        std::env::join_paths(std::iter::once(self.path("bin")).chain(dirs)).unwrap()
    }

    /// Puts an agent's program on PATH, which does nothing.
    pub fn has_agent(&self, name: &str) {
        self.has_program(name, "#!/bin/sh\n");
    }

    /// Puts a program on PATH.
    pub fn has_program(&self, name: &str, text: &str) {
        let program = self.path("bin").join(name);
        fs_err::create_dir_all(self.path("bin")).unwrap();
        fs_err::write(&program, text).unwrap();
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// What differs from run to run, replaced by what it is.
    fn without_chance(&self, text: &str) -> String {
        let text = text.replace(self.path("").to_str().unwrap().trim_end_matches('/'), "[dir]");
        let uid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
        let text = uid.replace_all(&text, "[uid]");
        // YAML quotes one that begins with a digit.
        let text = text.replace("uid: \"[uid]\"", "uid: [uid]");
        let age = Regex::new(r"(?m)(   |^Age: +)\d+s$").unwrap();
        let text = age.replace_all(&text, "${1}[age]");
        let since = Regex::new(r"(?m)^ +\d+s  ").unwrap();
        let text = since.replace_all(&text, "[age]  ");
        let git_says = Regex::new(r"(could not reach `[^`]*`): .*?; the rig waits").unwrap();
        let text = git_says.replace_all(&text, "$1: [git says]; the rig waits");
        let version = Regex::new(r#"resourceVersion: "\d+""#).unwrap();
        let text = version.replace_all(&text, "resourceVersion: [version]");
        let time = Regex::new(r#""20\d\d-[^"]+Z""#).unwrap();
        time.replace_all(&text, "\"[time]\"").into_owned()
    }
}

/// Runs git somewhere.
pub fn git(dir: &Path, args: &[&str]) {
    let output = Exec::new("git")
        .args(["-c", "user.name=Kim", "-c", "user.email=kim@example.invalid", "-c", "init.defaultBranch=main"])
        .args(args)
        .cwd(dir)
        .run()
        .unwrap();
    assert!(output.ok(), "{}", output.complaint());
}

/// A rig whose repository is nowhere.
pub const RIG: &str = "\
apiVersion: gastown.io/v1alpha1
kind: Rig
metadata:
  name: shop
  labels: { team: checkout }
spec:
  repo:
    url: ./repos/shop.git
    branch: main
  merge:
    strategy: Push
    verify:
      - { name: test, run: make test }
";

/// A convoy of two beads.
pub const CONVOY: &str = "\
apiVersion: gastown.io/v1alpha1
kind: Convoy
metadata:
  name: auth
spec:
  rig: shop
  beads:
    - { name: tokens, title: Rotate session tokens, command: 'true' }
    - { name: logout, title: Log out everywhere, needs: [tokens], command: 'true' }
";

/// A condition.
pub fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

/// An object; a status of nothing is none.
pub fn object(kind: &str, name: &str, spec: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec, "status": status,
    })
}

/// What a rig's controller says of it.
pub fn rig_status(conditions: &[Value]) -> Value {
    object("Rig", "shop", &json!({}), &json!({"conditions": conditions, "queued": 0}))
}

/// A bead of the rig `shop`; `spec` adds to it.
pub fn bead(name: &str, spec: &Value, status: &Value) -> Value {
    let mut bead = object("Bead", name, &json!({"title": format!("Title of {name}"), "rig": "shop"}), status);
    bead["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    bead
}
