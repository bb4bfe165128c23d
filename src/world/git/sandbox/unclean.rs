//! Files that git calls changed before the agent begins: one with CRLF line ends that `.gitattributes` calls text, right after
//! its checkout; a lock file that the setup has written anew. They are not the agent's work, and not its fault.
//!
//! Two things are done about each. Its entry in the index is made to say that the file is as it was checked out, which git
//! itself believes of files that are older than the index; so it is seen as changed once somebody writes to it. And its
//! content is remembered, for when somebody has only touched it or checked it out again.
//!
//! What a setup makes that is neither tracked nor ignored is listed as ignored, and remembered too: what has changed since is
//! the agent's, and what has not is gone before the next bead.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{IndexTime, ObjectType, Oid, Repository};

use super::setup::list_in;
use crate::git::folders::{list, remove};
use crate::git::{Git, GitError};

/// The file in a worktree's entry that names them.
const FILE: &str = "gt-unclean";

/// The file in a worktree's entry that names what a setup has made.
const MADE: &str = "gt-made";

/// More files that a setup has made are named by their folders.
const MADE_MAX: usize = 1000;

/// A larger file is known by the time of its last change alone.
const HASHED_BYTES_MAX: u64 = 1024 * 1024;

/// How much older such a file is made than it is: git compares whole seconds with the index, which is written later.
const AGE: Duration = Duration::from_secs(10);

impl Git {
    /// Looks for such files in a worktree that has just been checked out.
    pub(super) fn note_unclean(&self, worktree: &Path) -> Result<(), GitError> {
        let doing = || format!("look for files in `{}` that git calls changed", worktree.display());
        let read = |source| GitError::Read { doing: doing(), source };
        let repo = Repository::open(worktree).map_err(read)?;
        if self.has_attributes(&repo).map_err(read)? { self.note(&repo, worktree, "no") } else { Ok(()) }
    }

    /// Looks for them once a setup has run.
    pub(super) fn note_made(&self, worktree: &Path) -> Result<(), GitError> {
        let doing = || format!("look for what the setup has made in `{}`", worktree.display());
        let repo = Repository::open(worktree).map_err(|source| GitError::Read { doing: doing(), source })?;
        self.note(&repo, worktree, "all")
    }

    fn note(&self, repo: &Repository, worktree: &Path, untracked: &str) -> Result<(), GitError> {
        let doing = || format!("note what is changed in `{}`", worktree.display());
        let io = |source| GitError::Io { doing: doing(), source };
        let untracked = format!("--untracked-files={untracked}");
        let args = ["status", "--porcelain=v1", "-z", "--no-renames", "--ignore-submodules=all", &untracked];
        let status = self.call_in(worktree, doing()).env("GIT_OPTIONAL_LOCKS", "0").args(args).run()?.stdout;
        let mut made: Vec<&[u8]> = Vec::new();
        let mut changed: Vec<&[u8]> = Vec::new();
        for line in status.split(|byte| *byte == 0) {
            match line.split_at_checked(3) {
                Some((b"?? ", path)) => made.push(path),
                Some((b" M ", path)) => changed.push(path),
                _ => {}
            }
        }
        if made.len() > MADE_MAX && untracked.ends_with("all") {
            return self.note(repo, worktree, "normal");
        }
        let names: Vec<String> = made.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        list_in(&repo.commondir().join("info/exclude"), &names).map_err(io)?;
        write_noted(&repo.path().join(MADE), worktree, &made).map_err(io)?;
        if changed.is_empty() {
            return Ok(());
        }
        write_noted(&repo.path().join(FILE), worktree, &changed).map_err(io)?;
        settle(repo, worktree, &changed).map_err(|source| match source {
            Settling::Git(source) => GitError::Read { doing: doing(), source },
            Settling::Io(source) => io(source),
        })
    }

