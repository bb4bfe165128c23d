//! The rig's bare clone: made whole beside its place and renamed into it, and kept up with its remote.
//!
//! The remote's branches go to `refs/gt/target/*`, and to `refs/remotes/origin/*` for worktrees to see; the clone has no
//! branch of its own but the polecats'. For a worktree, `origin` is this very clone: a `git fetch` there brings
//! `origin/main` to what the town last fetched, and a `git push` meets the guard. Only the town talks to the remote.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gastown_controllers::world::{Owner, exit};

use super::guard::quote;
use super::program::Call;
use super::repo_lock::RepoLock;
use super::{Git, GitError, facts, guard, unfinished};
use gastown_base::clock::{Clock, SystemClock};

/// How long a remote may take to list its branches, and how long it may be silent while it sends them.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// How often a silent ssh server is asked whether it is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

/// What git says when a remote wants to know who we are, or we who it is.
const AUTH_SIGNS: [&str; 10] = [
    "could not read Username",
    "could not read Password",
    "terminal prompts disabled",
    "Authentication failed",
    "Permission denied (",
    "Host key verification failed",
    "returned error: 401",
    "returned error: 403",
    "HTTP Basic: Access denied",
    "Permission to ",
];

/// The job's answer to a failure: its exit code, and what stands in its log.
pub(super) struct Failure {
    pub code: i32,
    pub message: String,
}

impl From<GitError> for Failure {
    fn from(error: GitError) -> Self {
        let code = match error {
            GitError::Refused { .. } => exit::FAILED,
            _ => exit::ERROR,
        };
        Self { code, message: error.message() }
    }
}

impl Git {
    /// Makes the rig's clone, or finds it made.
    pub(super) fn clone_rig(&self, rig: &Owner, url: &str, log: &mut dyn Write) -> Result<(), Failure> {
        let repo_lock = self.remote_lock(&rig.uid)?;
        guard::install(&self.layout)?;
        let place = self.layout.bare_clone(&rig.uid);
        if place.exists() {
            self.configure(&place, &place)?;
            say(log, &format!("the clone of rig `{}` is there already", rig.name));
            return Ok(());
        }
        let beside = place.with_extension("git.new");
        let io = |doing: &str, source| GitError::Io { doing: format!("{doing} `{}`", beside.display()), source };
        // What an interrupted try left behind.
        if beside.exists() {
            fs_err::remove_dir_all(&beside).map_err(|e| io("clear", e))?;
        }
        fs_err::create_dir_all(&beside).map_err(|e| io("make", e))?;
        self.call_in(&beside, "make a bare repository")
            // What git2 can read, whatever the user prefers for new repositories.
            .env("GIT_DEFAULT_HASH", "sha1")
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .args(["init", "--quiet", "--bare", "--template=", "--initial-branch=gt-none"])
            .run()?;
        self.configure(&beside, &place)?;
        let hint = "it begins anew each time: take a faster line, or name a copy that is nearer in spec.repo.url";
        self.bring(&beside, &repo_lock, url, hint, log)?;
        fs_err::rename(&beside, &place).map_err(|e| io("put in place", e))?;
        drop(repo_lock);
        say(log, &format!("cloned {}", redact(url)));
        Ok(())
    }

    /// Brings the rig's clone up to date with its remote.
    pub(super) fn fetch_rig(&self, rig: &Owner, url: &str, log: &mut dyn Write) -> Result<(), Failure> {
        let place = self.layout.bare_clone(&rig.uid);
        if !place.exists() {
            return Err(GitError::NotCloned { rig: rig.name.clone() }.into());
        }
        let repo_lock = self.remote_lock(&rig.uid)?;
        let (clone, shown) = (place.display(), redact(url));
        let hint = format!("to bring it by hand, run: git -C {clone} fetch {shown} '+refs/heads/*:refs/gt/target/*'");
        self.bring(&place, &repo_lock, url, &hint, log)
    }

