//! A sandbox's repository: bare, beside the worktree and outside of it, with hooks, settings, refs, stash and index of its
//! own. It borrows the objects of the rig's clone (`objects/info/alternates`), so making one takes milliseconds.
//!
//! To tools it looks like a clone of the real remote: `origin` has the remote's url, and its branches and tags as last
//! fetched, so that relative submodules, Git LFS and `git describe` work. Pushes go to the town's clone, which takes the
//! polecat's own branch only (`clone::receive`).
//!
//! For another bead it is renewed: whatever its last one left in it is gone, and the commits have gone to the clone before
//! (`adopt`). What stays are the repositories of submodules, since they may hold commits of their own.
//!
//! Files that git documents are written as they are (gitrepository-layout(5), gitglossary(7)): with git's own commands it
//! would be some thirty calls, or a file for each of the remote's branches.

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use git2::Repository;

use super::worktree;
use crate::git::clone::facts::{HEAD, TARGETS};
use crate::git::clone::receive;
use crate::git::folders::{absent, list, remove};
use crate::git::{Git, GitError};

/// The mark of git's own in an entry whose worktree is being made; the text is git's too.
const MAKING: &str = "initializing";

/// A repository to be made.
pub(in crate::git) struct Borrower<'a> {
    /// The repository's place.
    pub repo: &'a Path,
    /// Whose objects it borrows.
    pub clone: &'a Path,
    /// The worktree's place.
    pub worktree: &'a Path,
    /// The branch that the worktree is on; none: it is on no branch, and nothing may be pushed.
    pub branch: Option<&'a str>,
    /// The commit that the worktree is at.
    pub start: &'a str,
}

impl Git {
    /// Makes the repository, or renews it, with a worktree that is linked to it and not yet checked out. Gives git's entry
    /// of the worktree, which is marked as being made.
    pub(in crate::git) fn borrow_repository(&self, new: &Borrower) -> Result<PathBuf, GitError> {
        let doing = || format!("make the repository `{}`", new.repo.display());
        let io = |source| GitError::Io { doing: doing(), source };
        let entry = worktree::entry_in(new.repo, new.worktree);
        clear(new, &entry).map_err(io)?;
        let clone = Repository::open_bare(new.clone)
            .map_err(|source| GitError::Read { doing: format!("open `{}`", new.clone.display()), source })?;
        self.call(doing())
            // What git2 can read, whatever the user prefers for new repositories.
            .env("GIT_DEFAULT_HASH", "sha1")
            .env("GIT_DEFAULT_REF_FORMAT", "files")
            .args(["init", "--quiet", "--bare"])
            .arg(format!("--initial-branch={}", new.branch.unwrap_or("gt-none")))
            .arg(new.repo)
            .run()?;
        let refs = refs(&clone, new).map_err(|source| GitError::Read { doing: doing(), source })?;
        let write = || {
            fs_err::create_dir_all(new.repo.join("objects/info"))?;
            fs_err::write(
                new.repo.join("objects/info/alternates"),
                format!("{}\n", new.clone.join("objects").display()),
            )?;
            fs_err::write(new.repo.join("packed-refs"), refs)?;
            // Where the remote's history is cut off, it is here too.
            absent(fs_err::copy(new.clone.join("shallow"), new.repo.join("shallow")).map(drop))?;
            if let Some(head) = remote_head(&clone) {
                fs_err::create_dir_all(new.repo.join("refs/remotes/origin"))?;
                fs_err::write(new.repo.join("refs/remotes/origin/HEAD"), format!("ref: refs/remotes/origin/{head}\n"))?;
            }
            append(&new.repo.join("config"), &settings(&clone, new))?;
            // The url may hold a password.
            fs_err::set_permissions(new.repo.join("config"), PermissionsExt::from_mode(0o600))?;
            // What a rig has copied into its worktrees is nobody's work in any of them.
            let copied = fs_err::read_to_string(new.clone.join("info/exclude")).unwrap_or_default();
            // Large files are kept once for all, and are there when the branch is landed. By `lfs.storage` they would be too,
            // but git-lfs 3.3 takes that for the remote's as well, if that one is a path.
            fs_err::create_dir_all(new.clone.join("lfs"))?;
            fs_err::os::unix::fs::symlink(new.clone.join("lfs"), new.repo.join("lfs"))?;
            fs_err::create_dir_all(new.repo.join("info"))?;
            append(&new.repo.join("info/exclude"), &copied)?;
            link(new, &entry)
        };
        write().map_err(io)?;
        Ok(entry)
    }
}

/// Whether the worktree of an entry is still being made.
pub(super) fn is_being_made(entry: &Path) -> bool {
    fs_err::read_to_string(entry.join("locked")).is_ok_and(|reason| reason.trim() == MAKING)
}

/// The worktree of an entry is made.
pub(in crate::git) fn made(entry: &Path) -> io::Result<()> {
    absent(fs_err::remove_file(entry.join("locked")))
}

