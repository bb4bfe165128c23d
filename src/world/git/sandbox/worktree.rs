//! A worktree as it is found on disk: its folder, and git's own entry for it in the clone.
//!
//! A worktree is two things that a crash can part: the folder, whose `.git` file names an entry `worktrees/<name>` of
//! the clone, and that entry, whose `gitdir` file names the folder. Nothing here runs git.

use std::io;
use std::path::{Path, PathBuf};

use crate::git::folders::{absent, is_empty};

/// The state of the folder of a worktree.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::git) enum Found {
    /// Nothing, or an empty folder.
    Nothing,
    /// A worktree of this clone, with its entry.
    Whole(PathBuf),
    /// A worktree of this clone that `git worktree add` was killed in: nobody has worked there.
    HalfMade,
    /// A worktree of another repository; its entry.
    OfAnother(PathBuf),
    /// Files, but no worktree: its entry in the clone was removed, or it is a repository of its own.
    Stray,
}

/// Looks at `path` as a worktree of `clone`.
pub(in crate::git) fn find(clone: &Path, path: &Path) -> io::Result<Found> {
    let entry = match named_entry(path)? {
        Some(entry) => entry,
        None if is_empty(path)? => return Ok(Found::Nothing),
        // Someone made a repository of it, whose commits are in no clone.
        None if is_repository(path) => return Ok(Found::Stray),
        // Someone removed the `.git` file; if git still has the entry, the file says only what is known anyway.
        None => match entry_of(clone, path)? {
            Some(entry) => {
                fs_err::write(path.join(".git"), format!("gitdir: {}\n", entry.display()))?;
                entry
            }
            None => return Ok(Found::Stray),
        },
    };
    let ours = real(&clone.join("worktrees"));
    if entry.parent().map(real) != Some(ours) {
        return Ok(if entry.exists() { Found::OfAnother(entry) } else { Found::Stray });
    }
    // Git's own mark while `worktree add` is under way.
    if fs_err::read_to_string(entry.join("locked")).is_ok_and(|reason| reason.trim() == "initializing") {
        return Ok(Found::HalfMade);
    }
    let whole = ["HEAD", "commondir", "gitdir"].iter().all(|file| entry.join(file).is_file());
    Ok(if whole { Found::Whole(entry) } else { Found::Stray })
}

/// Whether the folder is a repository of its own: the `.git` of a worktree is a file.
pub(super) fn is_repository(path: &Path) -> bool {
    fs_err::symlink_metadata(path.join(".git")).is_ok_and(|it| !it.is_file())
}

/// The entry that the folder's `.git` file names.
pub(super) fn named_entry(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs_err::read_to_string(path.join(".git")) {
        Ok(text) => Ok(text.strip_prefix("gitdir: ").map(|entry| PathBuf::from(entry.trim_end_matches('\n')))),
        Err(e) if e.kind() == io::ErrorKind::NotFound || e.kind() == io::ErrorKind::NotADirectory => Ok(None),
        // A whole repository of its own, made by whoever removed the file.
        Err(e) if e.kind() == io::ErrorKind::IsADirectory => Ok(None),
        Err(e) => Err(e),
    }
}

/// The clone's entry that names the folder, whether or not the folder is there.
pub(in crate::git) fn entry_of(clone: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let wanted = real(path);
    for entry in list(&clone.join("worktrees"))? {
        let Ok(text) = fs_err::read_to_string(entry.join("gitdir")) else { continue };
        if Path::new(text.trim_end_matches('\n')).parent().map(real).as_ref() == Some(&wanted) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The folders of all worktrees that are on `branch`, with their entries.
pub(super) fn on_branch(clone: &Path, branch: &str) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let head = format!("ref: refs/heads/{branch}");
    let mut found = Vec::new();
    for entry in list(&clone.join("worktrees"))? {
        let is_on = fs_err::read_to_string(entry.join("HEAD")).is_ok_and(|text| text.trim_end() == head);
        let Ok(gitdir) = fs_err::read_to_string(entry.join("gitdir")) else { continue };
        if let (true, Some(folder)) = (is_on, Path::new(gitdir.trim_end_matches('\n')).parent()) {
            found.push((folder.to_owned(), entry));
        }
    }
    Ok(found)
}

/// Removes what git leaves in an entry when it is killed, or in the middle of a rebase, merge or bisection.
pub(in crate::git) fn clear_unfinished(entry: &Path) -> io::Result<()> {
    for name in ["rebase-merge", "rebase-apply", "sequencer"] {
        absent(fs_err::remove_dir_all(entry.join(name)))?;
    }
    let files = ["index.lock", "HEAD.lock", "MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "AUTO_MERGE"];
    let more = ["CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "SQUASH_MSG", "BISECT_START", "BISECT_LOG"];
    for name in files.iter().chain(&more).chain(&["BISECT_NAMES", "BISECT_TERMS", "BISECT_EXPECTED_REV"]) {
        absent(fs_err::remove_file(entry.join(name)))?;
    }
    Ok(())
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

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs_err::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|e| e.path())).collect(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