    /// Fetches all branches, and records which of them is the remote's HEAD. `hint` is for when that takes too long.
    fn bring(
        &self,
        repo: &Path,
        repo_lock: &RepoLock,
        url: &str,
        hint: &str,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let shown = redact(url);
        unfinished::sweep(repo, SystemClock.now());
        let listed = self
            .remote(self.call_in(repo, format!("list the branches of {shown}")))?
            .repo_lock(repo_lock)
            .limit(SILENCE_MAX)
            .args(["ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*"])
            .output()?;
        if !listed.ok() {
            return Err(refused(&format!("list the branches of {shown}"), url, &listed.complaint()));
        }
        let listed = listed.text();
        if !listed.lines().any(|line| line.contains("\trefs/heads/")) {
            let message = format!(
                "{shown} has no branch yet: push a first commit to it, then it is tried again, or run: git -C <your checkout> push {shown} HEAD"
            );
            return Err(Failure { code: exit::NO_BRANCH, message });
        }
        let fetched = self
            .remote(self.call_in(repo, format!("fetch from {shown}")))?
            .repo_lock(repo_lock)
            .limit(self.limits.transfer)
            .args([
                "fetch",
                "--prune",
                "--no-write-fetch-head",
                "--update-shallow",
                "--no-recurse-submodules",
                "--quiet",
            ])
            .args(["--", url])
            .args(["+refs/heads/*:refs/gt/target/*", "+refs/heads/*:refs/remotes/origin/*"])
            .output()
            .map_err(|error| late(error, hint))?;
        if !fetched.ok() {
            return Err(refused(&format!("fetch from {shown}"), url, &fetched.complaint()));
        }
        self.note_head(repo, &listed)?;
        say(log, &format!("fetched {shown}"));
        Ok(())
    }

    /// Records the HEAD branch that `ls-remote --symref` told of; a detached HEAD is none.
    fn note_head(&self, repo: &Path, listed: &str) -> Result<(), GitError> {
        let head = listed.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let refs = |branch: &str| {
            [
                (facts::HEAD.to_owned(), format!("{}{branch}", facts::TARGETS)),
                ("refs/remotes/origin/HEAD".to_owned(), format!("refs/remotes/origin/{branch}")),
            ]
        };
        for (name, target) in refs(head.unwrap_or_default()) {
            let call = self.call_in(repo, "record the remote's HEAD branch").arg("symbolic-ref");
            if head.is_some() {
                call.args([&name, &target]).run()?;
            } else {
                // Deleting what is not there is refused, and is what is wanted.
                call.args(["--delete", "--quiet", &name]).output()?;
            }
        }
        Ok(())
    }

    /// Writes the clone's settings: those of the repository at `repo` that is to be used at `place`.
    fn configure(&self, repo: &Path, place: &Path) -> Result<(), GitError> {
        let hooks = self.layout.hooks().display().to_string();
        let place = place.display().to_string();
        let receive = format!("git -c core.hooksPath={} receive-pack", quote(&hooks));
        let settings = [
            // Nothing is ever collected: a commit that a polecat dropped can still be found.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            // A bare repository keeps no reflogs unless told to.
            ("core.logAllRefUpdates", "true"),
            ("core.hooksPath", &hooks),
            ("remote.origin.url", &place),
            ("remote.origin.fetch", "+refs/gt/target/*:refs/remotes/origin/*"),
            ("remote.origin.prune", "true"),
            ("remote.origin.receivepack", &receive),
            ("push.default", "current"),
            // A tracking branch is a write to the shared config, where concurrent ones fail.
            ("branch.autoSetupMerge", "false"),
        ];
        for (name, value) in settings {
            self.call_in(repo, format!("set {name} in the clone")).args(["config", name, value]).run()?;
        }
        Ok(())
    }

