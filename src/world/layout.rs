//! The paths of a town on this machine: one function for each, and nothing else knows.
//!
//! Clones, locks and worktree guards are data; store, worktrees, attempts and jobs are state. Nothing lies under the town's
//! repository: an agent must not inherit a parent folder's instructions.

use std::path::{Path, PathBuf};

/// The folders of one town.
#[derive(Debug, Clone)]
pub struct Layout {
    data: PathBuf,
    state: PathBuf,
    runtime: PathBuf,
}

impl Layout {
    /// The folders of the town with this uid: `$XDG_DATA_HOME/gt/<uid>`, `$XDG_STATE_HOME/gt/<uid>`, and for sockets,
    /// whose paths end at 107 bytes, `<temporary folder>/gt-<user>/<first 12 of the uid>`.
    pub fn new(data_home: &Path, state_home: &Path, temp: &Path, user: u32, town_uid: &str) -> Self {
        let short: String = town_uid.chars().filter(|c| *c != '-').take(12).collect();
        Self {
            data: data_home.join("gt").join(town_uid),
            state: state_home.join("gt").join(town_uid),
            runtime: temp.join(format!("gt-{user}")).join(short),
        }
    }

    /// The same with its sockets elsewhere.
    #[must_use]
    pub fn with_runtime(self, runtime: PathBuf) -> Self {
        Self { runtime, ..self }
    }

    /// Everything below one folder; for tests and for trying things out.
    pub fn below(dir: &Path) -> Self {
        Self { data: dir.join("data"), state: dir.join("state"), runtime: dir.join("run") }
    }

    /// The folders that another process of the town has passed on.
    pub fn of(data: PathBuf, state: PathBuf, runtime: PathBuf) -> Self {
        Self { data, state, runtime }
    }

