//! The real world as a script sees it: git, tmux and `gt __run` in a temporary folder that nothing of it outlives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use gastown::clock::{Clock, SystemClock};
use gastown::town::{Places, Town};
use gastown::world::exec::Exec;
use gastown::world::git::Git;
use gastown::world::real::Real;
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{Act, ActError, Adapter, Ask, Fact, Job, JobKey, Owner, SandboxId, SessionSpec};
use gastown_supervisor::proc;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Started};
use git2::Repository;
use rustix::process::Signal;
use tokio::sync::oneshot;

use super::git;
use super::worlds::{Change, Files, World};

/// How long a script waits: on a loaded machine far more than anything takes.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

const TOWN: &str = "kind: Town\nmetadata: {name: town, namespace: home, annotations: {gastown.io/town-uid: 0000000a-0000-4000-8000-00000000000b}}\n";

/// The agent: see [`World::agent`]. `$1` is the folder of the gates; when it is gone, the test is over.
const AGENT: &str = r#"set -e
gates=$1
shift
while [ $# -gt 0 ]; do
    case $1 in
    write) printf '%s\n' $3 > "$2"; shift ;;
    remove) rm "$2" ;;
    commit) git add --all; git commit --quiet --message "$2" ;;
    wait) while [ -d "$gates" ] && ! [ -e "$gates/$2" ]; do sleep 0.01; done ;;
    exit) exit "$2" ;;
    esac
    shift 2
done
"#;

pub struct RealWorld {
    real: Option<Real>,
    town: Town,
    woken: Arc<Mutex<Vec<WorldEvent>>>,
    stop: Option<oneshot::Sender<()>>,
    waiter: Option<std::thread::JoinHandle<()>>,
    runtime: tokio::runtime::Handle,
    dir: tempfile::TempDir,
}

impl RealWorld {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["town", "gates", "remotes"] {
            fs_err::create_dir(root.join(name)).unwrap();
        }
        fs_err::write(root.join("town/town.yaml"), TOWN).unwrap();
        fs_err::write(root.join("agent.sh"), AGENT).unwrap();
        fs_err::write(root.join("town/signers"), "").unwrap();
        let places =
            Places { data_home: root.join("d"), state_home: root.join("s"), temp: root.into(), user: 0, session: None };
        let town = Town::open(&root.join("town"), &places).unwrap();

        // What waits for ends needs a runtime that runs while the script blocks.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let waiter = std::thread::spawn(move || drop(runtime.block_on(stopped)));
        let _context = handle.enter();
        let gt = PathBuf::from(env!("CARGO_BIN_EXE_gt"));
        let (real, mut wakes) = Real::open(&town, &gt, None, Arc::new(SystemClock)).unwrap();
        let woken: Arc<Mutex<Vec<WorldEvent>>> = Arc::default();
        let list = Arc::clone(&woken);
        handle.spawn(async move {
            while let Some(woke) = wakes.next().await {
                list.lock().unwrap().push(woke);
            }
        });
        let runtime = handle.clone();
        Self { real: Some(real), town, woken, stop: Some(stop), waiter: Some(waiter), runtime, dir }
    }

    fn real(&self) -> &Real {
        self.real.as_ref().unwrap()
    }

    fn remote(&self, name: &str) -> Repository {
        Repository::open(self.url(name)).unwrap()
    }

    fn clones(&self) -> Vec<Repository> {
        let clones = self.town.layout.bare_clone("x");
        let clones =
            fs_err::read_dir(clones.parent().unwrap()).into_iter().flatten().map(|entry| entry.unwrap().path());
        let clones = clones.filter(|path| path.extension().is_some_and(|extension| extension == "git"));
        clones.map(|path| Repository::open_bare(path).unwrap()).collect()
    }

    /// All repositories, until one has what is looked for.
    fn find<T>(&self, look: impl Fn(&Repository) -> Option<T>) -> Option<T> {
        let remotes = fs_err::read_dir(self.dir.path().join("remotes")).unwrap();
        let remotes = remotes.map(|entry| Repository::open(entry.unwrap().path()).unwrap());
        self.clones().into_iter().chain(remotes).find_map(|repo| look(&repo))
    }

    /// The process that holds a session's lock and records its end.
    fn supervisor(&self, spec: &SessionSpec) -> ProcessId {
        let folder = self.town.layout.attempt(&spec.owner.uid, spec.attempt);
        records::read::<Started>(&folder.join(records::STARTED)).unwrap().unwrap().process
    }

    /// The agent of an attempt, as soon as it has begun.
    fn agent_of(&self, spec: &SessionSpec) -> ProcessId {
        let path = self.town.layout.attempt(&spec.owner.uid, spec.attempt).join(records::AGENT);
        let mut agent = None;
        let begun = self.until(&mut || {
            agent = records::read(&path).unwrap();
            agent.is_some()
        });
        assert!(begun, "its agent has begun");
        agent.unwrap()
    }

    fn server(&self) -> ProcessId {
        records::read(&self.town.layout.tmux_server()).unwrap().unwrap()
    }

    fn stop(&self, process: &ProcessId) {
        process.signal(Signal::STOP);
        let stopped = self.until(&mut || proc::stat(process.pid).is_some_and(|stat| stat.state == 'T'));
        assert!(stopped, "it stops");
    }

    fn kill(&self, process: &ProcessId) {
        process.signal(Signal::KILL);
        assert!(self.until(&mut || !process.lives()), "killed, it ends");
    }
}