/// Gives a repository's objects to the clone it borrows from: all, so that a commit that nothing reaches can be found too.
/// They are linked, so it takes no space.
pub(super) fn adopt(repo: &Path, clone: &Path) -> io::Result<()> {
    let (from, to) = (repo.join("objects"), clone.join("objects"));
    for entry in list(&from)? {
        let Some(name) = entry.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let mut files = match name.as_str() {
            "pack" => list(&entry)?,
            _ if name.len() == 2 && name.bytes().all(|b| b.is_ascii_hexdigit()) => list(&entry)?,
            _ => continue,
        };
        // A pack is there once its index is.
        files.sort_by_key(|file| file.extension().is_some_and(|extension| extension == "idx"));
        for file in files {
            let Some(own) = file.file_name().filter(|own| !own.as_encoded_bytes().starts_with(b"tmp_")) else {
                continue;
            };
            if own.as_encoded_bytes().ends_with(b".lock") || own.as_encoded_bytes().ends_with(b".keep") {
                continue;
            }
            fs_err::create_dir_all(to.join(&name))?;
            match fs_err::hard_link(&file, to.join(&name).join(own)) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                other => other?,
            }
        }
    }
    Ok(())
}

/// Takes away what a repository holds but the repositories of submodules, and marks its worktree as being made.
fn clear(new: &Borrower, entry: &Path) -> io::Result<()> {
    let folder = new.repo.parent().unwrap_or(new.repo);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs_err::create_dir_all(entry)?;
    fs_err::write(entry.join("locked"), format!("{MAKING}\n"))?;
    // With this, what a crash leaves here is found.
    fs_err::write(entry.join("gitdir"), format!("{}\n", new.worktree.join(".git").display()))?;
    let worktrees = new.repo.join("worktrees");
    let stays: [&Path; 5] = [&worktrees, entry, &entry.join("modules"), &entry.join("locked"), &entry.join("gitdir")];
    for folder in [new.repo, &worktrees, entry] {
        for path in list(folder)?.into_iter().filter(|path| !stays.contains(&path.as_path())) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Links the worktree to the repository, on its branch.
fn link(new: &Borrower, entry: &Path) -> io::Result<()> {
    let head = new.branch.map_or_else(|| new.start.to_owned(), |branch| format!("ref: refs/heads/{branch}"));
    fs_err::write(entry.join("HEAD"), format!("{head}\n"))?;
    fs_err::write(entry.join("commondir"), "../..\n")?;
    fs_err::create_dir_all(new.worktree)?;
    let file = new.worktree.join(".git");
    remove(&file)?;
    fs_err::write(file, format!("gitdir: {}\n", entry.display()))
}

/// The refs it begins with, as `packed-refs` has them: the remote's branches, the tags, and the branch to work on.
fn refs(clone: &Repository, new: &Borrower) -> Result<String, git2::Error> {
    let mut refs = String::new();
    let mut add = |name: &str, id: &dyn std::fmt::Display| {
        writeln!(refs, "{id} {name}").expect("a string takes all");
    };
    if let Some(branch) = new.branch {
        add(&format!("refs/heads/{branch}"), &new.start);
    }
    for (glob, prefix, here) in [
        (format!("{TARGETS}*"), TARGETS, "refs/remotes/origin/"),
        ("refs/tags/*".to_owned(), "refs/tags/", "refs/tags/"),
    ] {
        for reference in clone.references_glob(&glob)? {
            let reference = reference?;
            // A name that is no text cannot be read back by us; git itself allows it.
            let (Ok(name), Some(id)) = (reference.name(), reference.target()) else { continue };
            if let Some(short) = name.strip_prefix(prefix) {
                add(&format!("{here}{short}"), &id);
            }
        }
    }
    Ok(refs)
}

/// The remote's HEAD branch, as last fetched.
fn remote_head(clone: &Repository) -> Option<String> {
    let head = clone.find_reference(HEAD).ok()?;
    head.symbolic_target().ok()??.strip_prefix(TARGETS).map(str::to_owned)
}

/// Its settings, as git's config file has them.
fn settings(clone: &Repository, new: &Borrower) -> String {
    let place = new.clone.display().to_string();
    let url = clone.config().and_then(|mut config| config.snapshot()?.get_string("remote.origin.url"));
    let url = url.unwrap_or_else(|_| place.clone());
    let mut settings = vec![
        // Whoever gives the remote's url, or another name for it, pushes to the clone too.
        (format!("url {}", quoted(&place)), "pushInsteadOf", url.clone()),
        ("remote \"origin\"".to_owned(), "url", url),
        ("remote \"origin\"".to_owned(), "pushurl", place),
        ("remote \"origin\"".to_owned(), "fetch", "+refs/heads/*:refs/remotes/origin/*".to_owned()),
        ("push".to_owned(), "default", "current".to_owned()),
        // Its own objects are few, and what it borrows is not its to collect.
        ("gc".to_owned(), "auto", "0".to_owned()),
        ("maintenance".to_owned(), "auto", "false".to_owned()),
        // A bare repository keeps no reflogs by default.
        ("core".to_owned(), "logAllRefUpdates", "true".to_owned()),
        // Not every program that looks in here can read an index in two parts.
        ("core".to_owned(), "splitIndex", "false".to_owned()),
    ];
    settings.extend(new.branch.map(|branch| ("remote \"origin\"".to_owned(), "receivepack", receive::command(branch))));
    let mut text = String::new();
    for (section, name, value) in settings {
        writeln!(text, "[{section}]\n\t{name} = {}", quoted(&value)).expect("a string takes all");
    }
    text
}

/// A value as git's config file has it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut all = match fs_err::read_to_string(path) {
        Ok(all) => all,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(e),
    };
    if !all.is_empty() && !all.ends_with('\n') {
        all.push('\n');
    }
    all.push_str(text);
    fs_err::write(path, all)
}
