//! A town in a temporary folder, with a tmux server of its own that ends with it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown::world::exec::{Exec, Output};
use gastown::world::layout::Layout;
use gastown::world::session::children::Children;
use gastown::world::session::{SessionTown, Sessions, program};
use gastown_controllers::world::{Attempt, AttemptEnd, AttemptState, Limits, Owner, SandboxId, Session, SessionSpec};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Holder, Started};

/// How long a test waits for a state: on a loaded machine far more than it takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

pub struct Town {
    pub dir: tempfile::TempDir,
    pub layout: Layout,
    pub children: Arc<Children>,
    pub sessions: Arc<Sessions>,
}

impl Town {
    /// A town with tmux.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::with_path(dir, std::env::var_os("PATH").unwrap())
    }

    /// A town whose PATH begins with a folder that holds what is put there.
    pub fn with_first(fill: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let first = dir.path().join("first");
        fs_err::create_dir(&first).unwrap();
        fill(&first);
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths([first].into_iter().chain(std::env::split_paths(&path))).unwrap();
        Self::with_path(dir, path)
    }

    /// A town on a machine without tmux: its PATH leads to a few programs, and not to that one.
    pub fn without_tmux() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let few = dir.path().join("few");
        fs_err::create_dir(&few).unwrap();
        for name in ["sh", "sleep", "setsid", "cat", "env", "mv"] {
            let program = program::find(name, &std::env::var_os("PATH").unwrap()).unwrap();
            fs_err::os::unix::fs::symlink(program, few.join(name)).unwrap();
        }
        Self::with_path(dir, few.into())
    }

    fn with_path(dir: tempfile::TempDir, path: OsString) -> Self {
        let layout = Layout::below(dir.path());
        // Commands of a Runtime are run there.
        fs_err::create_dir_all(dir.path().join("town")).unwrap();
        let children = Arc::new(Children::default());
        let sessions = Arc::new(sessions(dir.path(), &layout, path, &children));
        program::install(&layout, Path::new(env!("CARGO_BIN_EXE_gt"))).unwrap();
        Self { dir, layout, children, sessions }
    }

    /// Another controller on the same town.
    pub fn restarted(&self) -> Sessions {
        sessions(self.dir.path(), &self.layout, std::env::var_os("PATH").unwrap(), &self.children)
    }

    /// A sandbox with its worktree.
    pub fn sandbox(&self, uid: &str) -> SandboxId {
        fs_err::create_dir_all(self.layout.worktree(uid)).unwrap();
        SandboxId { name: format!("shop-{uid}"), uid: uid.to_owned() }
    }

    pub fn start(&self, sandbox: &SandboxId, spec: &SessionSpec) {
        self.sessions.ensure(sandbox, spec, &[]).unwrap();
    }

    pub fn look(&self, sandbox: &SandboxId) -> Session {
        self.sessions.look(sandbox).unwrap()
    }

    pub fn runs(&self) -> Vec<Attempt> {
        self.sessions.attempts("bead").unwrap()
    }

    pub fn state(&self, attempt: u32) -> Option<AttemptState> {
        self.runs().into_iter().find(|run| run.attempt == attempt).map(|run| run.state)
    }

    /// Waits for the end of an attempt.
    pub fn ended(&self, attempt: u32) -> AttemptEnd {
        let mut end = None;
        wait_until("the attempt has ended", || {
            if let Some(AttemptState::Ended(is)) = self.state(attempt) {
                end = Some(is);
            }
            end.is_some()
        });
        end.unwrap()
    }

    pub fn started(&self, attempt: u32) -> Started {
        records::read(&self.layout.attempt("bead", attempt).join(records::STARTED)).unwrap().unwrap()
    }

    /// The agent of an attempt, once it has written its pid into the worktree's file `pid` and its supervisor knows it too:
    /// one that is killed before leaves a stray, and no agent.
    pub fn agent(&self, sandbox: &SandboxId) -> i32 {
        let path = self.layout.worktree(&sandbox.uid).join("pid");
        let known = || {
            let holder = records::read::<Holder>(&self.layout.sandbox_holder(&sandbox.uid)).unwrap()?;
            let attempt = self.layout.attempt(&holder.owner_uid, holder.attempt);
            records::read::<ProcessId>(&attempt.join(records::AGENT)).unwrap()
        };
        let mut pid = None;
        wait_until("the agent has said its pid, and is known by it", || {
            let said = fs_err::read_to_string(&path).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
            pid = known().map(|agent| agent.pid).filter(|pid| Some(*pid) == said);
            pid.is_some()
        });
        pid.unwrap()
    }

    /// Asks this town's own tmux.
    pub fn tmux(&self, args: &[&str]) -> Output {
        Exec::new("tmux").arg("-S").arg(self.layout.tmux_socket()).args(args).run().unwrap()
    }

    pub fn server(&self) -> ProcessId {
        records::read(&self.layout.tmux_server()).unwrap().unwrap()
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // Every sandbox that was ever meant to run: nothing of a test outlives it.
        for entry in fs_err::read_dir(self.layout.data().join("locks")).into_iter().flatten().flatten() {
            if let Some(uid) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".json")) {
                let sandbox = SandboxId { name: uid.to_owned(), uid: uid.to_owned() };
                let _ = self.sessions.end(&sandbox);
            }
        }
        if let Ok(Some(server)) = records::read::<ProcessId>(&self.layout.tmux_server()) {
            server.signal(rustix::process::Signal::TERM);
        }
    }
}

fn sessions(dir: &Path, layout: &Layout, path: OsString, children: &Arc<Children>) -> Sessions {
    let town = SessionTown {
        uid: "town-uid".to_owned(),
        dir: dir.join("town"),
        path,
        agents: BTreeMap::from([("gt:script", "echo built in; echo \"with $1\"; exit 4\n")]),
    };
    Sessions::new(Clone::clone(layout), town, Arc::clone(children))
}

/// An attempt at the bead `bead` that runs shell text.
pub fn shell(attempt: u32, text: &str) -> SessionSpec {
    spec(attempt, &["sh", "-c", text])
}

pub fn spec(attempt: u32, command: &[&str]) -> SessionSpec {
    SessionSpec {
        owner: Owner { kind: "Bead".into(), name: "sh-abc".to_owned(), uid: "bead".to_owned() },
        attempt,
        work: "digest".to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        runtime: Box::default(),
        env: Vec::new(),
        limits: Limits::default(),
        rework: None,
    }
}

/// Says its pid and waits for its end.
pub const WAITS: &str = "echo $$ > pid; exec sleep 600";

pub fn running(attempt: u32) -> Session {
    Session::Running { owner_uid: "bead".to_owned(), attempt }
}

/// Waits for a state, within a bound.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process lives; a zombie does not.
pub fn lives(pid: i32) -> bool {
    ProcessId::of(pid).is_some()
}

pub fn kill(pid: i32) {
    ProcessId::of(pid).unwrap().signal(rustix::process::Signal::KILL);
}