impl Drop for RealWorld {
    fn drop(&mut self) {
        // Nothing of a test outlives it: sessions are ended, and whoever waits at a gate goes when the gates are gone.
        for entry in fs_err::read_dir(self.town.layout.data().join("locks")).into_iter().flatten().flatten() {
            if let Some(uid) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".json")) {
                let sandbox = SandboxId { name: uid.to_owned(), uid: uid.to_owned() };
                drop(self.act(&Act::EndSession { sandbox }));
            }
        }
        drop(fs_err::remove_dir_all(self.dir.path().join("gates")));
        if let Ok(Some(server)) = records::read::<ProcessId>(&self.town.layout.tmux_server()) {
            server.signal(Signal::TERM);
            // A test that failed may have left it stopped.
            server.signal(Signal::CONT);
        }
        drop(self.real.take());
        drop(self.stop.take());
        drop(self.waiter.take().map(std::thread::JoinHandle::join));
    }
}

impl Adapter for RealWorld {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        self.real().look(ask)
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        self.real().begun(job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        let _context = self.runtime.enter();
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            match self.real().act(act) {
                // On a loaded machine a process may need longer than an act may take: then the act is repeated.
                Err(error) if error.message.contains("did not begin within") && Instant::now() < deadline => {}
                other => return other,
            }
        }
    }
}

