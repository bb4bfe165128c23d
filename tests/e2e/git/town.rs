//! A town in a temporary folder with one rig, and the rig's remote beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::alone::{is_alone, passes_alone};
use gastown::world::exec::Exec;
use gastown::world::git::Git;
use gastown::world::layout::Layout;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Job, Owner, SandboxId, SandboxSpec, exit};

/// What keeps git here from reading anything of the user's.
const ISOLATED: [(&str, &str); 7] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_AUTHOR_NAME", "Ada"),
    ("GIT_AUTHOR_EMAIL", "ada@example.org"),
    ("GIT_COMMITTER_NAME", "Ada"),
    ("GIT_COMMITTER_EMAIL", "ada@example.org"),
    ("LC_ALL", "C"),
];

pub struct Town {
    pub git: Git,
    pub rig: Owner,
    folder: tempfile::TempDir,
}

/// How a script ended.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Town {
    /// A town whose rig has a remote with one commit on `main`, not cloned yet.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let git =
            ISOLATED.iter().take(2).fold(Git::new(Layout::below(folder.path())), |git, (n, v)| git.with_env(n, v));
        let town = Self { git, rig: Owner::rig("shop", "rig-1"), folder };
        fs_err::create_dir_all(town.upstream()).unwrap();
        town.up("git init -q -b main && printf 'target/\\n' > .gitignore && printf '1\\n2\\n3\\n4\\n5\\n' > lines && git add . && git commit -qm first");
        town
    }

    /// The same, cloned.
    pub fn cloned() -> Self {
        let town = Self::new();
        let (code, log) = town.run(&town.clone_job());
        assert_eq!(code, exit::OK, "{log}");
        town
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The remote: somebody's working copy.
    pub fn upstream(&self) -> PathBuf {
        self.path("upstream")
    }

    pub fn url(&self) -> String {
        self.upstream().display().to_string()
    }

    pub fn clone(&self) -> PathBuf {
        self.git.layout().bare_clone(&self.rig.uid)
    }

    pub fn clone_job(&self) -> Job {
        Job::Clone { owner: self.rig.clone(), url: self.url(), secret: None, lease: None, round: 1 }
    }

    pub fn fetch(&self) {
        let (code, log) = self.run(&Job::Fetch {
            owner: self.rig.clone(),
            url: self.url(),
            secret: None,
            lease: None,
            cause: "test".into(),
            round: 1,
        });
        assert_eq!(code, exit::OK, "{log}");
    }

    /// Runs a job's body; its exit code and its log.
    pub fn run(&self, job: &Job) -> (i32, String) {
        let mut log = Vec::new();
        let code = self.git.run_job(job, &mut log);
        (code, String::from_utf8(log).unwrap())
    }

    /// Runs a script in the remote's working copy; what it printed.
    pub fn up(&self, script: &str) -> String {
        must(sh(&self.upstream(), script, &[]))
    }

    /// Runs a script in the clone.
    pub fn inside(&self, script: &str) -> String {
        must(sh(&self.clone(), script, &[]))
    }

    /// Where `main` is at the remote.
    pub fn main(&self) -> Oid {
        Oid(self.up("git rev-parse main"))
    }

    pub fn sandbox(name: &str) -> SandboxId {
        SandboxId { name: format!("shop-{name}"), uid: format!("uid-{name}") }
    }

    /// A preparation for a bead, from the fetched `main`.
    pub fn spec(&self, name: &str, bead: &str) -> SandboxSpec {
        let base = self.git.facts(&self.rig, Some("main")).unwrap().target.unwrap();
        SandboxSpec {
            owner: self.rig.clone(),
            prepared: format!("for-{bead}"),
            branch: format!("polecat/{name}/{bead}"),
            base: base.clone(),
            start: base.clone(),
            target: base,
        }
    }

    /// A polecat's worktree, made ready for a bead.
    pub fn polecat(&self, name: &str, bead: &str) -> PathBuf {
        self.git.ensure_sandbox(&Self::sandbox(name), &self.spec(name, bead)).unwrap();
        self.worktree(name)
    }

    pub fn worktree(&self, name: &str) -> PathBuf {
        self.git.layout().worktree(&Self::sandbox(name).uid)
    }

    /// Runs a script as the polecat: in its worktree.
    pub fn by(&self, name: &str, script: &str) -> Said {
        let env = self.git.session_env(&Self::sandbox(name)).unwrap().unwrap();
        let env: Vec<(&str, &str)> = env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        sh(&self.worktree(name), script, &env)
    }

    /// The same; it must succeed.
    pub fn work(&self, name: &str, script: &str) -> String {
        must(self.by(name, script))
    }

    /// What a polecat hands in: its tip, as the merge request of a bead.
    pub fn hand_in(&self, name: &str, bead: &str) -> Candidate {
        let spec = self.spec(name, bead);
        let head = gastown::world::git::head(&self.worktree(name)).unwrap();
        self.git.hand_in(&self.worktree(name), &Self::sandbox(name).name, &spec.branch, &head).unwrap();
        Candidate {
            merge_request: format!("{bead}-mr"),
            bead: bead.into(),
            head,
            base: spec.base,
            date: "2026-01-02T03:04:05Z".parse().unwrap(),
            title: format!("Do {bead}"),
        }
    }
}

/// Runs a script, isolated from the user's git.
pub fn sh(dir: &Path, script: &str, env: &[(&str, &str)]) -> Said {
    let exec = Exec::new("sh").args(["-ec", script]).cwd(dir).limit(Duration::from_mins(1));
    let exec = ISOLATED.iter().chain(env).fold(exec, |exec, (name, value)| exec.env(name, value));
    let out = exec.run().unwrap();
    Said { code: out.code, out: out.text(), err: out.complaint() }
}

pub fn must(said: Said) -> String {
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    said.out
}

/// Whether a file's mode binds this process. It does not bind root: then the test of this name is run by a process that
/// gave up that right, must pass there, and is done here.
pub fn is_bound_by_modes(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() || is_alone() {
        return true;
    }
    let lost = "-dac_override,-dac_read_search";
    passes_alone(test, &["setpriv", "--inh-caps", lost, "--bounding-set", lost]);
    false
}
