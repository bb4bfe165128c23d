//! A fresh worktree is made ready: the files that git does not hold are copied in, then the rig's commands run.

use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use gastown_base::whole_file::WholeFile;
use gastown_controllers::world::{Owner, Sandbox, SandboxId, exit};
use gastown_supervisor::family;
use jiff::Timestamp;

use super::environment;
use crate::git::failure::{Failure, say};
use crate::git::program::Ended;
use crate::git::{Git, GitError};

/// A setup, as its job has it.
pub(in crate::git) struct Setup<'a> {
    pub rig: &'a Owner,
    pub sandbox: &'a SandboxId,
    pub prepared: &'a str,
    pub made: Timestamp,
    pub commands: &'a [String],
    pub copy: &'a [String],
    pub copy_from: &'a Option<String>,
    pub timeout_s: u64,
}

impl Git {
    /// Copies the declared files in and runs the commands.
    pub(in crate::git) fn set_up(&self, setup: &Setup, log: &mut dyn Write) -> Result<(), Failure> {
        let same = |there: Sandbox| there.prepared == setup.prepared && there.made == setup.made;
        let record = if self.sandbox(setup.sandbox)?.is_some_and(same) { self.record(setup.sandbox)? } else { None };
        let Some(record) = record else {
            let message = format!("the worktree of `{}` is not in this preparation any more", setup.sandbox.name);
            return Err(Failure { code: exit::ERROR, message });
        };
        // An earlier round may have been killed on its way.
        self.end_setup(setup.sandbox)?;
        self.remove_locks(setup.sandbox)?;
        let worktree = self.layout.worktree(&setup.sandbox.uid);
        self.copy_in(setup, &worktree, log)?;
        let mut env = environment::of(Some(&record.branch));
        env.push((family::SETUP_MARK.to_owned(), worktree.to_string_lossy().into_owned()));
        let ran = self.run_commands(setup, &worktree, &env, log);
        self.note_setup(setup.sandbox)?;
        ran?;
        Ok(self.note_made(&worktree)?)
    }

    fn run_commands(
        &self,
        setup: &Setup,
        worktree: &Path,
        env: &[(String, String)],
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(setup.timeout_s);
        for command in setup.commands {
            say(log, &format!("$ {command}"));
            let left = deadline.saturating_duration_since(Instant::now());
            match self.run_shell(command, worktree, env, left, log) {
                Ended::Code(0) => {}
                Ended::Code(code) => {
                    let message =
                        format!("setup failed: `{command}` ended with {code}; try it in {}", worktree.display());
                    let code = if code == exit::CONFIG { exit::CONFIG } else { exit::FAILED };
                    return Err(Failure { code, message });
                }
                Ended::Late(why) | Ended::Not(why) => {
                    let message =
                        format!("{why}; all of setup may take {} s (workspace.setupTimeout)", setup.timeout_s);
                    return Err(Failure { code: exit::ERROR, message });
                }
            }
        }
        Ok(())
    }

    fn copy_in(&self, setup: &Setup, worktree: &Path, log: &mut dyn Write) -> Result<(), Failure> {
        if setup.copy.is_empty() {
            return Ok(());
        }
        let Some(from) = setup.copy_from else {
            return Err(refuse("workspace.copy needs workspace.copyFrom: the folder to copy from"));
        };
        self.exclude(setup, worktree, log)?;
        for file in setup.copy {
            let (source, target) = resolve(Path::new(from), worktree, file).map_err(|why| refuse(&why))?;
            let tracked = self
                .call_in(worktree, format!("see whether `{file}` is tracked"))
                .args(["--literal-pathspecs", "ls-files", "--", file])
                .run()?;
            if !tracked.stdout.is_empty() {
                return Err(refuse(&format!("workspace.copy: `{file}` is tracked by git, which has it there already")));
            }
            copy(&source, &target).map_err(|e| refuse(&format!("could not copy `{file}` from {from}: {e}")))?;
            say(log, &format!("copied {file}"));
        }
        Ok(())
    }

    /// Lists the copied files where git looks for what to ignore: in the sandbox's own repository, and in the clone, which
    /// the next ones take it from and which decides what a rescue leaves alone.
    fn exclude(&self, setup: &Setup, worktree: &Path, log: &mut dyn Write) -> Result<(), Failure> {
        let doing = || "exclude the copied files from commits".to_owned();
        let own = git2::Repository::open(worktree).map_err(|source| GitError::Read { doing: doing(), source })?;
        let _lock = self.repo_lock(&setup.rig.uid)?;
        let mut changed = false;
        for repo in [own.commondir().to_owned(), self.layout.bare_clone(&setup.rig.uid)] {
            let listed = list_in(&repo.join("info/exclude"), setup.copy);
            changed |= listed.map_err(|source| GitError::Io { doing: doing(), source })?;
        }
        if changed {
            say(log, "listed the copied files in info/exclude");
        }
        Ok(())
    }
}

/// Adds paths, as they lie below the root, to an exclude file; whether any was new.
pub(super) fn list_in(path: &Path, files: &[String]) -> io::Result<bool> {
    let mut text = fs_err::read_to_string(path).unwrap_or_default();
    let before = text.len();
    for line in files.iter().map(|file| pattern(file)) {
        if !text.lines().any(|l| l == line) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
    if text.len() == before {
        return Ok(false);
    }
    fs_err::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    WholeFile::at(path).write(text.as_bytes())?;
    Ok(true)
}

/// A setting that cannot be followed.
fn refuse(why: &str) -> Failure {
    Failure { code: exit::FAILED, message: why.to_owned() }
}

/// The paths that a declared file is copied from and to; refused if either leaves its folder, by `..` or by a symbolic link.
fn resolve(from: &Path, worktree: &Path, file: &str) -> Result<(PathBuf, PathBuf), String> {
    let relative = Path::new(file);
    if relative.components().any(|c| !matches!(c, Component::Normal(_))) || relative.starts_with(".git") {
        return Err(format!("workspace.copy: `{file}` must be a plain relative path below copyFrom, without `..`"));
    }
    let inside = |folder: &Path, path: &Path| {
        let (folder, path) = (fs_err::canonicalize(folder)?, fs_err::canonicalize(path)?);
        Ok::<_, io::Error>(path.starts_with(&folder).then_some(path))
    };
    let source = inside(from, &from.join(relative)).map_err(|e| format!("workspace.copy: {e}"))?;
    let source = source.ok_or_else(|| format!("workspace.copy: `{file}` leads out of {}", from.display()))?;
    if !source.is_file() {
        return Err(format!("workspace.copy: `{file}` is not a file: name the files in it one by one"));
    }
    let target = worktree.join(relative);
    // The nearest folder that is there decides: the rest is made below it.
    let there = target.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(worktree);
    match inside(worktree, there) {
        Ok(Some(_)) => Ok((source, target)),
        Ok(None) => Err(format!("workspace.copy: `{file}` leads out of the worktree")),
        Err(e) => Err(format!("workspace.copy: {e}")),
    }
}

fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    fs_err::create_dir_all(folder)?;
    // A link that is there is replaced and not followed.
    WholeFile::at(target).fill(|copy| {
        let mut source = fs_err::File::open(source)?;
        io::copy(source.file_mut(), copy)?;
        copy.set_permissions(source.metadata()?.permissions())
    })
}

/// A path as a line of an exclude file that means just this path.
fn pattern(file: &str) -> String {
    let mut line = String::from("/");
    for c in file.chars() {
        if "\\*?[ ".contains(c) {
            line.push('\\');
        }
        line.push(c);
    }
    line
}
