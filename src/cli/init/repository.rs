//! The repository of a town: made, so that a commit or a push is live; and the hook that judges a push before it is taken.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gastown_base::whole_file::WholeFile;
use gastown_crds::common::API_VERSION;

use crate::cli::common;
use crate::cli::common::error::{CliError, Exit};
use crate::world::exec::Exec;

/// The bare repository of `gt init --bare`, in the town's folder.
pub(super) const BARE: &str = "town.git";

/// The manifest of the source that makes this repository's HEAD live. `url` is its root from the town's folder.
pub(super) fn source(url: &str, folder: Option<&str>) -> String {
    let path = folder.map(|folder| format!("    path: {}\n", serde_json::Value::from(folder))).unwrap_or_default();
    format!(
        "---\n\
         # A commit here, or a push, is live at once.\n\
         apiVersion: {API_VERSION}\n\
         kind: Source\n\
         metadata:\n\
         \x20 name: town\n\
         spec:\n\
         \x20 git:\n\
         \x20   url: {url}\n\
         {path}\
         \x20 prune: true # what is no longer declared is deleted; much of it at once waits for `gt source approve town`\n"
    )
}

/// Where the root of the repository around a folder is, seen from there, and the folder in it.
pub(super) fn place(dir: &Path) -> Result<(String, Option<String>), CliError> {
    let out = git(dir, &["rev-parse", "--show-cdup", "--show-prefix"])?;
    let mut lines = out.lines();
    let (up, prefix) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let url = if up.is_empty() { "." } else { up.trim_end_matches('/') };
    Ok((url.to_owned(), Some(prefix.trim_end_matches('/')).filter(|it| !it.is_empty()).map(str::to_owned)))
}

/// Makes a repository of a folder.
pub(super) fn make(dir: &Path) -> Result<(), CliError> {
    git(dir, &["init", "--quiet"]).map(drop)
}

/// Makes a bare repository below a folder.
pub(super) fn make_bare(dir: &Path) -> Result<PathBuf, CliError> {
    git(dir, &["init", "--quiet", "--bare", BARE])?;
    Ok(dir.join(BARE))
}

/// Lets pushes to a repository be judged by the town and, where it has a worktree, update that. Answers a hook that stands
/// in the way.
pub(super) fn receives(repository: &Path, town: &Path) -> Result<Option<PathBuf>, CliError> {
    let is_bare = git(repository, &["rev-parse", "--is-bare-repository"])? == "true";
    if !is_bare && git(repository, &["config", "--get", "receive.denyCurrentBranch"]).is_err() {
        git(repository, &["config", "receive.denyCurrentBranch", "updateInstead"])?;
    }
    let hook = repository.join(git(repository, &["rev-parse", "--git-path", "hooks/pre-receive"])?);
    let failed =
        |error: &std::io::Error| CliError::new(Exit::Failed, "could not write the repository's hook").because(error);
    let text = hook_text(town)?;
    match fs_err::read_to_string(&hook) {
        Ok(there) if there == text => return Ok(None),
        Ok(_) => return Ok(Some(hook)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let dir = hook.parent().unwrap_or(repository);
    fs_err::create_dir_all(dir).map_err(|error| failed(&error))?;
    WholeFile::at(&hook).mode(0o755).only_new().write(text.as_bytes()).map_err(|error| failed(&error))?;
    fs_err::set_permissions(&hook, PermissionsExt::from_mode(0o755)).map_err(|error| failed(&error))?;
    Ok(None)
}

/// The hook: this program judges, wherever it is; where it is gone, git takes the push and the town judges it.
fn hook_text(town: &Path) -> Result<String, CliError> {
    let gt =
        std::env::current_exe().map_err(|e| CliError::new(Exit::Failed, "could not find this program").because(&e))?;
    let quoted = |path: &Path| {
        let text = path.to_string_lossy();
        shlex::try_quote(&text).map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    Ok(format!(
        "#!/bin/sh\n\
         # Written by `gt init`: what is pushed is judged before it is taken.\n\
         gt={}\n\
         [ -x \"$gt\" ] || gt=$(command -v gt) || {{ echo 'gt is not there: the town judges this push once it is' >&2; exit 0; }}\n\
         exec \"$gt\" --town {} source receive\n",
        quoted(&gt),
        quoted(town)
    ))
}

/// Whether git knows who commits.
pub(super) fn knows_committer(dir: &Path) -> bool {
    git(dir, &["var", "GIT_COMMITTER_IDENT"]).is_ok() && git(dir, &["var", "GIT_AUTHOR_IDENT"]).is_ok()
}

fn git(dir: &Path, args: &[&str]) -> Result<String, CliError> {
    common::git::git(Exec::new("git"), dir, args)
}
