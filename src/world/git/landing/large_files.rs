//! Git LFS: the large files that a push names go to the remote before it, so that nobody checks out a file that is nowhere.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use gastown_controllers::world::exit;
use gastown_crds::url::redact;
use git2::{Delta, DiffOptions, Repository};

use super::push::Push;
use crate::git::clone::facts::TARGETS;
use crate::git::clone::remote::{asks_for_password, auth_hint};
use crate::git::failure::{Failure, late, say};
use crate::git::history::History;
use crate::git::{Git, GitError};

/// The first line of a pointer: the blob that stands for a large file. <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\n";

/// The size below which a pointer is, in bytes, by the same document.
const POINTER_BYTES_MAX: usize = 1024;

/// Large files that are named to one call: their names fit into a command line.
const NAMED_MAX: usize = 500;

impl Git {
    /// The large files of the commits that a push brings are at the remote. Those that are not here came from there.
    pub(super) fn push_large_files(&self, push: &Push, clone: &Path, log: &mut dyn Write) -> Result<(), Failure> {
        let shown = redact(push.url);
        let doing = format!("push the large files of {} to {shown}", push.to.short());
        let found = Repository::open_bare(clone).and_then(|repo| named(&repo, push));
        let mut files = found.map_err(|source| GitError::Read { doing: doing.clone(), source })?;
        files.retain(|file| stored(clone, file).is_some_and(|path| path.exists()));
        if files.is_empty() {
            return Ok(());
        }
        for some in files.iter().collect::<Vec<_>>().chunks(NAMED_MAX) {
            let call = self.remote(self.call_in(clone, &doing), push.url)?.limit(self.limits.transfer);
            // Its own name for the remote: a url alone would be taken for one that has no settings.
            // By the environment, since others see arguments.
            let call = call.env("GT_GIT_ADDRESS", push.url);
            let call = call.arg("--config-env=remote.origin.lfspushurl=GT_GIT_ADDRESS");
            let output = call.args(["lfs", "push", "--object-id", "origin"]).args(some).output();
            let output = output.map_err(|error| late(error, "is its large-file store slow? it is tried again"))?;
            if !output.ok() {
                let said = output.complaint().replace(push.url, &shown);
                let (code, hint) = judge(&said, push.url);
                return Err(Failure { code, message: format!("could not {doing}: {said}\n{hint}") });
            }
        }
        say(log, &format!("pushed {} large files to {shown}", files.len()));
        Ok(())
    }
}

fn judge(said: &str, url: &str) -> (i32, String) {
    if said.contains("'lfs' is not a git command") {
        return (exit::FAILED, "install git-lfs on this machine".to_owned());
    }
    if asks_for_password(said) {
        return (exit::AUTH, auth_hint(url));
    }
    (exit::FAILED, "nothing was landed; it is tried again".to_owned())
}

/// The large files that are named by commits which the remote does not have.
fn named(repo: &Repository, push: &Push) -> Result<BTreeSet<String>, git2::Error> {
    let mut there = Vec::new();
    for target in repo.references_glob(&format!("{TARGETS}*"))? {
        there.extend(target?.target());
    }
    if let Some(from) = push.from {
        there.push(git2::Oid::from_str(&from.0)?);
    }
    let mut files = BTreeSet::new();
    for commit in History::of(repo)?.between(git2::Oid::from_str(&push.to.0)?, &there)? {
        let commit = repo.find_commit(commit)?;
        let before = commit.parent(0).ok().map(|parent| parent.tree()).transpose()?;
        let mut options = DiffOptions::new();
        options.skip_binary_check(true).context_lines(0);
        let diff = repo.diff_tree_to_tree(before.as_ref(), Some(&commit.tree()?), Some(&mut options))?;
        for delta in diff.deltas().filter(|delta| delta.status() != Delta::Deleted) {
            // A submodule's commit is in no object database of ours.
            let Ok((size, git2::ObjectType::Blob)) = repo.odb()?.read_header(delta.new_file().id()) else { continue };
            if size < POINTER_BYTES_MAX {
                files.extend(file_of(repo.find_blob(delta.new_file().id())?.content()));
            }
        }
    }
    Ok(files)
}

/// The name of the large file that a pointer stands for: its SHA-256.
fn file_of(blob: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(blob.strip_prefix(POINTER)?).ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("oid sha256:"))?;
    (name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit())).then(|| name.to_owned())
}

/// Where the clone keeps a large file.
fn stored(clone: &Path, file: &str) -> Option<PathBuf> {
    Some(clone.join("lfs/objects").join(file.get(..2)?).join(file.get(2..4)?).join(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_its_file() {
        let name = "ab".repeat(32);
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize 12345\n");
        assert_eq!(file_of(pointer.as_bytes()), Some(name.clone()));
        assert_eq!(file_of(b"version https://git-lfs.github.com/spec/v1\noid sha256:../x\n"), None);
        assert_eq!(file_of(b"a text"), None);
        assert_eq!(stored(Path::new("/c"), &name), Some(format!("/c/lfs/objects/ab/ab/{name}").into()));
    }
}
