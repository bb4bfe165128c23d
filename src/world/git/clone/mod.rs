//! The rig's bare clone: made here, fetched ([`fetch`]), read ([`facts`], with the trailers of [`message`]), guarded
//! ([`receive`]) and cleared of what killed gits left ([`unfinished`]); talking to its remote ([`remote`]), what left
//! the remote's branches ([`left`]), and who applies a source from there ([`lease`]).
//!
//! It is made whole beside its place and renamed into it.
//!
//! The remote's branches go to `refs/gt/target/*`; the clone has no branch of its own but what polecats hand in. Polecats
//! work in repositories of their own, which borrow the clone's objects and push here, where [`receive`] admits their own
//! branch. Only the town talks to the remote from here.

pub(super) mod facts;
mod fetch;
pub(super) mod landed_by;
pub(in crate::git) mod lease;
pub(super) mod left;
pub(super) mod message;
pub(in crate::git) mod receive;
pub(super) mod remote;
mod unfinished;

use std::io::Write;
use std::path::Path;

use gastown_controllers::world::Owner;
use gastown_crds::url::redact;

use super::failure::{Failure, say};
use super::{Git, GitError, folders};

/// The name of a clone that is being made, by its end, and of one that is being removed.
const NEW: &str = "git.new";
const GONE: &str = "git.gone";

impl Git {
    /// Makes the rig's clone, or finds it made.
    pub(super) fn clone_rig(
        &self,
        rig: &Owner,
        url: &str,
        lease: Option<&str>,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let repo_lock = self.remote_lock(&rig.uid)?;
        let place = self.layout.bare_clone(&rig.uid);
        if place.exists() {
            self.configure(&place, &place, Some(url))?;
            say(log, &format!("the clone of rig `{}` is there already", rig.name));
            return Ok(());
        }
        let beside = place.with_extension(NEW);
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
        self.configure(&beside, &place, Some(url))?;
        let hint =
            "each try starts from the beginning: use a faster connection, or name a nearer copy in spec.repo.url";
        self.bring(&beside, &repo_lock, (url, lease), hint, log)?;
        fs_err::rename(&beside, &place).map_err(|e| io("put in place", e))?;
        drop(repo_lock);
        say(log, &format!("cloned {}", redact(url)));
        Ok(())
    }

    /// Removes the clone of a source, and what tries to make or remove it have left. It is gone at once, whatever keeps its
    /// files. Nothing else may run for this source any more: its lock goes too.
    pub fn remove_clone(&self, source: &Owner) -> Result<(), GitError> {
        let place = self.layout.bare_clone(&source.uid);
        let _lock = self.remote_lock(&source.uid)?;
        let io = |source| GitError::Io { doing: format!("remove `{}`", place.display()), source };
        let gone = place.with_extension(GONE);
        let remove = |folder: &Path| if folder.exists() { folders::remove(folder).map_err(io) } else { Ok(()) };
        remove(&gone)?;
        if place.exists() {
            fs_err::rename(&place, &gone).map_err(io)?;
            remove(&gone)?;
        }
        remove(&place.with_extension(NEW))?;
        self.remove_clone_locks(&source.uid).map_err(io)
    }

    /// The clone at `repo`, which is to be used at `place`, has the town's settings and its hook; with `url`, its remote is
    /// that one. What is so already costs no call of git.
    pub(in crate::git) fn configure(&self, repo: &Path, place: &Path, url: Option<&str>) -> Result<(), GitError> {
        receive::install(repo)?;
        let hooks = place.join("hooks").display().to_string();
        let settings = [
            // Nothing is ever collected: a commit that a polecat dropped can still be found, and sandboxes borrow from here.
            ("gc.auto", Some("0")),
            ("gc.pruneExpire", Some("never")),
            ("maintenance.auto", Some("false")),
            // A bare repository keeps no reflogs by default.
            ("core.logAllRefUpdates", Some("true")),
            // The hook is run, whatever hooks the user has for all repositories.
            ("core.hooksPath", Some(&hooks)),
            ("receive.denyDeletes", Some("true")),
            ("remote.origin.url", url),
            ("remote.origin.fetch", Some("+refs/heads/*:refs/gt/target/*")),
            ("remote.origin.prune", Some("true")),
        ];
        let there = git2::Repository::open_bare(repo).and_then(|repo| repo.config()?.snapshot());
        let there =
            there.map_err(|source| GitError::Read { doing: "read the settings of the clone".to_owned(), source })?;
        for (name, value) in settings {
            let Some(value) = value else { continue };
            if there.get_str(name).is_ok_and(|is| is == value) {
                continue;
            }
            self.call_in(repo, format!("set {name} in the clone")).args(["config", name, value]).run()?;
        }
        Ok(())
    }
}
