//! The git program: every call names what it is for, has a limit, never prompts, and runs no hooks of anybody.
//!
//! Beside it: how its output is read ([`stream`]), the lock that a call may hold ([`repo_lock`]), what killed gits left in
//! its way ([`stale_lock`]), and the shell commands that a rig declares ([`shell`]).

mod repo_lock;
mod shell;
mod stale_lock;
mod stream;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gastown_base::clock::{Clock, SystemClock};
use gastown_crds::url::{redact, split_password};

use self::stream::{From, Run};
use super::secret::HIDDEN;
use super::{Git, GitError};
use crate::exec::{Exec, ExecError, Output};

pub(super) use self::repo_lock::RepoLock;
pub(super) use self::shell::Ended;

/// The longest time for a local command: a worktree of 100,000 files takes about 5 s, with filters several times that.
pub(super) const LOCAL_MAX: Duration = Duration::from_mins(2);
/// The longest output that is kept of a command, in bytes for each of its two streams.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Variables that would point git elsewhere than its arguments say; a session's environment is full of them.
const SCRUBBED: [&str; 16] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CEILING_DIRECTORIES",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_TRACE",
];

/// Settings that hold for every call of ours, whatever a user or a repository has configured.
const SETTINGS: [&str; 11] = [
    "core.hooksPath=/dev/null",
    // Would leave a daemon behind for each worktree.
    "core.fsmonitor=false",
    "core.quotePath=false",
    // git2 cannot read one.
    "core.splitIndex=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "color.ui=false",
    "log.showSignature=false",
    // Worktrees are found by the absolute paths in their entries.
    "worktree.useRelativePaths=false",
    // The clone is bare, and ours.
    "safe.bareRepository=all",
];

/// A credential helper that answers with what is in its environment.
pub(super) const PASSWORD_HELPER: &str =
    r#"!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$GT_GIT_NAME" "$GT_GIT_PASSWORD"; }; f"#;

/// One call of the git program.
pub(super) struct Call<'a> {
    exec: Exec,
    doing: String,
    /// The folder that the clones are in.
    clones: PathBuf,
    cwd: PathBuf,
    repo_lock: Option<&'a RepoLock>,
    limit: Duration,
    stdin: Vec<u8>,
    /// What its complaints are not to be shown with.
    hidden: Vec<String>,
}

impl Git {
    /// A call of git; `doing` completes "could not …".
    pub(super) fn call(&self, doing: impl Into<String>) -> Call<'_> {
        let mut exec = Exec::new("git");
        for setting in SETTINGS {
            exec = exec.arg("-c").arg(setting);
        }
        for (name, value) in &self.env {
            exec = exec.env(name, value);
        }
        exec = scrub(exec).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "false");
        let (clones, cwd) = (self.layout.clones(), PathBuf::new());
        Call {
            exec,
            doing: doing.into(),
            clones,
            cwd,
            repo_lock: None,
            limit: LOCAL_MAX,
            stdin: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// A call of git on a repository: a bare clone or a worktree.
    pub(super) fn call_in(&self, dir: &Path, doing: impl Into<String>) -> Call<'_> {
        self.call(doing).cwd(dir)
    }

    /// A variable as children will see it.
    pub(super) fn var(&self, name: &str) -> Option<OsString> {
        let own = self.env.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        own.or_else(|| std::env::var_os(name))
    }
}

pub(super) fn scrub(exec: Exec) -> Exec {
    SCRUBBED.iter().fold(exec, Exec::env_remove)
}

