//! One name for a remote, however its address is spelled, and the lock of a branch there: one push at a time.

use std::path::{Path, PathBuf};

use gastown_controllers::world::{Track, path_of, remote_id};
use git2::Repository;

use crate::git::program::RepoLock;
use crate::git::{Git, GitError};

impl Git {
    /// The lock of a branch of a remote, for all rigs of the town.
    pub(super) fn push_lock(&self, url: &str, branch: &str) -> Result<RepoLock, GitError> {
        let track = Track::Branch { url: url.to_owned(), branch: branch.to_owned() };
        let path = self.layout.track_lock(&track.id(name));
        RepoLock::take(&path, &format!("the branch `{branch}` of the remote"), self.limits.push_wait)
    }
}

/// One name for the repository at an address. On this machine it is asked where it lies: through links, and from a working
/// copy, a worktree of it or its `.git` folder alike.
pub fn name(url: &str) -> String {
    let lies = path_of(url).and_then(|path| repository(Path::new(path)));
    lies.map_or_else(|| remote_id(url), |path| path.display().to_string())
}

fn repository(path: &Path) -> Option<PathBuf> {
    // As git itself does, which finds `shop.git` when asked for `shop`.
    let with_suffix = path.with_file_name(format!("{}.git", path.file_name()?.to_str()?));
    let repository = [path, &with_suffix].into_iter().find_map(|path| Repository::open(path).ok())?;
    fs_err::canonicalize(repository.commondir()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_on_this_machine_has_one_name_by_whichever_path() {
        let dir = tempfile::tempdir().unwrap();
        let shop = dir.path().join("shop");
        let bare = dir.path().join("bare.git");
        Repository::init(&shop).unwrap();
        Repository::init_bare(&bare).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&shop, &link).unwrap();
        let of = |path: &str| name(&dir.path().join(path).display().to_string());
        for spelled in ["shop", "shop/", "shop/.git", "link", "./bare.git/../shop"] {
            assert_eq!(of(spelled), of("shop"), "{spelled}");
        }
        assert_eq!(name(&format!("file://{}", shop.display())), of("shop"));
        assert_eq!(of("bare"), of("bare.git"));
        assert_ne!(of("bare"), of("shop"));
        assert_eq!(name("git@example.org:a.git"), name("https://example.org/a"));
    }
}
