//! A rig's checks, run on a commit in a clean worktree that is kept for them: its caches stay warm.
//!
//! The verdict is about a tree. Red is a check that ran and said no; one that could not run (not found, out of time, disk full)
//! is neither red nor green.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Check, Owner, exit};
use gastown_supervisor::family;

use super::disk_space::Last;
use crate::git::failure::{Failure, say};
use crate::git::program::{Ended, RepoLock};
use crate::git::sandbox::environment;
use crate::git::sandbox::quarantine::discard;
use crate::git::sandbox::repository::{self, Borrower};
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
        // Of an earlier verification that was killed.
        self.end_checks(&worktree)?;
        // On no branch: a check may push nothing.
        let mut env = environment::of(None);
        env.push((family::VERIFY_MARK.to_owned(), worktree.to_string_lossy().into_owned()));
        let judged = self.run_checks(checks, &worktree, &env, log);
        self.end_checks(&worktree)?;
        judged
    }

    /// What checks have started is gone.
    fn end_checks(&self, worktree: &Path) -> Result<(), Failure> {
        // Any of them: this process's own is known to be its own.
        let locks = self.layout.job_lock("verify");
        let io =
            |source| GitError::Io { doing: format!("look for what checks left in `{}`", worktree.display()), source };
        let left = family::left_by_job(&locks).map_err(io)?;
        if family::end_marked(family::VERIFY_MARK, worktree, &left, &locks).map_err(io)? {
            return Ok(());
        }
        let message = format!("what checks have started in `{}` does not end even when killed", worktree.display());
        Err(Failure { code: exit::ERROR, message })
    }

    fn run_checks(
        &self,
        checks: &[Check],
        worktree: &Path,
        env: &[(String, String)],
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        for check in checks {
            say(log, &format!("check {}: $ {}", check.name, check.run));
            let mut last = Last::of(log);
            let limit = Duration::from_secs(check.timeout_s);
            let ended = self.run_shell(&check.run, worktree, env, limit, &mut last);
            let said = last.said();
            judge(check, ended).map_err(|failure| match self.disk_full(worktree, &said) {
                Some((code, why)) => Failure { code, message: format!("{}, but {why}", failure.message) },
                None => failure,
            })?;
            say(log, &format!("check {}: passed", check.name));
        }
        Ok(())
    }

    fn get_ready(&self, rig: &Owner, commit: &Oid, tree: &Oid, worktree: &Path) -> Result<(), Failure> {
        self.is_tree_of(rig, commit, tree)?;
        self.check_out_exactly(rig, commit, worktree)
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

    /// Brings the worktree to exactly the commit; ignored files stay. Its repository is renewed: what a check told its git is
    /// not believed the next time.
    fn check_out_exactly(&self, rig: &Owner, commit: &Oid, worktree: &Path) -> Result<(), Failure> {
        let clone = self.layout.bare_clone(&rig.uid);
        let repo = self.layout.verify_repository(&rig.uid);
        let io = |source| GitError::Io { doing: format!("look at `{}`", worktree.display()), source };
        for _ in 0..2 {
            let new = Borrower { repo: &repo, clone: &clone, worktree, branch: None, start: &commit.0 };
            let entry = self.borrow_repository(&new)?;
            if self.bring_to(commit, worktree)? {
                repository::made(&entry).map_err(io)?;
                return Ok(());
            }
            // Nobody works here, so there is nothing to rescue.
            discard(worktree, Some(&repo)).map_err(io)?;
        }
        let message = format!("could not check {} out cleanly in `{}`", commit.short(), worktree.display());
        Err(Failure { code: exit::ERROR, message })
    }

    /// False if the worktree cannot be brought there, and should be made afresh.
    fn bring_to(&self, commit: &Oid, worktree: &Path) -> Result<bool, GitError> {
        // The bytes that are committed, whatever line ends the user prefers.
        let call = || {
            let call = self.call_in(worktree, format!("check out {} to verify it", commit.short()));
            call.args(["-c", "core.autocrlf=false"])
        };
        // What is there already is looked at and keeps its time, so that what is built from it is not built again.
        let mut brought = call().args(["read-tree", &commit.0]).output()?.ok();
        call().args(["update-index", "-q", "--refresh"]).output()?;
        brought = brought && call().args(["reset", "--quiet", "--hard", &commit.0]).output()?.ok();
        // Twice forced: repositories that a check left within it go as well.
        Ok(brought && call().args(["clean", "--quiet", "--force", "--force", "-d"]).output()?.ok())
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