    /// A call that talks to a remote: nobody is there to answer a question.
    pub(super) fn remote<'a>(&self, call: Call<'a>) -> Result<Call<'a>, GitError> {
        // An askpass that fails makes git give up where it would otherwise open a window.
        let call = call.env("GIT_ASKPASS", "false").env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        // The limit is long: a remote that is gone must not hold the rig that long. A byte a second will do; git's own
        // signs of life, while a remote makes ready what it sends, are as few.
        let silence_s = SILENCE_MAX.as_secs().to_string();
        let patience = [("GIT_HTTP_LOW_SPEED_LIMIT", "1"), ("GIT_HTTP_LOW_SPEED_TIME", silence_s.as_str())];
        let unsaid = patience.into_iter().filter(|(name, _)| self.var(name).is_none());
        let call = unsaid.fold(call, |call, (name, value)| call.env(name, value));
        if self.var("GIT_SSH").is_some() && self.var("GIT_SSH_COMMAND").is_none() {
            return Ok(call);
        }
        let ssh = match self.var("GIT_SSH_COMMAND") {
            Some(ssh) => ssh.to_string_lossy().into_owned(),
            None => self.call("read core.sshCommand").args(["config", "--get", "core.sshCommand"]).output()?.text(),
        };
        let ssh = if ssh.is_empty() { "ssh".to_owned() } else { ssh };
        let program = ssh.split_whitespace().next().unwrap_or_default();
        // Only OpenSSH is known to take the option; whatever else people name here may not.
        let is_ssh = Path::new(program).file_name().is_some_and(|name| name == "ssh");
        if !is_ssh {
            return Ok(call.env("GIT_SSH_COMMAND", ssh));
        }
        let (every, times) = (ALIVE_EVERY.as_secs(), SILENCE_MAX.as_secs() / ALIVE_EVERY.as_secs());
        let alive = format!("-o ServerAliveInterval={every} -o ServerAliveCountMax={times}");
        Ok(call.env("GIT_SSH_COMMAND", format!("{ssh} -o BatchMode=yes {alive}")))
    }
}

/// The failure of a call; of one that took too long, with what to do about it.
pub(super) fn late(error: GitError, hint: &str) -> Failure {
    let is_late = error.is_late();
    let Failure { code, message } = error.into();
    Failure { code, message: if is_late { format!("{message}\n{hint}") } else { message } }
}

/// What a remote's refusal means for a job.
fn refused(doing: &str, url: &str, complaint: &str) -> Failure {
    if asks_for_password(complaint) {
        return Failure { code: exit::AUTH, message: format!("could not {doing}: {complaint}\n{}", auth_hint(url)) };
    }
    let hint = if complaint.contains("dubious ownership") {
        "to trust that folder, run the `git config --global --add safe.directory` line above"
    } else {
        "to see it for yourself, run"
    };
    let message = format!("could not {doing}: {complaint}\n{hint}: git ls-remote {}", redact(url));
    Failure { code: exit::FAILED, message }
}

/// Whether a complaint says that the remote wants a password or a key.
pub(super) fn asks_for_password(complaint: &str) -> bool {
    AUTH_SIGNS.iter().any(|sign| complaint.contains(sign))
}

/// What to do then.
pub(super) fn auth_hint(url: &str) -> String {
    format!(
        "the town never types a password: give git one to remember (an ssh key in your agent, or a credential helper) until this works without a question: git ls-remote {}",
        redact(url)
    )
}

/// A url as it may be shown: without the user's name and password.
pub(super) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_end = rest.find('/').unwrap_or(rest.len());
    match rest[..host_end].rfind('@') {
        Some(at) if rest[..at].contains(':') || scheme.starts_with("http") => format!("{scheme}://{}", &rest[at + 1..]),
        _ => url.to_owned(),
    }
}

/// A line for people in a job's log.
pub(super) fn say(log: &mut dyn Write, line: &str) {
    // A log that cannot be written must not decide what becomes of the work.
    drop(writeln!(log, "gt: {line}"));
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn a_shown_url_has_no_password() {
        assert_eq!(redact("https://me:s3cret@example.org/a.git"), "https://example.org/a.git");
        assert_eq!(redact("https://token@example.org/a@b.git"), "https://example.org/a@b.git");
        assert_eq!(redact("ssh://git@example.org/a.git"), "ssh://git@example.org/a.git");
        assert_eq!(redact("git@example.org:a.git"), "git@example.org:a.git");
        assert_eq!(redact("/srv/a@b.git"), "/srv/a@b.git");
    }
}
