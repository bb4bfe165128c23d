//! Files that are written whole or not at all: under another name in the same folder, then renamed.
//!
//! A reader sees the old file or the new one. The new one is closed before it gets its name, since a file that is open for
//! writing cannot be run; a link of that name is replaced and not followed.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// How much of a written file survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// It may be lost, or be there without its contents.
    Nothing,
    /// Where the new file is there, so are its contents; it may also be the old one.
    Contents,
    /// The new file, from now on.
    All,
}

/// A file to be written, in a folder that is there.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct WholeFile<'a> {
    path: &'a Path,
    mode: u32,
    survives: Survives,
    only_new: bool,
}

impl<'a> WholeFile<'a> {
    /// A file that takes the place of what is there, for its owner's eyes only.
    pub fn at(path: &'a Path) -> Self {
        Self { path, mode: 0o600, survives: Survives::Nothing, only_new: false }
    }

    /// Gives it other permissions; as always, the process's umask takes away from them.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Says what has to survive a power cut.
    pub fn survives(mut self, survives: Survives) -> Self {
        self.survives = survives;
        self
    }

    /// Refuses (`AlreadyExists`) to take the place of another.
    pub fn only_new(mut self) -> Self {
        self.only_new = true;
        self
    }

    /// Writes it.
    pub fn write(self, contents: &[u8]) -> io::Result<()> {
        self.fill(|file| file.write_all(contents))
    }

    /// Lets a function write it, and keeps nothing if that fails.
    pub fn fill(self, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        let Self { path, mode, survives, only_new } = self;
        // The parent of a plain name is the empty path.
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        let mut file = builder.prefix(".new-").permissions(Permissions::from_mode(mode)).tempfile_in(dir)?;
        fill(file.as_file_mut())?;
        if survives != Survives::Nothing {
            file.as_file().sync_all()?;
        }
        let closed = file.into_temp_path();
        if only_new { closed.persist_noclobber(path) } else { closed.persist(path) }.map_err(|e| e.error)?;
        if survives == Survives::All {
            fs_err::File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_other_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for survives in [Survives::Nothing, Survives::Contents, Survives::All] {
            let text = format!("{survives:?}");
            WholeFile::at(&path).survives(survives).write(text.as_bytes()).unwrap();
            assert_eq!(fs_err::read_to_string(&path).unwrap(), text);
        }
        let broken = WholeFile::at(&path).fill(|file| file.write_all(b"half").and(Err(io::Error::other("broken"))));
        assert_eq!(broken.unwrap_err().to_string(), "broken");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "All");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn it_is_its_owners_alone_unless_said_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let (private, program) = (dir.path().join("private"), dir.path().join("program"));
        WholeFile::at(&private).write(b"").unwrap();
        WholeFile::at(&program).mode(0o755).write(b"").unwrap();
        assert_eq!((mode(&private), mode(&program) & 0o700), (0o600, 0o700));
    }

    #[test]
    fn what_must_be_new_takes_no_other_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        WholeFile::at(&path).only_new().write(b"first").unwrap();
        let second = WholeFile::at(&path).only_new().write(b"second");
        assert_eq!(second.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        fs_err::write(&target, "kept").unwrap();
        fs_err::os::unix::fs::symlink(&target, &link).unwrap();
        WholeFile::at(&link).write(b"new").unwrap();
        assert_eq!(fs_err::read_to_string(&target).unwrap(), "kept");
        assert_eq!(fs_err::read_to_string(&link).unwrap(), "new");
    }
}
