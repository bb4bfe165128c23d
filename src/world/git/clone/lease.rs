//! The lease of a source: a ref of its remote, at a commit without files that names who applies the source.
//!
//! It moves by compare-and-swap, and only its last commit is kept here.

use std::io::Write;
use std::path::Path;

use gastown_base::clock::{Clock, SystemClock};
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Lease, Owner, exit};
use gastown_crds::url::redact;
use git2::{ErrorCode, Repository};
use jiff::Timestamp;

use super::remote::SILENCE_MAX;
use crate::git::failure::{Failure, say};
use crate::git::landing::push::{PUSH, push_ref};
use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

/// What a commit says of who holds the lease, each in a line of its own.
const HOLDER: &str = "Gastown-Lease-Holder: ";
const MACHINE: &str = "Gastown-Lease-Machine: ";
/// The longest name of a machine that is read, in characters.
const MACHINE_CHARS_MAX: usize = 253;
/// Who writes these commits.
const WRITER: (&str, &str) = ("Gas Town", "lease@town.invalid");

/// A move of a lease, as its job has it.
pub(in crate::git) struct Move<'a> {
    pub source: &'a Owner,
    pub url: &'a str,
    pub reference: &'a str,
    pub from: Option<&'a Oid>,
    pub machine: Option<&'a str>,
}

impl Git {
    /// The lease of a source, as its clone has it; none if it has none, or is not made yet.
    pub fn lease(&self, source: &Owner, reference: &str) -> Result<Option<Lease>, GitError> {
        let place = self.layout.bare_clone(&source.uid);
        if !place.exists() {
            return Ok(None);
        }
        let read = || {
            let repo = Repository::open_bare(&place)?;
            let Some(id) = id_of(&repo, reference)? else { return Ok(None) };
            Ok(Some(told(&repo, id)))
        };
        read().map_err(|source: git2::Error| GitError::Read { doing: "read the lease".to_owned(), source })
    }

    /// Moves a lease at its remote.
    pub(in crate::git) fn move_lease(&self, moving: &Move<'_>, log: &mut dyn Write) -> Result<(), Failure> {
        let Move { source, url, reference, from, machine } = moving;
        let place = self.layout.bare_clone(&source.uid);
        let read = |source| GitError::Read { doing: "write the lease".to_owned(), source };
        let to = match machine {
            Some(machine) => Some(written(&place, source, machine, SystemClock.now()).map_err(read)?),
            None => None,
        };
        let repo_lock = self.remote_lock(&source.uid)?;
        let shown = redact(url);
        let call = self.remote(self.call_in(&place, format!("move the lease in {shown}")), url)?;
        let call = call.repo_lock(&repo_lock).limit(SILENCE_MAX);
        let (lease, commit) = (from.map_or("", |from| &from.0), to.as_ref().map_or("", |to| &to.0));
        let complaint = push_ref(call.args(PUSH), url, (reference, commit), lease)?;
        let to = to.as_ref().map(|to| to.0.as_str());
        let Some(complaint) = complaint else {
            keep_lease(&place, reference, to)?;
            say(
                log,
                &match machine {
                    Some(machine) => format!("{reference} of {shown} is held by {machine}"),
                    None => format!("{reference} of {shown} is given up"),
                },
            );
            return Ok(());
        };
        // What is there by now says what that means, whatever the words are.
        let there = self.lease_there(&place, &repo_lock, url, reference);
        if let Some(to) = to.filter(|to| !matches!(&there, Ok(Some(there)) if there == to)) {
            forget(&place, reference, to).map_err(read)?;
        }
        let there = there?;
        self.bring_lease(&place, &repo_lock, url, reference, there.as_deref())?;
        if there.as_deref() == to {
            return Ok(());
        }
        let complaint = complaint.replace(url, &shown);
        let (code, why) = if there.as_deref() == from.map(|from| from.0.as_str()) {
            (exit::PROTECTED, "the remote lets this town read and not write it")
        } else {
            (exit::CONTENDED, "somebody else has moved it meanwhile")
        };
        Err(Failure { code, message: format!("could not move {reference} of {shown}: {why}:\n{}", complaint.trim()) })
    }

    /// Where the lease is at the remote.
    fn lease_there(
        &self,
        repo: &Path,
        repo_lock: &RepoLock,
        url: &str,
        reference: &str,
    ) -> Result<Option<String>, Failure> {
        let doing = format!("read the lease of {}", redact(url));
        let call = self.remote(self.call_in(repo, &*doing), url)?.repo_lock(repo_lock).limit(SILENCE_MAX);
        let listed = call.arg("ls-remote").address(url).arg(reference).output()?;
        if !listed.ok() {
            return Err(self.refused(&doing, url, &listed.complaint()));
        }
        Ok(listed_at(&listed.text(), reference).map(str::to_owned))
    }

