//! Sources of desired state on this machine: which revision a repository or folder is at, and what that declares.
//!
//! What is read is remembered by its content: files that did not change are not parsed again. A change is an event; the
//! content decides what it means.

mod ask;
mod beside;
pub(crate) mod declared;
mod folder;
pub(crate) mod keys;
mod repository;
mod stamps;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gastown_base::causes::in_a_line;
use gastown_controllers::world::{AskDeclared, AskRevision, At, Declared, Found, Origin, Revision};
use gastown_crds::manifest::FILE_BYTES_MAX;
use gastown_crds::source::Verify;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::git::source::File;
use crate::git::{Git, GitError};
use crate::layout::Layout;
use crate::town::Town;
use declared::{Files, For};
use folder::{Folder, Read};
use repository::{Last, Signatures};
use watch::{Watches, Watching};

pub use ask::{WorkingCopy, at_revision, working_copy, working_folder};
pub use beside::resolved;

/// Most manifest files of one source.
const FILES_MAX: usize = 10_000;
/// Most bytes of all of them together.
const BYTES_MAX: u64 = 64 << 20;
/// Trees of one source that are kept in memory: the live one, and the one that is tried.
const TREES_MAX: usize = 2;

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Git says no.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file or folder cannot be read.
    #[error("could not read the folder")]
    Read(#[from] std::io::Error),
}

/// The sources of a town.
pub(crate) struct Sources {
    git: Git,
    layout: Layout,
    /// The town's folder, from which relative paths go.
    town_dir: PathBuf,
    /// The town's name: the namespace of its objects.
    town: String,
    watches: Watches,
    /// By the source's uid.
    known: Mutex<BTreeMap<String, Known>>,
}

/// What is remembered of one source.
#[derive(Default)]
struct Known {
    folder: Folder,
    files: Files,
    trees: Vec<Arc<Declared>>,
    last: Option<Last>,
    signatures: Signatures,
}

impl Sources {
    /// The sources of a town, and the stream of the uids of those that may have changed.
    pub fn new(
        git: Git,
        layout: Layout,
        town_dir: PathBuf,
        town: String,
        runtime: Handle,
    ) -> (Self, mpsc::Receiver<String>) {
        let (watches, changed) = Watches::new(runtime);
        (Self { git, layout, town_dir, town, watches, known: Mutex::default() }, changed)
    }

    /// A source is no more: what is remembered of it goes, and its watch ends.
    pub fn forget(&self, uid: &str) {
        self.watches.forget(uid);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// The revision that an origin is at.
    pub fn revision(&self, asked: &AskRevision) -> Result<Found, SourceError> {
        let uid = &asked.source.uid;
        match &asked.origin {
            Origin::Path { at, folder, .. } | Origin::Clone { at, folder } => self.revision_at(asked, at, folder),
            Origin::Directory { path } => {
                let dir = self.town_dir.join(path);
                if !dir.is_dir() {
                    self.watches.appearance(uid, &dir);
                    // It may have come meanwhile.
                    if !dir.is_dir() {
                        return Ok(Found::Missing(format!("there is no folder {}", dir.display())));
                    }
                }
                if let Watching::Writing(what) = self.watches.folder(uid, &dir) {
                    return Ok(Found::Changing(what));
                }
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Found::At(known.entry(uid.clone()).or_default().folder.revision(&dir)?))
            }
        }
    }

