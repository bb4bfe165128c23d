//! The change that a commit makes: the paths it touches, and a digest of its lines by which the same change is known again
//! on another commit. As git's patch ids, but blanks count, and of binary files the contents.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use git2::{Commit, Diff, DiffFile, DiffFormat, Repository, Tree};
use sha2::{Digest, Sha256};

/// Changes that are remembered; a target's newest thousand commits are looked through for each branch that waits.
const KNOWN_MAX: usize = 4096;

/// Added lines that are remembered of a change: enough to know it by.
const ADDED_MAX: usize = 500;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// The files that it touches.
    pub(super) paths: BTreeSet<Vec<u8>>,
    /// What it does to them.
    digest: [u8; 32],
    /// The lines that it adds, blank ones left out; of many, the first. Each by its hash.
    added: BTreeSet<u64>,
}

impl Patch {
    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether it could be an edit of another: it touches the same files, and adds at least half of the same lines.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let common = other.added.intersection(&self.added).count();
        !other.added.is_empty() && other.paths.is_subset(&self.paths) && common * 2 >= other.added.len()
    }

    /// The change from one tree to another.
    pub(super) fn between(repo: &Repository, old: Option<&Tree>, new: &Tree) -> Result<Self, git2::Error> {
        Self::of(&repo.diff_tree_to_tree(old, Some(new), None)?)
    }

    fn of(diff: &Diff) -> Result<Self, git2::Error> {
        let mut paths = BTreeSet::new();
        for delta in diff.deltas() {
            paths.extend(
                [delta.old_file(), delta.new_file()].iter().filter_map(DiffFile::path_bytes).map(<[u8]>::to_vec),
            );
        }
        let (hasher, added) = (RefCell::new(Sha256::new()), RefCell::new(BTreeSet::new()));
        diff.print(DiffFormat::Patch, |delta, _, line| {
            let mut hasher = hasher.borrow_mut();
            let files = [delta.old_file(), delta.new_file()];
            match line.origin() {
                // Where the file and its lines stand is not hashed; which file it is, and its mode, are.
                'F' => {
                    for file in files {
                        hasher.update(file.path_bytes().unwrap_or_default());
                        hasher.update(format!("\0{:?}\0", file.mode()));
                    }
                }
                'H' => hasher.update(b"@"),
                'B' => hasher.update(files.map(|file| file.id().to_string()).concat()),
                origin => {
                    let mut added = added.borrow_mut();
                    if origin == '+' && added.len() < ADDED_MAX && !line.content().trim_ascii().is_empty() {
                        let mut hasher = DefaultHasher::new();
                        (files[1].path_bytes(), line.content().trim_ascii()).hash(&mut hasher);
                        added.insert(hasher.finish());
                    }
                    hasher.update(origin.to_string());
                    hasher.update(line.content());
                }
            }
            true
        })?;
        Ok(Self { paths, digest: hasher.into_inner().finalize().into(), added: added.into_inner() })
    }
}

/// The changes of commits that were looked at, shared by everyone who looks.
#[derive(Debug, Clone, Default)]
pub(in crate::git) struct Patches(Arc<Mutex<BTreeMap<git2::Oid, Arc<Patch>>>>);

impl Patches {
    /// The change that a commit makes to its first parent.
    pub(super) fn of(&self, repo: &Repository, commit: &Commit) -> Result<Arc<Patch>, git2::Error> {
        // What a thread that panicked left there is still whole: it is only ever added to or cleared.
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(patch) = known().get(&commit.id()) {
            return Ok(Arc::clone(patch));
        }
        let patch = Arc::new(Patch::between(repo, before(commit)?.as_ref(), &commit.tree()?)?);
        let mut known = known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(commit.id(), Arc::clone(&patch));
        Ok(patch)
    }
}

/// The tree that a commit began from; none for a first commit.
pub(super) fn before<'a>(commit: &Commit<'a>) -> Result<Option<Tree<'a>>, git2::Error> {
    if commit.parent_count() == 0 { Ok(None) } else { commit.parent(0)?.tree().map(Some) }
}
