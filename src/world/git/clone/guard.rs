//! The guard: hooks that keep a polecat to its own branch, although worktrees share all refs and the stash.
//!
//! A guard stops mistakes, not malice. Sessions, setup commands and checks get it by environment, which wins over a
//! `core.hooksPath` that a repository's tooling writes into the shared config; the clone's config names it too, and so
//! does the command that receives a push. It judges only in the town's clones, and then runs the repository's own hook.

use std::path::Path;

use gastown_base::whole_file::WholeFile;

use crate::exec::shell_word;
use crate::git::GitError;
use crate::layout::Layout;

/// The one script behind every hook.
const SCRIPT: &str = include_str!("guard.sh");

/// Every hook that git runs: those without a rule of ours are passed on to the repository's own.
const HOOKS: [&str; 22] = [
    "applypatch-msg",
    "commit-msg",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "push-to-checkout",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

/// Writes the hooks, where they are missing or of another release.
pub fn install(layout: &Layout) -> Result<(), GitError> {
    let hooks = layout.hooks();
    let write_all = || {
        let clones = layout.bare_clone("x").parent().map(Path::to_owned).unwrap_or_default();
        fs_err::create_dir_all(&clones)?;
        fs_err::create_dir_all(&hooks)?;
        // The script compares with `pwd -P`, so it needs the path without symbolic links.
        let script = SCRIPT.replace("@CLONES@", &shell_word(&fs_err::canonicalize(clones)?));
        HOOKS.iter().try_for_each(|name| write(&hooks, name, &script))
    };
    write_all()
        .map_err(|source| GitError::Io { doing: format!("write the guard hooks in `{}`", hooks.display()), source })
}

fn write(hooks: &Path, name: &str, script: &str) -> std::io::Result<()> {
    let path = hooks.join(name);
    if fs_err::read(&path).is_ok_and(|text| text == script.as_bytes()) {
        return Ok(());
    }
    // Another process may be running the old one.
    WholeFile::at(&path).mode(0o755).write(script.as_bytes())
}

/// The environment of a session, a setup command or a check: the guard's hooks, and the branch it may move, if any. Nothing is
/// signed: there is no key for who commits there, nobody to unlock one, and a replay drops signatures anyway.
pub fn env(layout: &Layout, branch: Option<&str>) -> Vec<(String, String)> {
    let hooks = layout.hooks().display().to_string();
    let unsigned =
        ["commit.gpgSign", "tag.gpgSign", "tag.forceSignAnnotated", "push.gpgSign"].map(|name| (name, "false"));
    let settings: Vec<_> = [("core.hooksPath", hooks.as_str())].into_iter().chain(unsigned).collect();
    let mut env = vec![("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string())];
    for (n, (name, value)) in settings.into_iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{n}"), name.to_owned()));
        env.push((format!("GIT_CONFIG_VALUE_{n}"), value.to_owned()));
    }
    env.push(("GT_GUARD".to_owned(), "1".to_owned()));
    env.push(("GT_BRANCH".to_owned(), branch.unwrap_or_default().to_owned()));
    env
}
