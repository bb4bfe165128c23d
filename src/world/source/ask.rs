//! States of a source that are not live yet, for people who ask what they would do: any revision of its origin, and the
//! working copy with what nobody has committed yet. Nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use gastown_base::causes::in_a_line;
use gastown_controllers::world::{At, Declared, Found, Origin, Owner, Revision, Signature};
use gastown_crds::Source;
use gastown_crds::source::Verify;
use sha2::{Digest, Sha256};

use super::declared::{Files, For};
use super::folder::{Folder, Read};
use super::keys::Keys;
use super::stamps::is_absent;
use super::{BYTES_MAX, FILES_MAX, SourceError, declaring, is_too_large, may_declare};
use crate::git::Git;
use crate::git::source::{File, head};
use crate::town::Town;

/// A working copy that a source reads, as it is.
pub struct WorkingCopy {
    /// What its files declare.
    pub declared: Declared,
    /// Those of its files that differ from the commit, by their paths in the source.
    pub uncommitted: Vec<String>,
}

/// The revision of a source that git knows by this name, and what that declares; by no name, what the origin is at. What is
/// missing is said for people.
pub fn at_revision(
    town: &Town,
    source: &Source,
    wanted: Option<&str>,
) -> Result<Result<(Revision, Declared), String>, String> {
    read_revision(town, source, wanted).map_err(|error| in_a_line(&error))
}

fn read_revision(
    town: &Town,
    source: &Source,
    wanted: Option<&str>,
) -> Result<Result<(Revision, Declared), String>, SourceError> {
    let git = Git::new(town.layout.clone());
    let Some(origin) = Origin::of(&source.spec) else { return Ok(Err("its spec names no origin".to_owned())) };
    let (repository, worktree, at, folder, is_clone) = match origin {
        Origin::Directory { path } => return directory(&town.dir.join(path), town),
        Origin::Path { path, at, folder } => match git.source_repository(&town.dir.join(path))? {
            Ok(repository) => (repository.git_dir, repository.worktree, at, folder, false),
            Err(missing) => return Ok(Err(missing)),
        },
        Origin::Clone { at, folder } => {
            let clone = town.layout.bare_clone(&Owner::of(source).uid);
            if !clone.is_dir() {
                return Ok(Err("the town has not cloned its repository yet: `gt up` does".to_owned()));
            }
            (clone, None, at, folder, true)
        }
    };
    // Git is asked for one name in a line.
    if let Some(wanted) = wanted.filter(|wanted| wanted.is_empty() || wanted.contains(char::is_control)) {
        return Ok(Err(format!("`{}` is no name of a revision", wanted.escape_debug())));
    }
    let at = wanted.map_or(at, |wanted| At::Commit(wanted.to_owned()));
    let (mut found, mut named) = git.source_revision(&repository, &at, &folder, is_clone)?;
    // A remote's branches are not the clone's own.
    if let (Found::Missing(missing), Some(branch), true) = (&found, wanted, is_clone) {
        let missing = missing.clone();
        (found, named) = git.source_revision(&repository, &At::Branch(branch.to_owned()), &folder, true)?;
        if matches!(found, Found::Missing(_)) {
            return Ok(Err(missing));
        }
    }
    let mut revision = match found {
        Found::At(revision) => revision,
        Found::Missing(what) | Found::Changing(what) => return Ok(Err(what)),
    };
    let verify = source.spec.git.as_ref().and_then(|git| git.verify.as_ref());
    revision.signature = signature(&git, (&repository, &named, at.tag()), &town.dir, verify)?;
    let root = worktree.map(|worktree| worktree.join(&folder));
    let declared = declared_by(&git, &repository, &revision.tree, For { root: root.as_deref(), town: &town.name })?;
    Ok(Ok((revision, declared)))
}

/// Whether what is named, a commit or tag of a repository, is signed as a source wants.
pub(super) fn signature(
    git: &Git,
    (repository, named, tag): (&Path, &str, Option<&str>),
    town_dir: &Path,
    verify: Option<&Verify>,
) -> Result<Signature, SourceError> {
    match Keys::wanted(town_dir, verify) {
        Ok(keys) => Ok(git.signature(repository, named, tag, &keys)?),
        Err(unseen) => Ok(unseen),
    }
}