    /// Whether anything may be converted on its way into the worktree.
    fn has_attributes(&self, repo: &Repository) -> Result<bool, git2::Error> {
        let is_attributes = |path: &[u8]| path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes");
        if repo.index()?.iter().any(|entry| is_attributes(&entry.path)) {
            return Ok(true);
        }
        let home = |path: &str| self.var("HOME").map(|home| PathBuf::from(home).join(path));
        let config = self.var("XDG_CONFIG_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
        let of_user = config.or_else(|| home(".config")).map(|config| config.join("git/attributes"));
        let named = repo.config()?.snapshot()?.get_str("core.attributesfile").is_ok();
        Ok(named || of_user.is_some_and(|file| file.exists()) || Path::new("/etc/gitattributes").exists())
    }
}

enum Settling {
    Git(git2::Error),
    Io(io::Error),
}

impl From<git2::Error> for Settling {
    fn from(error: git2::Error) -> Self {
        Self::Git(error)
    }
}

impl From<io::Error> for Settling {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes the index say that these files are as they were checked out.
fn settle(repo: &Repository, worktree: &Path, paths: &[&[u8]]) -> Result<(), Settling> {
    let mut index = repo.index()?;
    for path in paths {
        let file = worktree.join(OsStr::from_bytes(path));
        let Some(mut entry) = index.get_path(Path::new(OsStr::from_bytes(path)), 0) else { continue };
        if !fs_err::symlink_metadata(&file)?.is_file() {
            continue;
        }
        let written = fs_err::symlink_metadata(&file)?.modified()?;
        std::fs::File::open(&file)?.set_modified(written - AGE)?;
        let now = fs_err::symlink_metadata(&file)?;
        // The index keeps the lower halves of all of them.
        entry.mtime = IndexTime::new(low_signed(now.mtime()), low(now.mtime_nsec().cast_unsigned()));
        entry.ctime = IndexTime::new(low_signed(now.ctime()), low(now.ctime_nsec().cast_unsigned()));
        (entry.dev, entry.ino) = (low(now.dev()), low(now.ino()));
        (entry.uid, entry.gid, entry.file_size) = (now.uid(), now.gid(), low(now.len()));
        index.add(&entry)?;
    }
    Ok(index.write()?)
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("it is masked")
}

fn low_signed(number: i64) -> i32 {
    low(number.cast_unsigned()).cast_signed()
}

/// Notes files with their content, beside those that were noted before.
fn write_noted(file: &Path, worktree: &Path, paths: &[&[u8]]) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut noted = noted(file);
    for path in paths {
        noted.insert(path.to_vec(), content(&worktree.join(OsStr::from_bytes(path))).unwrap_or_else(|| b"-".to_vec()));
    }
    let line = |(path, content): (&Vec<u8>, &Vec<u8>)| [content.as_slice(), b" ", path, b"\0"].concat();
    fs_err::write(file, noted.iter().flat_map(line).collect::<Vec<u8>>())
}

/// The content of a file, as a name for it; none for what is no file, or a large one.
fn content(file: &Path) -> Option<Vec<u8>> {
    let is_small = fs_err::symlink_metadata(file).is_ok_and(|it| it.is_file() && it.len() <= HASHED_BYTES_MAX);
    let content = is_small.then(|| Oid::hash_file(ObjectType::Blob, file).ok())??;
    Some(content.to_string().into_bytes())
}

/// What a file of notes says: the path and the content of each file.
fn noted(file: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let text = fs_err::read(file).unwrap_or_default();
    let noted = |line: &[u8]| {
        let (content, path) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
        Some((path[1..].to_owned(), content.to_owned()))
    };
    text.split(|byte| *byte == 0).filter_map(noted).collect()
}

/// The files that were noted in a worktree's entry and have the same content still.
pub(super) fn unchanged(worktree: &Path, entry: &Path) -> Vec<Vec<u8>> {
    let same = |(path, before): (Vec<u8>, Vec<u8>)| {
        let now = content(&worktree.join(OsStr::from_bytes(&path)));
        (now.as_ref() == Some(&before)).then_some(path)
    };
    noted(&entry.join(FILE)).into_iter().filter_map(same).collect()
}

/// What a setup has made, with whether it is as the setup left it.
fn made(worktree: &Path, entry: &Path) -> Vec<(Vec<u8>, bool)> {
    let file = entry.join(MADE);
    let Ok(since) = fs_err::metadata(&file) else { return Vec::new() };
    let since = (since.mtime(), since.mtime_nsec());
    let of = |(path, before): (Vec<u8>, Vec<u8>)| {
        let place = worktree.join(OsStr::from_bytes(&path));
        place.symlink_metadata().ok()?;
        let is_same = !is_newer(&place, since) || content(&place).is_some_and(|now| now == before);
        Some((path, is_same))
    };
    noted(&file).into_iter().filter_map(of).collect()
}

/// Whether anything at a place, or below it, was changed since a time.
fn is_newer(place: &Path, since: (i64, i64)) -> bool {
    let mut todo = vec![place.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(it) = fs_err::symlink_metadata(&path) else { return true };
        if (it.ctime(), it.ctime_nsec()) > since {
            return true;
        }
        if it.is_dir() {
            let Ok(below) = list(&path) else { return true };
            todo.extend(below);
        }
    }
    false
}

/// Removes what a setup has made and nobody has changed: it makes it again, and it is no work.
pub(super) fn discard_made(worktree: &Path, entry: &Path) -> io::Result<()> {
    for (path, _) in made(worktree, entry).into_iter().filter(|(_, is_same)| *is_same) {
        remove(&worktree.join(OsStr::from_bytes(&path)))?;
    }
    Ok(())
}

/// The files that git called changed before the agent began, and that have the same content still; for a verb that runs in
/// the worktree.
pub fn unchanged_by_agent(worktree: &Path) -> Vec<Vec<u8>> {
    let Ok(repo) = Repository::discover(worktree) else { return Vec::new() };
    repo.workdir().map_or_else(Vec::new, |root| unchanged(root, repo.path()))
}

/// The files that a setup has made and that have changed since, and are not committed; for a verb that runs in the worktree.
pub fn made_and_changed(worktree: &Path) -> Vec<Vec<u8>> {
    let Ok(repo) = Repository::discover(worktree) else { return Vec::new() };
    let (Some(root), Ok(index)) = (repo.workdir(), repo.index()) else { return Vec::new() };
    let is_tracked = |path: &[u8]| index.get_path(Path::new(OsStr::from_bytes(path)), 0).is_some();
    let changed = made(root, repo.path()).into_iter().filter(|(path, is_same)| !is_same && !path.ends_with(b"/"));
    changed.map(|(path, _)| path).filter(|path| !is_tracked(path)).collect()
}
