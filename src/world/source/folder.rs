//! A folder as a source: its revision is a digest of what its files hold.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use gastown_controllers::world::{Revision, Signature};
use ignore::WalkBuilder;
use sha2::{Digest, Sha256};

use super::stamps::Stamp;
use super::{BYTES_MAX, FILES_MAX, SourceError, is_too_large, may_declare};
use crate::git::source::File;

/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 32;
/// What is known of a folder from the last look: the content of each file, by its stamp.
#[derive(Default)]
pub(super) struct Folder {
    files: BTreeMap<String, (Stamp, String)>,
}

/// A folder as it was read.
pub(super) struct Read {
    tree: String,
    /// The files that may declare objects.
    pub files: Vec<File>,
    /// What they hold, by the ids of their content; empty if that was not asked for.
    pub contents: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    /// The revision that the folder is at.
    pub fn revision(&mut self, dir: &Path) -> Result<Revision, SourceError> {
        let tree = self.read(dir, false)?.tree;
        let (author, subject) = (String::new(), String::new());
        Ok(Revision { name: format!("folder@{tree}"), tree, author, subject, signature: Signature::NotAsked })
    }

    /// The folder with what its files hold, if it is still at this tree.
    pub fn contents(&mut self, dir: &Path, tree: &str) -> Result<Option<Read>, SourceError> {
        let read = self.read(dir, true)?;
        Ok((read.tree == tree).then_some(read))
    }

    fn read(&mut self, dir: &Path, with_contents: bool) -> Result<Read, SourceError> {
        let mut read = Read { tree: String::new(), files: Vec::new(), contents: BTreeMap::new() };
        let mut known = BTreeMap::new();
        let mut bytes_left = BYTES_MAX;
        let mut walk = WalkBuilder::new(dir);
        walk.standard_filters(false).hidden(true).follow_links(false).max_depth(Some(DEPTH_MAX + 1));
        walk.filter_entry(|entry| entry.depth() == 0 || !entry.path().join(".git").exists());
        walk.sort_by_file_name(std::ffi::OsStr::cmp);
        for entry in walk.build() {
            let entry = match entry {
                Ok(entry) => entry,
                // One that has gone meanwhile is not there. What cannot be read is not known: nothing is pruned for it.
                Err(error) if error.io_error().is_some_and(is_gone) => continue,
                Err(error) => return Err(std::io::Error::other(error.to_string()).into()),
            };
            let Ok(relative) = entry.path().strip_prefix(dir) else { continue };
            if !may_declare(relative) || read.files.len() > FILES_MAX {
                continue;
            }
            // A link counts as what it leads to.
            let found = match fs_err::metadata(entry.path()) {
                Ok(found) if found.is_file() => found,
                Ok(_) => continue,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            let path = relative.to_string_lossy().into_owned();
            let stamp = Stamp::of(&found);
            let same =
                self.files.get(&path).filter(|(before, _)| *before == stamp && stamp.is_settled()).map(|(_, id)| id);
            let mut file = File { path: path.clone(), content: String::new(), bytes: stamp.bytes };
            file.content = match same {
                Some(content) if !with_contents => content.clone(),
                _ if is_too_large(&file) || file.bytes > bytes_left => format!("too-large-{}", stamp.changed_ns),
                _ => {
                    let bytes = match fs_err::read(entry.path()) {
                        Ok(bytes) => bytes,
                        Err(error) if is_gone(&error) => continue,
                        Err(error) => return Err(error.into()),
                    };
                    bytes_left = bytes_left.saturating_sub(bytes.len() as u64);
                    file.bytes = bytes.len() as u64;
                    let content = HEXLOWER.encode(&Sha256::digest(&bytes));
                    if with_contents {
                        read.contents.insert(content.clone(), bytes);
                    }
                    content
                }
            };
            known.insert(path, (stamp, file.content.clone()));
            read.files.push(file);
        }
        self.files = known;
        let mut tree = Sha256::new();
        for file in &read.files {
            tree.update(file.path.as_bytes());
            tree.update([0]);
            tree.update(file.content.as_bytes());
            tree.update([0]);
        }
        read.tree = format!("sha256:{}", HEXLOWER.encode(&tree.finalize()));
        Ok(read)
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_content_decides_and_what_declares_nothing_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (mut folder, path) = (Folder::default(), |name: &str| dir.path().join(name));
        let mut tree = || folder.revision(dir.path()).unwrap().tree;
        fs_err::write(path("a.yaml"), "a: 1\n").unwrap();
        let first = tree();
        for name in ["notes.md", ".a.yaml.swp", "a.yaml~", "#a.yaml#", "4913"] {
            fs_err::write(path(name), "kind: {").unwrap();
        }
        fs_err::create_dir_all(path("other/.git")).unwrap();
        fs_err::write(path("other/b.yaml"), "b: 1\n").unwrap();
        assert_eq!(tree(), first);
        fs_err::write(path("a.yaml"), "a: 2\n").unwrap();
        let second = tree();
        assert_ne!(second, first);
        fs_err::write(path("a.yaml"), "a: 1\n").unwrap();
        assert_eq!(tree(), first, "as many bytes, within one tick of the clock");
        fs_err::rename(path("a.yaml"), path("b.yaml")).unwrap();
        assert_ne!(tree(), first, "mistakes name files");
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_gone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yaml");
        // A link in a circle cannot be read, whoever asks.
        std::os::unix::fs::symlink(&file, &file).unwrap();
        assert!(Folder::default().revision(dir.path()).is_err());
        fs_err::remove_file(&file).unwrap();
        // One that leads nowhere declares nothing.
        std::os::unix::fs::symlink("nowhere.yaml", &file).unwrap();
        assert!(Folder::default().revision(dir.path()).is_ok());
        let folder = dir.path().join("sub");
        fs_err::create_dir(&folder).unwrap();
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).unwrap();
        // Root reads everything.
        let is_root = rustix::process::getuid().is_root();
        assert_eq!(Folder::default().revision(dir.path()).is_ok(), is_root);
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}
