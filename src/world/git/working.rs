//! The files of a working copy, as somebody would commit them. The index is read, and not refreshed.

use std::path::Path;

use super::{Git, GitError};

impl Git {
    /// The files of a folder of a worktree that are tracked, or would be by `git add`; their paths go from that folder.
    pub(crate) fn working_files(&self, worktree: &Path, folder: &str) -> Result<Vec<String>, GitError> {
        let asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
        self.paths(worktree, folder, &asked, 0)
    }

    /// Those of them that differ from the commit.
    pub(crate) fn uncommitted_files(&self, worktree: &Path, folder: &str) -> Result<Vec<String>, GitError> {
        // Each path comes after two letters and a blank.
        self.paths(worktree, folder, &["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames"], 3)
    }

    fn paths(&self, worktree: &Path, folder: &str, asked: &[&str], skip: usize) -> Result<Vec<String>, GitError> {
        let call = self.call_in(worktree, "list the files of a working copy").args(asked);
        let call = call.env("GIT_LITERAL_PATHSPECS", "1").env("GIT_OPTIONAL_LOCKS", "0");
        let out = call.args(["--", if folder.is_empty() { "." } else { folder }]).run()?;
        let entries = out.stdout.split(|byte| *byte == 0).filter_map(|entry| entry.get(skip..));
        let paths = entries.map(|path| String::from_utf8_lossy(path).into_owned());
        let within = |path: String| {
            let rest = if folder.is_empty() { &*path } else { path.strip_prefix(folder)?.strip_prefix('/')? };
            (!rest.is_empty()).then(|| rest.to_owned())
        };
        Ok(paths.filter_map(within).collect())
    }
}