    /// Brings the lease to where it is at the remote.
    pub(super) fn bring_lease(
        &self,
        repo: &Path,
        repo_lock: &RepoLock,
        url: &str,
        reference: &str,
        there: Option<&str>,
    ) -> Result<(), Failure> {
        let read = |source| GitError::Read { doing: "read the lease".to_owned(), source };
        let here = Repository::open_bare(repo).and_then(|repo| id_of(&repo, reference)).map_err(read)?;
        if here.map(|here| here.to_string()).as_deref() == there {
            return Ok(());
        }
        if let Some(there) = there {
            let doing = format!("fetch the lease of {}", redact(url));
            let call = self.remote(self.call_in(repo, &*doing), url)?.repo_lock(repo_lock).limit(SILENCE_MAX);
            let call = call.args(["fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet"]);
            // Into no ref: it may have moved again, and what was listed is what is kept.
            let fetched = call.address(url).arg(reference).output()?;
            if !fetched.ok() {
                return Err(self.refused(&doing, url, &fetched.complaint()));
            }
            let is_here = Repository::open_bare(repo)
                .and_then(|repo| repo.find_object(git2::Oid::from_str(there)?, None).map(drop));
            if is_here.is_err() {
                let message = format!("{reference} of {} has moved meanwhile", redact(url));
                return Err(Failure { code: exit::ERROR, message });
            }
        }
        keep_lease(repo, reference, there)?;
        Ok(())
    }
}

/// The lease is here as it is there. What it was at before is of no use to anybody, and nothing else here holds it: a
/// clone is never collected, and would keep one for each interval.
fn keep_lease(repo: &Path, reference: &str, there: Option<&str>) -> Result<(), GitError> {
    let keep = || {
        let opened = Repository::open_bare(repo)?;
        let before = id_of(&opened, reference)?;
        match there {
            Some(there) => drop(opened.reference(reference, git2::Oid::from_str(there)?, true, "lease")?),
            None => match opened.find_reference(reference) {
                Ok(mut reference) => reference.delete()?,
                Err(error) if error.code() == ErrorCode::NotFound => {}
                Err(error) => return Err(error),
            },
        }
        match before {
            Some(before) if !told(&opened, before).holder.is_empty() => forget(repo, reference, &before.to_string()),
            _ => Ok(()),
        }
    };
    keep().map_err(|source| GitError::Read { doing: "keep the lease".to_owned(), source })
}

/// Removes the commit of a lease, unless the lease is at it: two that the same machine writes in the same second are
/// one. A commit in a pack stays.
fn forget(repo: &Path, reference: &str, commit: &str) -> Result<(), git2::Error> {
    let at = id_of(&Repository::open_bare(repo)?, reference)?;
    if at.is_none_or(|at| at.to_string() != commit) {
        let (folder, file) = commit.split_at(2);
        drop(fs_err::remove_file(repo.join("objects").join(folder).join(file)));
    }
    Ok(())
}

/// Where `ls-remote` says that a ref is.
pub(super) fn listed_at<'a>(listed: &'a str, reference: &str) -> Option<&'a str> {
    listed.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| *name == reference).map(|(id, _)| id))
}

fn id_of(repo: &Repository, reference: &str) -> Result<Option<git2::Oid>, git2::Error> {
    match repo.refname_to_id(reference) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the commit that names the holder.
fn written(repo: &Path, source: &Owner, machine: &str, at: Timestamp) -> Result<Oid, git2::Error> {
    let repo = Repository::open_bare(repo)?;
    let tree = repo.find_tree(repo.treebuilder(None)?.write()?)?;
    let writer = git2::Signature::new(WRITER.0, WRITER.1, &git2::Time::new(at.as_second(), 0))?;
    let message =
        format!("Source {} is applied on {machine}\n\n{HOLDER}{}\n{MACHINE}{machine}\n", source.name, source.uid);
    let id = repo.commit(None, &writer, &writer, &message, &tree, &[])?;
    Ok(Oid(id.to_string()))
}

/// What an object says that a lease is at. Whatever it is, somebody holds the lease by it.
fn told(repo: &Repository, id: git2::Oid) -> Lease {
    let unknown = Lease {
        id: Oid(id.to_string()),
        holder: String::new(),
        machine: "a machine that does not say its name".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    let Ok(commit) = repo.find_commit(id) else { return unknown };
    let message = String::from_utf8_lossy(commit.message_raw_bytes()).into_owned();
    let line = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let machine = line(MACHINE).filter(|machine| !machine.is_empty());
    let machine = machine.map(|it| it.chars().filter(|it| !it.is_control()).take(MACHINE_CHARS_MAX).collect());
    Lease {
        holder: line(HOLDER).unwrap_or_default().to_owned(),
        machine: machine.unwrap_or(unknown.machine),
        at: Timestamp::from_second(commit.time().seconds()).unwrap_or(unknown.at),
        id: unknown.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A try that came too late wrote the very commit that the lease is at here: its object has to stay.
    #[test]
    fn a_commit_that_the_lease_is_at_is_not_forgotten() {
        let reference = "refs/gt/runner/town/live";
        let folder = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(folder.path()).unwrap();
        let source = Owner { kind: "Source".into(), name: "live".into(), uid: "source-1".into() };
        let at = Timestamp::UNIX_EPOCH;
        let first = written(folder.path(), &source, "nux", at).unwrap();
        keep_lease(folder.path(), reference, Some(&first.0)).unwrap();
        let again = written(folder.path(), &source, "nux", at).unwrap();
        forget(folder.path(), reference, &again.0).unwrap();
        assert_eq!(told(&repo, id_of(&repo, reference).unwrap().unwrap()).machine, "nux");

        keep_lease(folder.path(), reference, None).unwrap();
        forget(folder.path(), reference, &again.0).unwrap();
        // Opened anew: what was read once is kept in memory.
        let repo = Repository::open_bare(folder.path()).unwrap();
        assert!(repo.find_commit(git2::Oid::from_str(&again.0).unwrap()).is_err(), "nobody is at it");
    }
}
