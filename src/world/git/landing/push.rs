//! The push of a branch to the rig's remote: forward only, only from the commit that was seen there, and one at a time.

use std::io::Write;
use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Owner, exit, path_of};
use gastown_crds::url::redact;
use git2::Repository;

use crate::git::clone::facts::TARGETS;
use crate::git::clone::message::merge_request;
use crate::git::clone::remote::{asks_for_password, auth_hint};
use crate::git::failure::{Failure, late, say};
use crate::git::history::History;
use crate::git::landing::own_branch::own_ref;
use crate::git::program::{Call, RepoLock};
use crate::git::{Git, GitError};

/// A push, as its job has it.
pub(in crate::git) struct Push<'a> {
    pub rig: &'a Owner,
    pub url: &'a str,
    pub branch: &'a str,
    pub from: Option<&'a Oid>,
    pub to: &'a Oid,
    pub force: bool,
    pub update_checked_out: bool,
}

/// Messages of a remote in which the branch is checked out.
const CHECKED_OUT_SIGNS: [&str; 5] = [
    "branch is currently checked out",
    "Working directory has unstaged changes",
    "Working directory has staged changes",
    "Could not update working tree",
    "push-to-checkout hook declined",
];

/// Messages of git when the branch is not, or no longer, where the lease says.
const CONTENDED_SIGNS: [&str; 8] = [
    "(stale info)",
    "(fetch first)",
    "(non-fast-forward)",
    "cannot lock ref",
    "failed to update ref",
    "incorrect old value",
    "reference already exists",
    "failed to lock",
];

impl Git {
    /// Pushes; that the remote holds the commit already is success.
    pub(in crate::git) fn push(&self, push: &Push, log: &mut dyn Write) -> Result<(), Failure> {
        let repo = self.open(push.rig)?;
        // An empty lease: the branch must not be there.
        let lease = if push.force {
            own_branch(&repo, push)?
        } else {
            check_forward(&repo, push)?;
            push.from.map_or(String::new(), |from| from.0.clone())
        };
        let clone = self.layout.bare_clone(&push.rig.uid);
        // Git itself lets two pushes that began at the same commit both move a branch that is checked out: one of them
        // updates the files, and the other leaves them.
        let lock = self.push_lock(push.url, push.branch).map_err(|error| match error {
            GitError::Busy { .. } => {
                let message = format!("{}: another push runs there, and this one is tried again", error.message());
                Failure { code: exit::CONTENDED, message }
            }
            error => error.into(),
        })?;
        if let Some(path) = path_of(push.url).map(Path::new).filter(|_| push.update_checked_out && !lease.is_empty()) {
            self.check_working_copy(&repo, push, path, &Oid(lease.clone()))?;
        }
        let pushed = self.push_large_files(push, &clone, log);
        let pushed = pushed.and_then(|()| self.push_once(push, &clone, &lease, &lock, log));
        if pushed.is_ok() {
            if push.force { self.note_own(push)? } else { self.note_pushed(&clone, push.branch, push.to)? }
        }
        pushed
    }

    fn push_once(
        &self,
        push: &Push,
        clone: &Path,
        lease: &str,
        lock: &RepoLock,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let shown = redact(push.url);
        let doing = format!("push {} to {} of {shown}", push.to.short(), push.branch);
        let call = self.remote(self.call_in(clone, &doing), push.url)?.repo_lock(lock);
        match self.send(call, push, Some(push.to), lease)? {
            None => {
                say(log, &format!("{} of {shown} is at {}", push.branch, push.to.short()));
                Ok(())
            }
            Some(said) => Err(refused(&doing, &said, push)),
        }
    }

    /// Has a call move the branch of the remote from what the lease says to a commit; none: removes it. What was said, if
    /// that was refused.
    pub(super) fn send(
        &self,
        mut call: Call<'_>,
        push: &Push,
        commit: Option<&Oid>,
        lease: &str,
    ) -> Result<Option<String>, Failure> {
        call = call.limit(self.limits.transfer);
        let options = (push.update_checked_out && path_of(push.url).is_some())
            .then_some("--receive-pack=git -c receive.denyCurrentBranch=updateInstead receive-pack");
        let reference = format!("refs/heads/{}", push.branch);
        push_ref(call.args(PUSH).args(options), push.url, (&reference, commit.map_or("", |commit| &commit.0)), lease)
    }
}