    /// What a tree declares; none if it cannot be read any more.
    pub fn declared(&self, asked: &AskDeclared) -> Result<Option<Arc<Declared>>, SourceError> {
        let AskDeclared { source, origin, tree } = asked;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(source.uid.clone()).or_default();
        if let Some(declared) = known.trees.iter().find(|declared| declared.tree == *tree) {
            return Ok(Some(Arc::clone(declared)));
        }
        let of = |root| For { root, town: &self.town };
        let (git_dir, root) = match origin {
            Origin::Path { path, folder, at: _ } => {
                let Ok(repository) = self.git.source_repository(&self.town_dir.join(path))? else { return Ok(None) };
                (repository.git_dir, repository.worktree.map(|worktree| worktree.join(folder)))
            }
            Origin::Clone { .. } => (self.layout.bare_clone(&source.uid), None),
            Origin::Directory { path } => {
                let dir = self.town_dir.join(path);
                let Some(Read { files, contents, .. }) = known.folder.contents(&dir, tree)? else { return Ok(None) };
                known.files.bring(&files, of(Some(&dir)), |_| Ok(contents))?;
                return Ok(Some(known.keep(&files, tree)));
            }
        };
        let Some(files) = self.git.source_files(&git_dir, tree)?.map(declaring) else { return Ok(None) };
        let contents = |wanted: &[&File]| Ok(self.git.source_contents(&git_dir, wanted)?);
        known.files.bring(&files, of(root.as_deref()), contents)?;
        Ok(Some(known.keep(&files, tree)))
    }
}

impl Known {
    /// What a tree of these files declares, which is remembered.
    fn keep(&mut self, files: &[File], tree: &str) -> Arc<Declared> {
        let declared = Arc::new(self.files.declared(files, tree));
        if self.trees.len() >= TREES_MAX {
            self.trees.remove(0);
        }
        self.trees.push(Arc::clone(&declared));
        declared
    }
}

/// What somebody pushes to a repository, while it is in quarantine: the revision that a ref would be at, and what that
/// declares; whether it is signed by these keys, too. To be called by a hook of that repository, whose environment says where
/// the new objects are.
pub fn pushed(
    town: &Town,
    repository: &Path,
    (reference, commit): (&str, &str),
    folder: &str,
    worktree: Option<&Path>,
    verify: Option<&Verify>,
) -> Result<Result<(Revision, Declared), String>, String> {
    let told = |error: SourceError| in_a_line(&error);
    let mut git = Git::new(town.layout.clone());
    // Where git keeps what is pushed until the hook has agreed: see githooks(5), git-receive-pack(1).
    for name in ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            git = git.with_env(name, value);
        }
    }
    let found = git.source_revision(repository, &At::Commit(commit.to_owned()), folder, false);
    let (found, named) = found.map_err(|error| told(error.into()))?;
    let mut revision = match found {
        Found::At(revision) => revision,
        Found::Missing(what) | Found::Changing(what) => return Ok(Err(what)),
    };
    revision.name = gastown_crds::source::revision(reference, commit);
    // The name counts where it is a tag that is named.
    let named = (repository, named.as_str(), Some(reference));
    revision.signature = ask::signature(&git, named, &town.dir, verify).map_err(told)?;
    let root = worktree.map(|worktree| worktree.join(folder));
    let of = For { root: root.as_deref(), town: &town.name };
    let declared = ask::declared_by(&git, repository, &revision.tree, of).map_err(told)?;
    Ok(Ok((revision, declared)))
}

/// The repository that a source is read from, where that is on this machine: its folder and, unless it is bare, its worktree.
pub fn repository_of(town: &Town, path: &str) -> Option<(PathBuf, Option<PathBuf>)> {
    let found = Git::new(town.layout.clone()).source_repository(&town.dir.join(path));
    let repository = found.ok()?.ok()?;
    Some((repository.common_dir, repository.worktree))
}

/// Of these files, those that may declare objects.
fn declaring(files: Vec<File>) -> Vec<File> {
    files.into_iter().filter(|file| may_declare(Path::new(&file.path))).collect()
}

/// Whether a file in a source may declare objects, by its name: YAML or JSON, and nothing hidden.
pub(crate) fn may_declare(path: &Path) -> bool {
    let is_hidden = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'));
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    !is_hidden && ["yaml", "yml", "json"].iter().any(|it| ending.eq_ignore_ascii_case(it))
}

/// Whether a file is too large to be a manifest.
fn is_too_large(file: &File) -> bool {
    file.bytes > FILE_BYTES_MAX as u64
}
