//! Calls that talk to a remote, without a prompt and within a limit; and its complaints.

use std::path::Path;
use std::time::Duration;

use crate::git::look::{NoLook, foreign_hash};
use gastown_controllers::world::path_of;
use gastown_crds::url::redact;

use crate::git::program::Call;
use crate::git::{Git, GitError};
use crate::layout::Layout;

/// The longest time for a remote to list its branches, and the longest that it may be silent while it sends them.
pub(super) const SILENCE_MAX: Duration = Duration::from_mins(2);
/// The interval at which a silent ssh server is asked whether it is still there.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

/// Messages of git when a remote asks for credentials, or its host key is unknown.
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

/// Whether a remote answers, asked as the town will ask it: without a prompt, within the limit. And whether it can be read.
pub fn reach(url: &str, limit: Duration) -> Result<(), NoLook> {
    let git = Git::new(Layout::below(Path::new("/")));
    let call = git.call(format!("reach `{}`", redact(url)));
    let listed = git.remote(call, url)?.limit(limit).args(["ls-remote", "--quiet"]).address(url).arg("HEAD").run()?;
    foreign_hash(&listed.text()).map_or(Ok(()), |hash| Err(NoLook::Hash(hash.to_owned())))
}

impl Git {
    /// A call that talks to a remote: nobody is there to answer a question.
    pub(in crate::git) fn remote<'a>(&self, call: Call<'a>, url: &str) -> Result<Call<'a>, GitError> {
        // An askpass that fails makes git give up where it would otherwise open a window.
        let call = call.env("GIT_ASKPASS", "false").env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        // The limit is long: a remote that is gone must not hold the rig that long. A byte a second will do; git's own
        // signs of life, while a remote makes ready what it sends, are as few.
        let silence_s = SILENCE_MAX.as_secs().to_string();
        let patience = [("GIT_HTTP_LOW_SPEED_LIMIT", "1"), ("GIT_HTTP_LOW_SPEED_TIME", silence_s.as_str())];
        let unsaid = patience.into_iter().filter(|(name, _)| self.var(name).is_none());
        let mut call = unsaid.fold(call, |call, (name, value)| call.env(name, value));
        if let Some(credentials) = &self.credentials {
            call = credentials.give(call);
        }
        let has_own_ssh = self.var("GIT_SSH").is_some() && self.var("GIT_SSH_COMMAND").is_none();
        if path_of(url).is_some() || has_own_ssh && self.credentials.is_none() {
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
        // A key is for OpenSSH, whatever else is named here.
        let openssh = if is_ssh { &ssh } else { "ssh" };
        let ssh = match self.credentials.as_ref().and_then(|credentials| credentials.ssh(openssh)) {
            Some(with_key) => with_key,
            None if is_ssh => ssh,
            None => return Ok(call.env("GIT_SSH_COMMAND", ssh)),
        };
        let (every, times) = (ALIVE_EVERY.as_secs(), SILENCE_MAX.as_secs() / ALIVE_EVERY.as_secs());
        let alive = format!("-o ServerAliveInterval={every} -o ServerAliveCountMax={times}");
        Ok(call.env("GIT_SSH_COMMAND", format!("{ssh} -o BatchMode=yes {alive}")))
    }
}

/// Whether a complaint says that the remote wants a password or a key.
pub(in crate::git) fn asks_for_password(complaint: &str) -> bool {
    AUTH_SIGNS.iter().any(|sign| complaint.contains(sign))
}

/// The hint for a remote that wants a password or a key.
pub(in crate::git) fn auth_hint(url: &str) -> String {
    format!(
        "the town never types a password: give git one to remember (an ssh key in your agent, or a credential helper) until this works without a question: git ls-remote {}",
        redact(url)
    )
}
