//! Files of a town's folder: written whole or not at all, and never over what is there unless that is meant.

use std::path::{Path, PathBuf};

use gastown_base::paths::without_dots;
use gastown_base::whole_file::WholeFile;
use gastown_crds::names;

use super::error::{CliError, Exit};

/// Whether a file is YAML, by its name.
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|it| it.eq_ignore_ascii_case("yaml") || it.eq_ignore_ascii_case("yml"))
}

/// The text of a file, if there is one.
pub fn read_optional(file: &Path) -> Result<Option<String>, CliError> {
    match fs_err::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::from_error(Exit::Failed, &error)),
    }
}

/// Writes a file that is not there yet.
pub fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    write(file, text, false)
}

/// Writes a file in place of another.
pub fn replace(file: &Path, text: &str) -> Result<(), CliError> {
    write(file, text, true)
}

fn write(file: &Path, text: &str, over: bool) -> Result<(), CliError> {
    let failed = |error: &dyn std::error::Error| {
        CliError::new(Exit::Failed, format!("could not write {}", file.display())).because(error)
    };
    let dir = file.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(dir).map_err(|e| failed(&e))?;
    // For everybody who may read the folder.
    let whole = WholeFile::at(file).mode(0o644);
    let whole = if over { whole } else { whole.only_new() };
    whole.write(text.as_bytes()).map_err(|e| failed(&e))
}

/// A name made of a text: lower-case letters, digits and `-`; none where nothing is left of it.
pub fn label(text: &str, bytes_max: usize) -> Option<String> {
    let lower = text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let mut name = String::new();
    for c in lower.take(bytes_max) {
        if c != '-' || !(name.is_empty() || name.ends_with('-')) {
            name.push(c);
        }
    }
    let name = name.trim_end_matches('-').to_owned();
    names::is_label(&name).then_some(name)
}

/// A path as seen from a folder, with `.` and `..` resolved by name alone.
pub fn absolute(folder: &Path, path: &str) -> PathBuf {
    without_dots(&folder.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_what_is_usable() {
        assert_eq!(label("My Town_2", 63).as_deref(), Some("my-town-2"));
        assert_eq!(label("--a--", 63).as_deref(), Some("a"));
        assert_eq!(label("…", 63), None);
        assert_eq!(label("abcdef", 3).as_deref(), Some("abc"));
    }

    #[test]
    fn paths_are_resolved_by_name() {
        assert_eq!(absolute(Path::new("/a/b"), "../c/./d"), Path::new("/a/c/d"));
        assert_eq!(absolute(Path::new("/a"), "../../../x"), Path::new("/x"));
        assert_eq!(absolute(Path::new("/a"), "/x"), Path::new("/x"));
    }
}