impl World for RealWorld {
    fn name(&self) -> &'static str {
        "real"
    }

    fn until(&self, is_so: &mut dyn FnMut() -> bool) -> bool {
        let deadline = Instant::now() + WAIT_MAX;
        while !is_so() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    fn woken(&self) -> Vec<WorldEvent> {
        self.woken.lock().unwrap().clone()
    }

    fn url(&self, remote: &str) -> String {
        self.dir.path().join("remotes").join(remote).display().to_string()
    }

    fn add_remote(&self, remote: &str, files: Option<Change>) {
        let mut options = git2::RepositoryInitOptions::new();
        let repo = Repository::init_opts(self.url(remote), options.initial_head("main")).unwrap();
        // Nobody works in it, until somebody checks it out.
        repo.config().unwrap().set_bool("core.bare", true).unwrap();
        if let Some(files) = files {
            git::commit(&repo, "main", None, "first", files);
        }
    }

    fn declare(&self, origin: &str, change: Change) {
        if !std::path::Path::new(&self.url(origin)).exists() {
            self.add_remote(origin, None);
        }
        let tip = self.tip(origin, "main");
        git::commit(&self.remote(origin), "main", tip.as_ref(), "change", change);
    }

    fn sign(&self, origin: &str) {
        let (key, signers) = (self.dir.path().join("key"), self.dir.path().join("town/signers"));
        let run = |exec: Exec| {
            let out = exec.cwd(self.url(origin)).limit(WAIT_MAX).run().unwrap();
            assert!(out.ok(), "{}", out.complaint());
            out.text()
        };
        if !key.exists() {
            run(Exec::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
            let public = fs_err::read_to_string(key.with_extension("pub")).unwrap();
            fs_err::write(signers, format!("somebody {public}")).unwrap();
        }
        let key = format!("user.signingKey={}", key.display());
        let who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org", "-c", "gpg.format=ssh", "-c"];
        let git = || Exec::new("git").args(who).arg(&key);
        let commit = run(git().args(["commit-tree", "-S", "-p", "main", "-m", "change", "main^{tree}"]));
        run(git().args(["update-ref", "refs/heads/main", &commit]));
    }

    fn outside(&self, remote: &str, branch: &str, change: Change) {
        let repo = self.remote(remote);
        let tip = self.tip(remote, branch).or_else(|| self.tip(remote, "main"));
        git::commit(&repo, branch, tip.as_ref(), "from outside", change);
    }

    fn pick(&self, remote: &str, commit: &Oid, names: bool, edit: Change) {
        git::pick(&self.remote(remote), commit, names, edit);
    }

    fn squash(&self, remote: &str, branch: &str, names: bool, edit: Change) {
        let repo = self.remote(remote);
        git::squash(&repo, &self.tip(remote, branch).unwrap(), names, edit);
    }

    fn reset(&self, remote: &str, to: &Oid) {
        let id = git2::Oid::from_str(&to.0).unwrap();
        self.remote(remote).reference("refs/heads/main", id, true, "reset").unwrap();
    }

    fn delete(&self, remote: &str, branch: &str) {
        self.remote(remote).find_reference(&format!("refs/heads/{branch}")).unwrap().delete().unwrap();
    }

    fn check_out(&self, remote: &str, dirty: bool) {
        let repo = self.remote(remote);
        repo.config().unwrap().set_bool("core.bare", false).unwrap();
        let repo = self.remote(remote);
        repo.checkout_head(Some(git2::build::CheckoutBuilder::new().force())).unwrap();
        if dirty {
            let index = repo.index().unwrap();
            let path = String::from_utf8(index.get(0).unwrap().path).unwrap();
            fs_err::write(repo.workdir().unwrap().join(path), "mine\n").unwrap();
        }
    }

    fn tip(&self, remote: &str, branch: &str) -> Option<Oid> {
        self.remote(remote).refname_to_id(&format!("refs/heads/{branch}")).ok().map(|id| Oid(id.to_string()))
    }

    fn refs(&self, rig: &Owner) -> BTreeMap<String, Oid> {
        let clone = self.town.layout.bare_clone(&rig.uid);
        Repository::open_bare(clone).map_or_else(|_| BTreeMap::new(), |repo| git::refs(&repo))
    }

    fn hand_in(&self, sandbox: &SandboxId, branch: &str) -> Oid {
        let worktree = self.town.layout.worktree(&sandbox.uid);
        let head = gastown::world::git::head(&worktree).unwrap();
        Git::new(self.town.layout.clone()).hand_in(&worktree, &sandbox.name, branch, &head).unwrap();
        head
    }

    fn commit(&self, commit: &Oid) -> Option<(String, Oid)> {
        let id = git2::Oid::from_str(&commit.0).unwrap();
        self.find(|repo| {
            let commit = repo.find_commit(id).ok()?;
            Some((commit.summary().ok()??.to_owned(), Oid(commit.tree_id().to_string())))
        })
    }

    fn parent(&self, commit: &Oid) -> Oid {
        let id = git2::Oid::from_str(&commit.0).unwrap();
        let parent = self.find(|repo| repo.find_commit(id).ok()?.parent_id(0).ok());
        Oid(parent.unwrap().to_string())
    }

    fn tree(&self, tree: &Oid) -> Files {
        let id = git2::Oid::from_str(&tree.0).unwrap();
        self.find(|repo| git::files(repo, id)).unwrap()
    }

    fn agent(&self, words: &[&str]) -> Vec<String> {
        let script = ["sh".to_owned(), self.dir.path().join("agent.sh").display().to_string()];
        let gates = self.dir.path().join("gates").display().to_string();
        script.into_iter().chain([gates]).chain(words.iter().map(|word| (*word).to_owned())).collect()
    }

    fn waits(&self, gate: &str) -> String {
        let gates = self.dir.path().join("gates");
        let gates = gates.display();
        format!("while [ -d {gates} ] && ! [ -e {gates}/{gate} ]; do sleep 0.01; done")
    }

    fn open(&self, gate: &str) {
        fs_err::write(self.dir.path().join("gates").join(gate), "").unwrap();
    }

    fn intend(&self, spec: &SessionSpec) {
        fs_err::create_dir_all(self.town.layout.attempt(&spec.owner.uid, spec.attempt)).unwrap();
    }

    fn end_slowly(&self, spec: &SessionSpec, _: &str) {
        let folder = self.town.layout.attempt(&spec.owner.uid, spec.attempt);
        let agent = self.agent_of(spec);
        // The server first: it sends those of its panes on that are stopped.
        self.stop(&self.server());
        self.stop(&self.supervisor(spec));
        self.kill(&agent);
        // As the supervisor would have written it.
        let exit = records::Exit { code: 0, own: true, at: SystemClock.now(), killed: None };
        records::write(&folder.join(records::EXIT), &exit, false).unwrap();
    }

    fn go(&self, spec: &SessionSpec) {
        self.kill(&self.supervisor(spec));
        self.server().signal(Signal::CONT);
    }

    fn kill_agent(&self, spec: &SessionSpec) {
        self.kill(&self.agent_of(spec));
    }

    fn lose_session(&self, spec: &SessionSpec) {
        let agent = self.agent_of(spec);
        self.kill(&self.supervisor(spec));
        self.kill(&agent);
    }

    fn lose_clone(&self, rig: &Owner) {
        fs_err::remove_dir_all(self.town.layout.bare_clone(&rig.uid)).unwrap();
    }

    fn hang_up(&self) {
        let server = self.server();
        server.signal(Signal::TERM);
        assert!(self.until(&mut || !server.lives()), "the server ends");
    }

    fn lose_job(&self, job: &JobKey) {
        let started = records::read::<Started>(&self.town.layout.job(&job.0).join(records::STARTED));
        self.kill(&started.unwrap().unwrap().process);
    }

    fn blind(&self, job: &JobKey, blind: bool) {
        let folder = self.town.layout.job(&job.0);
        if blind {
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join(records::STARTED), "{").unwrap();
        } else {
            fs_err::remove_dir_all(folder).unwrap();
        }
    }
}