/// What a tree of a repository declares.
pub(super) fn declared_by(git: &Git, repository: &Path, tree: &str, of: For<'_>) -> Result<Declared, SourceError> {
    let files = git.source_files(repository, tree)?.map(declaring).unwrap_or_default();
    let mut read = Files::default();
    read.bring(&files, of, |wanted| Ok(git.source_contents(repository, wanted)?))?;
    Ok(read.declared(&files, tree))
}

/// A folder as it is.
fn directory(dir: &Path, town: &Town) -> Result<Result<(Revision, Declared), String>, SourceError> {
    if !dir.is_dir() {
        return Ok(Err(format!("there is no folder {}", dir.display())));
    }
    let mut folder = Folder::default();
    let revision = folder.revision(dir)?;
    let Some(Read { files, contents, .. }) = folder.contents(dir, &revision.tree)? else {
        return Ok(Err(format!("{} is being written", dir.display())));
    };
    let mut read = Files::default();
    read.bring(&files, For { root: Some(dir), town: &town.name }, |_| Ok(contents))?;
    let declared = read.declared(&files, &revision.tree);
    Ok(Ok((revision, declared)))
}

/// The working copy that the town's folder is in, or that is in the town's folder, if a commit there is what this source
/// applies; none otherwise.
pub fn working_copy(town: &Town, source: &Source) -> Result<Option<WorkingCopy>, String> {
    read_working_copy(town, source).map_err(|error| in_a_line(&error))
}

/// The folder of the working copy that this source reads, if a commit there is what it applies.
pub fn working_folder(town: &Town, source: &Source) -> Option<PathBuf> {
    let git = Git::new(town.layout.clone());
    Some(place(&git, town, source).ok()??.2)
}

fn read_working_copy(town: &Town, source: &Source) -> Result<Option<WorkingCopy>, SourceError> {
    let git = Git::new(town.layout.clone());
    let Some((worktree, folder, root)) = place(&git, town, source)? else { return Ok(None) };
    let (mut files, mut contents, mut bytes_left) = (Vec::new(), BTreeMap::new(), BYTES_MAX);
    let paths: BTreeSet<String> = git.working_files(&worktree, &folder)?.into_iter().collect();
    for path in paths.into_iter().filter(|path| may_declare(Path::new(path))) {
        let file = root.join(&path);
        // A link is none of the files that a revision declares by.
        let found = match fs_err::symlink_metadata(&file) {
            Ok(found) if found.is_file() => found,
            Ok(_) => continue,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        let mut listed = File { path, content: String::new(), bytes: found.len() };
        if !is_too_large(&listed) && listed.bytes <= bytes_left {
            let text = match fs_err::read(&file) {
                Ok(text) => text,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            bytes_left = bytes_left.saturating_sub(text.len() as u64);
            listed.bytes = text.len() as u64;
            listed.content = HEXLOWER.encode(&Sha256::digest(&text));
            contents.insert(listed.content.clone(), text);
        }
        files.push(listed);
        // One more than there may be: that says so.
        if files.len() > FILES_MAX {
            break;
        }
    }
    let mut read = Files::default();
    read.bring(&files, For { root: Some(&root), town: &town.name }, |_| Ok(contents))?;
    let declared = read.declared(&files, "working copy");
    let mut uncommitted = git.uncommitted_files(&worktree, &folder)?;
    uncommitted.retain(|path| may_declare(Path::new(path)));
    Ok(Some(WorkingCopy { declared, uncommitted }))
}

/// The worktree, the folder in it that the source reads, and where that is.
fn place(git: &Git, town: &Town, source: &Source) -> Result<Option<(PathBuf, String, PathBuf)>, SourceError> {
    let Some(Origin::Path { path, at, folder }) = Origin::of(&source.spec) else { return Ok(None) };
    let Ok(repository) = git.source_repository(&town.dir.join(path))? else { return Ok(None) };
    let Some(worktree) = repository.worktree else { return Ok(None) };
    let is_committed_to = match &at {
        At::Head => true,
        At::Branch(branch) => head(&repository.git_dir, false) == *branch,
        At::Tag(_) | At::Commit(_) => false,
    };
    let root = worktree.join(&folder);
    let (Ok(there), Ok(here)) = (fs_err::canonicalize(&root), fs_err::canonicalize(&town.dir)) else { return Ok(None) };
    let is_here = here.starts_with(&there) || there.starts_with(&here);
    Ok((is_committed_to && is_here).then_some((worktree, folder, root)))
}
