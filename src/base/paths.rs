//! Paths as texts: nothing here asks a filesystem.

use std::path::{Component, Path, PathBuf};

/// A path with `.` and `..` resolved by name alone.
pub fn without_dots(path: &Path) -> PathBuf {
    let mut made = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(made.pop()),
            part => made.push(part),
        }
    }
    made
}
