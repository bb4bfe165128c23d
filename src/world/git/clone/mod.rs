//! The rig's bare clone: made here, fetched ([`fetch`]), read ([`facts`], with the trailers of [`message`]), guarded
//! ([`guard`]) and cleared of what killed gits left ([`unfinished`]); and talking to its remote ([`remote`]).
//!
//! It is made whole beside its place and renamed into it.
//!
//! The remote's branches go to `refs/gt/target/*`, and to `refs/remotes/origin/*` for worktrees to see; the clone has no
//! branch of its own but the polecats'. For a worktree, `origin` is this very clone: a `git fetch` there brings
//! `origin/main` to what the town last fetched, and a `git push` meets the guard. Only the town talks to the remote.

pub(super) mod facts;
mod fetch;
pub mod guard;
pub(super) mod message;
pub(super) mod remote;
mod unfinished;

use std::io::Write;
use std::path::Path;

use gastown_controllers::world::Owner;

use self::remote::redact;
use super::failure::{Failure, say};
use super::{Git, GitError};
use crate::exec::shell_word;

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
        let hint =
            "each try starts from the beginning: use a faster connection, or name a nearer copy in spec.repo.url";
        self.bring(&beside, &repo_lock, url, hint, log)?;
        fs_err::rename(&beside, &place).map_err(|e| io("put in place", e))?;
        drop(repo_lock);
        say(log, &format!("cloned {}", redact(url)));
        Ok(())
    }

    /// Writes the clone's settings: those of the repository at `repo` that is to be used at `place`.
    fn configure(&self, repo: &Path, place: &Path) -> Result<(), GitError> {
        let hooks = self.layout.hooks();
        let receive = format!("git -c core.hooksPath={} receive-pack", shell_word(&hooks));
        let (hooks, place) = (hooks.display().to_string(), place.display().to_string());
        let settings = [
            // Nothing is ever collected: a commit that a polecat dropped can still be found.
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            // A bare repository keeps no reflogs by default.
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
}
