//! A rig's checks, run on a commit in a clean worktree that is kept for them: its caches stay warm.
//!
//! The verdict is about a tree. Red is a check that ran and said no; one that could not run (not found, out of time, disk full)
//! is neither red nor green.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Check, Owner, SandboxId, exit};

use super::disk_space::Last;
use crate::git::clone::guard;
use crate::git::failure::{Failure, say};
use crate::git::program::{Ended, RepoLock};
use crate::git::sandbox::quarantine::discard;
use crate::git::sandbox::rescue::Held;
use crate::git::sandbox::worktree::{self, Found};
use crate::git::{Git, GitError};

/// The longest time that the worktree is waited for while another verification of the rig runs there.
const WORKTREE_WAIT_MAX: Duration = Duration::from_mins(10);

impl Git {
    /// Runs the checks, in order, up to the first that fails.
    pub(in crate::git) fn verify(
        &self,
        rig: &Owner,
        commit: &Oid,
        tree: &Oid,
        checks: &[Check],
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let worktree = self.layout.verify_worktree(&rig.uid);
        let lock = worktree.with_extension("lock");
        let _mine = RepoLock::take(&lock, "the rig's verification worktree", WORKTREE_WAIT_MAX)?;
        // A full disk is nobody's red: only a check itself may fail.
        self.get_ready(rig, commit, tree, &worktree).map_err(|failure| Failure { code: exit::ERROR, ..failure })?;
        // On no branch: a check may move no ref of the clone.
        let env = guard::env(&self.layout, None);
        for check in checks {
            say(log, &format!("check {}: $ {}", check.name, check.run));
            let mut last = Last::of(log);
            let limit = Duration::from_secs(check.timeout_s);
            let ended = self.run_shell(&check.run, &worktree, &env, limit, &mut last);
            let said = last.said();
            judge(check, ended).map_err(|failure| match self.disk_full(&worktree, &said) {
                Some((code, why)) => Failure { code, message: format!("{}, but {why}", failure.message) },
                None => failure,
            })?;
            say(log, &format!("check {}: passed", check.name));
        }
        Ok(())
    }

    fn get_ready(&self, rig: &Owner, commit: &Oid, tree: &Oid, worktree: &Path) -> Result<(), Failure> {
        self.is_tree_of(rig, commit, tree)?;
        guard::install(&self.layout)?;
        self.check_out(rig, commit, worktree)
    }

    /// The verdict will be filed under the tree, so it had better be the commit's.
    fn is_tree_of(&self, rig: &Owner, commit: &Oid, tree: &Oid) -> Result<(), Failure> {
        let repo = self.open(rig)?;
        let found = git2::Oid::from_str(&commit.0).and_then(|id| repo.find_commit(id)).map(|c| c.tree_id());
        let doing = format!("find commit {}", commit.short());
        let found = found.map_err(|source| GitError::Read { doing, source })?;
        if found.to_string() == tree.0 {
            return Ok(());
        }
        let message = format!("commit {} has tree {found}, not {tree}", commit.short());
        Err(Failure { code: exit::ERROR, message })
    }

    /// Brings the worktree to exactly the commit; ignored files stay.
    fn check_out(&self, rig: &Owner, commit: &Oid, worktree: &Path) -> Result<(), Failure> {
        let clone = self.layout.bare_clone(&rig.uid);
        let repo_lock = self.repo_lock(&rig.uid)?;
        let held = Held { clone: &clone, repo_lock: &repo_lock };
        let io = |source| GitError::Io { doing: format!("look at `{}`", worktree.display()), source };
        let whole = match worktree::find(&clone, worktree).map_err(io)? {
            Found::Whole(entry) => {
                worktree::clear_unfinished(&entry).map_err(io)?;
                self.bring_to(&held, commit, worktree)?
            }
            _ => false,
        };
        if whole {
            return Ok(());
        }
        // Nobody works here, so there is nothing to rescue.
        let entry = worktree::entry_of(&clone, worktree).map_err(io)?;
        discard(worktree, entry.as_deref()).map_err(io)?;
        let owner = SandboxId { name: format!("{} verification", rig.name), uid: rig.uid.clone() };
        self.add(&held, &owner, worktree, commit)?;
        if self.bring_to(&held, commit, worktree)? {
            return Ok(());
        }
        let message = format!("could not check {} out cleanly in `{}`", commit.short(), worktree.display());
        Err(Failure { code: exit::ERROR, message })
    }

    /// False if the worktree cannot be brought there, and should be made afresh.
    fn bring_to(&self, held: &Held, commit: &Oid, worktree: &Path) -> Result<bool, GitError> {
        let call = || {
            let call =
                self.call_in(worktree, format!("check out {} to verify it", commit.short())).repo_lock(held.repo_lock);
            // The bytes that are committed, whatever line ends the user prefers.
            call.args(["-c", "core.autocrlf=false"])
        };
        let checked_out = call().args(["checkout", "--quiet", "--force", "--detach", &commit.0]).output()?.ok();
        // Twice forced: repositories that a check left within it go as well.
        Ok(checked_out && call().args(["clean", "--quiet", "--force", "--force", "-d"]).output()?.ok())
    }
}

/// The verdict on the branch by how a check ended, unless the disk was full.
fn judge(check: &Check, ended: Ended) -> Result<(), Failure> {
    let could_not_run = |why: &str| {
        let message = format!("check {} could not run: {why}", check.name);
        Err(Failure { code: exit::UNABLE, message })
    };
    match ended {
        Ended::Code(0) => Ok(()),
        Ended::Code(code @ (126 | 127)) => could_not_run(&format!("the shell says {code}, no such command")),
        Ended::Code(code) => {
            Err(Failure { code: exit::FAILED, message: format!("check {} failed with {code}", check.name) })
        }
        Ended::Late(why) => could_not_run(&format!("{why} ({} s)", check.timeout_s)),
        // Not the branch's doing, such as too many processes.
        Ended::Not(message) => Err(Failure { code: exit::ERROR, message }),
    }
}
