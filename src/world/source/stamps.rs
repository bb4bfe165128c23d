//! Stamps of files: what changes whenever a file does, so that what has not changed need not be read again.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gastown_base::clock::{Clock, SystemClock};
use gastown_controllers::world::At;

use crate::git::source::name_of;

/// How old a file's last change must be for its stamp to say that its content is the same: clocks of filesystems tick every
/// few milliseconds. As git's index has it ("racily clean").
const SETTLED_NS: i128 = 1_000_000_000;

/// What changes whenever a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub bytes: u64,
    pub changed_ns: i64,
}

impl Stamp {
    /// That of a file.
    pub fn of(found: &std::fs::Metadata) -> Self {
        let changed_ns = found.ctime().saturating_mul(1_000_000_000).saturating_add(found.ctime_nsec());
        Self { device: found.dev(), inode: found.ino(), bytes: found.len(), changed_ns }
    }

    /// Whether an equal stamp will mean an equal content.
    pub fn is_settled(&self) -> bool {
        SystemClock.now().as_nanosecond() - i128::from(self.changed_ns) > SETTLED_NS
    }
}

/// The stamps of the files that say where a ref of a repository is, or of the town's clone of one; none if one of them has
/// only just changed, or cannot be read. A file that is not there has a stamp too: that it is not.
pub(super) fn of_ref(git_dir: &Path, common_dir: &Path, at: &At, is_clone: bool) -> Option<Vec<Option<Stamp>>> {
    let head = git_dir.join(name_of(&At::Head, is_clone));
    let named = match at {
        At::Head => {
            let head = fs_err::read_to_string(&head).ok()?;
            head.trim().strip_prefix("ref: ").map(str::to_owned)
        }
        At::Branch(_) | At::Tag(_) => Some(name_of(at, is_clone)),
        At::Commit(_) => None,
    };
    let files = [head, common_dir.join("packed-refs"), common_dir.join("reftable/tables.list")];
    let files = files.into_iter().chain(named.map(|name| common_dir.join(name)));
    files
        .map(|file| match fs_err::metadata(file) {
            Ok(found) => Some(Stamp::of(&found)).filter(Stamp::is_settled).map(Some),
            // Of what is not there the folder above would say when it came; so would an event.
            Err(error) if is_absent(&error) => Some(None),
            Err(_) => None,
        })
        .collect()
}

/// The stamp of a worktree's `.git`, where that is a file which says where its repository is.
pub(super) fn of_link(dir: &Path) -> Option<Stamp> {
    let found = fs_err::metadata(dir.join(".git")).ok()?;
    found.is_file().then(|| Stamp::of(&found))
}

/// Whether a path could not be read because nothing is there.
pub(super) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_just_written_says_nothing_and_what_is_not_there_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path();
        let stamps = |at| of_ref(git, git, &at, false);
        assert_eq!(stamps(At::Commit("0".repeat(40))), Some(vec![None, None, None]));
        assert_eq!(stamps(At::Head), None, "there is no HEAD to read");
        fs_err::write(git.join("packed-refs"), "").unwrap();
        assert_eq!(stamps(At::Branch("main".into())), None, "within a tick of the clock it may change again");
    }
}
