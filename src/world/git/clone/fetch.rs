//! The remote's branches are brought into a clone, and which of them is the remote's HEAD is recorded.

use std::io::Write;
use std::path::Path;

use gastown_base::clock::{Clock, SystemClock};
use gastown_controllers::world::{Owner, exit};
use gastown_crds::url::redact;

use super::lease::listed_at;
use super::remote::{SILENCE_MAX, asks_for_password, auth_hint};
use super::{facts, left, unfinished};
use crate::git::failure::{Failure, late, say};
use crate::git::look::{HASH_HINT, foreign_hash};
use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

impl Git {
    /// Brings the rig's clone up to date with its remote; with `lease`, that ref too.
    pub(in crate::git) fn fetch_rig(
        &self,
        rig: &Owner,
        url: &str,
        lease: Option<&str>,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let place = self.layout.bare_clone(&rig.uid);
        if !place.exists() {
            return Err(GitError::NotCloned { rig: rig.name.clone() }.into());
        }
        let repo_lock = self.remote_lock(&rig.uid)?;
        let (clone, shown) = (place.display(), redact(url));
        let hint = format!("to fetch it by hand, run: git -C {clone} fetch {shown} '+refs/heads/*:refs/gt/target/*'");
        self.configure(&place, &place, Some(url))?;
        self.bring(&place, &repo_lock, (url, lease), &hint, log)
    }

    /// Fetches all branches, and records which of them is the remote's HEAD. `hint` is for when that takes too long.
    pub(super) fn bring(
        &self,
        repo: &Path,
        repo_lock: &RepoLock,
        (url, lease): (&str, Option<&str>),
        hint: &str,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let shown = redact(url);
        unfinished::sweep(repo, SystemClock.now());
        let listed = self
            .remote(self.call_in(repo, format!("list the branches of {shown}")), url)?
            .repo_lock(repo_lock)
            .limit(SILENCE_MAX)
            .args(["ls-remote", "--symref"])
            .address(url)
            .args(["HEAD", "refs/heads/*", "refs/tags/*"])
            .args(lease)
            .output()?;
        if !listed.ok() {
            return Err(self.refused(&format!("list the branches of {shown}"), url, &listed.complaint()));
        }
        let listed = listed.text();
        if let Some(hash) = foreign_hash(&listed) {
            let message =
                format!("{shown} names its objects by {hash}, and a town reads those named by SHA-1 only: {HASH_HINT}");
            return Err(Failure { code: exit::FAILED, message });
        }
        if !listed.lines().any(|line| line.contains("\trefs/heads/")) {
            let message = format!(
                "{shown} has no branch yet: push a first commit to it, then it is tried again, or run: git -C <your checkout> push {shown} HEAD"
            );
            return Err(Failure { code: exit::NO_BRANCH, message });
        }
        let read = |source| GitError::Read { doing: "read the branches of the clone".to_owned(), source };
        let before = git2::Repository::open_bare(repo).and_then(|repo| left::before(&repo)).map_err(read)?;
        let branches = listed.lines().filter_map(|line| line.split_once("\trefs/heads/"));
        let branches = branches.map(|(tip, branch)| (branch, tip)).collect();
        let tags = listed.lines().filter_map(|line| line.split_once("\trefs/tags/"));
        let tags = tags.filter(|(_, tag)| !tag.ends_with("^{}")).map(|(at, tag)| (tag, at)).collect();
        if let Some(lines) = before.only_pushed(&branches, &tags) {
            // Pushes go forward only: no branch has moved away from anything.
            self.update_refs(repo, lines)?;
        } else {
            self.keep_tips(repo, &before, &branches)?;
            self.fetch(repo, repo_lock, url, hint)?;
        }
        self.settle_tips(repo, &before)?;
        self.note_head(repo, &listed)?;
        if let Some(lease) = lease {
            self.bring_lease(repo, repo_lock, url, lease, listed_at(&listed, lease))?;
        }
        say(log, &format!("fetched {shown}"));
        Ok(())
    }

    fn fetch(&self, repo: &Path, repo_lock: &RepoLock, url: &str, hint: &str) -> Result<(), Failure> {
        let shown = redact(url);
        let fetched = self
            .remote(self.call_in(repo, format!("fetch from {shown}")), url)?
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
            // Tags are as they are there: moved, deleted, on no branch.
            .arg("--no-tags")
            .address(url)
            .args(["+refs/heads/*:refs/gt/target/*", "+refs/tags/*:refs/tags/*"])
            .output()
            .map_err(|error| late(error, hint))?;
        if !fetched.ok() {
            return Err(self.refused(&format!("fetch from {shown}"), url, &fetched.complaint()));
        }
        Ok(())
    }

    /// Records the HEAD branch that `ls-remote --symref` names; a detached HEAD is none.
    fn note_head(&self, repo: &Path, listed: &str) -> Result<(), GitError> {
        let head = listed.lines().find_map(|line| line.strip_prefix("ref: refs/heads/")?.strip_suffix("\tHEAD"));
        let head = head.map(|branch| format!("{}{branch}", facts::TARGETS));
        let there = git2::Repository::open_bare(repo)
            .and_then(|repo| repo.find_reference(facts::HEAD)?.symbolic_target().map(|it| it.map(str::to_owned)));
        let call = self.call_in(repo, "record the remote's HEAD branch").arg("symbolic-ref");
        match (head, there.ok().flatten()) {
            (head, there) if head == there => {}
            (Some(head), _) => drop(call.args([facts::HEAD, &head]).run()?),
            (None, _) => drop(call.args(["--delete", "--quiet", facts::HEAD]).output()?),
        }
        Ok(())
    }

    /// The failure of a job whose remote refuses.
    pub(super) fn refused(&self, doing: &str, url: &str, complaint: &str) -> Failure {
        if asks_for_password(complaint) {
            let hint = match &self.credentials {
                Some(_) => {
                    "the remote does not take what `secretRef` gives: see that it is right, and still holds".to_owned()
                }
                None => auth_hint(url),
            };
            return Failure { code: exit::AUTH, message: format!("could not {doing}: {complaint}\n{hint}") };
        }
        let hint = if complaint.contains("dubious ownership") {
            "to trust that folder, run the `git config --global --add safe.directory` line above"
        } else {
            "to see it for yourself, run"
        };
        let message = format!("could not {doing}: {complaint}\n{hint}: git ls-remote {}", redact(url));
        Failure { code: exit::FAILED, message }
    }
}