/// Pushes one ref, with no hook of the user's, and nothing beside it.
pub(in crate::git) const PUSH: [&str; 6] =
    ["push", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", "--recurse-submodules=no"];

/// Has a call of [`PUSH`] move a ref of a remote from what the lease says, empty: it must not be there, to a commit, empty: it
/// is removed. What was said, if that was refused.
pub(in crate::git) fn push_ref(
    call: Call<'_>,
    url: &str,
    (reference, commit): (&str, &str),
    lease: &str,
) -> Result<Option<String>, Failure> {
    let call = call.arg(format!("--force-with-lease={reference}:{lease}")).address(url);
    let hint = || format!("to see how fast it answers, run: git ls-remote {}", redact(url));
    let output = call.arg(format!("{commit}:{reference}")).output().map_err(|error| late(error, &hint()))?;
    Ok((!output.ok()).then(|| format!("{}\n{}", output.text(), output.complaint())))
}

/// The failure of a push that the remote, or git itself, refused.
pub(super) fn refused(doing: &str, said: &str, push: &Push) -> Failure {
    let (code, hint) = judge(said, push);
    let said = said.replace(push.url, &redact(push.url));
    Failure { code, message: format!("could not {doing}: {}\n{hint}", said.trim()) }
}

/// A lease alone lets a branch move anywhere: forward is checked here.
fn check_forward(repo: &Repository, push: &Push) -> Result<(), Failure> {
    let is_forward = || {
        let to = repo.find_commit(git2::Oid::from_str(&push.to.0)?)?.id();
        let Some(from) = push.from else { return Ok(true) };
        let from = git2::Oid::from_str(&from.0)?;
        History::of(repo)?.reaches(to, from)
    };
    let doing = format!("see whether {} moves {} forward", push.to.short(), push.branch);
    if is_forward().map_err(|source| GitError::Read { doing, source })? {
        return Ok(());
    }
    let message = format!("{} would not move {} forward: nothing was pushed", push.to.short(), push.branch);
    Err(Failure { code: exit::FAILED, message })
}

/// The lease for overwriting the town's own branch. It may hold nothing, or a commit that the town made, as last fetched. One
/// that somebody else made on it is theirs.
fn own_branch(repo: &Repository, push: &Push) -> Result<String, Failure> {
    let read = |source| GitError::Read { doing: format!("see what {} holds", push.branch), source };
    let tip = match repo.find_reference(&format!("{TARGETS}{}", push.branch)) {
        Ok(reference) => reference.peel_to_commit().map_err(read)?,
        Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(String::new()),
        Err(error) => return Err(read(error).into()),
    };
    let to = git2::Oid::from_str(&push.to.0).and_then(|to| repo.find_commit(to)).map_err(read)?;
    let noted = repo.refname_to_id(&own_ref(push.branch)).is_ok_and(|noted| noted == tip.id());
    // A crash may come between the push and the note, and a new clone has none.
    let by_us = tip.committer().email_bytes() == to.committer().email_bytes();
    if noted || tip.id() == to.id() || by_us && merge_request(tip.message_raw_bytes()).is_some() {
        return Ok(tip.id().to_string());
    }
    let (branch, shown) = (push.branch, redact(push.url));
    let message = format!(
        "somebody else has committed to {branch} of {shown}, so it is left as it is\n\
         merge it, or delete it there and the town pushes its own: git push {shown} --delete {branch}"
    );
    Err(Failure { code: exit::PROTECTED, message })
}

/// The exit code for a refusal, and a hint. Anything that the remote itself refuses, and that is not a race, is a
/// rule of the remote's.
fn judge(said: &str, push: &Push) -> (i32, String) {
    let has = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    if has(&CHECKED_OUT_SIGNS) {
        let hint = if push.update_checked_out {
            format!("commit or stash the changes in {}, then it is tried again", redact(push.url))
        } else {
            format!(
                "{} has {} checked out: switch it to another branch, or set merge.whenCheckedOut: Update",
                redact(push.url),
                push.branch
            )
        };
        return (exit::CHECKED_OUT, hint);
    }
    if has(&CONTENDED_SIGNS) {
        return (exit::CONTENDED, format!("someone else moved {}: it is fetched and tried again", push.branch));
    }
    if has(&["[remote rejected]"]) && !has(&["shallow update not allowed"]) {
        let hint =
            format!("the remote refuses {}: let the town push there, or set merge.strategy: Branch", push.branch);
        return (exit::PROTECTED, hint);
    }
    if asks_for_password(said) {
        return (exit::AUTH, auth_hint(push.url));
    }
    (exit::FAILED, format!("to see it for yourself, run: git ls-remote {}", redact(push.url)))
}
