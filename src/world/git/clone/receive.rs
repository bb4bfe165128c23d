//! What the town's clone takes when somebody pushes to it: a polecat's own branch, decided by git's `update` hook.
//!
//! A guard stops mistakes, not malice. The polecat's repository says which branch is its own, in the command that receives
//! its pushes (see [`command`]); a push from anywhere else names none.

use std::path::Path;

use gastown_base::whole_file::WholeFile;

use crate::exec::shell_word;
use crate::git::GitError;

/// The hook.
const UPDATE: &str = include_str!("receive.sh");

/// Writes the hook into a clone, where it is missing or of another release.
pub(super) fn install(clone: &Path) -> Result<(), GitError> {
    let path = clone.join("hooks/update");
    if fs_err::read(&path).is_ok_and(|text| text == UPDATE.as_bytes()) {
        return Ok(());
    }
    let write = || {
        fs_err::create_dir_all(clone.join("hooks"))?;
        // Another process may be running the old one.
        WholeFile::at(&path).mode(0o755).write(UPDATE.as_bytes())
    };
    write().map_err(|source| GitError::Io { doing: format!("write the hook `{}`", path.display()), source })
}

/// The command that receives the pushes of a polecat on this branch, for `remote.origin.receivepack`.
pub(in crate::git) fn command(branch: &str) -> String {
    format!("GT_BRANCH={} git receive-pack", shell_word(Path::new(branch)))
}
