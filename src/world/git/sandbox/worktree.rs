//! A worktree as it is found on disk: its folder, and git's own entry for it in the repository that it is linked to.
//!
//! A worktree is two things that a crash, or an agent, can part: the folder, whose `.git` file names an entry
//! `worktrees/<name>` of a repository, and that entry, whose `gitdir` file names the folder. The repository is the
//! sandbox's own; earlier releases linked worktrees to the rig's clone, and such a one is found as well. Nothing here runs
//! git.

use std::io;
use std::path::{Path, PathBuf};

use super::repository::is_being_made;
use crate::git::folders::{is_empty, list};
use crate::layout::Layout;

/// Most repositories of one sandbox: the one that it is in, and those of worktrees in quarantine.
const REPOSITORIES_MAX: u32 = 102;

/// The repository that a worktree is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// The repository.
    pub repo: PathBuf,
    /// Its entry for the worktree.
    pub entry: PathBuf,
}

/// The state of the folder of a worktree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing, or an empty folder.
    Nothing,
    /// A worktree that is linked to its home.
    Whole,
    /// The same, before all its files were there: nobody has worked in it.
    HalfMade,
    /// Files, but no worktree: its entry was removed, or it is a repository of its own.
    Stray,
}

/// A worktree as it is found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub state: State,
    /// The repository that knows the worktree, whether or not its folder is there.
    pub home: Option<Home>,
}

/// Looks at the worktree of a sandbox, of a rig with this clone. An error is the entry of a worktree of another rig.
pub(super) fn find(layout: &Layout, uid: &str, clone: &Path) -> io::Result<Result<Found, PathBuf>> {
    let path = layout.worktree(uid);
    let candidates = || repositories(layout, uid).chain([clone.to_owned()]);
    let known = || -> io::Result<Option<Home>> {
        for repo in candidates() {
            if let Some(entry) = entry_of(&repo, &path)? {
                return Ok(Some(Home { repo, entry }));
            }
        }
        Ok(None)
    };
    let found = |state, home| Ok(Ok(Found { state, home }));
    if is_repository(&path) {
        // Someone made a repository of it, whose commits are in no clone.
        return found(State::Stray, known()?);
    }
    let home = match named_entry(&path)? {
        Some(entry) => {
            match candidates().find(|repo| entry.parent().map(real) == Some(real(&repo.join("worktrees")))) {
                Some(repo) => Home { repo, entry },
                None if entry.exists() => return Ok(Err(entry)),
                None => return found(State::Stray, known()?),
            }
        }
        None if is_empty(&path)? => return found(State::Nothing, known()?),
        // Someone removed the `.git` file; if git still has the entry, the file says only what is known anyway.
        None => match known()? {
            Some(home) => {
                fs_err::write(path.join(".git"), format!("gitdir: {}\n", home.entry.display()))?;
                home
            }
            None => return found(State::Stray, None),
        },
    };
    if is_being_made(&home.entry) {
        return found(State::HalfMade, Some(home));
    }
    let whole = ["HEAD", "commondir", "gitdir"].iter().all(|file| home.entry.join(file).is_file());
    if whole { found(State::Whole, Some(home)) } else { found(State::Stray, Some(home)) }
}

/// The entry of a worktree in a repository of ours.
pub(super) fn entry_in(repo: &Path, worktree: &Path) -> PathBuf {
    repo.join("worktrees").join(worktree.file_name().unwrap_or_default())
}

/// The first place for a repository of a sandbox that is not taken.
pub(super) fn free_repository(layout: &Layout, uid: &str) -> io::Result<PathBuf> {
    names(layout, uid).find(|repo| repo.symlink_metadata().is_err()).ok_or_else(|| {
        let folder = layout.sandboxes();
        io::Error::other(format!("{REPOSITORIES_MAX} are kept in `{}`: delete some", folder.display()))
    })
}

/// The repositories of a sandbox that are there.
pub(super) fn repositories(layout: &Layout, uid: &str) -> impl Iterator<Item = PathBuf> {
    names(layout, uid).filter(|repo| repo.symlink_metadata().is_ok())
}

fn names(layout: &Layout, uid: &str) -> impl Iterator<Item = PathBuf> {
    let (folder, uid) = (layout.sandboxes(), uid.to_owned());
    let later = (2..=REPOSITORIES_MAX).map(move |n| format!(".{n}"));
    std::iter::once(String::new()).chain(later).map(move |n| folder.join(format!("{uid}{n}.git")))
}

/// Whether the folder is a repository of its own: the `.git` of a worktree is a file.
pub(super) fn is_repository(path: &Path) -> bool {
    fs_err::symlink_metadata(path.join(".git")).is_ok_and(|it| !it.is_file())
}

/// The entry that the folder's `.git` file names.
pub(super) fn named_entry(path: &Path) -> io::Result<Option<PathBuf>> {
    // Reading anything else might wait for ever.
    if is_repository(path) {
        return Ok(None);
    }
    match fs_err::read_to_string(path.join(".git")) {
        Ok(text) => Ok(text.strip_prefix("gitdir: ").map(|entry| PathBuf::from(entry.trim_end_matches('\n')))),
        Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(e) => Err(e),
    }
}

/// A repository's entry that names the folder, whether or not the folder is there.
fn entry_of(repo: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let wanted = real(path);
    for entry in list(&repo.join("worktrees"))? {
        let Ok(text) = fs_err::read_to_string(entry.join("gitdir")) else { continue };
        if Path::new(text.trim_end_matches('\n')).parent().map(real).as_ref() == Some(&wanted) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// A path without symbolic links, as git writes it down; the last part need not be there.
fn real(path: &Path) -> PathBuf {
    if let Ok(real) = fs_err::canonicalize(path) {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => fs_err::canonicalize(parent).map_or_else(|_| path.to_owned(), |p| p.join(name)),
        _ => path.to_owned(),
    }
}