    /// The folder of what must outlive the loss of the store.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of what can be made again by looking.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of sockets: mode 0700, a short path.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The folders that all others lie in. They are closed to other users, whatever is made in them.
    pub fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let data = ["agents", "bin", "clones", "locks", "sandboxes", "supervisor"].map(|name| self.data.join(name));
        let state = ["jobs", "replays", "runs", "tracks", "verify", "worktrees"].map(|name| self.state.join(name));
        [self.data.clone(), self.state.clone()].into_iter().chain(data).chain(state)
    }

    /// The file that names the folder of the sockets: temporary folders differ from shell to shell.
    pub fn runtime_record(&self) -> PathBuf {
        self.state.join("runtime")
    }

    /// The file that names the town's folder: a copy of the folder is another one.
    pub fn folder_record(&self) -> PathBuf {
        self.state.join("folder")
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.state.join("store.sqlite")
    }

    /// The ledger's facts, from which a store that was lost is made anew: apart from it.
    pub fn facts(&self) -> PathBuf {
        self.data.join("ledger/facts.jsonl")
    }

    /// Whether the town has a store, or a ledger from which it is made anew.
    pub fn has_store(&self) -> bool {
        self.store().exists() || self.facts().exists()
    }

    /// The lock of whoever holds the store; outside of what people delete.
    pub fn store_lock(&self) -> PathBuf {
        self.data.join("locks/store")
    }

    /// The controller's log.
    pub fn log(&self) -> PathBuf {
        self.state.join("gt.log")
    }

    /// The API's socket.
    pub fn api_socket(&self) -> PathBuf {
        self.runtime.join("api.sock")
    }

    /// The tmux server's socket.
    pub fn tmux_socket(&self) -> PathBuf {
        self.runtime.join("tmux.sock")
    }

    /// The configuration of the town's tmux servers.
    pub fn tmux_conf(&self) -> PathBuf {
        self.state.join("tmux.conf")
    }

    /// The record of the tmux server's process; apart from its socket, which temporary folders lose.
    pub fn tmux_server(&self) -> PathBuf {
        self.state.join("tmux.json")
    }

    /// The text of an agent that is built in.
    pub fn agent(&self, name: &str) -> PathBuf {
        self.data.join("agents").join(format!("{name}.sh"))
    }

    /// The folder of the town's bare clones.
    pub fn clones(&self) -> PathBuf {
        self.data.join("clones")
    }

    /// The town's bare clone of a rig.
    pub fn bare_clone(&self, rig_uid: &str) -> PathBuf {
        self.clones().join(format!("{rig_uid}.git"))
    }

    /// The folder of the polecats' own repositories.
    pub fn sandboxes(&self) -> PathBuf {
        self.data.join("sandboxes")
    }

    /// The worktree of a polecat.
    pub fn worktree(&self, sandbox_uid: &str) -> PathBuf {
        self.state.join("worktrees").join(sandbox_uid)
    }

    /// The record of what a polecat's worktree was prepared for; beside it, so that no `git clean` takes it.
    pub fn sandbox_record(&self, sandbox_uid: &str) -> PathBuf {
        self.state.join("worktrees").join(format!("{sandbox_uid}.json"))
    }

    /// The record of what the setup of a polecat's worktree has left running.
    pub fn setup_record(&self, sandbox_uid: &str) -> PathBuf {
        self.state.join("worktrees").join(format!("{sandbox_uid}.setup.json"))
    }

    /// The worktree that a rig's verifications run in.
    pub fn verify_worktree(&self, rig_uid: &str) -> PathBuf {
        self.state.join("verify").join(rig_uid)
    }

    /// The repository of that worktree.
    pub fn verify_repository(&self, rig_uid: &str) -> PathBuf {
        self.state.join("verify").join(format!("{rig_uid}.git"))
    }

    /// The folder of the locks of sandboxes, with a record beside each that is meant for an attempt.
    pub fn sandbox_locks(&self) -> PathBuf {
        self.data.join("locks")
    }

    /// The lock that makes a sandbox's session exclusive.
    pub fn sandbox_lock(&self, sandbox_uid: &str) -> PathBuf {
        self.sandbox_locks().join(sandbox_uid)
    }

    /// The record of the attempt that a sandbox's lock is meant for: whoever takes the lock and is not named here lets go again.
    pub fn sandbox_holder(&self, sandbox_uid: &str) -> PathBuf {
        self.sandbox_locks().join(format!("{sandbox_uid}.json"))
    }

    /// The lock of a job; outside of its folder, which may be deleted under it.
    pub fn job_lock(&self, key: &str) -> PathBuf {
        self.data.join("locks").join(format!("job-{key}"))
    }

    /// The folder of all attempts at an object, such as a bead. On disk it is called `runs`, as earlier releases call it.
    pub fn attempts(&self, owner_uid: &str) -> PathBuf {
        self.state.join("runs").join(owner_uid)
    }

    /// The folder of one attempt at an object.
    pub fn attempt(&self, owner_uid: &str, attempt: u32) -> PathBuf {
        self.attempts(owner_uid).join(attempt.to_string())
    }

    /// A job.
    pub fn job(&self, key: &str) -> PathBuf {
        self.state.join("jobs").join(key)
    }

    /// The folder of the records of tracks.
    pub fn tracks(&self) -> PathBuf {
        self.state.join("tracks")
    }

    /// The record of the job that was begun last on a track.
    pub fn track(&self, id: &str) -> PathBuf {
        self.tracks().join(format!("{id}.json"))
    }

    /// The lock of what has a track to itself.
    pub fn track_lock(&self, id: &str) -> PathBuf {
        self.data.join("locks").join(format!("track-{id}"))
    }

    /// A replay's record.
    pub fn replay(&self, key: &str) -> PathBuf {
        self.state.join("replays").join(format!("{key}.json"))
    }

    /// The supervisor's program, which `gt` carries; people know it as `gt __run`, so it is a `gt` too.
    pub fn supervisor(&self) -> PathBuf {
        self.data.join("supervisor/gt")
    }

    /// The folder that a session's PATH starts with: `gt` and `bd`.
    pub fn bin(&self) -> PathBuf {
        self.data.join("bin")
    }
}