impl<'a> Call<'a> {
    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.exec = self.exec.arg(arg);
        self
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.exec = self.exec.args(args);
        self
    }

    pub(super) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.exec = self.exec.env(name, value);
        self
    }

    /// Shows none of its complaints with this text in it: a remote may say again what it was told.
    pub(super) fn hide(mut self, text: String) -> Self {
        self.hidden.push(text);
        self
    }

    /// Adds the address of a remote, after which no option can come. A password in it goes by the environment: what a
    /// program's arguments are, every user of the machine can see.
    pub(super) fn address(self, url: &str) -> Self {
        let Some((address, name, password)) = split_password(url) else { return self.args(["--", url]) };
        // The empty one takes away those that the user has: they may know another name for this host.
        let settings =
            [("GIT_CONFIG_COUNT", "2"), ("GIT_CONFIG_KEY_0", "credential.helper"), ("GIT_CONFIG_VALUE_0", "")];
        let settings = settings.into_iter().chain([
            ("GIT_CONFIG_KEY_1", "credential.helper"),
            ("GIT_CONFIG_VALUE_1", PASSWORD_HELPER),
            ("GT_GIT_NAME", name.as_str()),
            ("GT_GIT_PASSWORD", password.as_str()),
        ]);
        settings.fold(self, |call, (name, value)| call.env(name, value)).args(["--", &address])
    }

    pub(super) fn cwd(mut self, dir: &Path) -> Self {
        self.exec = self.exec.cwd(dir);
        dir.clone_into(&mut self.cwd);
        self
    }

    pub(super) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Keeps the lock taken for as long as this git runs, even if this process is killed.
    pub(super) fn repo_lock(mut self, repo_lock: &'a RepoLock) -> Self {
        self.repo_lock = Some(repo_lock);
        self
    }

    /// Nothing that a user has configured: what comes out depends on the repository alone.
    pub(super) fn isolated(self) -> Self {
        self.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_ATTR_NOSYSTEM", "1")
    }

    /// Runs it; a refusal is an error.
    pub(super) fn run(self) -> Result<Output, GitError> {
        let doing = self.doing.clone();
        let output = self.output()?;
        if output.ok() {
            return Ok(output);
        }
        Err(GitError::Refused { doing, code: output.code, complaint: last_lines(&output.complaint()) })
    }

    /// Runs it; its exit code is the caller's to judge. Once more, if only a lock was in its way that a killed git had left.
    pub(super) fn output(self) -> Result<Output, GitError> {
        let output = self.once()?;
        if !output.ok() && stale_lock::remove(&output.complaint(), &self.clones, &self.cwd, SystemClock.now()) {
            return self.once();
        }
        Ok(output)
    }

    fn once(&self) -> Result<Output, GitError> {
        let Self { exec, doing, repo_lock, limit, stdin, hidden, .. } = self;
        let error = |source: ExecError| GitError::Exec { doing: doing.clone(), source };
        if !stdin.is_empty() {
            return exec.clone().stdin(stdin.clone()).limit(*limit).run().map_err(error);
        }
        let stdin = repo_lock.map_or_else(Stdio::null, RepoLock::stdin);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        // A git that ends well may leave a helper behind on purpose (an ssh master, a credential cache): it stays.
        let run = Run { exec, name: "git", stdin, as_one: false, limit: *limit, end_strays: false };
        let code = run.run(&mut |from, piece| {
            let kept = if from == From::Stdout { &mut stdout } else { &mut stderr };
            let free = OUTPUT_BYTES_MAX - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(free)]);
        });
        Ok(Output { code: code.map_err(error)?, stdout, stderr: shown(stderr, hidden) })
    }
}

/// A complaint without passwords: what git leaves of them, its helpers may repeat.
fn shown(complaint: Vec<u8>, hidden: &[String]) -> Vec<u8> {
    let hide = |text: String, secret: &String| text.replace(secret, HIDDEN);
    let complaint = match hidden {
        [] => complaint,
        all => all.iter().fold(String::from_utf8_lossy(&complaint).into_owned(), hide).into_bytes(),
    };
    match std::str::from_utf8(&complaint) {
        Ok(text) if text.contains("://") => redact(text).into_bytes(),
        _ => complaint,
    }
}

/// The last lines of a complaint: git puts the reason last, and hints around it.
fn last_lines(complaint: &str) -> String {
    let lines: Vec<&str> = complaint.lines().filter(|l| !l.starts_with("hint:") && !l.is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("; ")
}
